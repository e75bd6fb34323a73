#include "policy/dispatch.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <deque>

#include "policy/policy.h"

namespace {

using namespace clawpatrol;

struct Rules {
  std::deque<Rule> rules;

  explicit Rules(const std::vector<std::string>& conditions) {
    for (const std::string& text : conditions) {
      auto condition = cel::Condition::compile(text, {});
      INFO(text);
      REQUIRE(condition);
      rules.emplace_back().condition = std::move(*condition);
    }
  }
  // The positions of the rules that are tried for an action with these facets.
  std::vector<std::size_t> tried(const SqlFacets& sql) const {
    std::vector<const Rule*> pointers;
    for (const Rule& rule : rules) pointers.push_back(&rule);
    const RuleDispatch dispatch(std::move(pointers));
    Action action;
    action.type = ActionType::statement;
    action.kind = ActionKind::write;
    action.sql = &sql;
    std::vector<std::size_t> found;
    dispatch.candidates(action).each([&](std::size_t at) {
      found.push_back(at);
      return false;
    });
    return found;
  }
};

using Positions = std::vector<std::size_t>;

SqlFacets delete_from(std::string table) {
  SqlFacets sql;
  sql.verb = std::string("delete");
  sql.verbs = NameList{{"with", "delete"}};
  sql.tables = sql.writes = NameList{{std::move(table)}};
  sql.functions = NameList{};
  sql.unbounded = true;
  sql.copy = CopyFacet{"to", "program"};
  return sql;
}

}  // namespace

TEST_CASE("rules are found by the constants that they test facets for") {
  const Rules rules(
      {"sql.verb == 'delete'", "'drop' == sql.verb", "sql.verb in ['update', 'delete']",
       "'users' in sql.tables", "'orders' in sql.tables", "sql.verbs.exists(v, v == 'with' || v in ['drop'])",
       "sql.verbs.exists_one(v, v == 'drop')", "sql.functions.exists(f, f.startsWith('pg_'))",
       "sql.writes.exists(t, t.startsWith('u'))", "sql.unbounded", "sql.copy.target == 'program'",
       "sql.copy.direction == 'from'", "sql.verb == 'drop' && sql.statement.contains('x')",
       "sql.verb == 'drop' || sql.unbounded", "action.kind == 'read'"});
  CHECK(rules.tried(delete_from("users")) == Positions{0, 2, 3, 5, 8, 9, 10, 13});
}

TEST_CASE("rules are found by how what they test begins") {
  const Rules rules({"sql.verb.startsWith('del')", "sql.verb.startsWith('dex')", "sql.verb.startsWith('')",
                     "sql.verb.startsWith('deleted')", "sql.tables.exists(t, t.startsWith('secret_'))",
                     "sql.tables.exists(t, t.startsWith('user') || t == 'x')",
                     "sql.copy.target.startsWith('pro')", "sql.copy.direction.startsWith('pro')",
                     "'delete me'.startsWith(sql.verb)", "sql.verb.startsWith('d') && 'none' in sql.tables"});
  CHECK(rules.tried(delete_from("users")) == Positions{0, 2, 5, 6, 8});
}

TEST_CASE("rules are found through the variables of cel.bind") {
  const Rules rules(
      {"cel.bind(v, sql.verb, v == 'delete' && sql.unbounded)",
       "cel.bind(v, sql.verb, v in ['drop', 'alter'])",
       "cel.bind(t, sql.tables, t.exists(x, x.startsWith('user')))", "cel.bind(t, sql.tables, 'orders' in t)",
       "cel.bind(ddl, sql.verb == 'drop', ddl && sql.statement.contains('x'))",
       "cel.bind(a, sql.verb, cel.bind(b, a, b == 'drop' || b == 'alter'))",
       // The slot of a value's own variable is the variable's.
       "cel.bind(t, sql.tables.exists(x, x == 'orders'), t)", "cel.bind(c, sql.copy, c.target == 'program')",
       "cel.block([sql.verb, cel.index(0) == 'drop'], cel.index(1))",
       "cel.bind(v, sql.verb, v.endsWith('e'))", "cel.bind(v, 'delete', v == 'drop' || v == sql.verb)",
       "cel.bind(v, sql.unbounded, v ? sql.verb == 'x' : true)"});
  CHECK(rules.tried(delete_from("users")) == Positions{0, 2, 7, 9, 10, 11});
  // What a variable stands for is not looked at without end.
  std::string doubled = "sql.verb == 'drop'";
  for (int i = 0; i < 40; ++i) doubled = fmt::format("cel.bind(v{0}, {1}, v{0} || v{0})", i, doubled);
  CHECK(Rules({doubled}).tried(delete_from("users")) == Positions{0});
}

