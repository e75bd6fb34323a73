#include "policy/cel/parser.h"

#include <fmt/format.h>

#include <charconv>

#include "policy/cel/lexer.h"
#include "policy/cel/macros.h"
#include "policy/cel/utf8.h"

namespace clawpatrol::cel {

namespace {

struct BinaryOperator {
  TokenKind token;
  int level;  // binds tighter when higher
  std::string_view function;
};

constexpr int lowest_level = 1;
constexpr BinaryOperator binary_operators[] = {
    {TokenKind::less, 1, "_<_"},       {TokenKind::less_equal, 1, "_<=_"},
    {TokenKind::greater, 1, "_>_"},    {TokenKind::greater_equal, 1, "_>=_"},
    {TokenKind::equal, 1, "_==_"},     {TokenKind::not_equal, 1, "_!=_"},
    {TokenKind::keyword_in, 1, "@in"}, {TokenKind::plus, 2, "_+_"},
    {TokenKind::minus, 2, "_-_"},      {TokenKind::times, 3, "_*_"},
    {TokenKind::divide, 3, "_/_"},     {TokenKind::modulo, 3, "_%_"},
};

const BinaryOperator* binary_operator(TokenKind token) {
  for (const BinaryOperator& candidate : binary_operators)
    if (candidate.token == token) return &candidate;
  return nullptr;
}

// Recursive descent; a problem is thrown to parse() below and goes no further. Policies are parsed while
// starting up or reloading, never for an agent.
class Parser {
 public:
  Parser(std::vector<Token> tokens, AstPool& pool, Arena& arena, Macros macros)
      : tokens_(std::move(tokens)), pool_(pool), arena_(arena), macros_(macros) {}

  Ast* run() {
    Ast* root = expression();
    if (!at(TokenKind::end)) fail_here("expected an operator or the end");
    return root;
  }

 private:
  // Counts the recursion of the parser itself; the height of the tree is checked as it grows.
  struct Depth {
    explicit Depth(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > max_height) parser_.too_deep(parser_.token().span);
    }
    ~Depth() { --parser_.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    Parser& parser_;
  };

  const Token& token() const { return tokens_[next_]; }
  bool at(TokenKind kind) const { return token().kind == kind; }
  Token take() { return at(TokenKind::end) ? token() : tokens_[next_++]; }
  bool take_if(TokenKind kind) {
    if (!at(kind)) return false;
    take();
    return true;
  }
  Token expect(TokenKind kind, std::string_view what) {
    if (!at(kind)) fail_here(fmt::format("expected {}", what));
    return take();
  }

  [[noreturn]] static void fail(Span span, std::string message, std::string hint = {}) {
    throw Problem{span, std::move(message), std::move(hint)};
  }
  [[noreturn]] void fail_here(std::string message) const {
    const Token& found = token();
    if (found.kind == TokenKind::end)
      fail({found.span.begin ? found.span.begin - 1 : 0, found.span.begin}, message + ", found the end");
    if (found.kind == TokenKind::reserved)
      fail(found.span, fmt::format("`{}` is a reserved word", found.text),
           "Names may not be reserved words.");
    fail(found.span, std::move(message));
  }
  [[noreturn]] static void too_deep(Span span) {
    fail(span, fmt::format("nested too deeply: more than {} levels", max_height),
         "Long chains of && and || do not nest; write lists with `in`.");
  }

  Ast* make(AstKind kind, Span span) {
    if (pool_.size() >= max_nodes) fail(span, fmt::format("too long: more than {} terms", max_nodes));
    return pool_.make(kind, span);
  }
  void adopt(Ast* parent, Ast* child) {
    parent->children.push_back(child);
    parent->height = std::max(parent->height, child->height + 1);
    parent->span.begin = std::min(parent->span.begin, child->span.begin);
    parent->span.end = std::max(parent->span.end, child->span.end);
    if (parent->height > max_height) too_deep(child->span);
  }

  Ast* expression() {
    Depth depth(*this);
    Ast* condition = joined(AstKind::any_of);
    if (!at(TokenKind::question)) return condition;
    Token question = take();
    Ast* node = make(AstKind::conditional, question.span);
    node->name_span = question.span;
    adopt(node, condition);
    adopt(node, joined(AstKind::any_of));
    expect(TokenKind::colon, "`:` of a conditional");
    adopt(node, expression());
    return node;
  }

  // Chains of || and && are one node each, so that their length is not depth.
  Ast* joined(AstKind kind) {
    bool any = kind == AstKind::any_of;
    TokenKind sign = any ? TokenKind::or_ : TokenKind::and_;
    Ast* first = any ? joined(AstKind::all_of) : binary(lowest_level);
    if (!at(sign)) return first;
    Ast* node = make(kind, token().span);
    node->name_span = token().span;
    adopt(node, first);
    while (take_if(sign)) adopt(node, any ? joined(AstKind::all_of) : binary(lowest_level));
    return node;
  }

