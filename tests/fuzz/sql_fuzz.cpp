// Statements made of pieces of PostgreSQL's regression tests: tokens cut, moved, doubled and replaced, so
// that the grammar takes many of them and the walk meets every kind of node where nobody would write it.
//
// Analysis ends, holds no more than is in proportion to the text, says the same twice and of the same text
// behind a comment, and leaves nothing unsaid: every statement that is readable has a verb, every other has
// no facets at all.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/json.h"
#include "policy/sql/analysis.h"
#include "policy/sql/message_names.h"
#include "policy/sql/tokens.h"

namespace {

using namespace clawpatrol;
using Words = std::vector<std::string>;

std::string at_hand;  // for whoever looks at a crash

void require(bool holds, std::string_view what) {
  if (holds) return;
  fmt::print(stderr, "{}:\n  {}\n", what, at_hand);
  std::abort();
}

Words words_of(const std::string& text) {
  Words words;
  for (const sql::Token& token : sql::scan(text).tokens)
    words.push_back(text.substr(token.start, token.end - token.start));
  return words;
}

std::vector<Words> read_texts() {
  std::vector<Words> texts;
  std::ifstream file(CLAWPATROL_FIXTURES "/postgres/regress15.jsonl");
  for (std::string line; std::getline(file, line);) {
    const auto record = read_json_document(line);
    const Document* text = record ? record->find("sql") : nullptr;
    if (text == nullptr || text->text() == nullptr || text->text()->size() > 4096) continue;
    texts.push_back(words_of(*text->text()));
  }
  if (texts.empty()) {
    fmt::print(stderr, "there are no statements in {}\n", CLAWPATROL_FIXTURES "/postgres/regress15.jsonl");
    std::exit(1);
  }
  return texts;
}

const std::vector<Words>& texts() {
  static const std::vector<Words> all = read_texts();
  return all;
}

// The input as a sequence of choices; when it is used up, every choice is the first.
class Choices {
 public:
  Choices(const unsigned char* data, std::size_t size) : data_(data), left_(size) {}
  bool any_left() const { return left_ > 0; }
  std::size_t upto(std::size_t count) {
    std::size_t value = 0;
    for (std::size_t bytes = count > 256 ? 2 : 1; bytes > 0 && left_ > 0; --bytes, --left_)
      value = value << 8 | *data_++;
    return count == 0 ? 0 : value % count;
  }
  const Words& text() { return texts()[upto(texts().size())]; }

 private:
  const unsigned char* data_;
  std::size_t left_;
};

// A part of `words`, from anywhere to anywhere.
Words piece_of(const Words& words, Choices& choices) {
  const std::size_t begin = choices.upto(words.size());
  const std::size_t size = words.empty() ? 0 : 1 + choices.upto(words.size() - begin);
  return {words.begin() + static_cast<std::ptrdiff_t>(begin),
          words.begin() + static_cast<std::ptrdiff_t>(begin + size)};
}

void splice(Words& words, Choices& choices) {
  const auto at = words.begin() + static_cast<std::ptrdiff_t>(choices.upto(words.size() + 1));
  switch (choices.upto(5)) {
    case 0: {  // another's piece in between
      const Words piece = piece_of(choices.text(), choices);
      words.insert(at, piece.begin(), piece.end());
      break;
    }
    case 1: {  // in place of one of ours
      const Words piece = piece_of(choices.text(), choices);
      if (at != words.end()) words.insert(words.erase(at), piece.begin(), piece.end());
      break;
    }
    case 2: {  // less
      const auto end =
          at + static_cast<std::ptrdiff_t>(choices.upto(static_cast<std::size_t>(words.end() - at) + 1));
      words.erase(at, end);
      break;
    }
    case 3: {  // ours once more
      const Words piece = piece_of(words, choices);
      words.insert(at, piece.begin(), piece.end());
      break;
    }
    default: {  // in parentheses, as a subquery or an expression
      const Words piece = piece_of(choices.text(), choices);
      words.insert(words.insert(words.insert(at, ")"), piece.begin(), piece.end()), "(");
    }
  }
}

std::string make_text(Choices& choices) {
  Words words = choices.text();
  for (int i = 0; i < 48 && choices.any_left() && words.size() < 3000; ++i) splice(words, choices);
  std::string text;
  for (const std::string& word : words) text.append(word).append(word.starts_with("--") ? "\n" : " ");
  return text;
}

void check_statement(const sql::Statement& statement, std::string_view text) {
  const SqlFacets& facets = statement.facets;
  require(facets.verb.known() && !facets.verb->empty(), "a statement without a verb");
  require(!facets.verbs->items.empty(), "a statement without verbs");
  require(facets.unbounded.known() && facets.copy.known(), "a facet that nobody has set");
  require(statement.offset + statement.length <= text.size(), "a statement beyond its message");
  require(statement.name_offset + statement.name_length <= text.size(), "a name beyond its message");
  require(!statement.runs_unread_code || facets.tables->open, "unread code, and lists that are not open");
}

bool same(const sql::Analysis& a, const sql::Analysis& b) {
  if (a.readable != b.readable || a.statements.size() != b.statements.size()) return false;
  for (std::size_t i = 0; i < a.statements.size(); ++i) {
    const SqlFacets &one = a.statements[i].facets, &other = b.statements[i].facets;
    for (auto list :
         {&SqlFacets::verbs, &SqlFacets::tables, &SqlFacets::reads, &SqlFacets::writes, &SqlFacets::columns,
          &SqlFacets::functions, &SqlFacets::classes, &SqlFacets::literals}) {
      if ((one.*list).known() != (other.*list).known()) return false;
      if ((one.*list).known() &&
          ((one.*list)->items != (other.*list)->items || (one.*list)->open != (other.*list)->open))
        return false;
    }
    if (a.statements[i].kind != b.statements[i].kind || a.statements[i].name != b.statements[i].name)
      return false;
  }
  return true;
}

void check(const sql::Analysis& analysis, std::string_view text) {
  require(analysis.memory <= (std::size_t{1} << 20) + 256 * text.size(),
          "more memory than the text is worth");
  if (analysis.readable != sql::Readable::yes) {
    require(analysis.statements.size() == 1 && !analysis.error.empty(), "unreadable, and nothing says why");
    require(!analysis.statements[0].facets.tables.known(), "facets of what was not read");
    return;
  }
  sql::MessageNames names;
  for (const sql::Statement& statement : analysis.statements) {
    check_statement(statement, text);
    const bool by_name = statement.effect == sql::Effect::execute || statement.effect == sql::Effect::fetch;
    sql::Statement whole = statement;
    if (const auto target = names.find(statement); by_name && target.statement != nullptr)
      whole = sql::merge_executed(statement, *target.statement);
    if (names.path_is_untold() && statement.names_by_path) whole = sql::with_unread_code(whole);
    check_statement(whole, text);
    names.after(statement, whole,
                whole.runs_unread_code ? sql::MessageNames::Code::unread : sql::MessageNames::Code::read);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Choices choices(data, size);
  at_hand = make_text(choices);
  const sql::Analysis analysis = sql::analyse(at_hand, {});
  check(analysis, at_hand);
  require(same(analysis, sql::analyse(at_hand, {})), "another analysis of the same text");
  const bool at_limit = analysis.readable == sql::Readable::over_limit;
  if (!at_limit && analysis.readable == sql::Readable::yes)
    require(same(analysis, sql::analyse("/* one */ " + at_hand, {})), "another analysis behind a comment");
  return 0;
}