TEST_CASE("rules are found by what the facets that they test must not be") {
  const Rules rules({"sql.verb != 'drop'", "sql.verb != 'delete'",
                     "'delete' != sql.verb && sql.statement.contains('x')", "!(sql.verb == 'delete')",
                     "!(sql.verb != 'drop')", "!(sql.verb in ['update', 'delete'])",
                     "!sql.verb.startsWith('del')", "!sql.verb.startsWith('dex')", "!sql.unbounded",
                     "!!sql.unbounded", "sql.copy.target != 'program'", "sql.copy.direction != 'program'"});
  CHECK(rules.tried(delete_from("users")) == Positions{0, 7, 9, 11});
  // Of several, all that a facet must not be add up; of alternatives, none leaves a rule out by itself.
  const Rules several(
      {"sql.verb != 'drop' && sql.verb != 'delete'", "sql.verb != 'drop' || sql.verb != 'delete'",
       "!(sql.verb == 'drop' || sql.verb == 'delete')", "!(sql.verb == 'drop' && sql.verb == 'delete')",
       "sql.verb != 'delete' || !sql.unbounded", "sql.verb != 'delete' || sql.unbounded",
       "sql.copy.target != 'program' || sql.copy.direction != 'to'",
       "sql.copy.target != 'program' && sql.copy.direction != 'from'"});
  CHECK(several.tried(delete_from("users")) == Positions{1, 3, 5, 6});
}

TEST_CASE("rules are found by what every member of a list must be, or none") {
  const std::vector<std::string> conditions = {
      "sql.tables.all(t, t == 'users')",
      "sql.tables.all(t, t in ['orders', 'users'])",
      "sql.tables.all(t, t == 'orders' || t.startsWith('us'))",
      "sql.tables.all(t, t.startsWith('secret_'))",
      "sql.tables.all(t, t != 'users')",
      "sql.tables.all(t, !(t in ['orders', 'users']))",
      "sql.tables.all(t, t != 'orders' && t != 'users')",
      "sql.tables.all(t, t != 'orders' || t != 'users')",
      "!sql.tables.exists(t, t == 'users')",
      "!sql.tables.exists(t, t != 'users')",
      "!('users' in sql.tables)",
      "!('orders' in sql.tables)",
      "!sql.tables.all(t, t != 'users')",
      "!sql.tables.all(t, t != 'orders')",
      "!sql.tables.all(t, t == 'users')",
      "sql.tables.exists(t, t != 'orders')",
      "!sql.tables.exists_one(t, t == 'users')",
      "sql.tables.all(t, t.startsWith('us') && t.endsWith('s'))",
      "cel.bind(all, sql.tables, !all.exists(t, t.startsWith('u')))",
  };
  const Rules rules(conditions);
  CHECK(rules.tried(delete_from("users")) == Positions{0, 1, 2, 7, 9, 11, 12, 14, 15, 16, 17});
  // Of an empty list everything is true of every member, and of none.
  SqlFacets nothing = delete_from("users");
  nothing.tables = NameList{};
  CHECK(rules.tried(nothing) == Positions{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18});
  // Two members that no one rule allows; and an open list, of which anything could be true.
  SqlFacets two = delete_from("users");
  two.tables = NameList{{"users", "secret_a"}};
  CHECK(rules.tried(two) == Positions{7, 11, 12, 14, 15, 16});
  two.tables->open = true;
  CHECK(rules.tried(two).size() == conditions.size());
  two.tables = Unknown::unparseable;
  CHECK(rules.tried(two).size() == conditions.size());
}

TEST_CASE("a rule whose condition could be true without a constant's help is always tried") {
  const Rules rules({"true", "sql.verb == 'drop' || sql.statement.contains('x')", "sql.verb.endsWith('e')",
                     "sql.unbounded ? sql.verb == 'x' : true", "sql.tables.exists(t, t == sql.verb) || true",
                     "sql.verb in []", "sql.verb != sql.statement", "!(sql.verb in [])",
                     "sql.tables.all(t, t.endsWith('x'))", "!sql.tables.exists(t, t.contains('x'))",
                     "sql.verb != 'delete' || sql.statement.contains('x')"});
  CHECK(rules.tried(delete_from("users")) == Positions{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
}

TEST_CASE("attack 6: what is not known, or may have more members, makes its rules candidates") {
  const Rules rules({"sql.verb == 'drop'", "'secrets' in sql.tables", "sql.functions.exists(f, f == 'x')",
                     "sql.unbounded", "sql.copy.target == 'file'",
                     "sql.tables.exists(t, t.startsWith('s'))"});
  const Rules negative({"sql.verb != 'drop'", "!('secrets' in sql.tables)", "!sql.unbounded",
                        "sql.copy.target != 'file'", "sql.tables.all(t, t == 's')",
                        "!sql.tables.exists(t, t == 's')"});
  SqlFacets sql;
  CHECK(negative.tried(sql) == Positions{0, 1, 2, 3, 4, 5});
  CHECK(rules.tried(sql) == Positions{0, 1, 2, 3, 4, 5});
  sql = delete_from("users");
  CHECK(rules.tried(sql) == Positions{3});
  sql.tables = NameList{{"users"}, true};
  sql.functions = NameList{{}, true};
  CHECK(rules.tried(sql) == Positions{1, 2, 3, 5});
}

TEST_CASE("a thousand rules are found as few are") {
  std::vector<std::string> conditions;
  for (int i = 0; i < 1000; ++i) conditions.push_back(fmt::format("'t{}' in sql.tables", i));
  const Rules rules(conditions);
  CHECK(rules.tried(delete_from("t999")) == Positions{999});
  CHECK(rules.tried(delete_from("none")).empty());
}
