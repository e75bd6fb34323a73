#include "policy/sql/tokens.h"

#include <array>
#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "policy/sql/analysis.h"

namespace clawpatrol::sql {
namespace {

// Whether the lexer reads the byte there as part of a string, a name or a comment; nullopt when it refuses
// the text.
std::optional<bool> is_quoted(const std::string& text, std::size_t at) {
  Scan all = scan(text);
  if (all.failed) return std::nullopt;
  for (const Token& token : all.tokens) {
    if (token.start <= at && at < token.end) return token.end - token.start > 1;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("long runs of operator characters count only where the lexer reads operators") {
  const std::string run(60'000, '-');
  const std::string equals(4000, '=');
  for (const std::string& text :
       {"SELECT '" + run + "'", "SELECT 1 /*" + run + "*/", "SELECT 1 --" + run, "SELECT \"" + equals + "\"",
        "SELECT $$" + equals + "$$", "SELECT $a$ $$ " + equals + "$a$", "SELECT E'\\'" + equals + "'",
        "SELECT U&'" + equals + "'", "SELECT E'a'\n'\\'" + equals + "'", "SELECT 'it''s " + equals + "'"}) {
    INFO(text.substr(0, 30));
    CHECK(operator_runs_within_limit(text));
  }
  CHECK(analyse("SELECT '" + run + "'", {}).readable == Readable::yes);
  CHECK(analyse("SELECT 1 -- " + equals + "\n", {}).readable == Readable::yes);
  std::string openings;
  for (int i = 0; i < 10'000; ++i) openings += "/*";
  for (const std::string& text :
       {"SELECT 1 " + equals + " 2", "SELECT '\\'" + equals, "SELECT e$a$" + equals + "$a$",
        "SELECT 1" + openings, "SELECT '' /* */" + equals, "SELECT $1$" + equals,
        "SELECT 'a' -- '\n" + equals, "SELECT E'a' '\\'" + equals}) {
    INFO(text.substr(0, 30));
    CHECK_FALSE(operator_runs_within_limit(text));
  }
}

TEST_CASE("runs of operator characters in a function's body are counted before it is parsed") {
  std::string openings;
  for (int i = 0; i < 100'000; ++i) openings += "/*";
  for (const std::string& run : {std::string(200'000, '+'), openings, std::string(1000, '=')}) {
    const std::string body = "SELECT 1 " + run;
    INFO(body.substr(0, 20));
    const Analysis analysis = analyse("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS '" + body + "'", {});
    REQUIRE(analysis.statements.size() == 1);  // after minutes, if it was parsed
    CHECK(analysis.statements[0].runs_unread_code);
  }
  const std::string line(5000, '-');
  const Analysis commented = analyse(
      "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$" + line + "\nSELECT 1 /*" + line + "*/$$", {});
  CHECK_FALSE(commented.statements.at(0).runs_unread_code);
}

TEST_CASE("what is taken for a string or comment is what the lexer takes for one") {
  constexpr std::array<std::string_view, 27> pieces = {
      "'",  "'",  "\"", "\\", "E'", "e'", "n'", "U&'", "x", "$", "$$", "$a$",  "$a$", "1",
      "$1", "--", "/*", "*/", "\n", "\n", " ",  "+",   "-", "*", "e",  "a$b$", ";"};
  std::mt19937 random(7);
  std::size_t quoted = 0, bare = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::array<std::string, 2> halves;
    for (std::string& half : halves) {
      for (std::size_t i = random() % 8; i > 0; --i) half += pieces[random() % pieces.size()];
    }
    // `= ` and not `==`: a space on each side keeps it a token of its own.
    std::string text = halves[0] + " = " + halves[1];
    std::optional<bool> expected = is_quoted(text, halves[0].size() + 1);
    if (!expected) continue;
    ++(*expected ? quoted : bare);
    std::string large = halves[0] + " " + std::string(4000, '=') + " " + halves[1];
    INFO(text);
    CHECK(operator_runs_within_limit(large) == *expected);
  }
  CHECK(quoted > 300);
  CHECK(bare > 300);
}

}  // namespace clawpatrol::sql
