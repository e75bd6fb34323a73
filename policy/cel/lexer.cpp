#include "policy/cel/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace clawpatrol::cel {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool continues_name(char c) {
  return starts_name(c) || is_digit(c);
}

constexpr std::array<std::string_view, 17> reserved_words = {
    "as",  "break", "const",     "continue", "else",   "for", "function", "if",    "import",
    "let", "loop",  "namespace", "package",  "return", "var", "void",     "while",
};

struct Symbol {
  std::string_view text;
  TokenKind kind;
};

// Longer ones first.
constexpr Symbol symbols[] = {
    {"==", TokenKind::equal},         {"!=", TokenKind::not_equal},  {"<=", TokenKind::less_equal},
    {">=", TokenKind::greater_equal}, {"&&", TokenKind::and_},       {"||", TokenKind::or_},
    {"<", TokenKind::less},           {">", TokenKind::greater},     {"+", TokenKind::plus},
    {"-", TokenKind::minus},          {"*", TokenKind::times},       {"/", TokenKind::divide},
    {"%", TokenKind::modulo},         {"!", TokenKind::not_},        {"?", TokenKind::question},
    {":", TokenKind::colon},          {",", TokenKind::comma},       {".", TokenKind::dot},
    {"(", TokenKind::open_paren},     {")", TokenKind::close_paren}, {"[", TokenKind::open_bracket},
    {"]", TokenKind::close_bracket},  {"{", TokenKind::open_brace},  {"}", TokenKind::close_brace},
};

TokenKind word_kind(std::string_view word) {
  if (word == "true") return TokenKind::keyword_true;
  if (word == "false") return TokenKind::keyword_false;
  if (word == "null") return TokenKind::keyword_null;
  if (word == "in") return TokenKind::keyword_in;
  bool reserved = std::find(reserved_words.begin(), reserved_words.end(), word) != reserved_words.end();
  return reserved ? TokenKind::reserved : TokenKind::name;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::expected<std::vector<Token>, Problem> run() {
    std::vector<Token> tokens;
    for (;;) {
      skip_space();
      begin_ = at_;
      if (at_ == source_.size()) {
        tokens.push_back({TokenKind::end, {at_, at_}, {}});
        return tokens;
      }
      auto token = next();
      if (!token) return std::unexpected(token.error());
      tokens.push_back(*token);
    }
  }

 private:
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }

  void skip_space() {
    for (;; ++at_) {
      if (source_.substr(at_).starts_with("//")) at_ = std::min(source_.find('\n', at_), source_.size());
      char c = peek();
      if (at_ == source_.size() || (c != ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f')) return;
    }
  }

  Token made(TokenKind kind) const { return {kind, {begin_, at_}, source_.substr(begin_, at_ - begin_)}; }

  std::unexpected<Problem> problem(std::string message, std::string hint = {}) const {
    return std::unexpected(Problem{{begin_, std::max(at_, begin_ + 1)}, std::move(message), std::move(hint)});
  }

  std::expected<Token, Problem> next() {
    char c = peek();
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number();
    if (std::size_t prefix = string_prefix()) return quoted(prefix - 1);
    if (c == '`') return quoted_name();
    if (starts_name(c)) {
      while (continues_name(peek())) ++at_;
      Token token = made(TokenKind::name);
      token.kind = word_kind(token.text);
      return token;
    }
    for (const Symbol& symbol : symbols)
      if (source_.substr(at_).starts_with(symbol.text)) {
        at_ += symbol.text.size();
        return made(symbol.kind);
      }
    if (c == '=') return problem("`=` is not an operator", "Equality is written `==`.");
    if (c == '&' || c == '|')
      return problem(fmt::format("`{}` is not an operator", c), fmt::format("Did you mean `{}{}`?", c, c));
    return problem("unexpected character");
  }

  std::expected<Token, Problem> number() {
    TokenKind kind = TokenKind::integer;
    if (peek() == '0' && (peek(1) == 'x' || peek(1) == 'X') && is_hex(peek(2))) {
      at_ += 2;
      while (is_hex(peek())) ++at_;
    } else {
      while (is_digit(peek())) ++at_;
      if (peek() == '.' && is_digit(peek(1))) {
        kind = TokenKind::real;
        ++at_;
        while (is_digit(peek())) ++at_;
      }
      std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
      if ((peek() == 'e' || peek() == 'E') && is_digit(peek(1 + sign))) {
        kind = TokenKind::real;
        at_ += 1 + sign;
        while (is_digit(peek())) ++at_;
      }
    }
    Token token = made(kind);
    if (kind == TokenKind::integer && (peek() == 'u' || peek() == 'U')) {
      ++at_;
      token.kind = TokenKind::uinteger;
      token.span.end = at_;
    }
    if (continues_name(peek())) {
      while (continues_name(peek())) ++at_;
      return problem("a number cannot run into a name");
    }
    return token;
  }

  // One more than the letters before the opening quote of a string; 0 when this is no string.
  std::size_t string_prefix() const {
    std::size_t letters = 0;
    if (peek() == 'b' || peek() == 'B') ++letters;
    if (peek(letters) == 'r' || peek(letters) == 'R') ++letters;
    return peek(letters) == '"' || peek(letters) == '\'' ? letters + 1 : 0;
  }

  std::expected<Token, Problem> quoted(std::size_t letters) {
    std::string_view prefix = source_.substr(at_, letters);
    bool raw = prefix.find_first_of("rR") != prefix.npos;
    bool bytes = prefix.find_first_of("bB") != prefix.npos;
    at_ += letters;
    std::string quote(1, peek());
    bool triple = source_.substr(at_).starts_with(std::string(3, quote[0]));
    if (triple) quote.append(2, quote[0]);
    at_ += quote.size();
    while (at_ < source_.size() && !source_.substr(at_).starts_with(quote)) {
      if (!triple && (peek() == '\n' || peek() == '\r')) break;
      at_ += !raw && peek() == '\\' && at_ + 1 < source_.size() ? 2 : 1;
    }
    if (!source_.substr(at_).starts_with(quote))
      return problem("string is not closed", fmt::format("It began with {}.", quote));
    at_ += quote.size();
    return made(bytes ? TokenKind::bytes : TokenKind::string);
  }

  std::expected<Token, Problem> quoted_name() {
    auto allowed = [](char c) { return continues_name(c) || c == '.' || c == '-' || c == '/' || c == ' '; };
    ++at_;
    while (allowed(peek())) ++at_;
    if (peek() != '`' || at_ == begin_ + 1)
      return problem("a name in backquotes is not closed or not allowed");
    ++at_;
    Token token = made(TokenKind::quoted_name);
    token.text = token.text.substr(1, token.text.size() - 2);
    return token;
  }

  std::string_view source_;
  std::size_t at_ = 0;
  std::size_t begin_ = 0;
};

}  // namespace

std::expected<std::vector<Token>, Problem> tokenize(std::string_view source) {
  return Lexer(source).run();
}

}  // namespace clawpatrol::cel
