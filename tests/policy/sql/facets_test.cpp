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

TEST_CASE("columns are listed by name and, where the text tells their table, as table.column") {
  Statement statement = one("SELECT u.name, o.total, x FROM users u JOIN orders o USING (uid)");
  for (const char* name :
       {"name", "users.name", "total", "orders.total", "x", "uid", "users.uid", "orders.uid"}) {
    INFO(name);
    CHECK(has(statement.facets.columns, name));
  }
  CHECK(has(one("SELECT * FROM users").facets.columns, "users.*"));
  CHECK(has(one("SELECT u.* FROM users u").facets.columns, "users.*"));
  CHECK(has(one("SELECT ssn FROM users").facets.columns, "users.ssn"));
  CHECK(has(one("SELECT row_to_json(u) FROM users u").facets.columns, "users.*"));
  // Columns under another name, and rows of an alias that is no relation's.
  for (const char* text :
       {"SELECT b FROM users AS x(a, n, b)", "SELECT x.b FROM ONLY users x(a, n, b)",
        "SELECT u.row_to_json FROM users u", "SELECT public.users.to_jsonb FROM users",
        "SELECT 1 FROM users u WHERE u.concat LIKE '%x%'",
        "UPDATE users u SET a = 1 WHERE id = 1 RETURNING u.json_agg", "SELECT u FROM users u",
        "SELECT (u).* FROM users u",
        "MERGE INTO users USING s ON users.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (1, 2)",
        "MERGE INTO users u USING s AS users ON true WHEN NOT MATCHED THEN INSERT VALUES (1, 2)",
        "SELECT 1 FROM users NATURAL JOIN a", "SELECT 1 FROM a NATURAL LEFT JOIN users",
        "SELECT j.b FROM (users CROSS JOIN (SELECT 1) d) AS j(a, n, b)",
        "SELECT j FROM (users CROSS JOIN (SELECT 1) d) AS j",
        "SELECT row_to_json(j) FROM ((a JOIN users u USING (id)) AS i CROSS JOIN b) AS j"}) {
    INFO(text);
    CHECK(has(one(text).facets.columns, "*"));
    CHECK(has(one(text).facets.columns, "users.*"));
  }
  CHECK_FALSE(has(one("SELECT a.x FROM a JOIN b USING (id) JOIN c ON c.y = b.y").facets.columns, "*"));
  CHECK_FALSE(has(one("WITH c AS (SELECT id FROM users) SELECT x.b FROM c AS x(b)").facets.columns, "*"));
  CHECK(has(one("UPDATE users SET ssn = 1").facets.columns, "users.ssn"));
  CHECK(has(one("INSERT INTO users (ssn) VALUES (1)").facets.columns, "users.ssn"));
  CHECK(has(one("COPY users (ssn) TO STDOUT").facets.columns, "users.ssn"));
  CHECK(has(one("COPY users TO STDOUT").facets.columns, "users.*"));
  // Which member of that name is meant: not the nearest.
  for (const char* text :
       {"SELECT users.ssn FROM users, (a AS users CROSS JOIN b) AS j",
        "SELECT (SELECT y.ssn FROM a AS u, (SELECT u.ssn) y LIMIT 1) FROM users AS u",
        "SELECT (SELECT 1 FROM a AS u, (b JOIN c ON u.ssn = 'x') LIMIT 1) FROM users AS u"}) {
    INFO(text);
    CHECK(has(one(text).facets.columns, "users.ssn"));
    CHECK_FALSE(one(text).facets.columns->open);
  }
  CHECK(has(one("SELECT users.* FROM users, (a AS users CROSS JOIN b) AS j").facets.columns, "users.*"));
  std::string nested = "SELECT u.ssn FROM users AS u";
  for (int i = 0; i < 9; ++i) nested = "SELECT (" + nested + ") FROM a AS u";
  CHECK(one(nested).facets.columns->open);
  CHECK_FALSE(one(nested).facets.tables->open);
  for (const char* text :
       {"GRANT SELECT (ssn) ON users TO x", "REVOKE SELECT (ssn) ON users FROM x",
        "CREATE INDEX ON users (id, ssn)", "CREATE INDEX ON users (id) INCLUDE (ssn)",
        "ALTER TABLE users RENAME COLUMN ssn TO x", "ALTER TABLE users RENAME x TO ssn",
        "ALTER TABLE users DROP ssn", "ALTER TABLE users ADD UNIQUE (ssn)",
        "ALTER TABLE users ADD FOREIGN KEY (ssn) REFERENCES a (x)",
        "CREATE TABLE a (x text REFERENCES users (ssn))", "CREATE TABLE users (ssn text, UNIQUE (ssn))",
        "ANALYZE a, users (ssn)", "CREATE PUBLICATION p FOR TABLE a, users (ssn)",
        "CREATE TRIGGER g AFTER UPDATE OF ssn ON users EXECUTE FUNCTION f()",
        "CREATE TABLE users (ssn text) PARTITION BY LIST (ssn)",
        "CREATE SCHEMA s CREATE TABLE users (ssn text PRIMARY KEY, UNIQUE (ssn)) CREATE INDEX ON a (b)",
        "COMMENT ON COLUMN users.ssn IS 'x'"}) {
    INFO(text);
    CHECK(has(one(text).facets.columns, "ssn"));
    CHECK(has(one(text).facets.columns, "users.ssn"));
    CHECK_FALSE(has(one(text).facets.columns, "a.ssn"));
  }
  CHECK(has(one("GRANT SELECT (ssn) ON users, a TO x").facets.columns, "users.ssn"));
  CHECK(has(one("CREATE STATISTICS s ON ssn, id FROM users").facets.columns, "users.ssn"));
  CHECK(has(one("ALTER SEQUENCE s OWNED BY users.ssn").facets.columns, "users.ssn"));
  CHECK(one("ALTER SEQUENCE s OWNED BY NONE").facets.columns->items.empty());
}

