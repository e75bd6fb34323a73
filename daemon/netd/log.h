// One line to standard error, which is the journal.
#pragma once

#include <fmt/format.h>

#include <string_view>

namespace clawpatrol::netd {

// Bytes that are not printable ASCII are escaped: names and paths in a line are not always ours.
void write_log(std::string_view line);

template <class... Arguments>
void log_line(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  write_log(fmt::format(format, std::forward<Arguments>(arguments)...));
}

}  // namespace clawpatrol::netd
