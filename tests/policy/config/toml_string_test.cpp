#include "policy/config/toml_string.h"

#include <catch2/catch.hpp>

#include "policy/config/document.h"
#include "policy/policy.h"

using clawpatrol::Diagnostics;
using clawpatrol::config::map_toml_string;
using clawpatrol::config::Report;
using clawpatrol::config::Source;

namespace {

// The value as the parser reads it.
std::string value_of(const std::string& literal) {
  Source source("x", "", "a = " + literal + "\n");
  Diagnostics diagnostics;
  Report report(diagnostics);
  auto document = parse_document(source, report);
  INFO(diagnostics.render());
  REQUIRE(document);
  return document->find("a")->value.text;
}

}  // namespace

TEST_CASE("every byte of a string's value is mapped to where it was written") {
  const char* literals[] = {
      R"("")",
      R"("abc")",
      R"('abc')",
      R"('a\nb')",
      R"("a\nb\t\"c\\")",
      R"("\u00e9x\U0001F600y")",
      R"("é\u0041")",
      R"("""""")",
      R"(''''''     )",
      "\"\"\"\nabc\ndef\"\"\"",
      "'''\nabc\ndef'''",
      "'''\nabc\n'''",
      "\"\"\"a \\\n   b \\  \n\n  c\"\"\"",
      R"("""a "quoted" b""")",
      R"("""a""""")",
      R"('''a''''')",
      R"(""""a"""")",
      R"("""\"""a""")",
      R"("""a\u0000b""")",
      "\"\"\"\\\n  a\"\"\"",
  };
  for (std::string literal : literals) {
    INFO(literal);
    std::string value = value_of(literal);
    auto map = map_toml_string(literal + " # tail");
    REQUIRE(map.size() == value.size() + 1);
    CHECK(std::is_sorted(map.begin(), map.end()));
    for (std::size_t i = 0; i < value.size(); ++i) {
      // What stands there is the byte itself, the beginning of an escape, or within a character of several
      // bytes.
      bool same = literal[map[i]] == value[i];
      CHECK((same || literal[map[i]] == '\\'));
    }
    CHECK((literal[map.back()] == '"' || literal[map.back()] == '\''));
  }
}

TEST_CASE("letters beyond ASCII are no whitespace") {
  // toml++ 3.3 leaves it undefined whether they are.
  CHECK(value_of("\"\"\"a\\\n  \u00e9\u0485 b\"\"\"") == "a\u00e9\u0485 b");
  CHECK(clawpatrol::load_policy_text("y\u0485 = 1\n").policy == nullptr);
  CHECK(clawpatrol::load_policy_text("y = 1 \u00e9\n").policy == nullptr);
}

TEST_CASE("an escape is one place, a continuation none") {
  using Map = std::vector<std::size_t>;
  CHECK(map_toml_string(R"("a\nb")") == Map{1, 2, 4, 5});
  CHECK(map_toml_string(R"("\u00e9b")") == Map{1, 1, 7, 8});
  CHECK(map_toml_string("\"\"\"a\\\n  b\"\"\"") == Map{3, 8, 9});
  CHECK(map_toml_string("\"\"\"\r\nab\"\"\"") == Map{5, 6, 7});
}
