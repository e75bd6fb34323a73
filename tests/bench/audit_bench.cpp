// What a line of the audit log costs: appending in groups, with rotation, with waiters for fdatasync, and
// turning text into JSON. Build it from a release tree; it writes to a directory of its own under the one
// given, or /tmp.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <semaphore>
#include <string>
#include <vector>

#include "daemon/audit/log.h"
#include "daemon/audit/verify.h"

namespace {

using namespace clawpatrol::audit;
using Clock = std::chrono::steady_clock;

double cpu_seconds() {
  std::timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

[[noreturn]] void give_up(const std::string& why) {
  fmt::print(stderr, "{}\n", why);
  std::exit(1);
}

std::unique_ptr<Log> open(const std::filesystem::path& root) {
  Options options;
  options.directory = root / "audit";
  options.key_file = root / "audit-key";
  auto log = Log::open(options);
  if (!log) give_up(log.error().what);
  return std::move(*log);
}

std::string typical_line() {
  std::string line =
      R"("time":"2026-11-22T00:38:05.123456Z","id":"a-18c2f0aa91","flow":1234,"peer":"builder-1",)"
      R"("endpoint":"pg-prod","type":"statement","kind":"read","verdict":"allow","rule":"reads","generation":3,"facets":{)";
  append_json_string(line.append(R"("statement":)"),
                     "SELECT id, name, balance FROM app.accounts WHERE id = $1 AND region = 'eu'");
  return line +
         R"(,"verb":"select","tables":["app.accounts","accounts"],"database":"prod","user":"agent_ro"})";
}

void append_groups(const std::filesystem::path& root, std::size_t group, double seconds) {
  auto log = open(root);
  std::vector<std::string> lines(group, typical_line());
  std::vector<double> micros;
  micros.reserve(4'000'000);
  auto start = Clock::now();
  double cpu = cpu_seconds();
  while (seconds_since(start) < seconds) {
    auto before = Clock::now();
    if (auto done = log->append(lines); !done) give_up(done.error().what);
    micros.push_back(seconds_since(before) * 1e6);
  }
  double wall = seconds_since(start);
  cpu = cpu_seconds() - cpu;
  auto groups = static_cast<double>(micros.size()), written = groups * static_cast<double>(group);
  std::sort(micros.begin(), micros.end());
  auto at = [&](double part) { return micros[static_cast<std::size_t>(part * (groups - 1))]; };
  fmt::print(
      "append, groups of {:3}: {:8.0f} lines/s, {:5.2f} us CPU a group, p50 {:.2f} p99 {:.2f} p99.9 {:.1f} "
      "max {:.0f} us\n",
      group, written / wall, cpu / groups * 1e6, at(0.5), at(0.99), at(0.999), micros.back());
}

// `together` callers, each of which appends a line, waits until it is synced, and goes on.
void append_and_sync(const std::filesystem::path& root, std::ptrdiff_t together, double seconds) {
  auto log = open(root);
  std::vector<std::string> lines = {typical_line()};
  std::counting_semaphore<> free(together);
  std::atomic<std::uint64_t> synced{0};
  auto start = Clock::now();
  while (seconds_since(start) < seconds) {
    free.acquire();
    auto done = log->append(lines);
    if (!done) give_up(done.error().what);
    log->sync(*done, [&](const std::expected<void, clawpatrol::Error>& result) {
      synced += result ? 1 : 0;
      free.release();
    });
  }
  double wall = seconds_since(start);
  for (std::ptrdiff_t at = 0; at < together; ++at) free.acquire();
  fmt::print("append and sync, {:3} at once: {:8.0f} lines/s\n", together,
             static_cast<double>(synced) / wall);
}

void json(std::string_view name, std::string_view text) {
  std::string out;
  std::size_t bytes = 0;
  auto start = Clock::now();
  while (seconds_since(start) < 0.3) {
    for (int at = 0; at < 1000; ++at) {
      out.clear();
      append_json_string(out, text);
      bytes += text.size();
    }
  }
  fmt::print("json, {}: {:.0f} MB/s\n", name, static_cast<double>(bytes) / seconds_since(start) / 1e6);
}

void verify_all(const std::filesystem::path& root) {
  auto key = Key::load(root / "audit-key");
  if (!key) give_up(key.error().what);
  auto start = Clock::now();
  auto report = verify(root / "audit", *key);
  if (!report || !report->intact()) give_up("the log does not verify");
  fmt::print("verify: {} lines, {:.0f} lines/s\n", report->lines,
             static_cast<double>(report->lines) / seconds_since(start));
}

}  // namespace

int main(int count, char** arguments) {
  std::string pattern = std::string(count > 1 ? arguments[1] : "/tmp") + "/clawpatrol-audit-bench-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) give_up("cannot make a directory: '" + pattern + "'");
  std::filesystem::path root = pattern;
  fmt::print("a line of {} bytes\n", typical_line().size());
  for (std::size_t group : {1, 4, 16, 64}) append_groups(root, group, 2);
  for (std::ptrdiff_t together : {1, 16, 64}) append_and_sync(root, together, 2);
  verify_all(root);
  std::filesystem::remove_all(root);
  json("plain SQL", "SELECT id, name, balance FROM app.accounts WHERE id = $1 AND region = 'eu'");
  json("with quotes", R"(SELECT "id", "name" FROM "app"."accounts" WHERE "region" = 'eu')");
  json("Greek", "\xce\xb1\xce\xb2\xce\xb3\xce\xb4\xce\xb5\xce\xb6\xce\xb7\xce\xb8");
}
