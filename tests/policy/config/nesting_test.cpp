#include "policy/config/nesting.h"

#include <catch2/catch.hpp>
#include <string>

using clawpatrol::config::find_excessive_nesting;

namespace {

std::string repeated(std::string_view text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

}  // namespace

TEST_CASE("dots and brackets are bounded before a parser recurses over them") {
  CHECK(find_excessive_nesting(repeated("a.", 100'000) + "b = 1") == 33);
  CHECK(find_excessive_nesting("[" + repeated("a.", 100'000) + "b]"));
  CHECK(find_excessive_nesting("a = " + repeated("[", 100'000)) == 20);
  CHECK(find_excessive_nesting("a = " + repeated("{a=", 100'000)));
  CHECK(find_excessive_nesting("a = [\n" + repeated("[\n", 16)));
}

TEST_CASE("what strings and comments hold does not count") {
  std::string many = repeated("[.", 1000);
  for (const std::string& text :
       {"a = \"" + many + "\"", "a = '" + many + "'", "a = '''\n" + many + "\n'''",
        "a = \"\"\"" + many + "\\\"\"\"\"", "# " + many + "\na = 1", "'" + many + "' = 1",
        "a = \"\\\"" + many + "\"", "a = \"\"\"x\"\"\"\"\" # " + many}) {
    INFO(text.substr(0, 20));
    CHECK_FALSE(find_excessive_nesting(text));
  }
  CHECK(find_excessive_nesting("a = \"x\" # \"\nb = " + many));
  CHECK(find_excessive_nesting("a = \"unterminated\nb = " + many));
}

TEST_CASE("an ordinary file of any length is not deep") {
  std::string text;
  for (int i = 0; i < 10'000; ++i)
    text += "[endpoint.e" + std::to_string(i) + "]\nhosts = [\"a.b.c.d.e:1\", '10.0.0.1']\nx = 1.5\n";
  CHECK_FALSE(find_excessive_nesting(text));
}
