#include "cpctl/folded.h"

#include <algorithm>

#include "cpctl/printable.h"

namespace clawpatrol::cpctl {

std::vector<std::string> folded(std::string_view text, std::size_t columns) {
  std::vector<std::string> pieces;
  do {
    std::size_t end = text.size();
    if (display_width(text) > columns) {
      // clipped() ends in an ellipsis of three bytes, whose column is given to one character more.
      end = clipped(text, columns).size() - 3;
      const std::size_t blank = text.rfind(' ', end);
      if (blank != text.npos && blank > 0) end = blank;
      if (end == 0) end = text.size();
    }
    pieces.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  } while (!text.empty());
  return pieces;
}

}  // namespace clawpatrol::cpctl