  Ast* binary(int level) {
    if (level > 3) return unary();
    Ast* left = binary(level + 1);
    for (;;) {
      const BinaryOperator* sign = binary_operator(token().kind);
      if (!sign || sign->level != level) return left;
      Ast* node = call(sign->function, take().span);
      adopt(node, left);
      adopt(node, binary(level + 1));
      left = node;
    }
  }

  Ast* call(std::string_view function, Span name_span) {
    Ast* node = make(AstKind::call, name_span);
    node->name = function;
    node->name_span = name_span;
    return node;
  }

  Ast* unary() {
    TokenKind sign = token().kind;
    if (sign != TokenKind::not_ && sign != TokenKind::minus) return member();
    std::vector<Span> signs;
    // The last minus belongs to the number behind it: the least int has no positive counterpart.
    while (at(sign) && !(sign == TokenKind::minus && before_number())) signs.push_back(take().span);
    Ast* node = member();
    for (; !signs.empty(); signs.pop_back()) {
      Ast* outer = call(sign == TokenKind::not_ ? "!_" : "-_", signs.back());
      adopt(outer, node);
      node = outer;
    }
    return node;
  }

  bool before_number() const {
    TokenKind kind = tokens_[next_ + 1].kind;
    return kind == TokenKind::integer || kind == TokenKind::real;
  }

  Ast* member() {
    Ast* node = primary();
    for (;;) {
      if (take_if(TokenKind::dot)) {
        node = after_dot(node);
      } else if (at(TokenKind::open_bracket)) {
        Span bracket = take().span;
        Ast* index = call(take_if(TokenKind::question) ? "_[?_]" : "_[_]", bracket);
        adopt(index, node);
        adopt(index, expression());
        index->span.end = expect(TokenKind::close_bracket, "`]`").span.end;
        node = index;
      } else if (at(TokenKind::open_brace)) {
        node = message(node);
      } else {
        return node;
      }
    }
  }

  Ast* after_dot(Ast* target) {
    bool optional = take_if(TokenKind::question);
    if (!at(TokenKind::name) && !at(TokenKind::quoted_name) && !at(TokenKind::reserved))
      fail_here("expected a name after `.`");
    Token name = take();
    bool calls = !optional && name.kind != TokenKind::quoted_name && at(TokenKind::open_paren);
    Ast* node = make(calls ? AstKind::call : AstKind::select, name.span);
    node->optional_field = optional;
    node->name = name.text;
    node->name_span = name.span;
    adopt(node, target);
    if (!calls) return node;
    node->has_receiver = true;
    arguments(node);
    return expanded(node);
  }

  void arguments(Ast* node) {
    expect(TokenKind::open_paren, "`(`");
    if (!at(TokenKind::close_paren)) {
      do adopt(node, expression());
      while (take_if(TokenKind::comma));
    }
    node->span.end = expect(TokenKind::close_paren, "`)` or `,`").span.end;
  }

  Ast* expanded(Ast* node) {
    if (macros_ == Macros::expand) {
      if (std::optional<Problem> problem = expand_macro(*node, pool_)) throw std::move(*problem);
    }
    return node;
  }

  Ast* primary() {
    switch (token().kind) {
      case TokenKind::dot:
      case TokenKind::name: return name();
      case TokenKind::open_paren: return parenthesized();
      case TokenKind::open_bracket: return list();
      case TokenKind::open_brace: return map();
      case TokenKind::minus:
      case TokenKind::integer:
      case TokenKind::uinteger:
      case TokenKind::real: return number();
      case TokenKind::string:
      case TokenKind::bytes: return quoted();
      case TokenKind::keyword_true:
      case TokenKind::keyword_false:
      case TokenKind::keyword_null: return constant();
      default: fail_here("expected a value");
    }
  }

  Ast* name() {
    std::size_t begin = token().span.begin;
    bool absolute = take_if(TokenKind::dot);
    Token word = expect(TokenKind::name, "a name");
    bool calls = at(TokenKind::open_paren);
    Ast* node = make(calls ? AstKind::call : AstKind::name, {begin, word.span.end});
    node->name = word.text;
    node->name_span = word.span;
    node->absolute = absolute;
    if (!calls) return node;
    arguments(node);
    return expanded(node);
  }

  Ast* parenthesized() {
    std::size_t begin = take().span.begin;
    Ast* inner = expression();
    inner->span = {begin, expect(TokenKind::close_paren, "`)`").span.end};
    return inner;
  }

