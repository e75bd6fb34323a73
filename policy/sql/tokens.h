// The server's own lexer, for what the tree does not say: how many tokens, what stands between statements,
// and where a name stands as it was written.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace clawpatrol::sql {

struct Token {
  std::size_t start = 0;
  std::size_t end = 0;
  enum class Kind { name, unicode_name, string, comment, semicolon, other } kind = Kind::other;
  bool keyword = false;  // a keyword, of which `reserved` ones cannot be names
  bool reserved = false;
};

struct Scan {
  bool failed = false;
  std::vector<Token> tokens;
};

// `text` holds no NUL. Comments are tokens.
Scan scan(const std::string& text);

// False when it has more than `limit` tokens or cannot be scanned.
bool tokens_within(const std::string& text, std::size_t limit);

// What an identifier token means: folded, unquoted, cut at 63 bytes as the server cuts it. Not for U&"".
std::string identifier_value(std::string_view written);

}  // namespace clawpatrol::sql
