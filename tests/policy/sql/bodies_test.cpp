// Bodies of DO and of functions: their SQL is known, and never thought to be all.
#include "policy/sql/plpgsql.h"

#include <pg_query.h>
#if __has_feature(address_sanitizer)
#include <sanitizer/lsan_interface.h>
#endif

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/policy/sql/statement.h"

namespace clawpatrol::sql {
namespace {

std::string block(std::string_view statements) {
  return "DO $body$ BEGIN " + std::string(statements) + " END $body$";
}

std::vector<std::string> parts_of(std::string_view body) {
  std::vector<std::string> parts;
  REQUIRE(read_plpgsql(body, 32 * 1024, [&](const BodyPart& part) {
    static constexpr const char* kinds[] = {"S ", "E ", "X ", "R ", "T "};
    parts.push_back(kinds[static_cast<int>(part.kind)] + part.text);
  }));
  return parts;
}

using Parts = std::vector<std::string>;

void find_queries(const nlohmann::json& tree, std::vector<std::string>& queries) {
  if (tree.is_object() && tree.contains("query") && tree["query"].is_string())
    queries.push_back(tree["query"]);
  if (tree.is_structured())
    for (const auto& part : tree) find_queries(part, queries);
}

// What libpg_query's parser of PL/pgSQL finds in the bodies of a text: SQL, expressions, assignments.
std::vector<std::string> queries_of_libpg_query(const std::string& text) {
#if __has_feature(address_sanitizer)
  __lsan::ScopedDisabler its_own_leak;  // an empty string of every expression that it parses
#endif
  PgQueryPlpgsqlParseResult result = pg_query_parse_plpgsql(text.c_str());
  std::vector<std::string> queries;
  if (result.error == nullptr) find_queries(nlohmann::json::parse(result.plpgsql_funcs), queries);
  pg_query_free_plpgsql_parse_result(result);
  return queries;
}

bool holds(const Facet<NameList>& list, const Facet<NameList>& other) {
  return std::ranges::all_of(other->items, [&](const std::string& name) { return has(list, name); });
}

}  // namespace

TEST_CASE("all that libpg_query's own parser of PL/pgSQL finds in the regression suite is found") {
  std::ifstream lines(std::string(CLAWPATROL_FIXTURES) + "/postgres/regress15.jsonl");
  std::size_t bodies = 0, compared = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string text = nlohmann::json::parse(line)["sql"];
    if (text.find("plpgsql") == text.npos && !text.starts_with("do ") && !text.starts_with("DO ")) continue;
    const std::vector<std::string> queries = queries_of_libpg_query(text);
    const Analysis whole = analyse(text, {});
    if (queries.empty() || whole.readable != Readable::yes) continue;
    ++bodies;
    for (const std::string& query : queries) {
      const std::size_t assigned = query.find(":=");
      Analysis part = analyse(query, {});
      if (part.readable != Readable::yes)
        part = analyse("SELECT " + (assigned == query.npos ? query : query.substr(assigned + 2)), {});
      if (part.readable != Readable::yes || part.statements.empty()) continue;
      ++compared;
      INFO(text << "\nquery: " << query);
      CHECK(holds(whole.statements.front().facets.tables, part.statements.front().facets.tables));
      CHECK(holds(whole.statements.front().facets.functions, part.statements.front().facets.functions));
    }
  }
  CHECK(bodies > 120);
  CHECK(compared > 400);
}

TEST_CASE("the SQL of a PL/pgSQL body is nested in the statement that runs or makes it") {
  for (const char* text :
       {"DO $$ BEGIN DELETE FROM app.secrets WHERE id = lower('A')::int; END $$",
        "DO LANGUAGE plpgsql 'BEGIN DELETE FROM app.secrets WHERE id = lower(''A'')::int; END'",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM app.secrets "
        "WHERE id = lower('A')::int; END $$",
        "CREATE PROCEDURE f() AS $$ BEGIN DELETE FROM app.secrets WHERE id = lower('A')::int; END $$ "
        "LANGUAGE 'plpgsql'"}) {
    INFO(text);
    const Statement statement = one(text);
    CHECK(has(statement.facets.verbs, "delete"));
    CHECK(has(statement.facets.tables, "app.secrets"));
    CHECK(has(statement.facets.writes, "app.secrets"));
    CHECK(has(statement.facets.functions, "lower"));
    CHECK(has(statement.facets.columns, "secrets.id"));
    CHECK(has(statement.facets.literals, "A"));
    // Nobody has proved that this is all.
    CHECK(all_open(statement.facets));
    CHECK(has_class(statement, "unknown_code"));
    CHECK(statement.kind == ActionKind::exec);
  }
  CHECK(*one("DO $$ BEGIN DELETE FROM t; END $$").facets.verb == "do");
}

