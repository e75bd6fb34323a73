#include "policy/sql/names.h"

#include <algorithm>
#include <string>
#include <vector>

#include "policy/sql/tokens.h"

namespace clawpatrol::sql {
namespace {

class Words {
 public:
  explicit Words(std::string_view text) : text_(text) {
    Scan all = scan(std::string(text));
    if (all.failed) return;
    for (const Token& token : all.tokens) {
      if (token.kind != Token::Kind::comment) tokens_.push_back(token);
    }
  }
  std::size_t size() const { return tokens_.size(); }
  const Token& operator[](std::size_t at) const { return tokens_[at]; }
  std::string_view written(std::size_t at) const {
    return text_.substr(tokens_[at].start, tokens_[at].end - tokens_[at].start);
  }
  bool is_keyword(std::size_t at, std::string_view word) const {
    return tokens_[at].keyword && identifier_value(written(at)) == word;
  }
  bool is_name(std::size_t at, std::string_view value) const {
    const Token& token = tokens_[at];
    if (token.kind != Token::Kind::name && (!token.keyword || token.reserved)) return false;
    return identifier_value(written(at)) == value;
  }

 private:
  std::string_view text_;
  std::vector<Token> tokens_;
};

// EXECUTE can stand after EXPLAIN's options or CREATE TABLE ... AS: it is the one that its name follows.
std::size_t after_execute(const Words& words, std::string_view name) {
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    bool unicode = words[i + 1].kind == Token::Kind::unicode_name;
    if (words.is_keyword(i, "execute") && (unicode || words.is_name(i + 1, name))) return i + 1;
  }
  return words.size();
}

}  // namespace

void find_name(Statement& statement, std::string_view written) {
  Words words(written);
  std::size_t at = words.size();
  switch (statement.effect) {
    case Effect::prepare:
    case Effect::declare_cursor: at = 1; break;
    case Effect::execute: at = after_execute(words, statement.name); break;
    case Effect::deallocate:
    case Effect::fetch:
    case Effect::close_cursor:
    case Effect::savepoint:
    case Effect::release:
    case Effect::rollback_to:
    case Effect::listen: at = words.size() - 1; break;
    default: return;
  }
  if (at >= words.size()) return;
  // U&"name" UESCAPE '!': the escape belongs to the name.
  bool at_end = at + 1 == words.size();
  if (at_end && words.size() >= 3 && words.is_keyword(at - 1, "uescape")) at -= 2;
  std::size_t last = at;
  if (words[at].kind == Token::Kind::unicode_name) {
    if (at + 2 < words.size() && words.is_keyword(at + 1, "uescape")) last = at + 2;
  } else if (!words.is_name(at, statement.name)) {
    return;
  }
  statement.name_offset = statement.offset + words[at].start;
  statement.name_length = words[last].end - words[at].start;
}

}  // namespace clawpatrol::sql
