// What clawpatrol-netd says (daemon/journal/log.h).
#pragma once

#include <fmt/format.h>

#include <string_view>

#include "daemon/journal/messages.h"

namespace clawpatrol::netd {

// Bytes that are not printable ASCII are escaped: names and paths in a line are not always ours.
void write_log(journal::Message message, std::string_view line);

template <class... Arguments>
void log_line(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  write_log(journal::Message::ordinary, fmt::format(format, std::forward<Arguments>(arguments)...));
}

template <class... Arguments>
void log_message(journal::Message message, fmt::format_string<Arguments...> format,
                 Arguments&&... arguments) {
  write_log(message, fmt::format(format, std::forward<Arguments>(arguments)...));
}

}  // namespace clawpatrol::netd