TEST_CASE("attack 6: SQL in a body, however it is wrapped there, is not hidden from a rule on tables") {
  for (const char* statements :
       {"PERFORM * FROM secrets;",
        "SELECT a INTO STRICT x FROM secrets;",
        "SELECT INTO x, y.z a, b FROM secrets;",
        "x := (SELECT max(a) FROM secrets);",
        "x = a FROM secrets;",
        "x[(SELECT 1 FROM secrets)] := 1;",
        "$1 := (SELECT 1 FROM secrets);",
        "y.f[1].g := count(*) FROM secrets;",
        "IF EXISTS (SELECT FROM secrets) THEN NULL; END IF;",
        "IF a THEN NULL; ELSIF (SELECT true FROM secrets) THEN NULL; ELSE NULL; END IF;",
        "IF a THEN NULL; ELSE PERFORM 1 FROM secrets; END IF;",
        "CASE (SELECT 1 FROM secrets) WHEN 1 THEN NULL; END CASE;",
        "CASE a WHEN 1, (SELECT 2 FROM secrets) THEN NULL; END CASE;",
        "CASE WHEN a THEN NULL; ELSE PERFORM 1 FROM secrets; END CASE;",
        "LOOP PERFORM 1 FROM secrets; END LOOP;",
        "WHILE (SELECT true FROM secrets) LOOP NULL; END LOOP;",
        "<<outer>> WHILE a LOOP EXIT outer WHEN (SELECT true FROM secrets); END LOOP outer;",
        "FOR r IN SELECT * FROM secrets LOOP NULL; END LOOP;",
        "FOR r, s IN (SELECT * FROM secrets) LOOP NULL; END LOOP;",
        "FOR i IN REVERSE 9..(SELECT 1 FROM secrets) BY 2 LOOP NULL; END LOOP;",
        "FOR i IN 1..9 BY (SELECT 1 FROM secrets) LOOP NULL; END LOOP;",
        "FOR r IN c((SELECT 1 FROM secrets)) LOOP NULL; END LOOP;",
        "FOR r IN EXECUTE 'SELECT * FROM secrets' LOOP NULL; END LOOP;",
        "FOR r IN EXECUTE 'SELECT $1' USING (SELECT 1 FROM secrets) LOOP NULL; END LOOP;",
        "FOREACH x SLICE 1 IN ARRAY (SELECT a FROM secrets) LOOP NULL; END LOOP;",
        "RETURN (SELECT 1 FROM secrets);",
        "RETURN NEXT (SELECT 1 FROM secrets);",
        "RETURN QUERY SELECT * FROM secrets;",
        "RETURN QUERY EXECUTE 'SELECT * FROM secrets' USING 1;",
        "EXECUTE 'SELECT * FROM secrets';",
        "EXECUTE ('SELECT * FROM secrets') INTO STRICT x USING 1;",
        "EXECUTE 'SELECT 1; SELECT * FROM secrets';",
        "EXECUTE 'DO $x$ BEGIN PERFORM 1 FROM secrets; END $x$';",
        "EXECUTE 'SELECT $1' USING (SELECT 1 FROM secrets) INTO x;",
        "EXECUTE 'SELECT $1' INTO x USING (SELECT 1 FROM secrets);",
        "EXECUTE (SELECT a FROM secrets);",
        "RAISE NOTICE '%', (SELECT 1 FROM secrets);",
        "RAISE EXCEPTION USING message = (SELECT a FROM secrets), detail = 'x';",
        "RAISE division_by_zero USING detail = 'x', hint := (SELECT a FROM secrets);",
        "RAISE SQLSTATE '22012' USING hint = (SELECT a FROM secrets);",
        "ASSERT (SELECT true FROM secrets), 'x';",
        "OPEN c FOR SELECT * FROM secrets;",
        "OPEN c NO SCROLL FOR EXECUTE 'SELECT * FROM secrets' USING 1;",
        "OPEN c(a := (SELECT 1 FROM secrets));",
        "CALL p((SELECT 1 FROM secrets));",
        "INSERT INTO t SELECT * FROM secrets RETURNING a INTO x;",
        "WITH w AS (INSERT INTO t SELECT * FROM secrets RETURNING a) SELECT a INTO x FROM w;",
        "COPY secrets TO '/tmp/x';",
        "BEGIN NULL; EXCEPTION WHEN others OR SQLSTATE '22012' THEN PERFORM 1 FROM secrets; END;",
        "DECLARE c CURSOR FOR SELECT * FROM secrets; BEGIN NULL; END;",
        "DECLARE c NO SCROLL CURSOR (a int) IS SELECT * FROM secrets; BEGIN NULL; END;",
        "DECLARE x CONSTANT int NOT NULL := (SELECT 1 FROM secrets); BEGIN NULL; END;",
        "DECLARE x int DEFAULT (SELECT 1 FROM secrets); BEGIN NULL; END;",
        "DECLARE x secrets%ROWTYPE; BEGIN NULL; END;",
        "DECLARE x public.secrets.a%TYPE; BEGIN NULL; END;",
        "DECLARE p ALIAS FOR $1; x text; BEGIN SELECT a INTO x FROM secrets; END;",
        "<<inner>> DECLARE x int; BEGIN <<deep>> BEGIN PERFORM 1 FROM secrets; END deep; END;",
        "-- PERFORM 1;\n/* ; */ PERFORM 1 FROM secrets;"}) {
    INFO(statements);
    const Statement statement = one(block(statements));
    CHECK(has(statement.facets.tables, "secrets"));
    CHECK(has(statement.facets.reads, "public.secrets"));
    CHECK(all_open(statement.facets));
  }
}

