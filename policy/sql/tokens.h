// The server's own lexer, for what the tree does not say: how many tokens, what stands between statements,
// and where a name stands as it was written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
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

enum class TokenCount : std::uint8_t { within, over, unscannable };

TokenCount count_tokens(const std::string& text, std::size_t limit);

// The server's lexer takes time that is quadratic in a run of operator characters (`/*/*/*...`, `++++...`):
// it matches the whole run, keeps a character or two, and starts again; 64 kB of that take 4 s, 200 kB six
// minutes. False when the runs take more than `most_steps` of 1 to 12 ns. In strings and comments they do
// not: a text that was one is counted when it is parsed itself.
constexpr std::size_t most_operator_steps = std::size_t{5} * 1000 * 1000;
constexpr std::size_t most_operator_steps_of_body = std::size_t{10} * 1000;  // a message can have hundreds
bool operator_runs_within_limit(std::string_view text, std::size_t most_steps = most_operator_steps);

// The parts of a dotted name in a string, as nextval('a."B"') has it, folded as the server's regclassin()
// does. Nullopt for what is none, and for an OID.
std::optional<std::vector<std::string>> qualified_name(std::string_view text);

// What an identifier token means: folded, unquoted, cut at 63 bytes as the server cuts it. Not for U&"".
std::string identifier_value(std::string_view written);

}  // namespace clawpatrol::sql
