// [[rule]]: what it must say, and where a problem in its condition stands.
#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/policy/config/problems.h"
#include "tests/policy/policy_text.h"

using namespace clawpatrol;
using namespace clawpatrol::tests;
using Lines = std::vector<std::string>;

namespace {

Lines rule_problems(const std::string& lines) {
  Lines all = problems(base + "[[rule]]\n" + lines);
  std::erase_if(all, [](const std::string& line) { return line.contains("no rule is for endpoint"); });
  return all;
}

// Line, column and width of the first problem of a condition that stands as the last key of the text.
struct Caret {
  std::uint32_t line, column, width;
  std::string under;
};

Caret caret(const std::string& literal) {
  LoadResult loaded = load_policy_text(
      base + "[[rule]]\nname = \"r\"\nendpoint = \"pg\"\nverdict = \"deny\"\ncondition = " + literal + "\n");
  REQUIRE(loaded.diagnostics.has_errors());
  const Diagnostic& item =
      *std::ranges::find(loaded.diagnostics.items, Severity::error, &Diagnostic::severity);
  INFO(loaded.diagnostics.render());
  REQUIRE(item.place.column + item.place.width - 1 <= item.source_line.size());
  return {item.place.line, item.place.column, item.place.width,
          item.source_line.substr(item.place.column - 1, item.place.width)};
}

}  // namespace

TEST_CASE("a rule has a name, an endpoint and a verdict") {
  CHECK(rule_problems("") == Lines{"21:1: [[rule]] needs 'name'",
                                   "21:1: [[rule]] needs 'endpoint' or 'endpoints'",
                                   "21:1: [[rule]] has no verdict"});
  CHECK(rule_problems("name = \"r\"\nendpoint = \"pg\"\n") == Lines{"22:8: rule 'r' has no verdict"});
  CHECK(rule_problems("name = \"r\"\nverdict = \"deny\"\n") ==
        Lines{"22:8: rule 'r' needs 'endpoint' or 'endpoints'"});
  CHECK(rule_problems("name = \"r\"\nendpoint = \"pg\"\nendpoints = [\"pg\"]\nverdict = \"deny\"\n") ==
        Lines{"23:12: rule 'r' has both 'endpoint' and 'endpoints'"});
  CHECK(rule_problems("name = \"r\"\nendpoints = []\nverdict = \"deny\"\n") ==
        Lines{"23:13: rule 'r' is for no endpoint"});
  CHECK(rule_problems("name = \"r\"\nendpoint = \"pg\"\nverdict = \"alow\"\n") ==
        Lines{"24:11: unknown verdict 'alow'"});
}

TEST_CASE("attack 29: approve is an error at load while nobody can approve") {
  CHECK(rule_problems("name = \"r\"\nendpoint = \"pg\"\napprove = [\"judge\"]\n") ==
        Lines{"24:11: rule 'r' asks for approval, and no approver works"});
  CHECK(rule_problems("name = \"r\"\nendpoint = \"pg\"\napprove = []\n") ==
        Lines{"24:11: rule 'r' asks for approval, and no approver works"});
  CHECK(rule_problems("name = \"r\"\nendpoint = \"pg\"\nverdict = \"deny\"\napprove = [\"judge\"]\n") ==
        Lines{"25:11: rule 'r' has both 'verdict' and 'approve'"});
}

TEST_CASE("a rule's name stands once") {
  LoadResult loaded = load_policy_text(base + rule("r", "condition = \"sql.unbounded\"\nverdict = \"deny\"") +
                                       rule("r", "verdict = \"deny\""));
  REQUIRE(loaded.diagnostics.items.size() == 1);
  CHECK(lines_of(loaded.diagnostics) == Lines{"27:8: defined twice: rule 'r'"});
  CHECK(loaded.diagnostics.items[0].related[0].line == 22);
  CHECK(loaded.diagnostics.items[0].related[0].note == "first defined here");
}

TEST_CASE("a rule's actions are names of actions") {
  CHECK(rule_problems("name = \"r\"\nendpoint = \"pg\"\nverdict = \"deny\"\non = [\"logn\"]\n") ==
        Lines{"25:7: unknown name 'logn' in 'on'"});
  CHECK(rule_problems("name = \"r\"\nendpoint = \"pg\"\nverdict = \"deny\"\non = []\n") ==
        Lines{"25:6: rule 'r' sees no action"});
  CHECK(rule_problems("name = \"r\"\nendpoint = \"pg\"\nverdict = \"deny\"\non = [\"dns\"]\n") ==
        Lines{"25:6: a dns action belongs to no endpoint"});
  CHECK(rule_problems("name = \"r\"\nendpoint = \"pg\"\nverdict = \"deny\"\non = [\"login\", \"login\"]\n") ==
        Lines{"25:16: 'login' stands twice in 'on'"});
  auto policy =
      policy_from(base + "[[rule]]\nname = \"n\"\nverdict = \"deny\"\non = [\"dns\", \"connect\"]\n" +
                  rule("l", "verdict = \"deny\"\non = [\"login\", \"replication\"]"));
  CHECK(policy->rules[0].on == std::vector{ActionType::dns, ActionType::connect});
  CHECK(policy->rules[1].on == std::vector{ActionType::login, ActionType::replication});
}

