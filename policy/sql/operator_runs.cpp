// Where the server's lexer is when it meets operator characters, as much of scan.l as that takes: quotes,
// dollar quotes and comments, in which runs of such characters cost it nothing.
//
// What is read wrongly here costs time at worst, and tests/policy/sql/tokens_test.cpp compares it with the
// lexer.
#include <algorithm>
#include <array>

#include "policy/sql/tokens.h"

namespace clawpatrol::sql {
namespace {

constexpr std::array<bool, 256> set_of(std::string_view characters) {
  std::array<bool, 256> set{};
  for (char c : characters) set.at(static_cast<unsigned char>(c)) = true;
  return set;
}
constexpr auto operators = set_of("~!@#^&|`?+-*/%<>=");
constexpr auto spaces = set_of(" \t\n\r\f");

bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool continues_name(char c) {
  return starts_name(c) || (c >= '0' && c <= '9');
}

class Runs {
 public:
  Runs(std::string_view text, std::size_t most_steps) : text_(text), most_steps_(most_steps) {}

  bool within_limit() {
    while (at_ < text_.size() && steps_ <= most_steps_) {
      char c = text_[at_];
      if (c == '\'') {
        quoted(false);
      } else if (c == '"') {
        skip_past('"');
      } else if (c == '$') {
        dollar_quoted();
      } else if (starts_name(c)) {
        name();
      } else if (is_at("--")) {
        skip_line();
      } else if (is_at("/*")) {
        comment();
      } else {
        if (operators[static_cast<unsigned char>(c)]) count();
        ++at_;
      }
    }
    return steps_ <= most_steps_;
  }

 private:
  bool is_at(std::string_view what) const { return text_.substr(at_).starts_with(what); }

  // From here the lexer matches the whole run.
  void count() {
    if (run_end_ <= at_) {
      run_end_ = at_;
      while (run_end_ < text_.size() && operators[static_cast<unsigned char>(text_[run_end_])]) ++run_end_;
    }
    steps_ += run_end_ - at_;
  }

  void skip_past(char quote) { at_ = std::min(text_.find(quote, at_ + 1), text_.size() - 1) + 1; }
  void skip_line() { at_ = std::min(text_.find_first_of("\n\r", at_), text_.size()); }

  void name() {
    std::size_t start = at_;
    while (at_ < text_.size() && (continues_name(text_[at_]) || text_[at_] == '$')) ++at_;
    bool escapes = at_ == start + 1 && (text_[start] == 'e' || text_[start] == 'E');
    if (at_ < text_.size() && text_[at_] == '\'') quoted(escapes);
  }

  // A doubled quote is the end of one string and the start of the next, which comes to the same, except that
  // the next has escapes too; and so has one that follows after a line's end.
  void quoted(bool escapes) {
    do {
      if (!escapes) return skip_past('\'');
      for (++at_; at_ < text_.size() && text_[at_] != '\''; ++at_) {
        if (text_[at_] == '\\') ++at_;
      }
      at_ = std::min(at_ + 1, text_.size());
    } while (is_at("'") || goes_on());
  }

  // White space with a line's end in it, then a quote.
  bool goes_on() {
    std::size_t start = at_;
    bool line_ended = false;
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (is_at("--")) {
        skip_line();
      } else if (spaces[static_cast<unsigned char>(c)]) {
        line_ended |= c == '\n' || c == '\r';
        ++at_;
      } else {
        break;
      }
    }
    if (line_ended && is_at("'")) return true;
    at_ = start;
    return false;
  }

  void dollar_quoted() {
    std::size_t end = at_ + 1;
    if (end < text_.size() && starts_name(text_[end])) {
      while (end < text_.size() && continues_name(text_[end])) ++end;
    }
    if (end >= text_.size() || text_[end] != '$') {
      ++at_;
      return;
    }
    std::string_view delimiter = text_.substr(at_, end + 1 - at_);
    std::size_t closing = text_.find(delimiter, end + 1);
    at_ = closing == std::string_view::npos ? text_.size() : closing + delimiter.size();
  }

  // They nest, and at the start of each the lexer matches the run that follows.
  void comment() {
    int depth = 0;
    do {
      if (is_at("/*")) {
        count();
        ++depth;
        at_ += 2;
      } else if (is_at("*/")) {
        --depth;
        at_ += 2;
      } else {
        ++at_;
      }
    } while (depth > 0 && at_ < text_.size() && steps_ <= most_steps_);
  }

  std::string_view text_;
  std::size_t most_steps_;
  std::size_t at_ = 0;
  std::size_t run_end_ = 0;
  std::size_t steps_ = 0;
};

}  // namespace

bool operator_runs_within_limit(std::string_view text, std::size_t most_steps) {
  return Runs(text, most_steps).within_limit();
}

}  // namespace clawpatrol::sql
