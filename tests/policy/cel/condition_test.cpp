#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <string>

#include "tests/policy/cel/example.h"

TEST_CASE("facets of every kind are read as their types") {
  Example example;
  CHECK(yes(example, "action.kind == 'write' && action.type == 'statement'"));
  CHECK(yes(example,
            "peer.name == 'builder-1' && peer.profile == 'data' && peer.address.startsWith('10.86.')"));
  CHECK(yes(example,
            "peer.labels.team == 'platform' && peer.labels['team'] == 'platform' && 'team' in peer.labels"));
  CHECK(
      yes(example, "endpoint.name == 'pg-prod' && endpoint.type == 'postgres' && credential == 'pg-reader'"));
  CHECK(yes(example, "dest.host == 'pg.internal' && dest.port == 5432 && dest.port in [5432, 6432]"));
  CHECK(yes(example,
            "now > timestamp('2023-11-14T22:13:20Z') && now - timestamp(1700000000) == duration('500ms')"));
  CHECK(yes(example, "now.getHours() == 22 && now.getHours('+02:00') == 0 && now.getMilliseconds() == 500"));
  CHECK(yes(example, "sql.copy.direction == 'to' && sql.copy.target == 'program'"));
  CHECK(yes(example, "sql.params[0] == '7' && sql.params[1] == null && sql.params.size() == 2"));
  CHECK(yes(example, "!sql.unbounded && sql.statements == 1 && sql.reads == [] && sql.verb in sql.verbs"));
}

TEST_CASE("the conditions of the configuration page decide as it says") {
  Example example;
  CHECK(no(example, "sql.verbs.exists(v, v in ['drop', 'truncate', 'alter', 'grant'])"));
  CHECK(yes(example, "sql.verbs.exists(v, v in ['drop', 'delete'])"));
  CHECK(yes(example, "sql.tables.all(t, t.endsWith('users'))"));
  CHECK(yes(example, "sql.functions.map(f, f.size()).exists(n, n == 5)"));
  CHECK(yes(example, "sql.tables.filter(t, t.contains('.')) == ['public.users']"));
  CHECK(yes(example, "sql.tables.exists_one(t, t == 'users')"));
  CHECK(yes(example, "sets.contains(sql.tables, ['users']) && sets.intersects(sql.writes, ['users', 'x'])"));
  CHECK(yes(example, "sets.equivalent(sql.tables, sql.writes) && !sets.contains(['users'], sql.tables)"));
  CHECK(yes(example, "sql.statement.matches('(?i)delete\\\\s+from')"));
  CHECK(yes(example, "sql.statement.matches(sql.verb.upperAscii())"));
  CHECK(yes(example, "(sql.verb == 'delete' ? sql.writes : sql.reads).size() == 2"));
}

TEST_CASE("a comparison with a text of the policy says what any comparison says, on either side") {
  Example example;
  CHECK(yes(example,
            "sql.verb == 'delete' && 'delete' == sql.verb && sql.verb != 'drop' && 'DELETE' != sql.verb"));
  CHECK(no(example, "sql.verb != 'delete' || 'drop' == sql.verb || sql.verb == '' || sql.verb == 'delete '"));
  CHECK(yes(example, "dyn(sql.statements) != '1' && !(dyn(sql.tables) == 'users') && sql.params[1] != '7'"));
  CHECK(yes(example, "'' == sql.params.map(p, '')[0] && dyn(null) != ''"));
  example.sql.verb = Unknown::over_limit;
  CHECK(cause(example, "sql.verb != 'delete'") == "sql.verb: over a limit");
  CHECK(cause(example, "'delete' == sql.verb") == "sql.verb: over a limit");
}

TEST_CASE("an unknown facet spreads unless the answer does not depend on it") {
  Example example;
  example.sql.verb = Unknown::unparseable;
  std::string unparseable = "sql.verb: unparseable";
  CHECK(cause(example, "sql.verb == 'drop'") == unparseable);
  CHECK(cause(example, "sql.verb != 'drop'") == unparseable);
  CHECK(cause(example, "!(sql.verb == 'drop')") == unparseable);
  CHECK(cause(example, "sql.verb in ['drop']") == unparseable);
  CHECK(cause(example, "sql.verb in sql.verbs") == unparseable);
  CHECK(cause(example, "sql.verb.startsWith('d')") == unparseable);
  CHECK(cause(example, "sql.verb.matches('d')") == unparseable);
  CHECK(cause(example, "[sql.verb].size() == 1") == unparseable);
  CHECK(cause(example, "{'a': sql.verb}.size() == 1") == unparseable);
  CHECK(cause(example, "sql.tables.exists(t, t == sql.verb)") == unparseable);
  CHECK(cause(example, "sql.verb == 'drop' ? true : true") == unparseable);
  CHECK(cause(example, "type(sql.verb) == string") == unparseable);
  CHECK(cause(example, "dyn(sql.verb) == 1") == unparseable);
  CHECK(cause(example, "sql.verb == 'a' && true") == unparseable);
  CHECK(cause(example, "false || sql.verb == 'a'") == unparseable);
}

