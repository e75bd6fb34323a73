// Tokens of google/cel-spec, doc/langdef.md, "Syntax".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policy/cel/program.h"

namespace clawpatrol::cel {

enum class TokenKind : std::uint8_t {
  end,
  name,
  quoted_name,
  reserved,
  integer,
  uinteger,
  real,
  string,
  bytes,
  keyword_true,
  keyword_false,
  keyword_null,
  keyword_in,
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  and_,
  or_,
  plus,
  minus,
  times,
  divide,
  modulo,
  not_,
  question,
  colon,
  comma,
  dot,
  open_paren,
  close_paren,
  open_bracket,
  close_bracket,
  open_brace,
  close_brace,
};

struct Token {
  TokenKind kind = TokenKind::end;
  Span span;
  std::string_view text;  // as written; a quoted name without its quotes; a number without the suffix u
};

// The tokens of `source`, `end` last. The first problem ends it: the rest could be read only by guessing.
std::expected<std::vector<Token>, Problem> tokenize(std::string_view source);

// What a string or bytes literal stands for, quotes, prefixes and escapes undone. The token came from
// tokenize().
std::expected<std::string, Problem> unquote(const Token& token);

}  // namespace clawpatrol::cel
