#include "policy/sql/plpgsql.h"

#include <algorithm>
#include <initializer_list>
#include <utility>
#include <vector>

#include "policy/sql/tokens.h"

namespace clawpatrol::sql {
namespace {

using Kind = BodyPart::Kind;
using Words = std::initializer_list<std::string_view>;

class BodyReader {
 public:
  BodyReader(std::string_view text, std::vector<Token> tokens,
             const std::function<void(const BodyPart&)>& found)
      : text_(text), tokens_(std::move(tokens)), found_(found) {
    words_.reserve(tokens_.size());
    for (const Token& token : tokens_) words_.push_back(word_of(token));
  }

  void read() {
    while (at_ < tokens_.size()) {
      const std::size_t before = at_;
      statement();
      if (at_ == before) ++at_;
    }
  }

 private:
  enum class Open : std::uint8_t { block, exceptions, other };  // what an END closes

  // An unquoted word in lower case, or a sign; "" for quoted names, which are no keywords, and constants.
  std::string word_of(const Token& token) const {
    const std::string_view written = text_.substr(token.start, token.end - token.start);
    if (token.kind == Token::Kind::string || token.kind == Token::Kind::unicode_name) return {};
    return written.starts_with('"') ? std::string() : identifier_value(written);
  }
  bool ends() const { return at_ >= tokens_.size(); }
  bool is(std::string_view word) const { return !ends() && words_[at_] == word; }
  bool take(std::string_view word) {
    const bool taken = is(word);
    at_ += taken;
    return taken;
  }
  bool is_name() const { return !ends() && (tokens_[at_].kind == Token::Kind::name || tokens_[at_].keyword); }

  // The first token outside parentheses and brackets that is one of `words` or a semicolon; or the end.
  std::size_t find(Words words) const {
    int depth = 0;
    for (std::size_t at = at_; at < tokens_.size(); ++at) {
      const std::string& word = words_[at];
      if (depth <= 0 && (word == ";" || std::ranges::find(words, word) != words.end())) return at;
      if (word == "(" || word == "[") ++depth;
      if (word == ")" || word == "]") --depth;
    }
    return tokens_.size();
  }
  std::string between(std::size_t first, std::size_t end) const {
    if (first >= end) return {};
    return std::string(text_.substr(tokens_[first].start, tokens_[end - 1].end - tokens_[first].start));
  }
  void tell(Kind kind, std::size_t end) {
    if (at_ < end) found_({kind, between(at_, end)});
    at_ = std::max(at_, end);
  }
  // Up to one of `words`, which is left where it is.
  void expression(Words words) { tell(Kind::expression, find(words)); }
  void skip_statement() {
    at_ = find({});
    take(";");
  }

  void statement() {
    if (is("#")) return void(at_ += 3);  // #variable_conflict use_column, and the like
    if (take("<<")) return void(at_ = std::min(find({">>"}) + 1, tokens_.size()));
    if (take("declare")) return declarations();
    if (take("begin")) return open_.push_back(Open::block);
    if (take("exception")) {
      if (!open_.empty()) open_.back() = Open::exceptions;
      return;
    }
    if (take("end")) return end();
    if (control()) return;
    if (!assignment() && !command()) sql();
    skip_statement();
  }

  void end() {
    if (!open_.empty()) open_.pop_back();
    skip_statement();
  }

  // What is followed by statements without a semicolon.
  bool control() {
    if (take("if") || take("elsif") || take("elseif")) {
      if (words_[at_ - 1] == "if") open_.push_back(Open::other);
      return until_then();
    }
    if (take("else")) return true;
    if (take("case")) {
      open_.push_back(Open::other);
      expression({"when"});
      return true;
    }
    if (take("when")) {
      if (!open_.empty() && open_.back() == Open::exceptions) at_ = find({"then"});
      return until_then();
    }
    if (is("loop") || is("while") || is("for") || is("foreach")) {
      loop();
      return true;
    }
    return false;
  }
  bool until_then() {
    expression({"then"});
    take("then");
    return true;
  }

  void loop() {
    open_.push_back(Open::other);
    if (take("while")) {
      expression({"loop"});
    } else if (take("foreach")) {
      at_ = find({"array", "loop"});
      take("array");
      expression({"loop"});
    } else if (take("for")) {
      at_ = find({"in", "loop"});
      if (take("in")) looped_over();
    }
    take("loop");
  }
  // A range, rows of a query, or a cursor with arguments.
  void looped_over() {
    take("reverse");
    if (take("execute")) return executed({"loop"});
    const std::size_t end = find({"loop"});
    if (find({"..", "loop"}) < end) {
      expression({"..", "loop"});
      take("..");
      expression({"by", "loop"});
      take("by");
      return expression({"loop"});
    }
    if (is_query()) return tell(Kind::statement, end);
    ++at_;
    cursor_arguments();
    at_ = end;
  }
  // (value, name := value)
  void cursor_arguments() {
    if (!take("(")) return;
    do {
      const bool named = at_ + 1 < tokens_.size() && words_[at_ + 1] == ":=";
      if (named) at_ += 2;
      expression({",", ")"});
    } while (take(","));
  }
  bool is_query() const {
    return is("(") || is("select") || is("with") || is("values") || is("table") || is("insert") ||
           is("update") || is("delete") || is("explain") || is("show") || is("merge");
  }

  // The SQL of EXECUTE, and the values that are put in.
  void executed(Words end) {
    const std::size_t stop = find(end);
    tell(Kind::executed, std::min({find({"into"}), find({"using"}), stop}));
    while (at_ < stop) {
      if (take("using"))
        tell(Kind::expression, std::min(find({"into"}), stop));
      else
        at_ = std::min(std::max(find({"using"}), at_ + 1), stop);
    }
  }

