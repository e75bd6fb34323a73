// What EXECUTE and FETCH run of their own message.
#include "policy/sql/message_names.h"

#include "tests/policy/sql/statement.h"

namespace clawpatrol::sql {
namespace {

using Where = MessageNames::Where;

// Of the last statement, by the text of what it runs.
struct Last {
  Where where;
  std::string text;
};

Last last_of(const std::string& text) {
  const Analysis analysis = analyse(text, {});
  INFO(text << ": " << analysis.error);
  REQUIRE(analysis.readable == Readable::yes);
  MessageNames names;
  for (std::size_t i = 0; i + 1 < analysis.statements.size(); ++i) {
    const Statement& statement = analysis.statements[i];
    names.after(statement, statement,
                statement.runs_unread_code ? MessageNames::Code::unread : MessageNames::Code::read);
  }
  const auto target = names.find(analysis.statements.back());
  return {target.where, target.statement ? *target.statement->facets.statement : std::string()};
}

}  // namespace

TEST_CASE("a name that its message made stands for what that said, the last of several") {
  for (const char* text :
       {"PREPARE p AS SELECT 1; EXECUTE p", "PREPARE q AS SELECT 2; PREPARE p AS SELECT 1; EXECUTE p",
        "DEALLOCATE p; PREPARE p AS SELECT 1; EXECUTE p", "DO 'x'; PREPARE p AS SELECT 1; EXECUTE p",
        "PREPARE p AS SELECT 1; DEALLOCATE q; DECLARE p CURSOR FOR SELECT 3; CLOSE p; EXECUTE p",
        "PREPARE p AS SELECT 1; SET search_path = s; EXPLAIN ANALYZE EXECUTE p",
        "PREPARE p AS SELECT 1; COMMIT; CREATE TABLE t AS EXECUTE p",
        "PREPARE \"P\" AS SELECT 2;PREPARE p AS SELECT 1; EXECUTE P"}) {
    INFO(text);
    CHECK(last_of(text).where == Where::here);
    CHECK(last_of(text).text == "PREPARE p AS SELECT 1");
  }
  for (const char* text :
       {"DECLARE c CURSOR FOR SELECT a FROM t; FETCH c", "DECLARE c CURSOR FOR SELECT a FROM t; MOVE c",
        // It is planned on the path that it was declared on.
        "DECLARE c CURSOR FOR SELECT a FROM t; SET search_path = s; FETCH ALL FROM c"}) {
    INFO(text);
    CHECK(last_of(text).text == "DECLARE c CURSOR FOR SELECT a FROM t");
  }
}

TEST_CASE("what its message did not touch is for the session to know") {
  for (const char* text : {"EXECUTE p", "SELECT 1; EXECUTE p", "PREPARE q AS SELECT 1; EXECUTE p",
                           "DECLARE p CURSOR FOR SELECT 1; EXECUTE p", "DEALLOCATE ALL; FETCH c",
                           "PREPARE c AS SELECT 1; FETCH c", "CLOSE ALL; EXECUTE p"}) {
    INFO(text);
    CHECK(last_of(text).where == Where::elsewhere);
  }
}

TEST_CASE(
    "attack 3: a name that its message dropped, or may have changed unread, stands for nothing certain") {
  for (const char* text :
       {"PREPARE p AS SELECT 1; DEALLOCATE p; EXECUTE p", "DEALLOCATE ALL; EXECUTE p",
        "PREPARE p AS SELECT 1; DEALLOCATE ALL; EXECUTE p", "PREPARE p AS SELECT 1; DO 'x'; EXECUTE p",
        "PREPARE p AS SELECT 1; SELECT f(); EXECUTE p", "DISCARD ALL; EXECUTE p", "DISCARD ALL; FETCH c",
        "DECLARE c CURSOR FOR SELECT 1; CLOSE c; FETCH c", "DECLARE c CURSOR FOR SELECT 1; CLOSE ALL; MOVE c",
        "CALL x(); FETCH c"}) {
    INFO(text);
    CHECK(last_of(text).where == Where::uncertain);
  }
}

TEST_CASE("attack 7: what was prepared on another path than it runs on is not what it was read as") {
  for (const char* between : {"SET search_path = sec", "SELECT set_config('search_path', 'sec', false)",
                              "RESET ALL", "ROLLBACK", "SET ROLE x", "COMMIT", "ROLLBACK TO s"}) {
    INFO(between);
    CHECK(last_of("PREPARE p AS SELECT t FROM tokens; " + std::string(between) + "; EXECUTE p").where ==
          Where::uncertain);
  }
  CHECK(last_of("PREPARE p AS SELECT t FROM sec.tokens; SET search_path = sec; EXECUTE p").where ==
        Where::here);
}

TEST_CASE("attack 7: a path that EXECUTE changes is one of which the text of the message does not tell") {
  const Analysis analysis = analyse(
      "EXECUTE s; PREPARE s AS SELECT set_config('search_path', 'sec', false); PREPARE p AS TABLE tokens; "
      "EXECUTE p",
      {});
  REQUIRE(analysis.statements.size() == 4);
  const Statement& execute = analysis.statements[0];
  const Statement& sets = analysis.statements[1];
  const Statement& prepare = analysis.statements[2];
  MessageNames names;
  names.after(prepare, prepare, MessageNames::Code::read);
  CHECK_FALSE(names.path_is_untold());
  CHECK(names.find(analysis.statements[3]).where == Where::here);
  names.after(sets, sets, MessageNames::Code::read);  // which analyse() has followed
  CHECK_FALSE(names.path_is_untold());
  names.clear();
  names.after(prepare, prepare, MessageNames::Code::read);
  names.after(execute, merge_executed(execute, sets), MessageNames::Code::read);
  CHECK(names.path_is_untold());
  CHECK(names.find(analysis.statements[3]).where == Where::uncertain);
  names.clear();
  CHECK_FALSE(names.path_is_untold());
  names.after(execute, execute, MessageNames::Code::unread);
  CHECK(names.path_is_untold());
}

}  // namespace clawpatrol::sql