TEST_CASE("false decides && and true decides || on either side of what is undecided") {
  Example example;
  example.sql.verb = Unknown::over_limit;
  for (std::string undecided :
       {"sql.verb == 'x'", "1 / (sql.statements - 1) == 1", "peer.labels.none == 'x'"}) {
    CHECK(no(example, undecided + " && sql.unbounded"));
    CHECK(no(example, "sql.unbounded && " + undecided));
    CHECK(yes(example, undecided + " || !sql.unbounded"));
    CHECK(yes(example, "!sql.unbounded || " + undecided));
    CHECK(yes(example, "sql.unbounded ? " + undecided + " : true"));
    CHECK(yes(example, "sql.tables.exists(t, " + undecided + " || t == 'users')"));
    CHECK(no(example, "sql.tables.all(t, " + undecided + " && t == 'users')"));
    CHECK(outcome(example, undecided + " && !sql.unbounded").truth == Truth::unevaluable);
    CHECK(outcome(example, undecided + " || sql.unbounded").truth == Truth::unevaluable);
    CHECK(outcome(example, "!(" + undecided + ")").truth == Truth::unevaluable);
  }
}

TEST_CASE("errors say what went wrong, and never a value") {
  Example example;
  CHECK(cause(example, "peer.labels.password == 'x'") == "no such key");
  CHECK(cause(example, "peer.labels['password'] == 'x'") == "no such key");
  CHECK(cause(example, "10 / (sql.statements - 1) > 1") == "division by zero");
  CHECK(cause(example, "sql.statements + 9223372036854775807 > 1") == "integer overflow");
  CHECK(cause(example, "sql.params[2] == '7'") == "index out of range");
  CHECK(cause(example, "sql.params[-1] == '7'") == "index out of range");
  CHECK(cause(example, "sql.params[1].startsWith('7')") == "wrong type");
  CHECK(cause(example, "int(sql.verb) == 7") == "value cannot be converted");
  CHECK(cause(example, "timestamp(sql.verb) == now") == "value cannot be converted");
  CHECK(cause(example, "sql.verb.substring(9) == ''") == "index out of range");
  CHECK(cause(example, "sql.statement.matches(sql.verb + '(')") == "invalid pattern");
  CHECK(no(example, "has(peer.labels.password)"));
  CHECK(yes(example, "has(peer.labels.team) && has(peer.labels.empty) && has(sql.copy.target)"));
}

TEST_CASE("attack 6: what is known to be in an open list decides, and absence from it never does") {
  Example example;
  example.sql.tables = NameList{{"public.users", "users"}, true};
  std::string unread = "sql.tables: runs code that was not read";
  CHECK(yes(example, "'users' in sql.tables"));
  CHECK(yes(example, "sql.tables.exists(t, t == 'users')"));
  CHECK(yes(example, "sets.contains(sql.tables, ['users']) && sets.intersects(['x', 'users'], sql.tables)"));
  CHECK(no(example, "sql.tables.all(t, t == 'users')"));
  CHECK(yes(example, "'users' in sql.tables.filter(t, t.size() == 5)"));
  CHECK(yes(example, "'users' in (['x'] + sql.tables)"));
  for (std::string undecided : {"'secrets' in sql.tables",
                                "!('secrets' in sql.tables)",
                                "sql.tables == []",
                                "sql.tables != []",
                                "sql.tables == ['public.users', 'users']",
                                "sql.tables.size() == 2",
                                "size(sql.tables) > 1",
                                "sql.tables[0] == 'public.users'",
                                "sql.tables.all(t, t.endsWith('users'))",
                                "sql.tables.exists(t, t == 'secrets')",
                                "!sql.tables.exists(t, t == 'secrets')",
                                "sql.tables.exists_one(t, t == 'users')",
                                "sql.tables.map(t, t.size()) == [12, 5]",
                                "5 in sql.tables.map(t, t.size())",
                                "sql.tables.filter(t, t == 'secrets') == []",
                                "sql.tables.filter(t, t == 'users').size() == 1",
                                "(['x'] + sql.tables).size() == 3",
                                "sql.tables in [['public.users', 'users']]",
                                "{'a': sql.tables} == {'a': ['users']}",
                                "[sql.tables] == [['public.users', 'users']]",
                                "sql.tables.join(',') == 'x'",
                                "sets.contains(['public.users', 'users'], sql.tables)",
                                "sets.contains(sql.tables, ['secrets'])",
                                "sets.equivalent(sql.tables, ['public.users', 'users'])",
                                "!sets.intersects(sql.tables, ['secrets'])",
                                "!sets.intersects(['secrets'], sql.tables)",
                                "sql.tables.exists(i, t, t == 'users')",
                                "dyn(sql.tables).size() == 2",
                                "sql.tables == sql.writes",
                                "sql.writes == sql.tables",
                                "(sql.unbounded ? [] : sql.tables) == []"}) {
    INFO(undecided);
    CHECK(cause(example, undecided) == unread);
  }
}