  // Those commands of PL/pgSQL that are none of SQL, or mean something else there.
  bool command() {
    if (take("null") || is("get") || is("fetch") || is("move") || is("close")) {
      at_ = find({});
    } else if (take("return")) {
      returned();
    } else if (take("perform")) {
      const std::size_t end = find({});
      found_({Kind::statement, "SELECT " + between(at_, end)});
      at_ = end;
    } else if (take("execute")) {
      executed({});
    } else if (take("raise")) {
      raised();
    } else if (take("assert")) {
      expression({});
    } else if (take("exit") || take("continue")) {
      at_ = find({"when"});
      take("when");
      expression({});
    } else if (take("open")) {
      opened();
    } else {
      return false;
    }
    return true;
  }
  void returned() {
    if (take("query")) {
      if (take("execute")) return executed({});
      return tell(Kind::statement, find({}));
    }
    take("next");
    expression({});
  }
  // RAISE level 'format', values USING option = value, ...
  void raised() {
    for (std::string_view level : {"debug", "log", "info", "notice", "warning", "exception"})
      if (take(level)) break;
    const bool by_name = take("sqlstate") || (is_name() && !is("using"));
    if (by_name) ++at_;
    expression({"using"});
    while (take("using") || take(",")) {
      ++at_;
      if (!take("=")) take(":=");
      expression({","});
    }
  }
  void opened() {
    const std::size_t end = find({});
    const std::size_t query = find({"for"});
    if (query == end) {  // a cursor of the declarations, with arguments
      ++at_;
      return cursor_arguments();
    }
    at_ = query + 1;
    if (take("execute")) return executed({});
    tell(Kind::statement, end);
  }

  // name := value, name.field[subscript] := value; with = too.
  bool assignment() {
    if (!is_name() && !(!ends() && words_[at_].starts_with('$'))) return false;
    std::size_t at = at_ + 1;
    int depth = 0;
    for (; at < tokens_.size(); ++at) {
      const std::string& word = words_[at];
      if (word == "[") ++depth;
      if (word == "]") --depth;
      if (depth > 0 || word == "]") continue;
      if (word == ":=" || word == "=") break;
      const bool of_name = word == "." || words_[at - 1] == ".";
      if (!of_name) return false;
    }
    if (at >= tokens_.size()) return false;
    const bool has_subscript = std::find(words_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         words_.begin() + static_cast<std::ptrdiff_t>(at),
                                         "[") != words_.begin() + static_cast<std::ptrdiff_t>(at);
    if (has_subscript) tell(Kind::expression, at);
    at_ = at + 1;
    expression({});
    return true;
  }

  // A statement of SQL, without the INTO that says where its row goes.
  void sql() {
    const std::size_t end = find({});
    std::string statement;
    std::size_t kept = at_;
    const bool imports = is("import");
    for (std::size_t at = at_ + 1; at < end && !imports; ++at) {
      const bool is_target = words_[at] == "into" && words_[at - 1] != "insert" && words_[at - 1] != "merge";
      if (!is_target) continue;
      statement += between(kept, at) + " ";
      kept = after_targets(at + 1, end);
      break;
    }
    statement += between(kept, end);
    if (at_ < end) found_({Kind::statement, statement});
    at_ = end;
  }
  std::size_t after_targets(std::size_t at, std::size_t end) const {
    if (at < end && words_[at] == "strict") ++at;
    while (at < end) {
      ++at;  // a name
      while (at + 1 < end && words_[at] == ".") at += 2;
      int depth = 0;
      for (; at < end && (depth > 0 || words_[at] == "["); ++at) depth += bracket(words_[at]);
      if (at >= end || words_[at] != ",") break;
      ++at;
    }
    return at;
  }
  static int bracket(std::string_view word) { return word == "[" ? 1 : word == "]" ? -1 : 0; }

  void declarations() {
    while (!ends() && !is("begin")) {
      const std::size_t before = at_;
      if (take("<<"))
        at_ = std::min(find({">>"}) + 1, tokens_.size());
      else
        declaration();
      if (at_ == before) ++at_;
    }
  }
  void declaration() {
    ++at_;  // its name
    const std::size_t end = find({});
    const std::size_t cursor = find({"cursor"});
    if (cursor < end && cursor <= at_ + 2) {  // name [NO] [SCROLL] CURSOR
      at_ = std::min(find({"for", "is"}) + 1, end);
      tell(Kind::statement, end);
    } else if (!is("alias")) {
      const std::size_t value = std::min(find({":=", "="}), find({"default"}));
      type(std::min(value, end));
      at_ = std::min(value + 1, end);
      tell(Kind::expression, end);
    }
    at_ = end;
    take(";");
  }
  void type(std::size_t end) {
    take("constant");
    for (std::size_t at = at_; at + 1 < end; ++at) {
      if (words_[at] != "%") continue;
      if (words_[at + 1] == "rowtype") found_({Kind::row_type, between(at_, at)});
      if (words_[at + 1] == "type") found_({Kind::value_type, between(at_, at)});
      return;
    }
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  std::vector<std::string> words_;
  const std::function<void(const BodyPart&)>& found_;
  std::size_t at_ = 0;
  std::vector<Open> open_;
};

}  // namespace

bool read_plpgsql(std::string_view body, std::size_t most_tokens,
                  const std::function<void(const BodyPart&)>& found) {
  if (!operator_runs_within_limit(body, most_operator_steps_of_body)) return false;
  Scan all = scan(std::string(body));
  if (all.failed || all.tokens.size() > most_tokens) return false;
  std::erase_if(all.tokens, [](const Token& token) { return token.kind == Token::Kind::comment; });
  BodyReader(body, std::move(all.tokens), found).read();
  return true;
}

}  // namespace clawpatrol::sql
