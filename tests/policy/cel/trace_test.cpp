#include "policy/cel/trace.h"

#include <catch2/catch.hpp>

#include "policy/cel/syntax.h"
#include "policy/cel/written.h"

using namespace clawpatrol;
using namespace clawpatrol::cel;

namespace {

struct Drop {
  SqlFacets sql;
  Action action;
  Drop() {
    action.kind = ActionKind::admin;
    sql.verb = std::string("drop");
    sql.verbs = NameList{{"drop"}};
    sql.tables = NameList{{"a", "secrets"}, true};
    sql.unbounded = Unknown::unparseable;
    action.sql = &sql;
  }
};

// One line a step: indent, text, value.
std::string lines(std::string_view text, const Action& action, std::vector<FacetId> unstated = {}) {
  auto made = trace(text, action, {all_families(), std::move(unstated)});
  REQUIRE(made);
  std::string all;
  for (const Step& step : made->steps) {
    all += std::string(step.depth, ' ') +
           std::string(text.substr(step.span.begin, step.span.end - step.span.begin));
    if (!step.binding.empty()) all += " [" + step.binding + "]";
    all += step.skipped ? " -" : " = " + written(step.value, 40);
    all += "\n";
  }
  return all;
}

std::string why(std::string_view text, const Action& action) {
  auto made = trace(text, action, {all_families()});
  REQUIRE(made);
  std::string all;
  for (std::size_t i : culprits(*made)) {
    const Step& step = made->steps[i];
    all += (all.empty() ? "" : "; ") +
           std::string(text.substr(step.span.begin, step.span.end - step.span.begin));
  }
  return all;
}

}  // namespace

TEST_CASE("every sub-expression has its value, what was not asked has none") {
  Drop drop;
  CHECK(lines("sql.verb == 'select' && action.kind == 'read'", drop.action) ==
        "sql.verb == 'select' && action.kind == 'read' = false\n"
        " sql.verb == 'select' = false\n"
        "  sql.verb = 'drop'\n"
        " action.kind == 'read' -\n");
  CHECK(lines("sql.verb == 'drop' ? 1 + 2 : sql.statements", drop.action) ==
        "sql.verb == 'drop' ? 1 + 2 : sql.statements = 3\n"
        " sql.verb == 'drop' = true\n"
        "  sql.verb = 'drop'\n"
        " 1 + 2 = 3\n"
        " sql.statements -\n");
}

TEST_CASE("of a macro the member that decided is shown") {
  Drop drop;
  CHECK(lines("sql.tables.exists(t, t.startsWith('sec'))", drop.action) ==
        "sql.tables.exists(t, t.startsWith('sec')) = true\n"
        " sql.tables = ['a', 'secrets', ...?]\n"
        " t.startsWith('sec') [t = 'secrets'] = true\n"
        "  t = 'secrets'\n");
  CHECK(lines("sql.verbs.all(v, v in ['select'])", drop.action) ==
        "sql.verbs.all(v, v in ['select']) = false\n"
        " sql.verbs = ['drop']\n"
        " v in ['select'] [v = 'drop'] = false\n"
        "  v = 'drop'\n");
  CHECK(lines("{'a': 1}.exists(k, v, k == 'a' && v == 1)", drop.action).find("[k = 'a', v = 1] = true") !=
        std::string::npos);
}

TEST_CASE("what is undecided says why, and is what a condition is undecided for") {
  Drop drop;
  CHECK(lines("!('x' in sql.tables)", drop.action)
            .find("('x' in sql.tables) = unknown (sql.tables: runs code that was not read)") !=
        std::string::npos);
  CHECK(why("sql.unbounded || sql.verb == 'x'", drop.action) == "sql.unbounded");
  CHECK(why("sql.unbounded && sql.verb == 'x'", drop.action) == "sql.verb == 'x'");
}

TEST_CASE("the culprits are the least that would have to be otherwise") {
  Drop drop;
  CHECK(why("action.kind == 'admin' && (sql.verb == 'a' || sql.verb == 'b')", drop.action) ==
        "sql.verb == 'a'; sql.verb == 'b'");
  CHECK(why("sql.verb == 'drop' ? action.kind == 'read' : true", drop.action) == "action.kind == 'read'");
  CHECK(why("sql.verb == 'drop'", drop.action).empty());
  CHECK(why("!(sql.verb == 'drop')", drop.action) == "!(sql.verb == 'drop')");
}

TEST_CASE("what is not stated is unknown, whatever the action says") {
  Drop drop;
  CHECK(lines("action.kind == 'admin'", drop.action, {FacetId::action_kind}) ==
        "action.kind == 'admin' = unknown (action.kind: not applicable)\n"
        " action.kind = unknown (action.kind: not applicable)\n");
}

TEST_CASE("a trace says what evaluation says, and is bounded") {
  Drop drop;
  std::string many = "true";
  for (int i = 0; i < 2000; ++i) many += " && sql.verb != 'x" + std::to_string(i) + "'";
  auto made = trace(many, drop.action, {all_families()});
  REQUIRE(made);
  CHECK(made->steps.size() == most_steps);
  CHECK(made->cut);
  CHECK(made->value.is_true());
  auto condition = Condition::compile("sql.unbounded || 'a' in sql.tables", {});
  REQUIRE(condition);
  CHECK(trace(*condition, drop.action).value.is_true());
  CHECK_FALSE(trace("sql.verb ==", drop.action, {all_families()}));
}

TEST_CASE("values are written as in a condition, and cut where they are long") {
  Drop drop;
  auto text = [&](std::string_view expression, std::size_t longest = no_cut) {
    auto made = trace(expression, drop.action, {all_families()});
    REQUIRE(made);
    return written(made->value, longest) + " : " + made->type;
  };
  CHECK(text("1 + 2") == "3 : int");
  CHECK(text("2u") == "2u : uint");
  CHECK(text("2.0") == "2.0 : double");
  CHECK(text("b'a'") == "b'a' : bytes");
  CHECK(text("['it\\'s', 'b']") == "['it\\'s', 'b'] : list(string)");
  CHECK(text("{'a': [1, null]}") == "{'a': [1, null]} : map(string, list(dyn))");
  CHECK(text("duration('90s')") == "duration('90s') : duration");
  CHECK(text("timestamp('2026-01-31T09:30:00Z')") == "timestamp('2026-01-31T09:30:00Z') : timestamp");
  CHECK(text("type(1)") == "int : type");
  CHECK(text("dyn(1)") == "1 : int");
  CHECK(text("'abcdefgh'", 4) == "'abc...' : string");
  CHECK(text("[1, 2, 3, 4]", 6) == "[1, 2, ...] : list(int)");
  CHECK(text("sql.tables") == "['a', 'secrets', ...?] : list(string)");
}

TEST_CASE("of a list that an agent made long no more than the beginning is looked at") {
  Drop drop;
  drop.sql.tables = NameList{std::vector<std::string>(100'000, "a")};
  auto made = trace("sql.tables.exists(t, timestamp(size(t)).getHours('Europe/Berlin') < 0)", drop.action,
                    {all_families(), {}});
  REQUIRE(made);
  CHECK(made->steps.size() < 10);
}

TEST_CASE("numbers that are none are written as a condition would make them") {
  CHECK(written(Value::of_double(0.0 / 0.0)) == "double('NaN')");
  CHECK(written(Value::of_double(1.0 / 0.0)) == "double('Infinity')");
  CHECK(written(Value::of_double(-1.0 / 0.0)) == "double('-Infinity')");
}
