// Text of newer servers.
#include "policy/sql/newer.h"

#include "tests/policy/sql/statement.h"

namespace clawpatrol::sql {
namespace {

std::string hint_of(std::string_view text) {
  const Analysis analysis = analyse(text, {});
  INFO(text);
  CHECK(analysis.readable == Readable::syntax_error);
  REQUIRE(analysis.statements.size() == 1);
  CHECK_FALSE(analysis.statements.front().facets.tables.known());
  return analysis.error_hint;
}

bool says(const std::string& hint, std::string_view version) {
  return hint.starts_with("syntax of a newer server (") && hint.find(version) != std::string::npos;
}

}  // namespace

TEST_CASE("what a newer server's grammar takes is not read, and the error says whose it is") {
  struct Case {
    std::string_view text, version;
  };
  for (auto [text, version] : {
           Case{"SELECT 1_000", "PostgreSQL 16"},
           {"SELECT 0xFF", "PostgreSQL 16"},
           {"SELECT JSON_ARRAY(1 RETURNING jsonb)", "PostgreSQL 16"},
           {"SELECT JSON_OBJECT('a' : f(b), 'c' : 2)", "PostgreSQL 16"},
           {"SELECT a IS NOT JSON OBJECT FROM t", "PostgreSQL 16"},
           {"SELECT * FROM (SELECT 1)", "PostgreSQL 16"},
           {"GRANT r TO u WITH INHERIT TRUE", "PostgreSQL 16"},
           {"SELECT 1; REINDEX DATABASE", "PostgreSQL 16"},
           {"SELECT 1.5_0", "PostgreSQL 16"},
           {"SELECT 1e1_0", "PostgreSQL 16"},
           {"SELECT 1_0.5e-1_0 FROM t", "PostgreSQL 16"},
           {"GRANT r TO u WITH ADMIN FALSE", "PostgreSQL 16"},
           {"ALTER TABLE t ALTER a SET STATISTICS DEFAULT", "PostgreSQL 17"},
           {"ALTER OPERATOR === (int, int) SET (MERGES, HASHES)", "PostgreSQL 17"},
           {"CLUSTER (VERBOSE)", "PostgreSQL 17"},
           {"ALTER TABLE t ALTER CONSTRAINT c INHERIT", "PostgreSQL 18"},
           {"ALTER TABLE t ALTER CONSTRAINT c NO INHERIT", "PostgreSQL 18"},
           {"CREATE TABLE t (a int NOT NULL NO INHERIT)", "PostgreSQL 18"},
           {"ALTER TABLE t ADD CONSTRAINT c NOT NULL a NO INHERIT", "PostgreSQL 18"},
           {"CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * (2 + 1)))", "PostgreSQL 18"},
           {"ALTER TABLE t ADD b int GENERATED ALWAYS AS (a * 2)", "PostgreSQL 18"},
           {"INSERT INTO t VALUES (1) ON CONFLICT (a) DO SELECT RETURNING *", "later than PostgreSQL 18"},
           {"CREATE PUBLICATION p FOR ALL SEQUENCES", "later than PostgreSQL 18"},
           {"CHECKPOINT (MODE FAST)", "later than PostgreSQL 18"},
           {"SELECT * FROM JSON_TABLE('[]', '$[*]' COLUMNS (a int PATH '$'))", "PostgreSQL 17"},
           {"SELECT JSON_VALUE(a, '$.x' RETURNING int) FROM t", "PostgreSQL 17"},
           {"MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE RETURNING *", "PostgreSQL 17"},
           {"WITH m AS (MERGE INTO t USING s ON a WHEN MATCHED THEN DELETE RETURNING *) TABLE m",
            "PostgreSQL 17"},
           {"COPY (MERGE INTO t USING s ON a WHEN MATCHED THEN DELETE RETURNING *) TO STDOUT",
            "PostgreSQL 17"},
           {"EXPLAIN MERGE INTO t USING s ON a WHEN MATCHED THEN DELETE RETURNING *", "PostgreSQL 17"},
           {"GRANT a TO b WITH ADMIN OPTION, SET TRUE", "PostgreSQL 16"},
           {"MERGE INTO t USING s ON a WHEN NOT MATCHED BY SOURCE THEN DELETE", "PostgreSQL 17"},
           {"SELECT '\u00e9', now() AT LOCAL", "PostgreSQL 17"},
           {"CREATE TABLE t (a int GENERATED ALWAYS AS (1) VIRTUAL)", "PostgreSQL 18"},
           {"CREATE TABLE t (a int, PRIMARY KEY (a, b WITHOUT OVERLAPS))", "PostgreSQL 18"},
           {"UPDATE t SET a = 1 RETURNING WITH (OLD AS o) o.a", "PostgreSQL 18"},
           {"SELECT * FROM GRAPH_TABLE (g MATCH (a IS x) COLUMNS (a.id))", "later than PostgreSQL 18"},
       }) {
    const std::string hint = hint_of(text);
    INFO(text << ": " << hint);
    CHECK(says(hint, version));
  }
}

TEST_CASE("a typing mistake is no newer server's syntax") {
  for (const char* text : {"SELECT * FORM t", "SELEC 1", "SELECT json_object('a', 'b') FORM x y",
                           "SELECT 12abc", "GRANT SELECT ON t WITH TO u", "SELECT (", "CREATE TABLE t (a int",
                           "SELECT JSON_TABLE(", "MERGE INTO t", "SELECT 1 RETURNING a",
                           "MERGE INTO t; SELECT 1 RETURNING a", "SELECT f(1 2)", "SELECT 1__0", "SELECT 1_",
                           "SELECT 1e_5", "CREATE TABLE t (a int))", "CREATE TABLE t (a int DEFAULT f()))"}) {
    INFO(text);
    CHECK(hint_of(text).empty());
  }
}

// What version 15 takes for a call of somebody's function, which it is there.
TEST_CASE("functions of newer servers are unknown code") {
  for (const char* text : {"SELECT ANY_VALUE(a) FROM t", "SELECT JSON_ARRAY(1, 2)",
                           "SELECT JSON_EXISTS(a, '$.x')", "SELECT JSON_SCALAR(1)", "SELECT xmltext('a')"}) {
    INFO(text);
    CHECK(all_open(one(text).facets));
  }
}

// Version 18 takes old and new in RETURNING for the rows before and after; 15 for tables of these names.
TEST_CASE("columns of old and new are the changed table's") {
  for (const char* text :
       {"INSERT INTO t VALUES (1) RETURNING old.a", "UPDATE t x SET b = 1 WHERE c RETURNING new.a",
        "DELETE FROM t WHERE c RETURNING old.a",
        "CREATE TRIGGER g AFTER UPDATE ON t FOR EACH ROW WHEN (old.a > 1) EXECUTE FUNCTION f()"}) {
    INFO(text);
    CHECK(has(one(text).facets.columns, "t.a"));
  }
  CHECK_FALSE(has(one("UPDATE t SET b = new.a FROM u AS new").facets.columns, "t.a"));
}

TEST_CASE("columns that a definition makes are named") {
  for (const char* text :
       {"CREATE TABLE t (a int, b text)", "CREATE TABLE t (a) AS SELECT 1", "CREATE VIEW t (a) AS SELECT 1",
        "ALTER TABLE t ADD COLUMN a int", "CREATE FOREIGN TABLE t (a int) SERVER s"}) {
    INFO(text);
    CHECK(has(one(text).facets.columns, "a"));
    CHECK(has(one(text).facets.columns, "t.a"));
  }
}

}  // namespace clawpatrol::sql