TEST_CASE("what PL/pgSQL assigns is no table, and what it only computes is no SELECT") {
  const Statement into =
      one(block("SELECT a INTO target FROM t; INSERT INTO u VALUES (1) RETURNING b INTO v;"));
  CHECK_FALSE(has(into.facets.tables, "target"));
  CHECK_FALSE(has(into.facets.tables, "v"));
  CHECK_FALSE(has(into.facets.verbs, "create"));
  CHECK(has(into.facets.writes, "u"));
  const Statement computed =
      one(block("x := y + 1; RAISE NOTICE 'a %', upper(z); IF x > 1 THEN NULL; END IF;"));
  CHECK_FALSE(has(computed.facets.verbs, "select"));
  CHECK(has(computed.facets.functions, "upper"));
  CHECK(has(computed.facets.literals, "a %"));
}

TEST_CASE("EXECUTE of a computed string is dynamic SQL, of a literal it is what that says") {
  for (const char* dynamic :
       {"EXECUTE 'DROP TABLE ' || name;", "EXECUTE format('DROP TABLE %I', name);", "EXECUTE command;",
        "RETURN QUERY EXECUTE q USING 1;", "FOR r IN EXECUTE q LOOP NULL; END LOOP;", "OPEN c FOR EXECUTE q;",
        "EXECUTE 'x' FROM t;", "EXECUTE NULL;"}) {
    INFO(dynamic);
    CHECK(has_class(one(block(dynamic)), "dynamic_sql"));
    CHECK(has_class(one("CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $x$ BEGIN " +
                        std::string(dynamic) + " END $x$"),
                    "dynamic_sql"));
  }
  const Statement literal = one(block("EXECUTE 'DROP TABLE audit.log';"));
  CHECK_FALSE(has_class(literal, "dynamic_sql"));
  CHECK(has(literal.facets.verbs, "drop"));
  CHECK(has(literal.facets.writes, "audit.log"));
}

