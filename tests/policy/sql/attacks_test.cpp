// The rows of attacks.md whose parser's half is here.
#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "policy/sql/analysis.h"

namespace clawpatrol::sql {
namespace {

std::vector<std::string> verbs_of(std::string_view text) {
  std::vector<std::string> verbs;
  for (const Statement& statement : analyse(text, {}).statements) {
    verbs.push_back(statement.facets.verb ? *statement.facets.verb : "?");
  }
  return verbs;
}

Statement one(std::string_view text, const Options& options = {}) {
  Analysis analysis = analyse(text, options);
  INFO(text << ": " << analysis.error);
  REQUIRE(analysis.readable == Readable::yes);
  REQUIRE(analysis.statements.size() == 1);
  return analysis.statements.front();
}

bool has(const Facet<NameList>& list, std::string_view name) {
  return std::ranges::find(list->items, name) != list->items.end();
}

bool has_class(const Statement& statement, std::string_view name) {
  return std::ranges::find(statement.facets.classes->items, name) != statement.facets.classes->items.end();
}

bool all_open(const SqlFacets& facets) {
  return facets.tables->open && facets.reads->open && facets.writes->open && facets.functions->open &&
         facets.verbs->open && facets.columns->open && facets.classes->open;
}

}  // namespace

TEST_CASE("the four texts that fool other gateways are read as the server reads them") {
  using Verbs = std::vector<std::string>;
  CHECK(verbs_of("SELECT E'a\\'' ; DROP TABLE users; --'") == Verbs{"select", "drop"});
  CHECK(verbs_of("SELECT 1 --x\r; DROP TABLE users") == Verbs{"select", "drop"});
  CHECK(verbs_of("SELECT 1 AS a$b$; DROP TABLE users; SELECT 1 AS c$b$") ==
        Verbs{"select", "drop", "select"});
  CHECK(one("SELECT set_config('standard_conforming_strings','off',false)").reading == ReadingGuard::refused);
  // Under the settings that the gateway forces the second text of the fourth is one string.
  Statement string = one("SELECT 'a\\'' ; DROP TABLE users; --'");
  CHECK(*string.facets.verb == "select");
  CHECK(string.reading_depends_on_settings);
}

TEST_CASE("attack 1: settings that decide how text is read are refused at login in any spelling") {
  for (const char* encoding : {"SJIS", "sjis", "Shift_JIS", "BIG5", "GBK", "GB18030", "JOHAB", "UHC",
                               "mskanji", "EUC_JP", "MULE_INTERNAL", "win949", "no-such", ""}) {
    INFO(encoding);
    CHECK(analyse_setting("client_encoding", encoding).reading == ReadingGuard::refused);
    CHECK(analyse_setting("CLIENT_ENCODING", encoding).reading == ReadingGuard::refused);
  }
  for (const char* encoding :
       {"UTF8", "utf-8", "Unicode", "SQL_ASCII", "LATIN1", "iso-8859-1", "WIN1252", "KOI8R"}) {
    INFO(encoding);
    CHECK(analyse_setting("client_encoding", encoding).reading == ReadingGuard::none);
  }
  CHECK(analyse_setting("standard_conforming_strings", "off").reading == ReadingGuard::refused);
  CHECK(analyse_setting("Standard_Conforming_Strings", "0").reading == ReadingGuard::refused);
  CHECK(analyse_setting("standard_conforming_strings", "on").reading == ReadingGuard::none);
  Statement path = analyse_setting("search_path", "a'b");
  CHECK(*path.facets.statement == "SET search_path TO 'a''b'");
  CHECK(*path.facets.verb == "set");
  CHECK(path.kind == ActionKind::admin);
  CHECK(analyse_setting("application_name", "x").kind == ActionKind::session);
}

TEST_CASE("attack 2: no statement changes what decides how text is read, whatever it is wrapped in") {
  for (const char* text :
       {"SET standard_conforming_strings = off",
        "SET LOCAL standard_conforming_strings TO 'off'",
        "set STANDARD_CONFORMING_STRINGS to 0",
        "SET \"standard_conforming_strings\" = false",
        "SET client_encoding = SJIS",
        "SET client_encoding TO 'big5'",
        "SET NAMES 'gbk'",
        "SET SESSION NAMES 'uhc'",
        "ALTER ROLE r SET standard_conforming_strings = off",
        "ALTER DATABASE d SET client_encoding = 'sjis'",
        "ALTER SYSTEM SET standard_conforming_strings = off",
        "ALTER ROLE ALL IN DATABASE d SET client_encoding = 'sjis'",
        "ALTER FUNCTION f() SET standard_conforming_strings = off",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET standard_conforming_strings = off AS 'select 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'set standard_conforming_strings = off; select 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'begin set client_encoding = sjis; end'",
        "SELECT set_config('client_encoding', 'SJIS', true)",
        "SELECT set_config($1, $2, false)",
        "SELECT set_config('standard_conforming_strings', $1, false)",
        "SELECT pg_catalog.set_config('STANDARD_conforming_STRINGS', 'off', false)",
        "SELECT set_config('standard_conforming' || '_strings', 'off', false)",
        "SELECT set_config(setting_name => 'client_encoding', new_value => 'SJIS', is_local => false)",
        "SELECT set_config(new_value => 'off', is_local => false, setting_name => "
        "'standard_conforming_strings')",
        "SELECT * FROM t, LATERAL set_config(t.name, t.value, false)",
        "SELECT 1 WHERE EXISTS (SELECT set_config('client_encoding'::text, 'SJIS'::text, true))",
        "INSERT INTO t SELECT set_config('client_encoding', 'SJIS', true)",
        "EXPLAIN ANALYZE SELECT set_config('client_encoding', 'SJIS', true)",
        "PREPARE p AS SELECT set_config($1, $2, false)",
        "COPY (SELECT set_config($1, $2, false)) TO STDOUT",
        "CALL p(set_config('client_encoding', 'SJIS', true))",
        "EXECUTE p(set_config('client_encoding','SJIS',true))",
        "SELECT set_config('standard_conforming_stringsX'::varchar(27), 'off', false)",
        "SELECT set_config('standard_conforming_strings   '::bpchar, 'off', false)",
        "SELECT set_config('standard_conforming_stringsX'::char(27), 'off', false)",
        "SELECT set_config('work_mem'::name, '1MB', false)",
        "SELECT set_config('work_mem'::varchar, '1MB', false)",
        "SELECT set_config('work_mem'::text::varchar(3), '1MB', false)",
        "SELECT set_config('work_mem'::text::text, '1MB', false)",
        "SELECT set_config('work_mem'::text[], '1MB', false)",
        "SELECT set_config('work_mem'::s.text, '1MB', false)",
        "SELECT set_config('work_mem' COLLATE \"C\", '1MB', false)",
        "SELECT set_config('standard_conforming_stringsX'::text, 'off', false)",
        "SELECT set_config('client_encoding_'::pg_catalog.text, 'off', false)",
        "SELECT set_config(setting_name => 'client_encodingX'::varchar(15), new_value => 'SJIS', is_local => "
        "true)",
        "SELECT set_config('standard_conforming_strings', 'on'::varchar(1), false)",
        "SELECT set_config('client_encoding', 'UTF8'::name, false)",
        "SELECT set_config('client_encoding', NULL, false)",
        "UPDATE pg_settings SET setting = 'off'",
        "UPDATE pg_catalog.pg_settings SET setting = 'off' WHERE name = 'x'",
        "UPDATE ONLY \"pg_settings\" s SET setting = 'off' WHERE s.name = 'standard_conforming_strings'",
        "WITH u AS (UPDATE pg_settings SET setting = 'x' RETURNING 1) SELECT 1",
        "DO $$ BEGIN SET standard_conforming_strings = off; END $$",
        "DO 'begin set  names sjis; end'",
        "DO $$ BEGIN PERFORM set_config('a', 'b', false); END $$",
        "CREATE RULE r AS ON INSERT TO t DO ALSO UPDATE pg_settings SET setting = 'off'"}) {
    INFO(text);
    CHECK(one(text).reading == ReadingGuard::refused);
  }
  for (const char* text :
       {"SET standard_conforming_strings = on", "SET standard_conforming_strings TO 'yes'",
        "SELECT set_config('search_path'::text, ''::varchar, false)",
        "SELECT set_config('search_path'::pg_catalog.text, $1, false)",
        "SELECT set_config('standard_conforming_strings'::text, 'on'::text, false)", "SET NAMES 'UTF8'",
        "SET client_encoding TO UTF8", "SET client_encoding = 'LATIN1'", "RESET ALL", "DISCARD ALL",
        "SET work_mem = '1MB'", "SELECT set_config('search_path', '', false)", "SELECT * FROM pg_settings",
        "RESET client_encoding", "SET client_encoding TO DEFAULT", "DO 'begin end'",
        "SELECT current_setting('standard_conforming_strings')"}) {
    INFO(text);
    CHECK(one(text).reading == ReadingGuard::none);
  }
}

TEST_CASE("attack 2: what touches settings has the class settings") {
  for (const char* text :
       {"SET work_mem = '1MB'", "RESET work_mem", "DISCARD ALL", "SELECT set_config('a.b', $1, true)",
        "UPDATE pg_settings SET setting = 'x'", "ALTER SYSTEM SET a = 1", "ALTER ROLE r SET a = 1"}) {
    INFO(text);
    CHECK(has_class(one(text), "settings"));
  }
  CHECK_FALSE(has_class(one("SELECT current_setting('work_mem')"), "settings"));
}

TEST_CASE("attack 2: what may change settings by what its text does not show says so") {
  for (const char* text : {"UPDATE sv SET setting = 'off' WHERE name = 'standard_conforming_strings'",
                           "INSERT INTO t VALUES (1)",
                           "DELETE FROM pg_catalog.pg_class",
                           "MERGE INTO t USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
                           "TRUNCATE t",
                           "COPY t FROM STDIN",
                           "COPY t TO STDOUT",
                           "COPY (TABLE v) TO STDOUT",
                           "WITH u AS (UPDATE t SET a = 1) SELECT 1",
                           "SELECT * FROM v",
                           "SELECT t.f FROM t",
                           "SELECT 1 WHERE EXISTS (TABLE sec.v)",
                           "SELECT * FROM pg_class",  // a temporary view can have that name
                           "SELECT 1 FROM pg_catalog.no_such",
                           "SELECT 1 INTO t",
                           "SELECT f()",
                           "SELECT 'x'::mytype",
                           "SELECT set_config('work_mem', '1MB', false)",
                           "SELECT set_config('client_encoding', 'UTF8', false)",
                           "DO 'begin end'",
                           "CALL p()",
                           "EXECUTE p",
                           "EXPLAIN ANALYZE EXECUTE p",
                           "FETCH c",
                           "MOVE c",
                           "DECLARE c CURSOR FOR SELECT * FROM v",
                           "EXPLAIN SELECT * FROM v",
                           "COMMIT",
                           "END",
                           "PREPARE TRANSACTION 'x'",
                           "COMMIT PREPARED 'x'",
                           "ROLLBACK",
                           "ROLLBACK TO s",
                           "SET CONSTRAINTS ALL IMMEDIATE",
                           "SET client_encoding TO 'LATIN1'",
                           "SET NAMES 'UTF8'",
                           "RESET client_encoding",
                           "SET client_encoding TO DEFAULT",
                           "SET standard_conforming_strings = on",
                           "RESET ALL",
                           "DISCARD ALL",
                           "LOAD 'x'",
                           "CREATE TABLE t (a int)",
                           "DROP VIEW v",
                           "SELEC",
                           "SELECT pg_reload_conf()"}) {
    INFO(text);
    CHECK(analyse(text, {}).statements.at(0).may_change_settings);
  }
  for (const char* text : {"SELECT 1, 'a\\', now(), lower('x') || version()",
                           "SELECT * FROM generate_series(1, 3)",
                           "WITH a AS (SELECT 1) SELECT * FROM a",
                           "SELECT nextval('s'), lo_get(1), pg_notify('a', 'b')",
                           "SELECT c.oid::pg_catalog.regclass FROM pg_catalog.pg_class c",
                           "SELECT * FROM information_schema.tables",
                           "SELECT current_setting('search_path')",
                           "SHOW ALL",
                           "SET search_path = a",
                           "SET LOCAL work_mem = '1MB'",
                           "SET TRANSACTION READ ONLY",
                           "RESET work_mem",
                           "DISCARD PLANS",
                           "BEGIN",
                           "START TRANSACTION READ ONLY",
                           "SAVEPOINT s",
                           "RELEASE s",
                           "PREPARE p AS UPDATE t SET a = 1",
                           "DEALLOCATE p",
                           "DEALLOCATE ALL",
                           "DECLARE c CURSOR FOR SELECT 1",
                           "CLOSE c",
                           "LISTEN c",
                           "UNLISTEN *",
                           "NOTIFY c",
                           "LOCK TABLE t",
                           "CHECKPOINT",
                           "EXPLAIN SELECT 1",
                           "COPY (SELECT 1) TO STDOUT"}) {
    INFO(text);
    CHECK_FALSE(one(text).may_change_settings);
  }
  CHECK(merge_executed(one("SELECT 1"), one("UPDATE t SET a = 1")).may_change_settings);
  CHECK(merge_executed(one("EXECUTE p"), one("PREPARE p AS UPDATE t SET a = 1")).may_change_settings);
  CHECK(with_unknown_target(one("SELECT 1")).may_change_settings);
  CHECK(analyse_setting("client_encoding", "LATIN1").may_change_settings);
  CHECK_FALSE(analyse_setting("application_name", "x").may_change_settings);
}

TEST_CASE("attack 1: bytes that are not the characters that the server reads have no facets") {
  for (const char* text : {"SELECT * FROM schl\xfcssel", "SELECT '\xc0\x80'", "SELECT '\xed\xa0\x80'",
                           "SELECT '\xf4\x90\x80\x80'", "SELECT '\xe0\x80\x80'", "SELECT '\xf0\x80\x80\x80'",
                           "SELECT 1 -- \x80", "SELECT 1 -- \xc3", "SELECT 1 -- \xff"}) {
    INFO(text);
    Analysis analysis = analyse(text, {});
    CHECK(analysis.readable == Readable::encoding);
    CHECK(analysis.error == "not valid UTF-8");
    REQUIRE(analysis.statements.size() == 1);
    CHECK_FALSE(analysis.statements[0].facets.tables.known());
    CHECK_FALSE(analysis.statements[0].facets.literals.known());
    CHECK(analysis.statements[0].reading_depends_on_settings);
    CHECK(analysis.statements[0].kind == ActionKind::admin);
  }
  std::string legal =
      "SELECT 'sch\xc3\xbc \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf'";
  CHECK(analyse(legal, {}).readable == Readable::yes);
  Options single_byte;
  single_byte.ascii_only = true;
  CHECK(analyse("SELECT 1", single_byte).readable == Readable::yes);
  Analysis latin = analyse(legal, single_byte);
  CHECK(latin.readable == Readable::encoding);
  CHECK(latin.error == "a byte above 0x7f while client_encoding is not UTF8");
  CHECK_FALSE(latin.statements[0].facets.literals.known());
  Cache cache(64 * 1024);
  for (int time = 0; time < 2; ++time) {
    CHECK(cache.analyse(legal, {})->readable == Readable::yes);
    CHECK(cache.analyse(legal, single_byte)->readable == Readable::encoding);
  }
}

TEST_CASE("attack 6: lists are open wherever code runs that was not read") {
  for (const char* text :
       {"DO $$ begin delete from secrets; end $$",
        "CALL p()",
        "CALL s.p(1)",
        "SELECT my_func()",
        "SELECT s.now()",
        "SELECT public.lower('x')",
        "SELECT 1 WHERE f(a)",
        "SELECT * FROM f()",
        "SELECT * FROM ROWS FROM (f(), now())",
        "VALUES (f())",
        "SELECT a OPERATOR(s.+) b",
        "SELECT a <=> b",
        "SELECT a === b",
        "SELECT - - (a @#@ b)",
        "SELECT 'x'::mytype",
        "SELECT CAST('x' AS s.t)",
        "SELECT mytype 'x'",
        "SELECT s.int4 '1'",
        "SELECT sum(x) FILTER (WHERE f(x)) FROM t",
        "SELECT my_agg(x) FROM t",
        "SELECT my_window() OVER (PARTITION BY a)",
        "SELECT count(*) OVER (ORDER BY f(a))",
        "SELECT * FROM t ORDER BY a USING OPERATOR(s.<)",
        "SELECT * FROM t LIMIT f()",
        "SELECT * FROM t GROUP BY f(a)",
        "SELECT DISTINCT ON (f(a)) a FROM t",
        "SELECT 1 HAVING f()",
        "SELECT a = ANY (SELECT f(b) FROM t)",
        "SELECT a OPERATOR(s.=) ANY (ARRAY[1])",
        "SELECT (a, b) OPERATOR(s.<) (SELECT 1, 2)",
        "SELECT CASE f(a) WHEN 1 THEN 2 END",
        "SELECT coalesce(a, f(a))",
        "SELECT ARRAY[f(a)]",
        "SELECT ROW(f(a))",
        "SELECT (f(a)).b",
        "SELECT a[f(1)]",
        "SELECT nullif(a, f(a))",
        "SELECT xmlelement(name x, f(a))",
        "SELECT * FROM xmltable('/a' PASSING f(x) COLUMNS b int)",
        "SELECT * FROM xmltable('/a' PASSING x COLUMNS b mytype)",
        "SELECT xmlserialize(content x AS mytype)",
        "SELECT * FROM json_to_record('{}') AS x(a mytype)",
        "SELECT * FROM t TABLESAMPLE mine (1)",
        "INSERT INTO t VALUES (f())",
        "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = f()",
        "UPDATE t SET a = f()",
        "DELETE FROM t WHERE f(a)",
        "DELETE FROM t RETURNING f(a)",
        "MERGE INTO t USING s ON f(t.a) WHEN MATCHED THEN DELETE",
        "WITH a AS (SELECT f()) SELECT 1",
        "CREATE TABLE t (a int DEFAULT f())",
        "CREATE TABLE t (a int CHECK (f(a)))",
        "CREATE TABLE t (a int GENERATED ALWAYS AS (f(a)) STORED)",
        "CREATE TABLE t (a int) PARTITION BY LIST (f(a))",
        "CREATE TABLE p PARTITION OF t FOR VALUES FROM (f()) TO (2)",
        "CREATE INDEX ON t (f(a))",
        "CREATE INDEX ON t (a) WHERE f(a)",
        "CREATE POLICY p ON t USING (f(a))",
        "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW WHEN (f(NEW.a)) EXECUTE FUNCTION g()",
        "ALTER TABLE t ALTER a TYPE mytype",
        "ALTER TABLE t ADD CHECK (f(a))",
        "ALTER TABLE t ALTER a SET DEFAULT f()",
        "CREATE DOMAIN d AS int CHECK (f(VALUE))",
        "CREATE STATISTICS s ON f(a), b FROM t",
        "CREATE RULE r AS ON INSERT TO t WHERE f(NEW.a) DO INSTEAD NOTHING",
        "CREATE VIEW v AS SELECT f()",
        "COPY (SELECT f()) TO STDOUT",
        "COPY t FROM STDIN WHERE f(a)",
        "EXPLAIN SELECT f()",
        "PREPARE p AS SELECT f()",
        "PREPARE p (mytype) AS SELECT $1",
        "EXECUTE p(f())",
        "DECLARE c CURSOR FOR SELECT f()",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'begin end'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select g()'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN g()",
        "CREATE FUNCTION f(a int DEFAULT g()) RETURNS int LANGUAGE sql AS 'select 1'",
        "SELECT query_to_xml('select * from secrets', true, true, '')",
        "SELECT table_to_xml('sec.tokens', true, true, '')",
        "SELECT database_to_xml(true, true, '')",
        "SELECT ts_stat('select 1')",
        "SELECT ts_rewrite('a'::tsquery, 'select 1')",
        "SELECT domain_in('1', 'd'::regtype, -1)",
        "SELECT pg_read_file('base/1/2')",
        "SELECT dblink('', 'select 1')"}) {
    INFO(text);
    Statement statement = one(text);
    CHECK(all_open(statement.facets));
    CHECK(statement.runs_unread_code);
    CHECK(has_class(statement, "unknown_code"));
    CHECK(statement.kind == ActionKind::exec);
  }
}

TEST_CASE("attack 6: what is known to be safe leaves lists closed") {
  for (const char* text :
       {"SELECT count(*), max(a), lower(b), now(), a || b, a::text, a LIKE 'x%', a BETWEEN 1 AND 2 FROM t",
        "SELECT pg_catalog.lower('x') OPERATOR(pg_catalog.||) 'y'", "SELECT * FROM generate_series(1, 3)",
        "SELECT row_number() OVER (PARTITION BY a ORDER BY b) FROM t",
        "SELECT a ->> 'x', a @> b, a #>> '{}' FROM t",
        "SELECT extract(year FROM d), substring(a FROM 1), trim(a), position('a' IN b), d AT TIME ZONE 'UTC' "
        "FROM t",
        "SELECT '1 day'::interval, date '2020-01-01', 1::numeric(10,2), '{}'::int[], 'x'::varchar(3), "
        "NULL::jsonb",
        "SELECT jsonb_agg(x), array_agg(y), string_agg(z, ',') FROM t", "SELECT random(), gen_random_uuid()",
        "SELECT pg_advisory_lock(1)", "SELECT nextval('s')", "SELECT pg_terminate_backend(1)",
        "SELECT lo_get(1)", "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FROM t",
        "SELECT * FROM t TABLESAMPLE bernoulli (1)",
        "SELECT a, c.relname, pg_get_viewdef(c.oid) FROM pg_class c WHERE pg_table_is_visible(c.oid)",
        "SELECT current_user, session_user, current_schema, current_date, localtime",
        "CREATE TABLE t (a int DEFAULT 1, b mytype)",
        "SELECT xmlelement(name x), xmlserialize(content x AS text)"}) {
    INFO(text);
    Statement statement = one(text);
    CHECK_FALSE(statement.facets.tables->open);
    CHECK_FALSE(has_class(statement, "unknown_code"));
  }
}

TEST_CASE(
    "attack 6: what reaches relations that its text does not name leaves tables, reads and writes open") {
  for (const char* text :
       {"DROP SCHEMA sec",
        "DROP SCHEMA sec CASCADE",
        "DROP TYPE t",
        "DROP DOMAIN d",
        "DROP FUNCTION f",
        "DROP EXTENSION e",
        "DROP TABLE t CASCADE",
        "DROP VIEW v CASCADE",
        "DROP TRIGGER g ON t CASCADE",
        "DROP OWNED BY x",
        "DROP ROLE x",
        "DROP DATABASE d",
        "DROP SERVER s",
        "DROP PUBLICATION p",
        "REASSIGN OWNED BY a TO b",
        "TRUNCATE t CASCADE",
        "TRUNCATE t RESTART IDENTITY",
        "ALTER TABLE t DROP COLUMN c CASCADE",
        "ALTER DOMAIN d DROP CONSTRAINT c CASCADE",
        "ALTER TYPE t RENAME ATTRIBUTE a TO b CASCADE",
        "ALTER SCHEMA sec RENAME TO mine",
        "ALTER ROLE a RENAME TO b",
        "ALTER EXTENSION e SET SCHEMA s",
        "ALTER EXTENSION e ADD FUNCTION f()",
        "ALTER EXTENSION e UPDATE",
        "ALTER DATABASE d OWNER TO x",
        "GRANT ALL ON ALL TABLES IN SCHEMA sec TO PUBLIC",
        "REVOKE ALL ON ALL TABLES IN SCHEMA sec FROM PUBLIC",
        "GRANT pg_read_all_data TO x",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        "ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b",
        "VACUUM",
        "ANALYZE",
        "CLUSTER",
        "REINDEX SCHEMA sec",
        "REINDEX DATABASE d",
        "REINDEX SYSTEM d",
        "CREATE ROLE evil SUPERUSER LOGIN",
        "CREATE USER evil",
        "ALTER ROLE a SUPERUSER",
        "ALTER ROLE a SET search_path = x",
        "CREATE DATABASE d",
        "ALTER DATABASE d SET work_mem = 1",
        "ALTER SYSTEM SET work_mem = 1",
        "CREATE EXTENSION e",
        "CREATE PUBLICATION p FOR ALL TABLES",
        "CREATE PUBLICATION p FOR TABLE a, TABLES IN SCHEMA sec",
        "CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p",
        "IMPORT FOREIGN SCHEMA a FROM SERVER s INTO b",
        "IMPORT FOREIGN SCHEMA a EXCEPT (x) FROM SERVER s INTO b",
        "COMMIT PREPARED 'x'",
        "SELECT setval($1, 999)",
        "SELECT nextval(a) FROM t",
        "SELECT nextval('1259')",
        "SELECT nextval('s'::varchar(1))",
        "SELECT brin_summarize_new_values('i')",
        "SELECT pg_import_system_collations('s')",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DROP OWNED BY x'",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'UPDATE a SET x = 1; DROP SCHEMA sec'"}) {
    INFO(text);
    Statement statement = one(text);
    CHECK(statement.facets.tables->open);
    CHECK(statement.facets.reads->open);
    CHECK(statement.facets.writes->open);
    CHECK_FALSE(statement.facets.functions->open);
    CHECK_FALSE(has_class(statement, "unknown_code"));
    CHECK_FALSE(statement.runs_unread_code);
  }
  for (const char* text : {"DROP TABLE t",
                           "DROP TRIGGER g ON t",
                           "TRUNCATE t",
                           "ALTER TABLE t DROP COLUMN c",
                           "ALTER TABLE t RENAME TO u",
                           "ALTER TABLE t OWNER TO x",
                           "ALTER TABLE t SET SCHEMA s",
                           "ALTER FUNCTION f() OWNER TO x",
                           "ALTER SCHEMA s OWNER TO x",
                           "ALTER TYPE t ADD VALUE 'x'",
                           "GRANT SELECT ON t TO x",
                           "GRANT USAGE ON SCHEMA s TO x",
                           "GRANT EXECUTE ON FUNCTION f() TO x",
                           "VACUUM t",
                           "ANALYZE t",
                           "CLUSTER t",
                           "REINDEX TABLE t",
                           "CREATE SCHEMA s",
                           "CREATE TYPE t AS ENUM ('a')",
                           "CREATE DOMAIN d AS int",
                           "CREATE INDEX ON t (a)",
                           "CREATE PUBLICATION p FOR TABLE a",
                           "IMPORT FOREIGN SCHEMA a LIMIT TO (x) FROM SERVER s INTO b",
                           "COMMENT ON FUNCTION f() IS 'x'",
                           "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
                           "SET CONSTRAINTS ALL DEFERRED",
                           "SHOW ALL",
                           "CHECKPOINT",
                           "LOCK TABLE t",
                           "LISTEN c",
                           "UNLISTEN c",
                           "COMMIT",
                           "ROLLBACK",
                           "DISCARD ALL",
                           "RESET ALL",
                           "SET work_mem = 1",
                           "EXPLAIN SELECT 1",
                           "SELECT set_config('a.b', 'c', false)"}) {
    INFO(text);
    Statement statement = one(text);
    CHECK_FALSE(statement.facets.tables->open);
    CHECK_FALSE(statement.facets.reads->open);
    CHECK_FALSE(statement.facets.writes->open);
  }
  // No relation, and yet something is sent.
  for (const char* text : {"NOTIFY c, 'x'", "SELECT pg_notify('c', 'x')"}) {
    INFO(text);
    CHECK(one(text).facets.writes->open);
    CHECK_FALSE(one(text).facets.tables->open);
  }
}

TEST_CASE("attack 6: sequences and large objects are written, and what belongs to something changes it") {
  struct {
    const char* text;
    const char* name;
  } writes[] = {
      {"SELECT nextval('s')", "public.s"},
      {"SELECT nextval('sec.\"My Seq\"'::regclass)", "sec.My Seq"},
      {"SELECT nextval(' Sec . S ')", "sec.s"},
      {"SELECT pg_catalog.setval('public.s', 999, true)", "public.s"},
      {"SELECT nextval('d.\"a\"\"b\".s'::text)", "a\"b.s"},
      {"SELECT lo_unlink(lo_create(0))", "pg_catalog.pg_largeobject"},
      {"SELECT lo_put(1, 0, '')", "pg_largeobject"},
      {"ALTER EXTENSION file_fdw ADD TABLE sec.users", "sec.users"},
      {"ALTER EXTENSION file_fdw DROP VIEW users", "public.users"},
      {"ALTER SEQUENCE s OWNED BY sec.users.id", "sec.users"},
      {"CREATE SEQUENCE s OWNED BY users.id", "users"},
  };
  for (const auto& row : writes) {
    INFO(row.text << " " << row.name);
    Statement statement = one(row.text);
    CHECK(has(statement.facets.writes, row.name));
    CHECK(has(statement.facets.tables, row.name));
    CHECK_FALSE(statement.facets.writes->open);
  }
  CHECK(has(one("SELECT lo_get(1)").facets.reads, "pg_largeobject"));
  CHECK(one("SELECT lo_get(1)").facets.writes->items.empty());
  CHECK_FALSE(has(one("ALTER SEQUENCE s OWNED BY NONE").facets.tables, "none"));
  CHECK(has(one("CREATE TYPE t AS (a int, b sec.users)").facets.reads, "sec.users"));
  CHECK(one("CREATE TYPE t AS (a int, b numeric(3))").facets.tables->items.empty());
  CHECK(has(one("CREATE FUNCTION f(users.ssn%TYPE) RETURNS int LANGUAGE sql AS 'SELECT 1'").facets.tables,
            "users"));
}

TEST_CASE("attack 2: a view or rule over pg_settings has the class settings") {
  for (const char* text :
       {"CREATE TEMP VIEW sv AS SELECT * FROM pg_settings",
        "CREATE OR REPLACE VIEW sv AS SELECT 1 FROM t WHERE EXISTS (TABLE pg_catalog.pg_settings)",
        "CREATE MATERIALIZED VIEW sv AS SELECT * FROM pg_settings",
        "CREATE RULE r AS ON INSERT TO t DO INSTEAD SELECT * FROM pg_settings"}) {
    INFO(text);
    CHECK(has_class(one(text), "settings"));
  }
  CHECK_FALSE(has_class(one("SELECT * FROM pg_settings"), "settings"));
  CHECK_FALSE(has_class(one("CREATE VIEW v AS SELECT * FROM sec.pg_settings"), "settings"));
}

TEST_CASE("attack 6: a function called as if it were a field is a call") {
  CHECK(has_class(one("SELECT ('/etc/passwd'::text).pg_read_file"), "file"));
  CHECK(has_class(one("SELECT (x.y).pg_ls_dir FROM (SELECT '/etc' AS y) x"), "file"));
  CHECK(has_class(one("SELECT (0).pg_terminate_backend"), "signal"));
  CHECK(has(one("SELECT (10).pg_sleep").facets.functions, "pg_catalog.pg_sleep"));
  CHECK_FALSE(one("SELECT (10).pg_sleep").facets.functions->open);
  CHECK(one("SELECT ('s'::regclass).nextval").facets.writes->open);
  CHECK(one("SELECT ('s'::regclass).nextval").kind == ActionKind::write);
  for (const char* text :
       {"SELECT (1).my_func", "SELECT (t.a).my_func FROM t", "SELECT (array['x'])[1].my_func",
        "SELECT ((SELECT 'x')).my_func", "SELECT ($1).my_func", "UPDATE t SET a = ('x'::text).my_func"}) {
    INFO(text);
    CHECK(all_open(one(text).facets));
    CHECK(one(text).may_change_settings);
    CHECK(has(one(text).facets.functions, "my_func"));
  }
  // A function in FROM that is one value is that value.
  CHECK(has_class(one("SELECT x.pg_read_file FROM lower('/etc/passwd') x"), "file"));
  CHECK(has_class(one("SELECT lower.pg_read_file FROM lower('/etc/passwd')"), "file"));
  CHECK(has_class(one("SELECT x.pg_read_file FROM CAST('/etc/passwd' AS text) AS x"), "file"));
  CHECK(has_class(one("SELECT x.pg_read_file FROM unnest(ARRAY['/etc/passwd']) AS x(y)"), "file"));
  CHECK(has_class(one("SELECT (SELECT x.pg_read_file) FROM lower('/etc/passwd') x"), "file"));
  CHECK(all_open(one("SELECT x.my_func FROM lower('a') x").facets));
  for (const char* text :
       {"SELECT g.g, generate_series.generate_series FROM generate_series(1, 2) g, generate_series(1, 3)",
        "SELECT e.key, e.value FROM t, jsonb_each(t.a) e", "SELECT u.x FROM unnest($1::int[]) AS u(x)",
        "SELECT u.x, u.ord FROM unnest($1::int[]) WITH ORDINALITY AS u(x, ord)",
        "SELECT g.* FROM generate_series(1, 2) g",
        "SELECT r.a FROM json_to_recordset('[]') AS r(a int, b text)",
        "SELECT e.value FROM t, jsonb_array_elements(t.a) e", "SELECT s.schedule FROM s",
        "SELECT x.http FROM (SELECT 1 AS http) x",
        "SELECT a.attname, o.option_name FROM pg_catalog.pg_attribute a, "
        "pg_catalog.pg_options_to_table(a.attfdwoptions) o",
        "SELECT l.mode FROM pg_lock_status() l",
        "SELECT d.datname, x.grantee FROM pg_database d, aclexplode(d.datacl) x"}) {
    INFO(text);
    CHECK_FALSE(one(text).facets.tables->open);
  }
  Options vouching;
  vouching.safe_functions = std::make_shared<const std::unordered_set<std::string>>(
      std::unordered_set<std::string>{"street", "app.people"});
  CHECK_FALSE(one("SELECT p.city FROM app.people() p", vouching).facets.tables->open);
  CHECK(has_class(one("SELECT p.pg_read_file FROM app.people() p", vouching), "file"));
  CHECK_FALSE(one("SELECT (address).street FROM t", vouching).facets.tables->open);
  CHECK_FALSE(one("SELECT (f.a).*, t.a[1], (t.a)[1], t.street FROM t, generate_series(1, 2) f(a)")
                  .facets.tables->open);
}

TEST_CASE("what drivers, psql and pg_dump send is read, is not refused and leaves lists closed") {
  for (const char* text :
       {"SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n "
        "ON n.oid = "
        "c.relnamespace WHERE c.relname OPERATOR(pg_catalog.~) '^(t)$' COLLATE pg_catalog.default AND "
        "pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 3",
        "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), (SELECT "
        "pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d WHERE d.adrelid = "
        "a.attrelid AND d.adnum = a.attnum AND a.atthasdef) FROM pg_catalog.pg_attribute a WHERE a.attrelid "
        "= "
        "'16384' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        "SELECT pubname FROM pg_catalog.pg_publication p JOIN pg_catalog.pg_publication_rel pr ON p.oid = "
        "pr.prpubid WHERE pr.prrelid = '16384'::pg_catalog.regclass",
        "SELECT pg_catalog.set_config('search_path', '', false)",
        "SELECT pg_catalog.pg_is_in_recovery()",
        "SET DATESTYLE = ISO",
        "SET extra_float_digits TO 3",
        "SET synchronize_seqscans TO off",
        "SET statement_timeout = 0",
        "SET row_security = off",
        "SET idle_in_transaction_session_timeout = 0",
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        "LOCK TABLE public.t IN ACCESS SHARE MODE",
        "COPY public.t (a, b) TO stdout",
        "SELECT pg_catalog.setval('public.t_id_seq', 1, true)",
        "ALTER TABLE ONLY public.t ADD CONSTRAINT t_pkey PRIMARY KEY (id)",
        "ALTER TABLE public.t OWNER TO x",
        "ALTER SEQUENCE public.t_id_seq OWNED BY public.t.id",
        "SET client_encoding = 'UTF8'",
        "ALTER TABLE ONLY public.t ALTER COLUMN id SET DEFAULT nextval('public.t_id_seq'::regclass)",
        "SET standard_conforming_strings = on",
        "SET client_min_messages TO 'warning'",
        "SET SESSION timezone TO 'UTC'",
        "SELECT t.oid, t.typname FROM pg_type as t WHERE t.typname IN ('int2')",
        "SELECT set_config('TimeZone', 'UTC', false)",
        "INSERT INTO \"t\" (\"a\") VALUES ($1) RETURNING \"id\"",
        "select nextval('users_seq')",
        "select nextval('\"Users_seq\"')",
        "SELECT pg_catalog.version()",
        "show standard_conforming_strings",
        "SELECT pg_advisory_unlock_all()",
        "CLOSE ALL",
        "UNLISTEN *",
        "RESET ALL",
        "DISCARD ALL",
        "SELECT current_setting('jit') AS cur, set_config('jit', $1, false) AS new",
        "select set_config('search_path', $1, true), set_config('role', $2, true)",
        "SELECT set_config('search_path'::text, 'a'::text, false)",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "UPDATE t SET a = $1 WHERE id = $2",
        "CREATE TABLE schema_migrations (version varchar PRIMARY KEY)",
        "CREATE TYPE status AS ENUM ('a', 'b')",
        "CREATE INDEX CONCURRENTLY i ON t (a)",
        "DROP TABLE IF EXISTS t"}) {
    INFO(text);
    Statement statement = one(text);
    CHECK(statement.reading == ReadingGuard::none);
    CHECK_FALSE(statement.facets.tables->open);
    CHECK_FALSE(statement.facets.reads->open);
    CHECK_FALSE(statement.facets.writes->open);
  }
}

TEST_CASE("attack 6: functions that the operator vouches for do not open lists, by the name as written") {
  Options options;
  options.safe_functions = std::make_shared<const std::unordered_set<std::string>>(
      std::unordered_set<std::string>{"app.tax_rate", "helper"});
  CHECK_FALSE(one("SELECT app.tax_rate(1), helper()", options).facets.tables->open);
  CHECK_FALSE(one("CALL helper()", options).facets.tables->open);
  CHECK(one("SELECT tax_rate(1)", options).facets.tables->open);
  CHECK(one("SELECT other.helper()", options).facets.tables->open);
}

TEST_CASE("what functions and statements can do is in their classes") {
  struct {
    const char* text;
    const char* name;
  } rows[] = {
      {"SELECT pg_read_file('/etc/passwd')", "file"},
      {"SELECT * FROM pg_ls_dir('.')", "file"},
      {"SELECT lo_import('/etc/passwd')", "file"},
      {"SELECT lo_import('/etc/passwd')", "large_object"},
      {"SELECT lo_put(1, 0, '')", "large_object"},
      {"COPY t TO '/x'", "file"},
      {"COPY t TO PROGRAM 'x'", "program"},
      {"COPY t FROM PROGRAM 'x'", "program"},
      {"SELECT * FROM ext.dblink('host=x', 'select 1') AS (a int)", "network"},
      {"CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p", "network"},
      {"CREATE SERVER s FOREIGN DATA WRAPPER w", "network"},
      {"CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'x'", "code"},
      {"CREATE TRIGGER t BEFORE INSERT ON a EXECUTE FUNCTION f()", "code"},
      {"CREATE EXTENSION e", "code"},
      {"CREATE OPERATOR s.+ (FUNCTION = f, LEFTARG = int)", "code"},
      {"CREATE AGGREGATE a (int) (SFUNC = f, STYPE = int)", "code"},
      {"LOAD 'x'", "code"},
      {"SELECT pg_terminate_backend(1)", "signal"},
      {"SELECT pg_reload_conf()", "admin"},
      {"SELECT pg_promote()", "admin"},
      {"DELETE FROM pg_catalog.pg_proc WHERE oid = 1", "admin"},
      {"SELECT query_to_xml('select 1', true, true, '')", "dynamic_sql"},
      {"SELECT * FROM crosstab('select 1') AS x(a int)", "dynamic_sql"},
      {"SELECT set_config('a.b', 'c', false)", "settings"},
      {"EXPLAIN SELECT pg_read_file('x')", "file"},
      {"ALTER FOREIGN TABLE x OPTIONS (ADD program 'id')", "program"},
      {"ALTER FOREIGN TABLE x OPTIONS (ADD filename '/etc/passwd')", "file"},
      {"ALTER FOREIGN TABLE x OPTIONS (SET table_name 'y')", "network"},
      {"CREATE FOREIGN TABLE x (a int) SERVER s OPTIONS (program 'id')", "program"},
      {"CREATE FOREIGN TABLE x (a int) SERVER s OPTIONS (filename '/etc/passwd')", "file"},
      {"IMPORT FOREIGN SCHEMA a FROM SERVER s INTO b OPTIONS (filename 'x')", "file"},
      {"ALTER SYSTEM SET archive_command = 'id'", "program"},
      {"ALTER SYSTEM SET restore_command = 'id'", "program"},
      {"ALTER SYSTEM SET ssl_passphrase_command = 'id'", "program"},
      {"ALTER SYSTEM SET Recovery_End_Command = 'id'", "program"},
      {"ALTER SYSTEM SET archive_cleanup_command = 'id'", "program"},
      {"ALTER SYSTEM SET shared_preload_libraries = 'x'", "code"},
      {"ALTER SYSTEM SET archive_library = 'x'", "code"},
      {"ALTER ROLE r SET session_preload_libraries = 'x'", "code"},
      {"ALTER DATABASE d SET local_preload_libraries = 'x'", "code"},
      {"SET dynamic_library_path = '/tmp'", "code"},
      {"SELECT set_config('dynamic_library_path', '/tmp', false)", "code"},
      {"ALTER SYSTEM SET hba_file = '/tmp/x'", "file"},
      {"SELECT * FROM pg_hba_file_rules", "file"},
      {"SELECT * FROM pg_catalog.pg_file_settings", "file"},
      {"COPY pg_ident_file_mappings TO STDOUT", "file"},
      {"SELECT data FROM pg_largeobject", "large_object"},
      {"CREATE TYPE r AS RANGE (subtype = int, subtype_diff = f)", "code"},
      {"CREATE TYPE r AS RANGE (subtype = int, canonical = s.f)", "code"},
  };
  for (const auto& row : rows) {
    INFO(row.text << " " << row.name);
    CHECK(has_class(one(row.text), row.name));
  }
  CHECK(one("SELECT 1 FROM pg_proc").facets.classes->items.empty());
  CHECK(one("SELECT 1 FROM sec.pg_hba_file_rules").facets.classes->items.empty());
  CHECK(one("CREATE TYPE r AS RANGE (subtype = int)").facets.classes->items.empty());
  CHECK(has(one("CREATE TYPE r AS RANGE (subtype = int, subtype_diff = s.f)").facets.functions, "s.f"));
  CHECK(one("SELECT * FROM pg_hba_file_rules").kind == ActionKind::admin);
  CHECK(one("ALTER SYSTEM SET archive_command = 'id'").kind == ActionKind::exec);
  CHECK(one("ALTER SYSTEM SET work_mem = 1").kind == ActionKind::admin);
  CHECK(analyse_setting("local_preload_libraries", "x").kind == ActionKind::exec);
  CHECK(has_class(analyse_setting("local_preload_libraries", "x"), "code"));
}

TEST_CASE("attack 9: an analysis is kept by its whole text and by every option that decides it") {
  Cache cache(64 * 1024);
  Options plain;
  Options vouching;
  vouching.safe_functions =
      std::make_shared<const std::unordered_set<std::string>>(std::unordered_set<std::string>{"f"});
  CHECK(cache.find("SELECT f()", plain) == nullptr);
  cache.analyse("SELECT f()", plain);
  CHECK(cache.find("SELECT f()", plain) == nullptr);  // kept from the second time on
  auto first = cache.analyse("SELECT f()", plain);
  CHECK(cache.find("SELECT f()", plain) == first);
  CHECK(cache.find("SELECT f() ", plain) == nullptr);
  CHECK(cache.find("SELECT f()", vouching) == nullptr);
  CHECK_FALSE(cache.analyse("SELECT f()", vouching)->statements[0].facets.tables->open);
  CHECK(cache.find("SELECT f()", plain)->statements[0].facets.tables->open);
  Options narrow;
  narrow.limits.tokens = 2;
  CHECK(cache.analyse("SELECT f()", narrow)->readable == Readable::over_limit);
}

TEST_CASE("a cache holds no more than its bytes and forgets what was used longest ago") {
  Cache cache(32 * 1024);
  cache.analyse("SELECT 'kept'", {});
  auto kept = cache.analyse("SELECT 'kept'", {});
  for (int i = 0; i < 200; ++i) {
    for (int time = 0; time < 2; ++time) cache.analyse("SELECT " + std::to_string(i), {});
    CHECK(cache.find("SELECT 'kept'", {}) == kept);
  }
  CHECK(cache.find("SELECT 0", {}) == nullptr);
  CHECK(cache.find("SELECT 199", {}) != nullptr);
  std::string large = "SELECT '" + std::string(30000, 'x') + "'";
  for (int time = 0; time < 2; ++time) CHECK(cache.analyse(large, {})->readable == Readable::yes);
  CHECK(cache.find(large, {}) == nullptr);
}

}  // namespace clawpatrol::sql