TEST_CASE("attack 6: an empty open list is not an empty list") {
  Example example;
  example.sql.writes = NameList{{}, true};
  CHECK(cause(example, "sql.writes == []") == "sql.writes: runs code that was not read");
  CHECK(cause(example, "sql.writes.all(t, t == 'audit')") == "sql.writes: runs code that was not read");
  CHECK(cause(example, "!sql.writes.exists(t, true)") == "sql.writes: runs code that was not read");
  CHECK(cause(example, "sql.writes.size() == 0") == "sql.writes: runs code that was not read");
}

TEST_CASE("attack 8: a facet that does not apply is unknown, never empty") {
  Example example;
  example.action.sql = nullptr;
  example.action.sql_params = nullptr;
  example.action.type = ActionType::cancel;
  for (std::string facet : {"sql.verb", "sql.user", "sql.statement", "sql.database", "sql.declared_user"}) {
    CHECK(cause(example, facet + " == ''") == facet + ": not applicable");
    CHECK(cause(example, facet + " != 'x'") == facet + ": not applicable");
  }
  for (std::string facet : {"sql.tables", "sql.writes", "sql.verbs", "sql.params", "sql.literals"}) {
    CHECK(cause(example, facet + " == []") == facet + ": not applicable");
    CHECK(cause(example, facet + ".all(t, false)") == facet + ": not applicable");
    CHECK(cause(example, "!('x' in " + facet + ")") == facet + ": not applicable");
  }
  CHECK(cause(example, "!sql.unbounded") == "sql.unbounded: not applicable");
  CHECK(cause(example, "sql.copy.target == ''") == "sql.copy: not applicable");
  CHECK(cause(example, "!has(sql.copy.target)") == "sql.copy: not applicable");
  CHECK(yes(example, "action.type == 'cancel' || sql.verb == 'x'"));
  SqlFacets nothing;
  SqlSessionFacets session{"app", "agent_ro", "boss"};
  example.action.sql = &nothing;
  example.action.sql_session = &session;
  CHECK(yes(example, "sql.user == 'agent_ro'"));
  CHECK(cause(example, "!(sql.verb in ['drop'])") == "sql.verb: not applicable");
  example.action.peer = nullptr;
  CHECK(cause(example, "peer.name == 'x'") == "peer.name: not applicable");
}

TEST_CASE("what waits for Bind parameters says so, unless it could not be decided even then") {
  Example example;
  example.params = Unknown::pending;
  example.sql.verb = Unknown::unparseable;
  CHECK(outcome(example, "sql.params[0] == '7'").pending);
  CHECK(outcome(example, "sql.unbounded || sql.params.exists(p, p == '7')").pending);
  CHECK(outcome(example, "sql.verb == 'x' || sql.params[0] == '7'").pending);
  CHECK(outcome(example, "sql.params[0] == '7' && sql.verb == 'x'").pending);
  CHECK_FALSE(outcome(example, "sql.verb == sql.params[0]").pending);
  CHECK_FALSE(outcome(example, "sql.verb == 'x' ? sql.params[0] == '7' : false").pending);
  CHECK(no(example, "sql.unbounded && sql.params[0] == '7'"));
  CHECK(cause(example, "sql.params[0] == '7'") == "sql.params: not known yet");
}

TEST_CASE("text that is not UTF-8 is compared as bytes and never matched, counted or indexed") {
  Example example;
  example.sql.statement = std::string("DROP \xff TABLE users");
  std::string not_text = "text is not valid UTF-8";
  CHECK(cause(example, "sql.statement.matches('(?s)DROP.*TABLE')") == not_text);
  CHECK(cause(example, "!sql.statement.matches('(?s)DROP.*TABLE')") == not_text);
  CHECK(cause(example, "sql.statement.size() < 5") == not_text);
  CHECK(cause(example, "sql.statement.charAt(5) == 'x'") == not_text);
  CHECK(cause(example, "sql.statement.replace('x', 'y') == ''") == not_text);
  CHECK(yes(example, "sql.statement.contains('TABLE') && sql.statement.startsWith('DROP')"));
  CHECK(yes(example, "sql.statement.lowerAscii().startsWith('drop')"));
}