TEST_CASE("what a body does counts: program, unbounded writes, settings that decide reading") {
  const Statement program = one(block("COPY t TO PROGRAM 'sh';"));
  CHECK(has_class(program, "program"));
  CHECK(program.facets.copy->target == "program");
  CHECK_FALSE(one(block("COPY t FROM STDIN;")).enters_copy_in);
  CHECK(*one(block("UPDATE t SET a = 1;")).facets.unbounded);
  CHECK_FALSE(*one(block("UPDATE t SET a = 1 WHERE b = 2;")).facets.unbounded);
  CHECK(one(block("EXECUTE E'SET standard_conforming_st\\162ings = off';")).reading == ReadingGuard::refused);
  CHECK(one(block("UPDATE U&\"pg_s\\0065ttings\" SET setting = 'SJIS';")).reading == ReadingGuard::refused);
}

TEST_CASE("parts of a body are found as they are written") {
  CHECK(parts_of("#variable_conflict use_column\nDECLARE a int := 1; b t.c%TYPE; BEGIN a := f(b); END") ==
        Parts{"E 1", "T t.c", "E f(b)"});
  CHECK(parts_of("BEGIN FOR i IN 1 .. n LOOP EXECUTE q INTO a, b USING c, d; END LOOP; END;") ==
        Parts{"E 1", "E n", "X q", "E c, d"});
  CHECK(parts_of("BEGIN SELECT a , b INTO r.x , y[1] FROM t; END") == Parts{"S SELECT a , b FROM t"});
  CHECK(parts_of("BEGIN \"if\" := 1; GET DIAGNOSTICS n = ROW_COUNT; FETCH c INTO x; CLOSE c; NULL; END") ==
        Parts{"E 1"});
}

TEST_CASE("a body of any shape ends, and soon") {
  const std::size_t most = 32 * 1024;
  for (const char* piece : {"BEGIN ",
                            "END ",
                            "IF ",
                            "IF a THEN ",
                            "CASE ",
                            "CASE a WHEN b THEN ",
                            "FOR ",
                            "FOR a IN ",
                            "LOOP ",
                            "<< ",
                            "DECLARE ",
                            "DECLARE a ",
                            "EXECUTE ",
                            "EXECUTE a USING ",
                            "EXECUTE a INTO ",
                            "RAISE ",
                            "RAISE a USING b, ",
                            "OPEN a ",
                            "RETURN ",
                            "a[",
                            "a.b.",
                            "(",
                            ")",
                            "INTO ",
                            "SELECT a INTO b, ",
                            "# ",
                            "% ",
                            ";",
                            "WHEN ",
                            "EXCEPTION ",
                            "a := ",
                            "USING , "}) {
    std::string body;
    while (body.size() < 60'000) body += piece;
    INFO(piece);
    Options options;
    options.limits = {.bytes = 1 << 20, .tokens = most};
    one("DO $body$" + body + "$body$", options);
  }
  // Parts by the thousand, each parsed by itself.
  std::string many;
  for (int i = 0; i < 5000; ++i) many += "PERFORM f(" + std::to_string(i) + ");\n";
  CHECK(has(one(block(many)).facets.literals, "4999"));
  // Literals within literals.
  std::string nested = "SELECT 1 FROM secrets";
  for (int i = 0; i < 8; ++i) {
    std::string quoted;
    for (char c : nested) quoted.append(c == '\'' ? 2 : 1, c);
    nested = "DO 'BEGIN EXECUTE ''" + quoted + "''; END'";
    if (i == 0) nested = "DO $$BEGIN EXECUTE '" + quoted + "'; END$$";
  }
  one(nested);
}

TEST_CASE("SET and RESET in a body are verbs of it, and as clauses of a function none") {
  const Statement body = one("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'SET x.y = 1; RESET x.y'");
  CHECK(body.facets.verbs->items == std::vector<std::string>{"create", "set", "reset"});
  const Statement clause = one("CREATE FUNCTION f() RETURNS int LANGUAGE sql SET x.y = 1 AS 'SELECT 1'");
  CHECK(clause.facets.verbs->items == std::vector<std::string>{"create", "select"});
}

}  // namespace clawpatrol::sql
