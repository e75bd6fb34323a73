#include "policy/config/diagnostics.h"

#include <catch2/catch.hpp>

#include "policy/policy.h"

using namespace clawpatrol;

namespace {

Diagnostics one(Place place, std::string line, std::string message = "wrong") {
  Diagnostic item;
  item.place = std::move(place);
  item.source_line = std::move(line);
  item.message = std::move(message);
  return {{item}};
}

}  // namespace

TEST_CASE("a problem is shown with its line, a caret and a hint") {
  CHECK(load_policy_text("schema = 1\n[limits]\nbufer = \"1MiB\"\n").diagnostics.render() ==
        "clawpatrol.toml:3:1: error: unknown key 'bufer' in [limits] [CP0106]\n"
        "     3 | bufer = \"1MiB\"\n"
        "       | ^~~~~\n"
        "  hint: Did you mean 'buffer'?\n"
        "\n"
        "1 error\n");
  CHECK(Diagnostics{}.render().empty());
}

TEST_CASE("another place that belongs to a problem is shown like it") {
  CHECK(load_policy_text("schema = 1\nschema = 1\n").diagnostics.render() ==
        "clawpatrol.toml:2:1: error: defined twice: integer 'schema' [CP0105]\n"
        "     2 | schema = 1\n"
        "       | ^~~~~~\n"
        "clawpatrol.toml:1:1: note: first defined here\n"
        "     1 | schema = 1\n"
        "       | ^~~~~~\n"
        "\n"
        "1 error\n");
}

TEST_CASE("a file that cannot be read has no line") {
  CHECK(one({"x.toml", 0, 0, 1}, "").render() == "x.toml: error: wrong\n\n1 error\n");
}

TEST_CASE("the caret counts characters, not bytes, and tabs as one") {
  std::string shown = one({"x", 1, 6, 2}, "é\té$$").render();
  CHECK(shown.find("     1 | é é$$\n       |    ^~\n") != std::string::npos);
}

TEST_CASE("what a terminal would obey is shown as a question mark") {
  std::string shown =
      one({"x\x1b[2J", 1, 1, 1}, "a\x1b[31m\xe2\x80\xae\xff\xc2\x9b", "bad \x1b] name").render();
  CHECK(shown.find('\x1b') == std::string::npos);
  CHECK(shown.find("\xe2\x80\xae") == std::string::npos);
  CHECK(shown.find("     1 | a?[31m???\n") != std::string::npos);
  CHECK(shown.starts_with("x?[2J:1:1: error: bad ?] name\n"));
}

TEST_CASE("of a very long line only what is around the caret is shown") {
  std::string line(5000, 'a');
  line[3000] = '$';
  std::string shown = one({"x", 1, 3001, 1}, line).render();
  CHECK(shown.size() < 400);
  std::size_t text = shown.find(" | ...");
  REQUIRE(text != std::string::npos);
  std::size_t next = shown.find(" | ", text + 1);
  CHECK(shown.find('$', text) - text == shown.find('^', next) - next);
}

TEST_CASE("a place beyond the end of its line is shown at the end") {
  CHECK(one({"x", 1, 4, 9}, "abc").render().find("       |    ^\n") != std::string::npos);
}
