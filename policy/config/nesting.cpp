#include "policy/config/nesting.h"

namespace clawpatrol::config {
namespace {

// The byte after the string that begins at `at`. An unterminated one ends with its line (or with the text),
// as it does for the parser, which reports it.
std::size_t skip_string(std::string_view toml, std::size_t at) {
  char quote = toml[at];
  bool long_form = toml.substr(at, 3) == std::string_view(quote == '"' ? "\"\"\"" : "'''");
  std::size_t i = at + (long_form ? 3 : 1);
  while (i < toml.size()) {
    if (quote == '"' && toml[i] == '\\') {
      i += 2;
    } else if (!long_form && (toml[i] == quote || toml[i] == '\n')) {
      return i + 1;
    } else if (long_form && toml[i] == quote && toml.substr(i, 3) == toml.substr(at, 3)) {
      i += 3;
      // Up to two quotes more belong to the text: """a""""".
      for (int extra = 0; extra < 2 && i < toml.size() && toml[i] == quote; ++extra) ++i;
      return i;
    } else {
      ++i;
    }
  }
  return toml.size();
}

}  // namespace

std::optional<std::size_t> find_excessive_nesting(std::string_view toml) {
  std::size_t dots = 0, brackets = 0;
  for (std::size_t i = 0; i < toml.size();) {
    switch (toml[i]) {
      case '"':
      case '\'': i = skip_string(toml, i); continue;
      case '#':
        while (i < toml.size() && toml[i] != '\n') ++i;
        continue;
      case '.':
        if (++dots > max_key_dots) return i;
        break;
      case '[':
      case '{':
        dots = 0;
        if (++brackets > max_brackets) return i;
        break;
      case ']':
      case '}':
        if (brackets > 0) --brackets;
        break;
      case ',':
      case '=': dots = 0; break;
      case '\n': dots = 0; break;
      default: break;
    }
    ++i;
  }
  return std::nullopt;
}

}  // namespace clawpatrol::config
