#include "daemon/netd/log.h"

#include <string>

#include "daemon/journal/log.h"

namespace clawpatrol::netd {

void write_log(journal::Message message, std::string_view line) {
  std::string text;
  for (char c : line) {
    if ((c >= ' ' && c <= '~') || c == '\n')
      text += c;
    else
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  journal::say(message, text);
}

}  // namespace clawpatrol::netd
