// Attack 6 by DDL: what a definition names, makes and runs.
#include "tests/policy/sql/statement.h"

namespace clawpatrol::sql {

TEST_CASE(
    "attack 6: a definition lists the functions that it names, since what it makes is called otherwise") {
  for (const char* text :
       {"CREATE OPERATOR public.@ (RIGHTARG = text, FUNCTION = pg_read_file)",
        "CREATE OPERATOR public.@ (RIGHTARG = text, PROCEDURE = 'pg_read_file')",
        "CREATE OPERATOR public.@ (RIGHTARG = text, FUNCTION = pg_catalog.pg_read_file)",
        "CREATE AGGREGATE a (text) (SFUNC = textcat, STYPE = text, FINALFUNC = pg_read_file)",
        "CREATE AGGREGATE a (BASETYPE = text, SFUNC1 = pg_read_file, STYPE1 = text)",
        "CREATE CAST (mytype AS text) WITH FUNCTION pg_read_file(text)",
        "CREATE OPERATOR CLASS c FOR TYPE text USING btree AS FUNCTION 1 pg_read_file(text)",
        "ALTER OPERATOR FAMILY f USING btree ADD FUNCTION 1 (text, text) pg_read_file(text)",
        "CREATE CONVERSION c FOR 'UTF8' TO 'LATIN1' FROM pg_read_file",
        "CREATE LANGUAGE l HANDLER h INLINE i VALIDATOR pg_read_file",
        "CREATE LANGUAGE l HANDLER pg_catalog.pg_read_file",
        "CREATE ACCESS METHOD m TYPE INDEX HANDLER pg_read_file",
        "CREATE TRANSFORM FOR mytype LANGUAGE l (FROM SQL WITH FUNCTION pg_read_file(internal))",
        "CREATE TYPE t (INPUT = pg_read_file, OUTPUT = x)",
        "CREATE TYPE t AS RANGE (SUBTYPE = text, SUBTYPE_DIFF = pg_read_file)",
        "ALTER TYPE t SET (RECEIVE = pg_read_file)",
        "ALTER OPERATOR = (text, text) SET (RESTRICT = pg_read_file)",
        "ALTER FUNCTION f() SUPPORT pg_read_file",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SUPPORT pg_read_file AS 'SELECT 1'",
        "CREATE TEXT SEARCH TEMPLATE t (LEXIZE = pg_read_file)",
        "ALTER FUNCTION pg_catalog.pg_read_file(text) RENAME TO acos",
        "ALTER ROUTINE pg_read_file(text) RENAME TO acos",
        "ALTER FUNCTION pg_read_file(text) SET SCHEMA app",
        "CREATE FUNCTION f(p text) RETURNS text LANGUAGE sql AS 'SELECT p.pg_read_file'",
        "CREATE FUNCTION f(p text) RETURNS text LANGUAGE sql AS 'SELECT f.p.pg_read_file'",
        "CREATE FUNCTION f(p text) RETURNS text RETURN p.pg_read_file",
        "CREATE FUNCTION f(p text) RETURNS text BEGIN ATOMIC SELECT p.pg_read_file; END",
        "CREATE FUNCTION f(p mydom) RETURNS text LANGUAGE sql AS 'SELECT p.pg_read_file'"}) {
    INFO(text);
    const Statement statement = one(text);
    CHECK(has(statement.facets.functions, "pg_read_file"));
    CHECK(has_class(statement, "file"));
    CHECK(has_class(statement, "code"));
    CHECK(all_open(statement.facets));
  }
  CHECK(has(one("ALTER FUNCTION f() RENAME TO acos").facets.functions, "acos"));
  CHECK(all_open(one("CREATE FUNCTION f(p text) RETURNS text LANGUAGE sql AS 'SELECT p.mine'").facets));
  for (const char* text :
       {"CREATE AGGREGATE a (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')",
        "CREATE OPERATOR public.@ (RIGHTARG = text, FUNCTION = upper)",
        "CREATE OPERATOR CLASS c FOR TYPE int USING btree AS OPERATOR 1 <, FUNCTION 1 btint4cmp(int, int)",
        "CREATE FUNCTION f(a int, b users) RETURNS int LANGUAGE sql AS 'SELECT t.a + b.id FROM t'",
        "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql COST 10 AS 'SELECT f.a'",
        "CREATE FUNCTION f(OUT t int) LANGUAGE sql AS 'SELECT t.a FROM t'",
        "CREATE FUNCTION f() RETURNS TABLE (t int) LANGUAGE sql AS 'SELECT t.a FROM t'",
        "ALTER FUNCTION f() COST 10", "ALTER SERVER s OWNER TO x"}) {
    INFO(text);
    CHECK_FALSE(one(text).facets.functions->open);
  }
}

TEST_CASE("attack 6: a definition lists the relation that it makes by the name that it will have") {
  struct {
    const char* text;
    const char* name;
  } rows[] = {
      {"CREATE SCHEMA sec CREATE TABLE users (a int)", "sec.users"},
      {"CREATE SCHEMA AUTHORIZATION sec CREATE VIEW users AS SELECT 1", "sec.users"},
      {"IMPORT FOREIGN SCHEMA a LIMIT TO (users) FROM SERVER s INTO sec", "sec.users"},
      {"ALTER TABLE mine RENAME TO users", "users"},
      {"ALTER VIEW sec.mine RENAME TO users", "sec.users"},
      {"ALTER INDEX sec.mine RENAME TO users", "sec.users"},
      {"ALTER TABLE users SET SCHEMA sec", "sec.users"},
      {"ALTER SEQUENCE app.users SET SCHEMA sec", "sec.users"},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    CHECK(has(one(row.text).facets.writes, row.name));
    CHECK(has(one(row.text).facets.tables, row.name));
  }
  CHECK_FALSE(has(one("CREATE SCHEMA sec CREATE TABLE app.users (a int)").facets.tables, "sec.users"));
}

TEST_CASE("attack 6: who may call a function, and as whom, is about that function") {
  for (const char* text : {"GRANT EXECUTE ON FUNCTION pg_read_file(text) TO x",
                           "GRANT ALL ON ROUTINE pg_catalog.pg_read_file TO x",
                           "ALTER FUNCTION pg_read_file(text) OWNER TO x"}) {
    INFO(text);
    CHECK(has(one(text).facets.functions, "pg_catalog.pg_read_file"));
    CHECK_FALSE(one(text).facets.functions->open);
  }
  CHECK(one("ALTER OPERATOR + (int, int) OWNER TO x").facets.functions->items.empty());
}

TEST_CASE("attack 28: thousands of columns granted on thousands of tables are not told in pairs") {
  std::string columns = "a", tables = "t";
  for (int i = 0; i < 5000; ++i) {
    columns += ", a" + std::to_string(i);
    tables += ", t" + std::to_string(i);
  }
  const Statement statement = one("GRANT SELECT (" + columns + ") ON " + tables + " TO x");
  CHECK(statement.facets.columns->open);
  CHECK(statement.facets.columns->items.empty());
  CHECK(has(statement.facets.writes, "t4999"));
}

TEST_CASE("attack 6: what is done to a large object has its class") {
  for (const char* text : {"ALTER LARGE OBJECT 1 OWNER TO x", "GRANT SELECT ON LARGE OBJECT 1 TO PUBLIC",
                           "COMMENT ON LARGE OBJECT 1 IS 'x'", "SECURITY LABEL ON LARGE OBJECT 1 IS 'x'"}) {
    INFO(text);
    CHECK(has_class(one(text), "large_object"));
  }
}

}  // namespace clawpatrol::sql