TEST_CASE("the caret stands under the character of the file that a condition's problem is about") {
  Caret plain = caret("\"true && $\"");
  CHECK(plain.line == 25);
  CHECK(plain.under.starts_with("$"));
  CHECK(caret("'true && $'").column == plain.column);
  CHECK(caret("\"'\\u00e9' == '\\\"' && $\"").under.starts_with("$"));
  CHECK(caret("\"'é' == 'é' && $\"").under.starts_with("$"));
  Caret lines = caret("'''\ntrue &&\n  $\n'''");
  CHECK(lines.line == 27);
  CHECK(lines.column == 3);
  Caret continued = caret("\"\"\"\ntrue \\\n   && \\\n\n  $ \"\"\"");
  CHECK(continued.line == 29);
  CHECK(continued.column == 3);
  CHECK(caret("'''$'''").under.starts_with("$"));
  CHECK(caret("\"true \\u0024\"").under.starts_with("\\u0024"));
}

TEST_CASE("every problem of every condition is reported, and a condition's problems do not hide others") {
  Lines lines = problems(base + rule("a", "condition = \"$\"\nverdict = \"x\"") +
                         rule("b", "condition = \"$\"\nverdict = \"deny\""));
  CHECK(lines.size() >= 3);
  CHECK(says(lines, "25:11: unknown verdict 'x'"));
}

TEST_CASE("a condition is checked against the facets of its endpoints") {
  CHECK(
      rule_problems("name = \"r\"\nendpoint = \"pg\"\nverdict = \"deny\"\ncondition = \"dns.name == 'a'\"\n")
          .size() == 1);
  CHECK(rule_problems("name = \"r\"\non = [\"dns\"]\nverdict = \"deny\"\ncondition = \"sql.verb == 'a'\"\n")
            .size() == 1);
  CHECK(rule_problems("name = \"r\"\nendpoint = \"pg\"\nverdict = \"deny\"\ncondition = \"sql.verb\"\n")
            .size() == 1);
  CHECK(rule_problems("name = \"r\"\nendpoint = \"pg\"\nverdict = \"deny\"\ncondition = \"\"\n").size() == 1);
  CHECK(rule_problems("name = \"r\"\nendpoint = \"pg\"\nverdict = \"deny\"\ncondition = '" +
                      std::string(70'000, ' ') + "true'\n") ==
        Lines{"25:13: condition is longer than 65536 bytes"});
}

TEST_CASE("a rule that asks what an action of its types never has is warned of, for each of them") {
  Lines lines = problems(base + rule("r",
                                     "on = [\"login\", \"statement\", \"cancel\"]\nverdict = \"deny\"\n"
                                     "condition = \"sql.verb == 'x'\""));
  CHECK(says(lines, "warning 26:13: rule 'r' reads sql.verb, which does not exist for login"));
  CHECK(says(lines, "warning 26:13: rule 'r' reads sql.verb, which does not exist for cancel"));
  CHECK_FALSE(says(lines, "warning 26:13: rule 'r' reads sql.verb, which does not exist for statement"));
  const auto warned = [](const std::string& place, const std::string& condition) {
    const std::string text = "[[rule]]\nname = \"r\"\nverdict = \"allow\"\n" + place + "\ncondition = \"";
    return std::ranges::any_of(problems(base + text + condition + "\"\n"),
                               [](auto& line) { return line.contains("does not exist for"); });
  };
  const std::string pg = "endpoint = \"pg\"\non = ";
  CHECK(warned(pg + "[\"replication\"]", "'t' in sql.tables"));
  CHECK(warned(pg + "[\"function_call\"]", "sql.unbounded"));
  CHECK(warned(pg + "[\"cancel\"]", "sql.user == 'u'"));
  CHECK_FALSE(warned(pg + "[\"login\", \"replication\", \"function_call\"]", "sql.user == 'u'"));
  CHECK_FALSE(warned(pg + "[\"login\", \"cancel\"]", "peer.name == 'p' && dest.port == 5432"));
  CHECK_FALSE(warned(pg + "[\"login\", \"statement\"]", "action.type == 'login' || sql.verb == 'x'"));
  CHECK_FALSE(warned("endpoint = \"pg\"", "sql.verb == 'x'"));
  CHECK(warned("on = [\"dns\"]", "dest.port == 1"));
  CHECK(warned("on = [\"connect\"]", "dns.name == 'a'"));
  CHECK_FALSE(warned("on = [\"dns\"]", "dns.name == 'a'"));
}

TEST_CASE("attack 9: a rule that reads parameters and not literals, or the other way round, is warned of") {
  Lines params = problems(base + rule("r", "condition = \"'x' in sql.params\"\nverdict = \"deny\""));
  CHECK(says(params, "warning 24:13: rule 'r' reads sql.params and not sql.literals"));
  Lines literals = problems(base + rule("r", "condition = \"'x' in sql.literals\"\nverdict = \"deny\""));
  CHECK(says(literals, "warning 24:13: rule 'r' reads sql.literals and not sql.params"));
  Lines both = problems(
      base + rule("r", "condition = \"'x' in sql.literals || 'x' in sql.params\"\nverdict = \"deny\""));
  CHECK(std::ranges::none_of(both, [](auto& line) { return line.contains("reads"); }));
}
