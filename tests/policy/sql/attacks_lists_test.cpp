// Attack 6: lists are open where a statement may do more than its text says, and nowhere else.
#include <memory>
#include <unordered_set>

#include "tests/policy/sql/statement.h"

namespace clawpatrol::sql {

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
        "SELECT dblink('', 'select 1')",
        "LOAD 'x'",
        "CREATE EXTENSION e",
        "ALTER EXTENSION e UPDATE",
        "CREATE FOREIGN DATA WRAPPER w VALIDATOR v",
        "CREATE FOREIGN DATA WRAPPER w HANDLER s.h",
        "ALTER FOREIGN DATA WRAPPER w OPTIONS (ADD a 'b')",
        "CREATE SERVER s FOREIGN DATA WRAPPER w",
        "ALTER SERVER s OPTIONS (ADD a 'b')",
        "CREATE USER MAPPING FOR PUBLIC SERVER s",
        "ALTER USER MAPPING FOR PUBLIC SERVER s OPTIONS (ADD a 'b')",
        "CREATE FOREIGN TABLE t (a int) SERVER s",
        "ALTER FOREIGN TABLE t OPTIONS (ADD a 'b')",
        "ALTER FOREIGN TABLE t ALTER a OPTIONS (ADD b 'c')",
        "IMPORT FOREIGN SCHEMA a LIMIT TO (x) FROM SERVER s INTO b",
        "CREATE AGGREGATE a (int) (SFUNC = int4pl, STYPE = mydom, INITCOND = 'x')",
        "CREATE AGGREGATE a (int) (SFUNC = int4pl, STYPE = int, MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = "
        "mydom, MINITCOND = 'x')",
        "CREATE OPERATOR CLASS c FOR TYPE int USING btree AS OPERATOR 1 <, FUNCTION 1 mine(int, int)",
        "CREATE OPERATOR CLASS c FOR TYPE int USING btree AS OPERATOR 1 <<<<, FUNCTION 1 btint4cmp(int, int)",
        "ALTER OPERATOR FAMILY f USING btree ADD FUNCTION 1 (int, int) mine(int, int)"}) {
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
        "DROP INDEX i",
        "REINDEX INDEX i",
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
        "CREATE PUBLICATION p FOR ALL TABLES",
        "CREATE PUBLICATION p FOR TABLE a, TABLES IN SCHEMA sec",
        "CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p",
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
  CHECK(has(one("SELECT pg_sequence_last_value('sec.s')").facets.reads, "sec.s"));
  CHECK(one("SELECT pg_sequence_last_value(oid) FROM pg_class").facets.reads->open);
  CHECK(has(one("SELECT lo_get(1)").facets.reads, "pg_largeobject"));
  CHECK(one("SELECT lo_get(1)").facets.writes->items.empty());
  CHECK_FALSE(has(one("ALTER SEQUENCE s OWNED BY NONE").facets.tables, "none"));
  CHECK(has(one("CREATE TYPE t AS (a int, b sec.users)").facets.reads, "sec.users"));
  CHECK(one("CREATE TYPE t AS (a int, b numeric(3))").facets.tables->items.empty());
  CHECK(has(one("CREATE FUNCTION f(users.ssn%TYPE) RETURNS int LANGUAGE sql AS 'SELECT 1'").facets.tables,
            "users"));
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
  // Whatever else has that alias, and where the server makes the alias up.
  for (const char* text :
       {"SELECT (SELECT 1 FROM lower('a') AS x(pg_read_file)), x.pg_read_file FROM lower('/etc/passwd') AS "
        "x(c)",
        "SELECT x.pg_read_file FROM lower('/etc/passwd') AS x(c), LATERAL (SELECT 1 FROM lower('a') AS "
        "x(pg_read_file)) y",
        "SELECT (SELECT x.pg_read_file FROM lower('/etc/passwd') AS x(c)) FROM lower('a') AS x(pg_read_file)",
        "SELECT (SELECT x.pg_read_file FROM my_func() x) FROM lower('/etc/passwd') x",
        "SELECT text.pg_read_file FROM CAST('/etc/passwd' AS text)",
        "SELECT \"coalesce\".pg_read_file FROM coalesce('/etc/passwd'::text, '')",
        "SELECT \"greatest\".pg_read_file FROM greatest('/etc/passwd'::text, '')",
        "SELECT \"nullif\".pg_read_file FROM nullif('/etc/passwd'::text, '')",
        "SELECT (SELECT text.pg_read_file) FROM CAST('/etc/passwd' AS text)"}) {
    INFO(text);
    CHECK(has_class(one(text), "file"));
  }
  CHECK_FALSE(
      has_class(one("SELECT (SELECT text.text FROM CAST('a' AS text)), t.pg_read_file FROM t"), "file"));
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
  // Types in a list of columns are made of what a function returns.
  for (const char* text : {"SELECT * FROM ROWS FROM (json_to_record('{}') AS (a public.mydom)) r",
                           "SELECT * FROM ROWS FROM (lower('a'), json_to_record('{}') AS (b int, a mydom)) r",
                           "SELECT * FROM json_to_record('{}') AS r(a mydom)"}) {
    INFO(text);
    CHECK(all_open(one(text).facets));
    CHECK(one(text).may_change_settings);
  }
  CHECK_FALSE(one("SELECT * FROM ROWS FROM (json_to_record('{}') AS (a int)) r").facets.tables->open);
  // What is no column of a FROM member may be a function of the operator's own.
  for (const char* text :
       {"SELECT s.f FROM (SELECT 1 AS a) s", "WITH s AS (SELECT 1 AS a) SELECT s.f FROM s",
        "SELECT s.f FROM (VALUES (1)) s(a)", "SELECT n.f FROM generate_series(1, 1) WITH ORDINALITY n"}) {
    INFO(text);
    CHECK(one(text).may_change_settings);
  }
  CHECK(has(one("SELECT u.row_to_json FROM users u").facets.functions, "row_to_json"));
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

TEST_CASE("attack 2: nothing temporary gets the name of a built-in type") {
  for (const char* text :
       {"CREATE TEMP TABLE text (a int)", "CREATE TABLE pg_temp.json (a int)",
        "CREATE TEMP VIEW date AS SELECT 1", "SELECT 1 INTO TEMP text", "CREATE TEMP TABLE text AS SELECT 1",
        "CREATE DOMAIN pg_temp.text AS varchar(4)", "CREATE TYPE pg_temp.json AS (a int)",
        "CREATE TYPE pg_temp.date AS ENUM ('a')", "CREATE TYPE pg_temp.text AS RANGE (subtype = int4)",
        "CREATE TYPE pg_temp_3.text", "ALTER TABLE t RENAME TO text", "ALTER TYPE d RENAME TO json",
        "ALTER SEQUENCE s RENAME TO text", "CREATE TEMP SEQUENCE text", "ALTER DOMAIN d RENAME TO date",
        "ALTER INDEX t RENAME TO text", "ALTER FOREIGN TABLE t RENAME TO text",
        "CREATE TYPE r AS RANGE (subtype = int4, multirange_type_name = pg_temp.text)",
        "CREATE TYPE r AS RANGE (subtype = int4, multirange_type_name = text)",
        "CREATE TYPE r AS RANGE (subtype = int4, multirange_type_name = 'text')",
        // made in pg_temp, where the search path begins with it
        "CREATE DOMAIN text AS varchar(4)", "CREATE TYPE text AS (a int)", "CREATE TYPE json AS ENUM ('a')",
        "CREATE DOMAIN db.pg_temp.text AS varchar(4)"}) {
    INFO(text);
    CHECK(one(text).reading == ReadingGuard::refused);
  }
  for (const char* text :
       {"CREATE TABLE path (a int)", "CREATE TEMP TABLE t (text text)", "ALTER TABLE t RENAME a TO text",
        "CREATE TEMP TABLE texts (a int)", "CREATE DOMAIN app.text AS varchar(4)",
        "CREATE TYPE r AS RANGE (subtype = int4, multirange_type_name = app.text)",
        "CREATE TYPE r AS RANGE (subtype = int4)", "ALTER INDEX i RENAME TO j"}) {
    INFO(text);
    CHECK(one(text).reading == ReadingGuard::none);
  }
}

TEST_CASE("attack 6: operators and operator classes of indexes and constraints run code") {
  for (const char* text : {"ALTER TABLE t ADD EXCLUDE USING btree (id eqops WITH =)",
                           "ALTER TABLE t ADD EXCLUDE USING gist (id WITH OPERATOR(public.===))",
                           "CREATE INDEX ON t (name public.evil_ops)", "CREATE INDEX ON t (name evil_ops)",
                           "CREATE TABLE t (a int) PARTITION BY HASH (a evil_ops)",
                           "INSERT INTO t VALUES (1) ON CONFLICT (a evil_ops) DO NOTHING",
                           "SELECT satisfies_hash_partition('hp'::regclass, 2, 0, 'x'::text)"}) {
    INFO(text);
    CHECK(all_open(one(text).facets));
  }
  for (const char* text : {"CREATE INDEX ON t (name text_pattern_ops, body pg_catalog.varchar_pattern_ops)",
                           "CREATE INDEX ON t USING gin (data jsonb_path_ops)",
                           "ALTER TABLE t ADD EXCLUDE USING gist (during WITH &&)"}) {
    INFO(text);
    CHECK_FALSE(one(text).facets.tables->open);
  }
}

TEST_CASE("attack 6: what holds other tables' values has open reads") {
  for (const char* text :
       {"SELECT most_common_vals FROM pg_stats", "SELECT * FROM pg_catalog.pg_statistic",
        "SELECT last_value FROM pg_sequences", "SELECT chunk_data FROM pg_toast.pg_toast_16384",
        "TABLE pg_toast_16384", "DELETE FROM pg_toast.pg_toast_16384",
        "COPY pg_toast.pg_toast_16384 TO STDOUT", "ALTER DOMAIN d ADD CHECK (value <> 'x')",
        "ALTER DOMAIN d SET NOT NULL", "ALTER DOMAIN d VALIDATE CONSTRAINT c"}) {
    INFO(text);
    CHECK(one(text).facets.reads->open);
  }
  CHECK_FALSE(one("ALTER DOMAIN d DROP NOT NULL").facets.reads->open);
  CHECK(has(one("UPDATE t SET a = b").facets.reads, "t"));
  CHECK_FALSE(has(one("UPDATE t SET a = 1, b = $1::int, c = DEFAULT").facets.reads, "t"));
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

}  // namespace clawpatrol::sql
