// Attacks 1 and 2: how a text is read.
#include "tests/policy/sql/statement.h"

namespace clawpatrol::sql {

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

// In LATIN1 with a locale that has umlauts, GEHÄLTER is the table gehälter; and names are cut after 63 of the
// server's bytes.
TEST_CASE(
    "attack 7: names with letters beyond ASCII are not read for a server that keeps them in another "
    "encoding") {
  Options other;
  other.ascii_names = true;
  for (const char* text :
       {"SELECT * FROM GEH\xc3\x84LTER", "SELECT * FROM \"geh\xc3\xa4lter\"", "SELECT '\xc3\xa4'",
        "SELECT * FROM U&\"geh\\00e4lter\"", "SELECT u&'\\00e4'", "SELECT E'geh\\u00e4lter'::regclass",
        "SELECT e'\\xc3\\xa4'", "SELECT E'\\303\\244'", "DO 'BEGIN EXECUTE E''\\u00e4''; END'"}) {
    INFO(text);
    CHECK(analyse(text, {}).readable == Readable::yes);
    Analysis analysis = analyse(text, other);
    CHECK(analysis.readable == Readable::encoding);
    CHECK_FALSE(analysis.statements.at(0).facets.tables.known());
  }
  for (const char* text : {"SELECT * FROM salaries WHERE name = $1", "SELECT '\\xdeadbeef'::bytea",
                           "SELECT E'a\\nb'", "SELECT a & 'x', u &b FROM t"}) {
    INFO(text);
    CHECK(analyse(text, other).readable == Readable::yes);
  }
  Cache cache(64 * 1024);
  for (int time = 0; time < 2; ++time) {
    CHECK(cache.analyse("SELECT '\xc3\xa4'", {})->readable == Readable::yes);
    CHECK(cache.analyse("SELECT '\xc3\xa4'", other)->readable == Readable::encoding);
  }
}

}  // namespace clawpatrol::sql