TEST_CASE("attack 6: a column that a join compares is one of each of its members") {
  for (const char* text :
       {"SELECT count(*) FROM users JOIN guesses USING (ssn)",
        "SELECT 1 FROM guesses g LEFT JOIN users u USING (id, ssn)",
        "SELECT 1 FROM (a CROSS JOIN users) JOIN guesses USING (ssn)",
        "DELETE FROM a USING users JOIN (SELECT '1' AS ssn) g USING (ssn) WHERE a.id = users.id",
        "SELECT 1 FROM users JOIN b USING (ssn) AS j"}) {
    INFO(text);
    CHECK(has(one(text).facets.columns, "ssn"));
    CHECK(has(one(text).facets.columns, "users.ssn"));
    CHECK_FALSE(one(text).facets.columns->open);
  }
  // Of a subquery's own members no join around it compares anything.
  CHECK_FALSE(has(one("SELECT 1 FROM (SELECT ssn FROM a) x JOIN b USING (id)").facets.columns, "a.id"));
  std::string many = "SELECT 1 FROM t0";
  for (int i = 1; i < 70; ++i) many += " JOIN t" + std::to_string(i) + " USING (ssn)";
  CHECK(one(many).facets.columns->open);
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

TEST_CASE("every byte of a message belongs to a statement or to what may stand between") {
  Analysis analysis = analyse(" ;; -- first\n SELECT 1 ; /* a ; b */ ; SELECT 2; -- last", {});
  REQUIRE(analysis.statements.size() == 2);
  CHECK(*analysis.statements[0].facets.statement == "-- first\n SELECT 1");
  CHECK(*analysis.statements[1].facets.statement == "SELECT 2");
  CHECK(*analysis.statements[1].facets.statements == 2);
  for (const char* empty : {"", " ", ";", ";;\n;", "-- x", "/* x */ ; "}) {
    INFO(empty);
    Analysis none = analyse(empty, {});
    CHECK(none.readable == Readable::yes);
    CHECK(none.statements.empty());
  }
  Analysis nul = analyse(std::string_view("SELECT 1\0; DROP TABLE t", 23), {});
  CHECK(nul.readable == Readable::unaccounted);
  REQUIRE(nul.statements.size() == 1);
  CHECK_FALSE(nul.statements[0].facets.verb.known());
  CHECK(nul.statements[0].facets.statement->size() == 23);
  CHECK(nul.statements[0].kind == ActionKind::admin);
}

TEST_CASE("what the grammar refuses has its error, its position and no facets") {
  Analysis analysis = analyse("SELEC 1", {});
  CHECK(analysis.readable == Readable::syntax_error);
  CHECK(analysis.error == "syntax error at or near \"SELEC\"");
  CHECK(analysis.error_position == 1);
  CHECK(analyse("SELECT '\xc3\xa9', FROM", {}).error_position == 13);  // in characters
  CHECK_FALSE(analysis.statements[0].facets.tables.known());
  CHECK(analysis.statements[0].facets.verb.why() == Unknown::unparseable);
  CHECK(*analysis.statements[0].facets.statement == "SELEC 1");
}

TEST_CASE("a text over a limit is not looked into") {
  Options options;
  options.limits = {.bytes = 100, .tokens = 10, .statements = 2};
  CHECK(analyse("BEGIN; END;", options).readable == Readable::yes);
  Analysis many = analyse("BEGIN; ; END; BEGIN", options);
  CHECK(many.readable == Readable::over_limit);
  CHECK(many.statements.size() == 1);
  CHECK(many.statements[0].facets.statements.why() == Unknown::over_limit);
  CHECK(analyse("SELECT " + std::string(100, ' ') + "1", options).readable == Readable::over_limit);
  CHECK(analyse("SELECT 1,1,1,1,1,1", options).readable == Readable::over_limit);
  Analysis over = analyse("SELECT 1,1,1,1,1,1", options);
  CHECK(over.statements[0].facets.verb.why() == Unknown::over_limit);
  CHECK(analyse("SELECT         1", options).readable == Readable::yes);
  CHECK(analyse("SELECT 1" + std::string(20000, '+') + "1", {}).readable == Readable::over_limit);
  CHECK(analyse("SELECT 1" + std::string(20000, ' ') + "+1", {}).readable == Readable::yes);
}

TEST_CASE("statements know the names that they make, use and drop, and where those stand") {
  struct {
    const char* text;
    Effect effect;
    const char* name;
    const char* written;
  } rows[] = {
      {"PREPARE p AS SELECT 1", Effect::prepare, "p", "p"},
      {"/* PREPARE x */ PREPARE \"My \"\"P\" (int) AS SELECT $1", Effect::prepare, "My \"P", "\"My \"\"P\""},
      {"EXECUTE P (1)", Effect::execute, "p", "P"},
      {"EXPLAIN ANALYZE EXECUTE execute(1)", Effect::execute, "execute", "execute"},
      {"CREATE TABLE execute AS EXECUTE p", Effect::execute, "p", "p"},
      {"DEALLOCATE PREPARE p", Effect::deallocate, "p", "p"},
      {"DEALLOCATE prepare", Effect::deallocate, "prepare", "prepare"},
      {"DEALLOCATE ALL", Effect::deallocate_all, "", ""},
      {"DISCARD ALL", Effect::discard_all, "", ""},
      {"DISCARD TEMP", Effect::none, "", ""},
      {"DECLARE c CURSOR FOR SELECT 1", Effect::declare_cursor, "c", "c"},
      {"FETCH ALL FROM c -- x", Effect::fetch, "c", "c"},
      {"MOVE c", Effect::fetch, "c", "c"},
      {"CLOSE c", Effect::close_cursor, "c", "c"},
      {"CLOSE ALL", Effect::close_all_cursors, "", ""},
      {"CLOSE U&\"!0063\" UESCAPE '!'", Effect::close_cursor, "c", "U&\"!0063\" UESCAPE '!'"},
      {"SAVEPOINT s", Effect::savepoint, "s", "s"},
      {"ROLLBACK TO SAVEPOINT s", Effect::rollback_to, "s", "s"},
      {"RELEASE s", Effect::release, "s", "s"},
      {"PREPARE TRANSACTION 'g'", Effect::prepare_transaction, "g", ""},
      {"BEGIN", Effect::begin, "", ""},
      {"COMMIT", Effect::commit, "", ""},
      {"ROLLBACK", Effect::rollback, "", ""},
      {"LISTEN Ch", Effect::listen, "ch", "Ch"},
      {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'EXECUTE p'", Effect::none, "", ""},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    Analysis analysis = analyse(std::string("SELECT 1; ") + row.text, {});
    REQUIRE(analysis.statements.size() == 2);
    const Statement& statement = analysis.statements[1];
    CHECK(statement.effect == row.effect);
    CHECK(statement.name == row.name);
    std::string whole = std::string("SELECT 1; ") + row.text;
    CHECK(whole.substr(statement.name_offset, statement.name_length) == row.written);
  }
}

TEST_CASE("what runs another statement is judged as both") {
  Statement merged = merge_executed(one("EXECUTE p(nextval('s'))"), one("PREPARE p AS DELETE FROM t"));
  CHECK(*merged.facets.verb == "delete");
  CHECK(merged.facets.verbs->items == Names{"execute", "prepare", "delete"});
  CHECK(merged.kind == ActionKind::write);
  CHECK(*merged.facets.unbounded);
  CHECK(has(merged.facets.tables, "t"));
  CHECK(has(merged.facets.functions, "nextval"));
  CHECK(*merged.facets.statement == "EXECUTE p(nextval('s'))");

  Statement planned = merge_executed(one("EXPLAIN EXECUTE p"), one("PREPARE p AS DELETE FROM t"));
  CHECK(*planned.facets.verb == "explain");
  CHECK(planned.kind == ActionKind::read);
  CHECK(*merge_executed(one("EXPLAIN ANALYZE EXECUTE p"), one("PREPARE p AS DELETE FROM t")).facets.verb ==
        "delete");
  CHECK(*merge_executed(one("CREATE TABLE x AS EXECUTE p"), one("PREPARE p AS SELECT 1")).facets.verb ==
        "create");

  Statement open = merge_executed(one("EXECUTE p"), one("PREPARE p AS SELECT f()"));
  CHECK(open.facets.tables->open);
  CHECK(open.kind == ActionKind::exec);

  Statement unknown = with_unknown_target(one("EXECUTE p"));
  CHECK_FALSE(unknown.facets.verb.known());
  CHECK(*unknown.facets.statement == "EXECUTE p");
  CHECK(unknown.kind == ActionKind::admin);
}

TEST_CASE("attack 6: a bare column beside several relations is of each that it could be of") {
  for (const char* text :
       {"SELECT password FROM users, (SELECT 1) x", "CREATE VIEW v AS SELECT password FROM users",
        "SELECT (SELECT password FROM users) FROM u", "SELECT password FROM users, LATERAL (VALUES (1)) v",
        "SELECT password FROM (users CROSS JOIN (SELECT 1) q)", "SELECT password FROM users JOIN b ON true",
        "UPDATE v SET a = (SELECT password FROM users) WHERE b = 1",
        "DELETE FROM v WHERE a IN (SELECT password FROM users)",
        "CREATE RULE r AS ON INSERT TO v DO ALSO SELECT password FROM users",
        "CREATE POLICY p ON v USING (EXISTS (SELECT password FROM users))",
        "MERGE INTO v USING (SELECT password FROM users) s ON true WHEN MATCHED THEN DELETE"}) {
    INFO(text);
    CHECK(has(one(text).facets.columns, "users.password"));
  }
  std::string many = "SELECT password FROM users";
  for (int i = 0; i < 20; ++i) many += ", t" + std::to_string(i);
  CHECK(one(many).facets.columns->open);
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
