#include "tests/policy/sql/statement.h"

namespace clawpatrol::sql {

TEST_CASE("attack 2: what touches settings has the class settings") {
  for (const char* text :
       {"SET work_mem = '1MB'", "RESET work_mem", "DISCARD ALL", "SELECT set_config('a.b', $1, true)",
        "UPDATE pg_settings SET setting = 'x'", "ALTER SYSTEM SET a = 1", "ALTER ROLE r SET a = 1"}) {
    INFO(text);
    CHECK(has_class(one(text), "settings"));
  }
  CHECK_FALSE(has_class(one("SELECT current_setting('work_mem')"), "settings"));
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

}  // namespace clawpatrol::sql
