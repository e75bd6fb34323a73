#include "daemon/netd/log.h"

#include <unistd.h>

#include <string>

namespace clawpatrol::netd {

void write_log(std::string_view line) {
  std::string text = "clawpatrol-netd: ";
  for (char c : line) {
    if ((c >= ' ' && c <= '~') || c == '\n')
      text += c;
    else
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  text += '\n';
  (void)!::write(2, text.data(), text.size());
}

}  // namespace clawpatrol::netd
