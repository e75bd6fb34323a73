#include "tests/policy/sql/statement.h"

namespace clawpatrol::sql {
namespace {

using Names = std::vector<std::string>;

// Leaf names only, sorted.
Names leaves(const Facet<NameList>& list) {
  Names names;
  for (const std::string& item : list->items) {
    if (item.find('.') == std::string::npos) names.push_back(item);
  }
  std::ranges::sort(names);
  return names;
}

struct Row {
  const char* text;
  const char* verb;
  Names verbs;
  ActionKind kind;
};

using enum ActionKind;

const Row verb_rows[] = {
    {"SELECT 1", "select", {"select"}, read},
    {"VALUES (1)", "select", {"select"}, read},
    {"TABLE t", "select", {"select"}, read},
    {"INSERT INTO t SELECT 1", "insert", {"insert", "select"}, write},
    {"INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1", "insert", {"insert", "update"}, write},
    {"INSERT INTO t DEFAULT VALUES ON CONFLICT DO NOTHING", "insert", {"insert"}, write},
    {"UPDATE t SET a = 1", "update", {"update"}, write},
    {"DELETE FROM t WHERE id IN (SELECT id FROM u)", "delete", {"delete", "select"}, write},
    {"MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)",
     "merge",
     {"merge", "delete", "insert"},
     write},
    {"WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", "select", {"select", "delete"}, write},
    {"WITH i AS (SELECT 1) UPDATE t SET a = 1", "update", {"update", "select"}, write},
    {"TRUNCATE t", "truncate", {"truncate"}, write},
    {"EXPLAIN DELETE FROM t", "explain", {"explain", "delete"}, read},
    {"EXPLAIN ANALYZE DELETE FROM t", "delete", {"explain", "delete"}, write},
    {"EXPLAIN (ANALYZE, VERBOSE) DELETE FROM t", "delete", {"explain", "delete"}, write},
    {"EXPLAIN (ANALYZE false) DELETE FROM t", "explain", {"explain", "delete"}, read},
    {"EXPLAIN (ANALYZE 0) SELECT 1", "explain", {"explain", "select"}, read},
    {"EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1", "create", {"explain", "create", "select"}, admin},
    {"PREPARE p AS DELETE FROM t", "delete", {"prepare", "delete"}, write},
    {"DECLARE c CURSOR FOR SELECT 1", "select", {"declare", "select"}, read},
    {"COPY t TO STDOUT", "copy", {"copy"}, read},
    {"COPY t FROM STDIN", "copy", {"copy"}, write},
    {"COPY (SELECT 1) TO STDOUT", "copy", {"copy", "select"}, read},
    {"COPY (DELETE FROM t RETURNING *) TO STDOUT", "delete", {"copy", "delete"}, write},
    {"COPY t TO PROGRAM 'cat'", "copy", {"copy"}, exec},
    {"COPY t FROM '/etc/passwd'", "copy", {"copy"}, admin},
    {"SELECT 1 INTO x", "create", {"select", "create"}, admin},
    {"SELECT 1 INTO x UNION SELECT 2", "create", {"select", "create"}, admin},
    {"(SELECT 1 INTO x UNION SELECT (SELECT 2)) EXCEPT SELECT 3 UNION ALL SELECT 4 ORDER BY (SELECT 1)",
     "create",
     {"select", "create"},
     admin},
    {"CREATE TABLE x AS SELECT 1", "create", {"create", "select"}, admin},
    {"CREATE VIEW v AS SELECT * FROM t", "create", {"create", "select"}, admin},
    {"CREATE RULE r AS ON INSERT TO t DO ALSO DELETE FROM u", "create", {"create", "delete"}, exec},
    {"CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION f()", "create", {"create"}, exec},
    {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'DROP TABLE t; SELECT 1'",
     "create",
     {"create", "drop", "select"},
     exec},
    {"CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC DELETE FROM t; SELECT 1; END",
     "create",
     {"create", "delete", "select"},
     exec},
    {"CREATE SCHEMA s CREATE TABLE t (a int) GRANT ALL ON t TO public", "create", {"create", "grant"}, admin},
    {"DROP TABLE t", "drop", {"drop"}, admin},
    {"ALTER TABLE t ADD COLUMN c int", "alter", {"alter"}, admin},
    {"ALTER SYSTEM SET work_mem = '1MB'", "alter", {"alter"}, admin},
    {"GRANT SELECT ON t TO u", "grant", {"grant"}, admin},
    {"REVOKE SELECT ON t FROM u", "revoke", {"revoke"}, admin},
    {"GRANT a TO b", "grant", {"grant"}, admin},
    {"COMMENT ON TABLE t IS 'x'", "comment", {"comment"}, admin},
    {"SECURITY LABEL ON TABLE t IS 'x'", "security_label", {"security_label"}, admin},
    {"LOCK TABLE t", "lock", {"lock"}, write},
    {"VACUUM t", "vacuum", {"vacuum"}, admin},
    {"ANALYZE t", "analyze", {"analyze"}, admin},
    {"CLUSTER t", "cluster", {"cluster"}, admin},
    {"REINDEX TABLE t", "reindex", {"reindex"}, admin},
    {"REFRESH MATERIALIZED VIEW v", "refresh", {"refresh"}, admin},
    {"REASSIGN OWNED BY a TO b", "reassign", {"reassign"}, admin},
    {"CHECKPOINT", "checkpoint", {"checkpoint"}, admin},
    {"LOAD 'x'", "load", {"load"}, exec},
    {"IMPORT FOREIGN SCHEMA a FROM SERVER s INTO b", "import", {"import"}, exec},
    {"DO 'begin end'", "do", {"do"}, exec},
    {"CALL p()", "call", {"call"}, exec},
    {"BEGIN", "begin", {"begin"}, session},
    {"START TRANSACTION READ ONLY", "begin", {"begin"}, session},
    {"END", "commit", {"commit"}, session},
    {"ABORT", "rollback", {"rollback"}, session},
    {"SAVEPOINT s", "savepoint", {"savepoint"}, session},
    {"RELEASE s", "release", {"release"}, session},
    {"ROLLBACK TO s", "rollback", {"rollback"}, session},
    {"COMMIT PREPARED 'x'", "commit", {"commit"}, write},
    {"SET work_mem = '1MB'", "set", {"set"}, session},
    {"SET ROLE x", "set", {"set"}, admin},
    {"SET search_path = a, b", "set", {"set"}, admin},
    {"SET TRANSACTION READ ONLY", "set", {"set"}, session},
    {"SET CONSTRAINTS ALL DEFERRED", "set", {"set"}, session},
    {"RESET work_mem", "reset", {"reset"}, session},
    {"RESET ALL", "reset", {"reset"}, session},
    {"SHOW work_mem", "show", {"show"}, read},
    {"DISCARD ALL", "discard", {"discard"}, session},
    {"LISTEN c", "listen", {"listen"}, session},
    {"UNLISTEN c", "unlisten", {"unlisten"}, session},
    {"NOTIFY c, 'x'", "notify", {"notify"}, write},
    {"DEALLOCATE p", "deallocate", {"deallocate"}, session},
    {"FETCH 1 FROM c", "fetch", {"fetch"}, read},
    {"MOVE 1 FROM c", "move", {"move"}, read},
    {"CLOSE c", "close", {"close"}, session},
    {"EXECUTE p(1)", "execute", {"execute"}, read},
    {"SELECT * FROM t FOR UPDATE", "select", {"select"}, write},
    {"SELECT * FROM (SELECT * FROM t FOR KEY SHARE) x", "select", {"select"}, write},
    {"SELECT nextval('s')", "select", {"select"}, write},
    {"SELECT currval('s')", "select", {"select"}, read},
    {"SELECT pg_notify('a', 'b')", "select", {"select"}, write},
    {"EXPLAIN SELECT my_function()", "explain", {"explain", "select"}, exec},
};

}  // namespace

TEST_CASE("verbs say what a statement is wrapped in and finally does, and kinds what that amounts to") {
  for (const Row& row : verb_rows) {
    INFO(row.text);
    Statement statement = one(row.text);
    CHECK(*statement.facets.verb == row.verb);
    CHECK(statement.facets.verbs->items == row.verbs);
    CHECK(name_of(statement.kind) == name_of(row.kind));
    CHECK(*statement.facets.statement == row.text);
  }
}

TEST_CASE("names are folded and qualified as the server does, and a CTE is not a table") {
  Statement statement = one("SELECT * FROM Users, \"Quoted Name\", Sec.Tokens, pg_class");
  const Facet<NameList>& tables = statement.facets.tables;
  for (const char* name : {"users", "public.users", "Quoted Name", "public.Quoted Name", "tokens",
                           "sec.tokens", "pg_class", "public.pg_class", "pg_catalog.pg_class"}) {
    INFO(name);
    CHECK(has(tables, name));
  }
  CHECK(tables->items.size() == 9);

  CHECK(leaves(one("WITH a AS (SELECT * FROM b) SELECT * FROM a, s.a").facets.tables) == Names{"a", "b"});
  CHECK(leaves(one("WITH a AS (SELECT * FROM b) SELECT * FROM a").facets.tables) == Names{"b"});
  // The body of a CTE does not see its own name, unless it is recursive.
  CHECK(leaves(one("WITH a AS (SELECT * FROM a) SELECT * FROM a").facets.tables) == Names{"a"});
  CHECK(leaves(one("WITH RECURSIVE a AS (SELECT * FROM a) SELECT * FROM a").facets.tables).empty());
  CHECK(leaves(one("WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT 1) SELECT 1 FROM a").facets.tables)
            .empty());
  CHECK(leaves(one("WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT 1 FROM a").facets.tables) ==
        Names{"b"});
  // Nor does anything outside its scope.
  CHECK(leaves(one("SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) x, a").facets.tables) == Names{"a"});
  CHECK(leaves(one("WITH a AS (SELECT 1) SELECT (SELECT 1 FROM a)").facets.tables).empty());
  CHECK(leaves(one("WITH a AS (SELECT 1) (SELECT 1 FROM a) UNION (SELECT 1 FROM c)").facets.tables) ==
        Names{"c"});
  // What is changed is never a CTE.
  CHECK(leaves(one("WITH a AS (SELECT 1) INSERT INTO a SELECT * FROM a").facets.writes) == Names{"a"});
  CHECK(leaves(one("WITH a AS (SELECT 1) DELETE FROM a").facets.writes) == Names{"a"});
}

TEST_CASE("what is read and what is written are told apart") {
  struct {
    const char* text;
    Names reads, writes;
  } rows[] = {
      {"INSERT INTO a SELECT * FROM b", {"b"}, {"a"}},
      {"INSERT INTO a VALUES (1) RETURNING *", {"a"}, {"a"}},
      {"UPDATE a SET x = 1 FROM b", {"a", "b"}, {"a"}},
      {"UPDATE a SET x = 1", {}, {"a"}},
      {"DELETE FROM a USING b WHERE a.x = b.x", {"a", "b"}, {"a"}},
      {"DELETE FROM a", {}, {"a"}},
      {"MERGE INTO a USING b ON true WHEN MATCHED THEN DO NOTHING", {"a", "b"}, {"a"}},
      {"WITH d AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM d", {"a"}, {"a", "b"}},
      {"COPY a TO STDOUT", {"a"}, {}},
      {"COPY a FROM STDIN", {}, {"a"}},
      {"SELECT * INTO a FROM b", {"b"}, {"a"}},
      {"CREATE TABLE a AS SELECT * FROM b", {"b"}, {"a"}},
      {"CREATE TABLE a (LIKE b, x int REFERENCES c) INHERITS (d)", {"b", "c", "d"}, {"a", "d"}},
      {"CREATE TABLE a PARTITION OF b DEFAULT", {"b"}, {"a", "b"}},
      {"UPDATE a SET x[y] = 1", {"a"}, {"a"}},
      {"UPDATE a SET x.y = 1", {"a"}, {"a"}},
      {"INSERT INTO a VALUES (1) ON CONFLICT (x) DO NOTHING", {"a"}, {"a"}},
      {"INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING", {}, {"a"}},
      {"ALTER TABLE a RENAME TO b", {}, {"a", "b"}},
      {"ALTER INDEX a RENAME TO b", {}, {"a", "b"}},
      {"CREATE VIEW a AS SELECT * FROM b", {"b"}, {"a"}},
      {"CREATE RULE r AS ON INSERT TO a DO ALSO INSERT INTO b SELECT * FROM c", {"c"}, {"a", "b"}},
      {"CREATE POLICY p ON a USING (EXISTS (SELECT 1 FROM b))", {"b"}, {"a"}},
      {"ALTER TABLE a ADD CONSTRAINT c FOREIGN KEY (x) REFERENCES b", {"b"}, {"a"}},
      {"DROP TABLE a, s.b", {}, {"a", "b"}},
      {"DROP TRIGGER t ON a", {}, {"a"}},
      {"DROP FUNCTION a", {}, {}},
      {"TRUNCATE a, b", {}, {"a", "b"}},
      {"GRANT SELECT ON a TO x", {}, {"a"}},
      {"COMMENT ON COLUMN a.x IS 'y'", {}, {"a"}},
      {"LOCK TABLE a", {}, {"a"}},
      {"SELECT * FROM a x FOR UPDATE OF x", {"a"}, {}},
      {"SELECT (SELECT max(i) FROM a) + 1 WHERE EXISTS (TABLE b)", {"a", "b"}, {}},
      {"SELECT * FROM a TABLESAMPLE system (1)", {"a"}, {}},
      {"CREATE INDEX i ON a ((lower(x))) WHERE y > 1", {}, {"a"}},
      {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ UPDATE a SET x = 1; SELECT x FROM b $$",
       {"b"},
       {"a"}},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    Statement statement = one(row.text);
    CHECK(leaves(statement.facets.reads) == row.reads);
    CHECK(leaves(statement.facets.writes) == row.writes);
  }
}

TEST_CASE("an UPDATE or DELETE is unbounded when its condition does not look at the row") {
  for (const char* condition : {"true",
                                "1=1",
                                "'t'::bool",
                                "NOT false",
                                "TRUE OR id = 1",
                                "id = 1 OR 2 > 1",
                                "true AND (1=1)",
                                "'yes'",
                                "1<>2",
                                "EXISTS (SELECT 1)",
                                "EXISTS (SELECT 1 FROM u)",
                                "(SELECT true)",
                                "EXISTS (SELECT 1 AS foo ORDER BY foo)",
                                "EXISTS (WITH x AS (SELECT 1 AS t) SELECT t FROM x)",
                                "(SELECT id = 1)",
                                "(SELECT t.a FROM (SELECT true AS a) t)",
                                "EXISTS (SELECT g FROM generate_series(1, 1) g)",
                                "EXISTS (SELECT 1 FROM t WHERE t.id = 5)",
                                "EXISTS (SELECT 1 FROM a JOIN b ON a.x = b.x AND b.y = a.y)",
                                "(SELECT v.* FROM (VALUES (true)) v)",
                                "$1 = 1",
                                "now() > '2000-01-01'",
                                "NOT (id = 1 AND false)",
                                "true IS TRUE",
                                "1 IN (1, 2)",
                                "'a' = 'a'",
                                "NULL IS NULL",
                                "'f'::mytype",
                                "'false'::varchar(1)",
                                "'f'::s.bool"}) {
    INFO(condition);
    CHECK(*one(std::string("DELETE FROM t WHERE ") + condition).facets.unbounded);
    CHECK(*one(std::string("UPDATE t SET a = 1 WHERE ") + condition).facets.unbounded);
  }
  for (const char* condition :
       {"id = 1", "id = 1 AND true", "id = 1 OR false", "false", "1=0", "NULL", "CURRENT OF c",
        "EXISTS (SELECT 1 FROM u WHERE u.id = t.id)", "'f'::bool", "CAST('f' AS pg_catalog.bool)", "NOT id",
        "id IN (SELECT u.t_id FROM u)",
        "EXISTS (SELECT 1 FROM u WHERE EXISTS (SELECT 1 FROM w WHERE w.x = t.y))",
        "(SELECT count(*) FROM u WHERE u.id = t.id) = 0", "(t).id = 1", "t.* IS NULL"}) {
    INFO(condition);
    CHECK_FALSE(*one(std::string("DELETE FROM t WHERE ") + condition).facets.unbounded);
  }
  for (const char* every : {"coalesce(true, id = 1)", "CASE WHEN true THEN true ELSE id = 1 END",
                            "CASE WHEN false THEN id = 1 ELSE true END", "(true OR id = 1) IS NOT FALSE",
                            "id = 1 OR coalesce(true)"}) {
    INFO(every);
    CHECK(*one(std::string("DELETE FROM t WHERE ") + every).facets.unbounded);
  }
  for (const char* some : {"coalesce(id, 1) = 1", "CASE WHEN id = 1 THEN true END", "id = a", "t.id = u.id",
                           "CASE WHEN true THEN id = 1 ELSE true END", "id < id", "(id = 1) IS NOT FALSE"}) {
    INFO(some);
    CHECK_FALSE(*one(std::string("DELETE FROM t WHERE ") + some).facets.unbounded);
  }
  CHECK(*one("DELETE FROM t").facets.unbounded);
  CHECK(*one("DELETE FROM t USING u").facets.unbounded);
  CHECK(*one("DELETE FROM t USING (SELECT 1 AS foo) s WHERE foo = 1").facets.unbounded);
  CHECK(*one("MERGE INTO t USING (SELECT 1 AS foo) s ON foo = 1 WHEN MATCHED THEN DELETE").facets.unbounded);
  CHECK(*one("DELETE FROM t USING (VALUES (true)) v(t) WHERE v.t").facets.unbounded);
  CHECK(*one("DELETE FROM t USING u, w WHERE u.id = w.id").facets.unbounded);
  CHECK(*one("UPDATE t SET a = 1 FROM u JOIN w ON true WHERE u.id = 1 AND w IS NOT NULL").facets.unbounded);
  // A member of FROM without an alias has one all the same.
  for (const char* text :
       {"DELETE FROM t USING generate_series(1, 1) WHERE generate_series = 1",
        "DELETE FROM t USING lower('a') WHERE lower.lower = 'a'",
        "DELETE FROM t USING ROWS FROM (pg_catalog.lower('a')) WHERE lower.lower = 'a'",
        "DELETE FROM t USING ROWS FROM (lower('a'), upper('a')) WHERE lower.upper = 'A'",
        "DELETE FROM t USING coalesce(1) WHERE \"coalesce\" = 1",
        "DELETE FROM t USING CAST('a' AS text) WHERE text.text = 'a'",
        "DELETE FROM t USING xmltable('/a' PASSING x COLUMNS id int) WHERE id = 1",
        "DELETE FROM t USING xmltable('/a' PASSING x COLUMNS id int) WHERE xmltable.id = 1",
        "DELETE FROM t USING (u JOIN w USING (id) AS j) WHERE j.id = 1",
        "UPDATE t SET a = 1 FROM generate_series(1, 1) WHERE generate_series = 1",
        "DELETE FROM t WHERE EXISTS (SELECT 1 FROM lower('a') WHERE lower.lower = 'a')"}) {
    INFO(text);
    CHECK(*one(text).facets.unbounded);
  }
  CHECK_FALSE(*one("DELETE FROM t USING lower('a') WHERE t.id = lower.lower").facets.unbounded);
  CHECK_FALSE(*one("DELETE FROM t USING u WHERE u.id = t.id").facets.unbounded);
  CHECK_FALSE(*one("DELETE FROM t AS x USING u WHERE x.id = u.id").facets.unbounded);
  CHECK(*one("MERGE INTO t USING s ON s.a = 1 WHEN MATCHED THEN DELETE").facets.unbounded);
  CHECK(*one("TRUNCATE t").facets.unbounded);
  CHECK(*one("WITH d AS (DELETE FROM t) SELECT 1").facets.unbounded);
  CHECK(*one("PREPARE p AS UPDATE t SET a = 1").facets.unbounded);
  CHECK(*one("MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE").facets.unbounded);
  CHECK_FALSE(*one("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE").facets.unbounded);
  CHECK_FALSE(*one("SELECT 1").facets.unbounded);
  std::string deep = "DELETE FROM t WHERE ";
  for (int i = 0; i < 500; ++i) deep += "NOT ";
  CHECK(*one(deep + "true").facets.unbounded);
}

TEST_CASE("a COPY says where to and what with") {
  struct {
    const char* text;
    CopyFacet copy;
    bool in, out;
  } rows[] = {
      {"COPY t FROM STDIN", {"from", "client"}, true, false},
      {"COPY t TO STDOUT", {"to", "client"}, false, true},
      {"COPY t FROM '/x'", {"from", "file"}, false, false},
      {"COPY t TO PROGRAM 'x'", {"to", "program"}, false, false},
      {"SELECT 1", {"", ""}, false, false},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    Statement statement = one(row.text);
    CHECK(*statement.facets.copy == row.copy);
    CHECK(statement.enters_copy_in == row.in);
    CHECK(statement.enters_copy_out == row.out);
  }
}

TEST_CASE("constants are listed as the server reads them") {
  Statement statement = one("SELECT 1, 2.50, 'it''s', E'\\x41', $$d$$, true, B'01', NULL, -7, U&'\\0042'");
  CHECK(statement.facets.literals->items == Names{"1", "2.50", "it's", "A", "d", "true", "b01", "-7", "B"});
  CHECK(has(one("COMMENT ON TABLE t IS 'note'").facets.literals, "note"));
  CHECK(has(one("CREATE TYPE t AS ENUM ('a', 'b')").facets.literals, "b"));
  CHECK(has(one("CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION f('a')").facets.literals, "a"));
  CHECK(has(one("ALTER ROLE r PASSWORD 'secret'").facets.literals, "secret"));
  CHECK(has(one("CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p").facets.literals, "host=x"));
}

TEST_CASE("values that are inserted are not selected, and what is selected is") {
  CHECK(one("INSERT INTO a VALUES (1), (2)").facets.verbs->items == std::vector<std::string>{"insert"});
  CHECK(has(one("INSERT INTO a VALUES ((SELECT 1))").facets.verbs, "select"));
  CHECK(has(one("INSERT INTO a SELECT 1").facets.verbs, "select"));
  CHECK(has(one("INSERT INTO a VALUES (1) UNION SELECT 2").facets.verbs, "select"));
  CHECK(*one("VALUES (1)").facets.verb == "select");
  CHECK(has(one("INSERT INTO a VALUES (pg_read_file('x'))").facets.functions, "pg_read_file"));
}

}  // namespace clawpatrol::sql
