#include <ctime>

#include "daemon/audit/log.h"

namespace clawpatrol::audit {

void append_json_time(std::string& out, std::int64_t unix_ns) {
  std::int64_t seconds = unix_ns / 1'000'000'000, nanoseconds = unix_ns % 1'000'000'000;
  if (nanoseconds < 0) {
    nanoseconds += 1'000'000'000;
    --seconds;
  }
  // Calendar arithmetic costs more than all the rest, and the second seldom changes.
  thread_local std::int64_t cached_seconds = -1;
  thread_local char text[32] = {};
  thread_local std::size_t length = 0;
  if (seconds != cached_seconds || length == 0) {
    std::time_t when = seconds;
    std::tm parts{};
    ::gmtime_r(&when, &parts);
    length = std::strftime(text, sizeof text, "\"%Y-%m-%dT%H:%M:%S.", &parts);
    cached_seconds = seconds;
  }
  out.append(text, length);
  char fraction[8] = {};
  std::int64_t micros = nanoseconds / 1000;
  for (int at = 5; at >= 0; --at, micros /= 10) fraction[at] = static_cast<char>('0' + micros % 10);
  fraction[6] = 'Z';
  fraction[7] = '"';
  out.append(fraction, sizeof fraction);
}

}  // namespace clawpatrol::audit
