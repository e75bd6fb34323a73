// The rows of attacks.md about PostgreSQL, with raw messages against the real server.
#include <catch2/catch.hpp>

#include "parsers/postgres/build.h"
#include "tests/daemon/gateway/postgres/lab.h"

namespace clawpatrol::postgres {

using namespace lab;
using namespace std::string_literals;
using Rows = std::vector<std::string>;

namespace {

std::string ledger() {
  return Server::instance().admin("SELECT count(*) FROM ledger");
}
void empty_ledger() {
  Server::instance().admin("TRUNCATE ledger");
}

}  // namespace

TEST_CASE("attack 1: startup parameters that change how text is read are refused under any rules") {
  Gateway gateway({.rules = allow_all});
  for (const char* encoding : {"SJIS", "BIG5", "GBK", "GB18030", "JOHAB", "UHC", "shift_jis", "nonsense"})
    CHECK(code(refused_login(gateway, {{"client_encoding", encoding}})) == "28000");
  for (const char* options : {"-c standard_conforming_strings=off", "--standard-conforming-strings=off",
                              "-cstandard_conforming_strings=off", "-c client_encoding=SJIS", "-c  x", "-d 5",
                              "-c a=b -c standard_conforming_strings=0"})
    CHECK(code(refused_login(gateway, {{"options", options}})) == "28000");
  CHECK(code(refused_login(gateway, {{"standard_conforming_strings", "off"}})) == "28000");
  CHECK(code(refused_login(gateway, {{"Standard_Conforming_Strings", "off"}})) == "28000");
  Agent agent(gateway.port(), {{"client_encoding", "LATIN1"}, {"options", "-c work_mem=1MB"}});
  CHECK(rows(agent.query("SHOW standard_conforming_strings")) == Rows{"on"});
  CHECK(rows(agent.query("SHOW work_mem")) == Rows{"1MB"});
}

TEST_CASE("attack 1: options that the server would take for startup parameters are refused under any rules") {
  Gateway gateway({.rules = allow_all});
  for (const char* options :
       {"-c database=postgres", "-c user=admin", "--user=admin", "-c replication=true",
        "-c replication=database", "-c options=-c\\ search_path=sec", "-c _pq_.x=y", "-c Database=postgres"})
    CHECK(code(refused_login(gateway, {{"options", options}})) == "28000");
  CHECK(code(refused_login(gateway, {{"Database", "postgres"}})) == "28000");
}

TEST_CASE("attack 1: every other startup parameter is judged as a SET") {
  Gateway gateway({.rules = R"toml(
[[rule]]
name = "reads"
endpoint = "pg-prod"
condition = "sql.verb in ['select', 'show']"
verdict = "allow"
)toml"});
  CHECK(code(refused_login(gateway, {{"search_path", "sec"}})) == "28000");
  CHECK(code(refused_login(gateway, {{"options", "-c search_path=sec"}})) == "28000");
  CHECK(code(refused_login(gateway, {{"role", "admin"}})) == "28000");
  Agent agent(gateway.port(),
              {{"application_name", "psql"}, {"DateStyle", "ISO"}, {"extra_float_digits", "2"}});
  CHECK(rows(agent.query("SHOW application_name")) == Rows{"psql"});
}

TEST_CASE("attack 2: a server that reports another way of reading closes both sides") {
  Gateway gateway({.rules = allow_all});
  Agent agent(gateway.port(), {});
  agent.send(q("SELECT bend()") + q("SELECT 'a\\'' ; DELETE FROM users; --'"));
  CHECK(agent.closed());
  CHECK(Server::instance().admin("SELECT count(*) FROM users") == "100");
  CHECK(Server::instance().log().find("DELETE FROM users; --") == std::string::npos);
}

TEST_CASE("attack 2: set_config of a reading setting is refused under any rules, by Bind too") {
  Gateway gateway({.rules = allow_all});
  Agent agent(gateway.port(), {});
  CHECK(code(agent.query("SELECT set_config('standard_conforming_strings','off',false)")) == "42501");
  CHECK(code(agent.query("SET standard_conforming_strings = off")) == "42501");
  CHECK(code(agent.query("SET client_encoding = 'SJIS'")) == "42501");
  agent.send(parse("SELECT set_config($1, $2, false)") +
             bind("", "", {"standard_conforming_strings", "off"}) + execute() + raw('S'));
  CHECK(code(agent.until('Z')) == "42501");
  CHECK(rows(agent.query("SHOW standard_conforming_strings")) == Rows{"on"});
}

TEST_CASE("attack 3: a name stands for the text that the server took, or for nothing") {
  Gateway gateway({.rules = careful});
  Agent agent(gateway.port(), {});
  agent.send(parse("SELECT 1", "x") + raw('S'));
  CHECK(kinds(agent.until('Z')) == "1Z");
  agent.send(close("x") + parse("DROP TABLE users", "x") + raw('S'));
  CHECK(kinds(agent.until('Z')) == "3EZ");
  agent.send(bind("x") + execute() + raw('S'));
  CHECK(code(agent.until('Z')) == "26000");
  agent.send(parse("SELECT nonsense", "y") + raw('S') + bind("y") + execute() + raw('S'));
  CHECK(code(agent.until('Z')) == "42703");
  CHECK(code(agent.until('Z')) == "26000");
  agent.send(parse("SELECT 'one'", "s") + parse("SELECT 'two'", "s") + raw('S') + bind("s") + execute() +
             raw('S'));
  CHECK(code(agent.until('Z')) == "42P05");
  CHECK(rows(agent.until('Z')) == Rows{"one"});
}

TEST_CASE("attack 3: a Parse that was skipped does not give its text to the unnamed statement") {
  Gateway gateway({.rules = careful});
  Agent agent(gateway.port(), {});
  agent.send(parse("SELECT 'first'") + raw('S'));
  agent.until('Z');
  agent.send(parse("SELECT 1/0", "boom") + bind("boom") + execute() + parse("SELECT 'second'") + raw('S') +
             bind() + execute() + raw('S'));
  CHECK(code(agent.until('Z')) == "22012");
  CHECK(rows(agent.until('Z')) == Rows{"first"});
}

TEST_CASE("attack 3: SQL PREPARE, DEALLOCATE and DISCARD count from their CommandComplete") {
  Gateway gateway({.rules = careful});
  Agent agent(gateway.port(), {});
  CHECK(code(agent.query("PREPARE p AS DELETE FROM users")) == "42501");
  CHECK(code(agent.query("PREPARE p AS SELECT 'allowed'")).empty());
  CHECK(rows(agent.query("EXECUTE p")) == Rows{"allowed"});
  agent.send(bind("p") + execute() + raw('S'));
  CHECK(rows(agent.until('Z')) == Rows{"allowed"});
  CHECK(code(agent.query("DEALLOCATE p; EXECUTE p")) == "42501");
  CHECK(code(agent.query("EXPLAIN ANALYZE EXECUTE nobody")) == "42501");
  agent.send(q("PREPARE late AS SELECT 'late'") + q("EXECUTE late"));
  agent.until('Z');
  CHECK(rows(agent.until('Z')) == Rows{"late"});
}

TEST_CASE("attack 3: what unread code may have renamed is parsed again before it is used") {
  Gateway gateway({.rules = allow_all});
  Agent agent(gateway.port(), {});
  agent.send(parse("SELECT 'kept'", "mine") + raw('S'));
  agent.until('Z');
  const auto names = rows(agent.query("SELECT name FROM pg_prepared_statements"));
  REQUIRE(names.size() == 1);
  // The code drops the upstream statement and makes another of its name.
  CHECK(
      code(agent.query("DO $$ DECLARE n text; BEGIN SELECT name INTO n FROM pg_prepared_statements LIMIT 1; "
                       "EXECUTE format('DEALLOCATE %I', n); "
                       "EXECUTE format('PREPARE %I AS SELECT ''swapped''', n); END $$"))
          .empty());
  agent.send(bind("mine") + execute() + raw('S'));
  CHECK(rows(agent.until('Z')) == Rows{"kept"});
  agent.send(bind("mine") + execute() + raw('S'));
  CHECK(rows(agent.until('Z')) == Rows{"kept"});
  CHECK(code(agent.query("PREPARE " + names[0] + " AS SELECT 1")) == "42602");
}

TEST_CASE("SQL that names what the protocol prepared reaches it") {
  Gateway gateway({.rules = allow_all});
  Agent agent(gateway.port(), {});
  agent.send(parse("SELECT 'hello'", "_pg3_0") + raw('S'));
  agent.until('Z');
  CHECK(rows(agent.query("EXECUTE \"_pg3_0\"")) == Rows{"hello"});
  CHECK(code(agent.query("PREPARE _pg3_0 AS SELECT 1")) == "42P05");
  agent.send(parse("DEALLOCATE \"_pg3_0\"") + bind() + execute() + raw('S'));
  CHECK(tag(agent.until('Z')) == "DEALLOCATE");
  agent.send(bind("_pg3_0") + execute() + raw('S'));
  CHECK(code(agent.until('Z')) == "26000");
  CHECK(rows(agent.query("SELECT count(*)::text FROM pg_prepared_statements")) == Rows{"0"});
}

TEST_CASE("attack 3: FETCH and a resumed portal are judged as what they read from") {
  Gateway gateway({.rules = careful});
  Agent agent(gateway.port(), {});
  agent.query("BEGIN");
  CHECK(code(agent.query("DECLARE c CURSOR FOR SELECT * FROM sec.tokens")) == "42501");
  agent.query("ROLLBACK");
  agent.query("BEGIN");
  CHECK(code(agent.query("DECLARE c CURSOR FOR SELECT id::text FROM users ORDER BY users.id")).empty());
  CHECK(rows(agent.query("FETCH 2 FROM c")) == Rows{"1", "2"});
  CHECK(code(agent.query("FETCH 1 FROM other")) == "42501");
  agent.query("ROLLBACK");
  agent.send(parse("SELECT id::text FROM users ORDER BY users.id") + bind("", "p") + execute("p", 2) +
             execute("p", 1) + raw('S'));
  CHECK(rows(agent.until('Z')) == Rows{"1", "2", "3"});
}

TEST_CASE("attack 4: a denial in a batch, a transaction or a message leaves no row") {
  Gateway gateway({.rules = careful});
  empty_ledger();
  Agent agent(gateway.port(), {});
  agent.send(parse("INSERT INTO ledger VALUES (1)") + bind() + execute() + parse("DROP TABLE users") +
             bind() + execute() + parse("INSERT INTO ledger VALUES (2)") + bind() + execute() + raw('S'));
  auto answer = agent.until('Z');
  CHECK(kinds(answer) == "12CEZ");
  CHECK(code(answer) == "42501");
  CHECK(status(answer) == 'I');
  agent.send(q("BEGIN") + q("INSERT INTO ledger VALUES (1)") + q("DROP TABLE users") + q("COMMIT"));
  std::string states;
  for (int i = 0; i < 4; ++i) states.push_back(status(answer = agent.until('Z')));
  CHECK(states == "TTEI");
  CHECK(tag(answer) == "ROLLBACK");
  CHECK(kinds(agent.query("INSERT INTO ledger VALUES (1); DROP TABLE users")) == "EZ");
  CHECK(ledger() == "0");
  answer = agent.query("DROP TABLE users");
  CHECK(field(answer, 'M') == "Nothing is dropped here");
  CHECK(field(answer, 'D').starts_with("rule \"no-drop\", action a-"));
  CHECK(field(answer, 'H').find("cpctl explain a-") != std::string::npos);
}

TEST_CASE("attack 4: a denial stands in its place among results in flight") {
  Gateway gateway({.rules = careful});
  Agent agent(gateway.port(), {});
  agent.send(q("SELECT 'a'") + q("DROP TABLE users") + q("SELECT 'b'") + q("DROP TABLE users") +
             q("SELECT 'c'"));
  std::string all;
  for (int i = 0; i < 5; ++i) all += kinds(agent.until('Z'));
  CHECK(all == "TDCZEZTDCZEZTDCZ");
  CHECK(Server::instance().log().find("clawpatrol denied a-") != std::string::npos);
}

TEST_CASE("attack 5: Sync and Flush in COPY IN are ignored and not counted") {
  Gateway gateway({.rules = careful});
  empty_ledger();
  Agent agent(gateway.port(), {});
  agent.send(parse("COPY ledger FROM STDIN") + bind() + execute() + raw('S') + raw('d', "7\n") + raw('H') +
             raw('S') + raw('d', "8\n") + raw('c') + raw('S'));
  auto answer = agent.until('Z');
  CHECK(kinds(answer) == "12GCZ");
  CHECK(tag(answer) == "COPY 2");
  CHECK(rows(agent.query("SELECT sum(n)::text FROM ledger")) == Rows{"15"});
}

TEST_CASE("attack 5: a COPY that fails puts the server back to queries, and what follows is judged") {
  Gateway gateway({.rules = careful});
  empty_ledger();
  Agent agent(gateway.port(), {});
  agent.send(q("COPY ledger FROM STDIN") + raw('d', "not a number\n") + raw('d', q("DROP TABLE users")) +
             raw('c') + q("DROP TABLE users"));
  CHECK(code(agent.until('Z')) == "22P02");
  CHECK(code(agent.until('Z')) == "42501");
  agent.send(q("COPY no_such_table FROM STDIN") + raw('d', "1\n") + raw('c') + q("DROP TABLE users"));
  CHECK(code(agent.until('Z')) == "42P01");
  CHECK(code(agent.until('Z')) == "42501");
  agent.send(raw('d', q("DROP TABLE users")) + raw('c') + q("SELECT 1"));
  CHECK(kinds(agent.until('Z')) == "TDCZ");
  agent.send(q("COPY ledger FROM STDIN; COPY ledger FROM STDIN") + raw('d', "1\n") + raw('c') +
             raw('d', "2\n") + raw('c') + q("SELECT sum(n)::text FROM ledger"));
  CHECK(kinds(agent.until('Z')) == "GCGCZ");
  CHECK(rows(agent.until('Z')) == Rows{"3"});
  agent.send(q("COPY ledger FROM STDIN"));
  agent.until('G');
  agent.send(raw('d', "9\n") + q("DROP TABLE users"));
  CHECK(agent.closed());
  CHECK(Server::instance().admin("SELECT count(*) FROM users") == "100");
  CHECK(ledger() == "2");
}

TEST_CASE("attack 6: a rule on what is absent does not pass where code runs that was not read") {
  Gateway gateway({.rules = careful});
  Agent agent(gateway.port(), {});
  for (const char* sql :
       {"DO $$ BEGIN PERFORM token FROM sec.tokens; END $$", "SELECT steal()", "SELECT * FROM steal()",
        "SELECT id FROM users ORDER BY steal()", "VALUES (steal())", "CALL nothing()",
        "SELECT query_to_xml('select * from sec.tokens', true, false, '')"}) {
    INFO(sql);
    CHECK(code(agent.query(sql)) == "42501");
  }
  CHECK(rows(agent.query("SELECT upper(name) FROM users WHERE id = 1")) == Rows{"USER1"});
}

TEST_CASE("attack 8: FunctionCall and replication pass only by a rule that names them") {
  std::string call;
  Writer(call).u32(1598).u16(0).u16(0).u16(0);  // random()
  Gateway gateway({.rules = "[[rule]]\nname = \"all\"\nendpoint = \"pg-prod\"\nverdict = \"allow\"\n"});
  Agent agent(gateway.port(), {});
  agent.send(raw('F', call));
  auto answer = agent.until('Z');
  CHECK(kinds(answer) == "EZ");
  CHECK(code(answer) == "42501");
  for (const char* value : {"true", "database", "on", "1"})
    CHECK(code(refused_login(gateway, {{"replication", value}})) == "42501");
  gateway.use(allow_all);
  agent.send(raw('F', call));
  CHECK(kinds(agent.until('Z')) == "VZ");
}

TEST_CASE(
    "attack 8: sql.user is the credential's, the claim is sql.declared_user, and the database is filled in") {
  Gateway gateway({.rules = R"toml(
[[rule]]
name = "u"
endpoint = "pg-prod"
condition = "sql.user == 'agent_ro' && sql.declared_user == 'boss' && sql.database == 'app'"
verdict = "allow"
)toml"});
  Agent boss(gateway.port(), {{"user", "boss"}});
  CHECK(rows(boss.query("SELECT current_user::text")) == Rows{"agent_ro"});
  Agent other(gateway.port(), {{"user", "other"}});
  CHECK(code(other.query("SELECT 1")) == "42501");
}

TEST_CASE("attack 9: parameters that Parse did not show are judged at each Bind") {
  Gateway gateway({.rules = R"toml(
[[rule]]
name = "no-secret-parameter"
endpoint = "pg-prod"
priority = 5
condition = "sql.params.exists(p, p == 'secret')"
verdict = "deny"
reason = "Not this one"
[[rule]]
name = "all"
endpoint = "pg-prod"
verdict = "allow"
)toml"});
  Agent agent(gateway.port(), {});
  agent.send(parse("SELECT $1::text", "s") + raw('S') + bind("s", "", {"fine"}) + execute() + raw('S') +
             bind("s", "", {"secret"}) + execute() + raw('S') + bind("s", "", {"good"}) + execute() +
             raw('S'));
  CHECK(kinds(agent.until('Z')) == "1Z");
  CHECK(rows(agent.until('Z')) == Rows{"fine"});
  auto denied = agent.until('Z');
  CHECK(kinds(denied) == "EZ");
  CHECK(field(denied, 'M') == "Not this one");
  CHECK(rows(agent.until('Z')) == Rows{"good"});
}

TEST_CASE("attack 10: the right key cancels what runs, a wrong one and a late one nothing") {
  Gateway gateway({.rules = allow_all});
  Agent agent(gateway.port(), {});
  const auto cancel = [&](std::string key) {
    Agent canceller(gateway.port());
    std::string out;
    append_cancel(out, Reader(key).u32(), std::string_view(key).substr(4));
    canceller.send(out);
    canceller.closed();
  };
  std::string wrong = agent.key();
  wrong.back() = static_cast<char>(wrong.back() ^ 1);
  cancel(agent.key());  // nothing runs
  agent.send(q("SELECT pg_sleep(0.2)"));
  cancel(wrong);
  CHECK(code(agent.until('Z')).empty());
  agent.send(q("SELECT pg_sleep(9)") + q("SELECT 'next'"));
  // Until the server has begun, a cancel would be lost, as it is without a gateway.
  while (Server::instance().admin("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(9)' AND "
                                  "state = 'active' AND pid <> pg_backend_pid()") == "0") {
  }
  cancel(agent.key());
  CHECK(code(agent.until('Z')) == "57014");
  CHECK(rows(agent.until('Z')) == Rows{"next"});
}

TEST_CASE("the four texts that fool other gateways") {
  Gateway gateway({.rules = careful});
  Agent agent(gateway.port(), {});
  CHECK(field(agent.query("SELECT E'a\\'' ; DROP TABLE users; --'"), 'M') == "Nothing is dropped here");
  CHECK(field(agent.query("SELECT 1 --x\r; DROP TABLE users"), 'M') == "Nothing is dropped here");
  CHECK(field(agent.query("SELECT 1 AS a$b$; DROP TABLE users; SELECT 1 AS c$b$"), 'M') ==
        "Nothing is dropped here");
  CHECK(code(agent.query("SELECT set_config('standard_conforming_strings','off',false)")) == "42501");
  // The mode is as it was, so this is one harmless literal.
  CHECK(rows(agent.query("SELECT 'a\\'' ; DROP TABLE users; --'")) == Rows{"a\\' ; DROP TABLE users; --"});
  CHECK(Server::instance().admin("SELECT count(*) FROM users") == "100");
}

}  // namespace clawpatrol::postgres