  Ast* list() {
    Ast* node = make(AstKind::list, take().span);
    while (!at(TokenKind::close_bracket)) {
      adopt(node, entry());
      if (!take_if(TokenKind::comma)) break;
    }
    node->span.end = expect(TokenKind::close_bracket, "`]` or `,`").span.end;
    return node;
  }

  // A member of a list or the key of a map, with or without a `?` before it.
  Ast* entry() {
    bool optional = take_if(TokenKind::question);
    Ast* node = expression();
    node->optional_entry = optional;
    return node;
  }

  Ast* map() {
    Ast* node = make(AstKind::map, take().span);
    while (!at(TokenKind::close_brace)) {
      adopt(node, entry());
      expect(TokenKind::colon, "`:` after the key");
      adopt(node, expression());
      if (!take_if(TokenKind::comma)) break;
    }
    node->span.end = expect(TokenKind::close_brace, "`}` or `,`").span.end;
    return node;
  }

  Ast* message(Ast* type) {
    for (Ast* part = type; part->kind != AstKind::name; part = part->children[0])
      if (part->kind != AstKind::select) fail_here("expected an operator or the end");
    Ast* node = make(AstKind::message, take().span);
    adopt(node, type);
    while (!at(TokenKind::close_brace)) {
      if (!at(TokenKind::name) && !at(TokenKind::quoted_name) && !at(TokenKind::reserved))
        fail_here("expected a field name");
      node->fields.emplace_back(take().text);
      expect(TokenKind::colon, "`:` after the field");
      adopt(node, expression());
      if (!take_if(TokenKind::comma)) break;
    }
    node->span.end = expect(TokenKind::close_brace, "`}` or `,`").span.end;
    return node;
  }

  Ast* literal(Value value, Span span) {
    Ast* node = make(AstKind::literal, span);
    node->literal = value;
    return node;
  }

  Ast* number() {
    std::size_t begin = token().span.begin;
    if (at(TokenKind::minus) && !before_number()) fail_here("expected a value");
    bool negative = take_if(TokenKind::minus);
    Token word = take();
    Span span{begin, word.span.end};
    if (word.kind == TokenKind::real) {
      double value = 0;
      std::from_chars(word.text.data(), word.text.data() + word.text.size(), value);
      // from_chars leaves a number beyond the range alone; strtod says infinity or zero, as IEEE does.
      if (value == 0) value = std::strtod(std::string(word.text).c_str(), nullptr);
      return literal(Value::of_double(negative ? -value : value), span);
    }
    std::string_view digits = word.text;
    int base = digits.starts_with("0x") || digits.starts_with("0X") ? 16 : 10;
    if (base == 16) digits.remove_prefix(2);
    std::uint64_t value = 0;
    auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (word.kind == TokenKind::uinteger && result.ec == std::errc())
      return literal(Value::of_uint(value), span);
    std::uint64_t limit = (std::uint64_t{1} << 63) - (negative ? 0 : 1);
    if (result.ec != std::errc() || value > limit)
      fail(span, "number out of range", "Integers have 64 bits.");
    return literal(Value::of_int(static_cast<std::int64_t>(negative ? -value : value)), span);
  }

  Ast* quoted() {
    Token word = take();
    auto text = unquote(word);
    if (!text) throw text.error();
    std::string_view kept = arena_.keep(*text);
    return literal(word.kind == TokenKind::bytes ? Value::of_bytes(kept) : Value::of_string(kept), word.span);
  }

  Ast* constant() {
    Token word = take();
    if (word.kind == TokenKind::keyword_null) return literal(Value::null(), word.span);
    return literal(Value::of_bool(word.kind == TokenKind::keyword_true), word.span);
  }

  std::vector<Token> tokens_;
  std::size_t next_ = 0;
  AstPool& pool_;
  Arena& arena_;
  Macros macros_;
  std::size_t depth_ = 0;
};

}  // namespace

std::expected<Ast*, Problem> parse(std::string_view source, AstPool& pool, Arena& arena, Macros macros) {
  if (source.size() > max_source_bytes)
    return std::unexpected(
        Problem{{0, source.size()}, fmt::format("longer than {} bytes", max_source_bytes), {}});
  if (!utf8::valid(source)) return std::unexpected(Problem{{0, source.size()}, "not valid UTF-8", {}});
  auto tokens = tokenize(source);
  if (!tokens) return std::unexpected(tokens.error());
  try {
    return Parser(std::move(*tokens), pool, arena, macros).run();
  } catch (Problem& problem) {
    return std::unexpected(std::move(problem));
  }
}

}  // namespace clawpatrol::cel