TEST_CASE("no action can make a condition spin or grow") {
  Example example;
  NameList many;
  for (int i = 0; i < 1000; ++i) many.items.push_back(fmt::format("table_{}", i));
  example.sql.tables = many;
  example.sql.statement = std::string(200'000, 'a');
  for (std::string dear :
       {"sql.tables.all(a, sql.tables.all(b, sql.tables.all(c, a != b || b != c || true)))",
        "!sql.tables.exists(a, sql.tables.exists(b, sql.tables.exists(c, a == 'x')))",
        "sql.tables.map(a, sql.tables.map(b, sql.tables.map(c, a + b + c))).size() == 1",
        "sql.tables.map(a, sql.statement + sql.statement).size() == 1",
        "sql.tables.exists(a, sql.tables.exists(b, sql.statement.matches(a + b)))",
        "sql.tables.exists(a, sql.statement.matches('(x+x+)+y|' + a))",
        "sql.tables.all(a, sql.statement.replace('', a) != '')",
        "sql.tables.all(a, sql.statement.split('').size() > 0)",
        "sql.tables.all(a, sql.statement.contains(sql.statement))",
        "sql.tables.all(a, sql.statement.lastIndexOf(sql.statement + a) == -1)",
        "sql.tables.exists(a, sql.tables.exists(b, sql.tables.exists(c, a == 'x'))) || true == "
        "sql.unbounded"}) {
    INFO(dear);
    Outcome found = outcome(example, dear);
    CHECK(found.truth == Truth::unevaluable);
    CHECK(found.cause == "cost limit");
    CHECK_FALSE(found.pending);
  }
  CHECK(compiled("sql.tables.exists(t, t == 'x')").evaluate(example.action, 100).cause == "cost limit");
}

TEST_CASE(
    "a text that makes a pattern's automaton explode is refused in milliseconds, not simulated for seconds") {
  Example example;
  std::string hostile;
  std::uint32_t state = 1;
  for (int i = 0; i < 200'000; ++i) hostile.push_back("ab"[(state = state * 1664525 + 1013904223) >> 31]);
  for (std::string pattern : {"[ab]*a[ab]{300}c", "a[ab]{14}c", "(([ab]{1,30}){1,30})c"}) {
    INFO(pattern);
    std::string text = "sql.statement.matches('" + pattern + "')";
    Condition condition = compiled(text);
    CHECK(condition.evaluate(example.action).truth == Truth::no);
    SqlFacets sql = example.sql;
    sql.statement = hostile;
    Action action = example.action;
    action.sql = &sql;
    CHECK(condition.evaluate(action).cause == "cost limit");
    CHECK(condition.evaluate(example.action).truth == Truth::no);  // and the pattern is as good as before
  }
}

TEST_CASE("cost counts the size of values") {
  Example small, large;
  large.sql.statement = std::string(160'000, 'a');
  for (std::string text :
       {"sql.statement.contains('b')", "sql.statement + 'b' == 'b'", "sql.statement.matches('b')",
        "sql.statement.size() == 1", "sql.statement.trim() == ''"}) {
    INFO(text);
    CHECK(outcome(large, text).cost > outcome(small, text).cost + 9'000);
  }
}

TEST_CASE("a condition says which facets it reads, once each") {
  using enum FacetId;
  CHECK(compiled("sql.verb == 'a' || sql.params.exists(p, p == sql.verb) || peer.labels.x == sql.copy.target")
            .facets() == std::vector{peer_labels, sql_verb, sql_copy, sql_params});
  CHECK(compiled("true").facets().empty());
  CHECK(compiled("sql.tables.exists(sql, sql == 'x')").facets() == std::vector{sql_tables});
}

TEST_CASE("a variable of a macro hides facets of its name, and only inside") {
  Example example;
  CHECK(yes(example, "sql.tables.exists(sql, sql == 'users') && sql.verb == 'delete'"));
  CHECK(yes(example, "[{'verb': 'x'}].exists(sql, sql.verb == 'x' && .sql.verb == 'delete')"));
  CHECK(yes(example, "['a'].exists(x, ['b'].exists(x, x == 'b') && x == 'a')"));
}

TEST_CASE("conditions can be moved and evaluated after their text is gone") {
  Example example;
  std::string text =
      "sql.verb in ['delete', 'a long constant that cannot be kept in the object'] && 'é' == '\\u00e9'";
  Condition first = compiled(text);
  text.assign(text.size(), 'x');
  Condition second = std::move(first);
  CHECK(second.evaluate(example.action).truth == Truth::yes);
  CHECK(second.text().starts_with("sql.verb in"));
}
