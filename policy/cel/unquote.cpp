// Escapes of string and bytes literals: google/cel-spec, doc/langdef.md, "String and Bytes Values".
#include <fmt/format.h>

#include "policy/cel/lexer.h"
#include "policy/cel/utf8.h"

namespace clawpatrol::cel {

namespace {

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

char simple_escape(char c) {
  switch (c) {
    case 'a': return '\a';
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'v': return '\v';
    case '\\':
    case '?':
    case '"':
    case '\'':
    case '`': return c;
    default: return '\0';
  }
}

class Unescaper {
 public:
  Unescaper(std::string_view body, std::size_t offset, bool bytes)
      : body_(body), offset_(offset), bytes_(bytes) {}

  std::expected<std::string, Problem> run() {
    while (at_ < body_.size()) {
      if (body_[at_] != '\\') {
        out_.push_back(body_[at_++]);
      } else if (!escape()) {
        Span span{offset_ + begin_, offset_ + std::min(at_ + 1, body_.size())};
        return std::unexpected(Problem{span, why_, "A raw string, r'...', takes backslashes as they are."});
      }
    }
    return std::move(out_);
  }

 private:
  bool fail(const char* why) {
    why_ = why;
    return false;
  }

  bool escape() {
    begin_ = at_++;
    if (at_ == body_.size()) return fail("backslash at the end of a string");
    char c = body_[at_];
    if (char plain = simple_escape(c)) {
      ++at_;
      out_.push_back(plain);
      return true;
    }
    if (c >= '0' && c <= '3') return number(3, 8);
    ++at_;
    if (c == 'x' || c == 'X') return number(2, 16);
    if (bytes_ && (c == 'u' || c == 'U')) return fail("\\u and \\U have no meaning in bytes");
    if (c == 'u') return number(4, 16);
    if (c == 'U') return number(8, 16);
    --at_;
    return fail("unknown escape in a string");
  }

  bool number(std::size_t digits, int base) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < digits; ++i, ++at_) {
      if (at_ == body_.size() || digit_value(body_[at_]) >= base) return fail("escape with too few digits");
      value = value * static_cast<unsigned>(base) + static_cast<unsigned>(digit_value(body_[at_]));
    }
    if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
      return fail("escape of no Unicode character");
    // In a string \x and \ooo are code points, in bytes they are octets.
    if (bytes_)
      out_.push_back(static_cast<char>(value));
    else
      utf8::append(out_, static_cast<std::uint32_t>(value));
    return true;
  }

  std::string_view body_;
  std::size_t offset_;
  bool bytes_;
  std::size_t at_ = 0;
  std::size_t begin_ = 0;
  const char* why_ = "";
  std::string out_;
};

}  // namespace

std::expected<std::string, Problem> unquote(const Token& token) {
  std::string_view text = token.text;
  std::size_t quote_at = text.find_first_of("\"'");
  bool raw = text.substr(0, quote_at).find_first_of("rR") != text.npos;
  text.remove_prefix(quote_at);
  std::size_t quotes = text.size() >= 6 && text[1] == text[0] && text[2] == text[0] ? 3 : 1;
  std::string_view body = text.substr(quotes, text.size() - 2 * quotes);
  if (raw) return std::string(body);
  return Unescaper(body, token.span.begin + quote_at + quotes, token.kind == TokenKind::bytes).run();
}

}  // namespace clawpatrol::cel
