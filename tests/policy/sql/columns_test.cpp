#include "tests/policy/sql/statement.h"

namespace clawpatrol::sql {

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

}  // namespace clawpatrol::sql
