#include "policy/config/secrets.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace clawpatrol::config {
namespace {

// scheme://user:password@host
bool holds_password(std::string_view text) {
  std::size_t scheme = text.find("://");
  return scheme != std::string_view::npos && text.find('@', scheme) != std::string_view::npos;
}

// The end of the line, or of a string of several lines.
std::size_t end_of_value(std::string_view text, std::size_t begin) {
  std::size_t first = std::min(text.find_first_not_of(" \t", begin), text.size());
  std::string_view quotes = text.substr(first, 3);
  bool several_lines = quotes == "\"\"\"" || quotes == "'''";
  std::size_t end = several_lines ? text.find(quotes, first + 3) : text.find('\n', begin);
  return std::min(end, text.size());
}

}  // namespace

bool is_secret_name(std::string_view key) {
  std::string plain;
  for (char c : key) {
    if (std::isalnum(static_cast<unsigned char>(c)))
      plain += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  constexpr std::string_view parts[] = {"password", "passwd",     "passphrase", "secret", "token",
                                        "apikey",   "privatekey", "accesskey",  "bearer", "dsn"};
  constexpr std::string_view whole[] = {"pass", "pwd", "pw", "pat", "key", "psk", "presharedkey"};
  return std::ranges::any_of(parts, [&](auto part) { return plain.contains(part); }) ||
         std::ranges::find(whole, plain) != std::end(whole);
}

void hide_secrets(Source& source, const Node& node) {
  for (const Entry& entry : node.entries) {
    // A table may be *named* like a secret, `[credential.github_token]`; only values are hidden.
    if (entry.value.kind != NodeKind::table && is_secret_name(entry.key))
      source.hide(entry.value.at.begin, entry.value.at.end);
    hide_secrets(source, entry.value);
  }
  for (const Node& item : node.items) hide_secrets(source, item);
  if (node.kind == NodeKind::string && holds_password(node.text)) source.hide(node.at.begin, node.at.end);
}

// In a file that does not parse nothing is known of its values, so whatever follows `password =` is hidden.
void hide_secrets_in_text(Source& source) {
  std::string_view text = source.text();
  for (std::size_t equals = text.find('='); equals != std::string_view::npos;
       equals = text.find('=', equals + 1)) {
    std::size_t key_end = text.find_last_not_of(" \t\"'", equals == 0 ? 0 : equals - 1);
    if (equals == 0 || key_end == std::string_view::npos) continue;
    std::size_t key_begin = text.find_last_of(" \t\"'.,{=\n", key_end);
    key_begin = key_begin == std::string_view::npos ? 0 : key_begin + 1;
    if (key_begin > key_end || !is_secret_name(text.substr(key_begin, key_end - key_begin + 1))) continue;
    source.hide(equals + 1, end_of_value(text, equals + 1));
  }
}

}  // namespace clawpatrol::config
