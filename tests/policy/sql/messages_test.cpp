#include "tests/policy/sql/statement.h"

namespace clawpatrol::sql {
namespace {

using Names = std::vector<std::string>;

}  // namespace

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

}  // namespace clawpatrol::sql
