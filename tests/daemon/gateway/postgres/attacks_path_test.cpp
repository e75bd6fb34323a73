// Attacks on what a name without a schema means (attacks.md, 7), before a real server.
#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "daemon/gateway/explanation.h"
#include "tests/daemon/gateway/postgres/lab.h"

namespace clawpatrol::postgres::lab {
namespace {

using Rows = std::vector<std::string>;

// Nothing reads or writes sec.tokens; everything else is allowed.
constexpr const char* no_tokens = R"toml(
[[rule]]
name = "no"
endpoint = "pg-prod"
priority = 10
condition = "'sec.tokens' in sql.tables"
verdict = "deny"
[[rule]]
name = "rest"
endpoint = "pg-prod"
verdict = "allow"
)toml";

void make_tables() {
  Server::instance().admin(
      "CREATE SCHEMA IF NOT EXISTS sec; CREATE SCHEMA IF NOT EXISTS agent_ro; "
      "CREATE TABLE IF NOT EXISTS sec.tokens (t text); CREATE TABLE IF NOT EXISTS public.tokens (t text); "
      "TRUNCATE sec.tokens, public.tokens; INSERT INTO sec.tokens VALUES ('secret'); "
      "INSERT INTO public.tokens VALUES ('open'); GRANT USAGE ON SCHEMA sec TO PUBLIC; "
      "GRANT SELECT ON sec.tokens, public.tokens TO PUBLIC; "
      "CREATE OR REPLACE FUNCTION go() RETURNS int LANGUAGE plpgsql AS "
      "$$BEGIN PERFORM set_config('search_path', 'sec', false); RETURN 1; END$$");
}

}  // namespace

TEST_CASE("attack 7: SET search_path does not hide a table from a rule that names its schema") {
  make_tables();
  Gateway gateway({.rules = no_tokens});
  for (const char* set :
       {"SET search_path = sec", "SET search_path TO 'sec'", "SET SCHEMA 'sec'",
        "SELECT set_config('search_path', 'public,sec', false)", "BEGIN; SET LOCAL search_path = sec"}) {
    INFO(set);
    Agent agent(gateway.port(), {});
    CHECK(rows(agent.query("SELECT t FROM tokens")) == Rows{"open"});
    CHECK(code(agent.query(set)).empty());
    CHECK(code(agent.query("SELECT t FROM tokens")) == "42501");
  }
  Agent together(gateway.port(), {});
  CHECK(code(together.query("SET search_path = sec; SELECT t FROM tokens")) == "42501");
  // In one batch, before the server has answered anything.
  Agent batch(gateway.port(), {});
  batch.send(parse("SET search_path = sec") + bind() + execute() + parse("SELECT t FROM tokens") + bind() +
             execute() + raw('S'));
  CHECK(code(batch.until('Z')) == "42501");
}

TEST_CASE("attack 7: a statement that was prepared on another path is read anew when it runs") {
  make_tables();
  Gateway gateway({.rules = no_tokens});
  Agent agent(gateway.port(), {});
  agent.send(parse("SELECT t FROM tokens", "s") + raw('S'));
  CHECK(kinds(agent.until('Z')) == "1Z");
  agent.query("PREPARE p AS SELECT t FROM tokens");
  agent.send(bind("s") + execute() + raw('S'));
  CHECK(rows(agent.until('Z')) == Rows{"open"});
  CHECK(rows(agent.query("EXECUTE p")) == Rows{"open"});
  CHECK(code(agent.query("SET search_path = sec")).empty());
  agent.send(bind("s") + execute() + raw('S'));
  CHECK(code(agent.until('Z')) == "42501");
  CHECK(code(agent.query("EXECUTE p")) == "42501");
  CHECK(code(agent.query("RESET search_path")).empty());
  agent.send(bind("s") + execute() + raw('S'));
  CHECK(rows(agent.until('Z')) == Rows{"open"});
  CHECK(rows(agent.query("EXECUTE p")) == Rows{"open"});
}

TEST_CASE("attack 7: the path that a role or a database gives to a login is asked for") {
  make_tables();
  Server& server = Server::instance();
  Gateway gateway({.rules = no_tokens});
  for (const char* whose : {"ROLE agent_ro", "DATABASE app", "ROLE agent_ro IN DATABASE app"}) {
    INFO(whose);
    server.admin(fmt::format("ALTER {} SET search_path = sec, public", whose));
    Agent agent(gateway.port(), {});
    CHECK(code(agent.query("SELECT t FROM tokens")) == "42501");
    CHECK(code(agent.query("SET search_path = public")).empty());
    CHECK(rows(agent.query("SELECT t FROM tokens")) == Rows{"open"});
    CHECK(code(agent.query("RESET search_path")).empty());
    CHECK(code(agent.query("SELECT t FROM tokens")) == "42501");
    // What the login itself sets comes before it.
    Agent own(gateway.port(), {{"search_path", "public"}});
    CHECK(rows(own.query("SELECT t FROM tokens")) == Rows{"open"});
    server.admin(fmt::format("ALTER {} RESET search_path", whose));
    Agent after(gateway.port(), {});
    CHECK(rows(after.query("SELECT t FROM tokens")) == Rows{"open"});
  }
  server.admin(
      "DROP ROLE IF EXISTS sec; CREATE ROLE sec; GRANT sec TO agent_ro; ALTER ROLE agent_ro SET role = sec");
  Agent as_role(gateway.port(), {});
  CHECK(code(as_role.query("SELECT t FROM tokens")) == "42501");
  server.admin("ALTER ROLE agent_ro RESET role; DROP ROLE sec");
}

TEST_CASE("attack 7: a path that is set in the same message is not the one that EXECUTE was read on") {
  make_tables();
  Gateway gateway({.rules = no_tokens});
  Agent agent(gateway.port(), {});
  CHECK(code(agent.query("PREPARE p AS SELECT t FROM tokens")).empty());
  CHECK(rows(agent.query("EXECUTE p")) == Rows{"open"});
  CHECK(code(agent.query("SET search_path = sec; EXECUTE p")) == "42501");
  CHECK(code(agent.query("SELECT set_config('search_path', 'sec', true); EXECUTE p")) == "42501");
  CHECK(code(agent.query("PREPARE r AS SELECT t FROM tokens; SET search_path = sec; EXECUTE r")) == "42501");
  CHECK(rows(agent.query("EXECUTE p")) == Rows{"open"});
}

TEST_CASE("attack 7: a path that EXECUTE or FETCH changes is followed within their message") {
  make_tables();
  Gateway gateway({.rules = no_tokens});
  Agent agent(gateway.port(), {});
  CHECK(code(agent.query("PREPARE s AS SELECT set_config('search_path', 'sec', false)")).empty());
  CHECK(code(agent.query("RESET search_path")).empty());
  for (const char* text : {
           "EXECUTE s; TABLE tokens",
           "EXPLAIN ANALYZE EXECUTE s; TABLE tokens",
           "CREATE TEMP TABLE made AS EXECUTE s; TABLE tokens",
           "BEGIN; EXECUTE s; SELECT 1; TABLE tokens; COMMIT",
           "EXECUTE s; PREPARE p AS TABLE tokens; EXECUTE p",
           "PREPARE p AS TABLE tokens; EXECUTE s; EXECUTE p",
           "EXECUTE s; DECLARE c CURSOR WITH HOLD FOR TABLE tokens; FETCH c",
           "EXECUTE s; SELECT lower('a')",
           "EXECUTE s; SELECT 1 + 1",
       }) {
    INFO(text);
    CHECK(code(agent.query(text)) == "42501");
    agent.query("ROLLBACK");
  }
  CHECK(rows(agent.query("TABLE tokens")) == Rows{"open"});
  CHECK(code(agent.query("EXECUTE s; SELECT t FROM public.tokens")).empty());
  CHECK(code(agent.query("RESET search_path")).empty());
  CHECK(code(agent.query("BEGIN; DECLARE c CURSOR FOR SELECT set_config('search_path', 'sec', false)"))
            .empty());
  CHECK(code(agent.query("FETCH c; TABLE tokens")) == "42501");
}

TEST_CASE("attack 7: code that nobody has read may change the path within its message") {
  make_tables();
  Gateway gateway({.rules = R"toml(
[[rule]]
name = "calls"
endpoint = "pg-prod"
priority = 20
condition = "sql.statement == 'SELECT go()'"
verdict = "allow"
)toml" + std::string(no_tokens)});
  Agent agent(gateway.port(), {});
  CHECK(code(agent.query("SELECT go(); TABLE tokens")) == "42501");
  CHECK(code(agent.query("SELECT go(); SELECT lower('a')")) == "42501");
  CHECK(code(agent.query("SELECT go(); TABLE public.tokens")).empty());
}

TEST_CASE("attack 7: SET LOCAL search_path TO DEFAULT outside of a transaction leaves the path as it was") {
  make_tables();
  Gateway gateway({.rules = no_tokens});
  Agent agent(gateway.port(), {});
  CHECK(code(agent.query("SET search_path = sec")).empty());
  CHECK(code(agent.query("SET LOCAL search_path TO DEFAULT")).empty());
  CHECK(code(agent.query("TABLE tokens")) == "42501");
  CHECK(code(agent.query("SET LOCAL search_path TO DEFAULT; TABLE tokens")) == "42501");
  CHECK(code(agent.query("RESET search_path")).empty());
  CHECK(rows(agent.query("TABLE tokens")) == Rows{"open"});
}

TEST_CASE("attack 7: ROLLBACK brings back a path, and both are what a name could mean") {
  make_tables();
  Gateway gateway({.rules = no_tokens});
  Agent agent(gateway.port(), {});
  CHECK(code(agent.query("SET search_path = sec")).empty());
  CHECK(code(agent.query("BEGIN")).empty());
  CHECK(code(agent.query("SET search_path = public")).empty());
  CHECK(code(agent.query("ROLLBACK")).empty());  // and the path is sec again
  CHECK(code(agent.query("SELECT t FROM tokens")) == "42501");
  CHECK(code(agent.query("RESET ALL")).empty());
  CHECK(rows(agent.query("SELECT t FROM tokens")) == Rows{"open"});
  CHECK(code(agent.query("SET search_path = sec")).empty());
  // A SET back that fails or is undone in its batch changes nothing.
  agent.send(parse("RESET search_path") + bind() + execute() + parse("SELECT 1/0") + bind() + execute() +
             raw('S'));
  CHECK(code(agent.until('Z')) == "22012");
  CHECK(code(agent.query("SELECT t FROM tokens")) == "42501");
  agent.send(parse("BEGIN") + bind() + execute() + parse("RESET search_path") + bind() + execute() +
             parse("ROLLBACK") + bind() + execute() + raw('S'));
  CHECK(code(agent.until('Z')).empty());
  CHECK(code(agent.query("SELECT t FROM tokens")) == "42501");
  // ROLLBACK outside of a transaction block undoes what its batch did.
  agent.send(parse("RESET search_path") + bind() + execute() + q("ROLLBACK"));
  CHECK(code(agent.until('Z')).empty());
  CHECK(code(agent.query("SELECT t FROM tokens")) == "42501");
  CHECK(code(agent.query("DISCARD ALL")).empty());
  CHECK(rows(agent.query("SELECT t FROM tokens")) == Rows{"open"});
}

TEST_CASE("attack 7: after code that nobody has read, a name without a schema could mean anything") {
  make_tables();
  // The call itself is told by no list; what comes after it is looked at.
  Gateway gateway({.rules = R"toml(
[[rule]]
name = "calls"
endpoint = "pg-prod"
priority = 20
condition = "sql.statement == 'SELECT go()'"
verdict = "allow"
)toml" + std::string(no_tokens)});
  Agent agent(gateway.port(), {});
  CHECK(rows(agent.query("SELECT t FROM tokens")) == Rows{"open"});
  CHECK(rows(agent.query("SELECT go()")) == Rows{"1"});
  CHECK(code(agent.query("SELECT t FROM tokens")) == "42501");
  CHECK(rows(agent.query("SELECT t FROM public.tokens")) == Rows{"open"});
  CHECK(code(agent.query("RESET search_path")).empty());
  CHECK(rows(agent.query("SELECT t FROM tokens")) == Rows{"open"});
}

TEST_CASE("attack 7: a path that the agent brings to its login, and the schema of its role, are names' too") {
  make_tables();
  Gateway gateway({.rules = no_tokens});
  Agent brought(gateway.port(), {{"search_path", "sec"}});
  CHECK(code(brought.query("SELECT t FROM tokens")) == "42501");
  CHECK(code(brought.query("SET search_path = public")).empty());
  CHECK(rows(brought.query("SELECT t FROM tokens")) == Rows{"open"});
  CHECK(code(brought.query("RESET search_path")).empty());
  CHECK(code(brought.query("SELECT t FROM tokens")) == "42501");
  Server::instance().admin("CREATE TABLE IF NOT EXISTS agent_ro.own (t text)");
  Gateway own({.rules = R"toml(
[[rule]]
name = "no"
endpoint = "pg-prod"
priority = 10
condition = "'agent_ro.own' in sql.tables"
verdict = "deny"
[[rule]]
name = "rest"
endpoint = "pg-prod"
verdict = "allow"
)toml"});
  Agent agent(own.port(), {});
  CHECK(code(agent.query("SET search_path = \"$user\", public")).empty());
  CHECK(code(agent.query("SELECT t FROM own")) == "42501");
}

TEST_CASE("attack 7: a schema named as the login is where names can be, if there is one") {
  make_tables();
  Server& server = Server::instance();
  server.admin(
      "CREATE TABLE IF NOT EXISTS agent_ro.tokens (t text); GRANT SELECT ON agent_ro.tokens TO PUBLIC; "
      "GRANT USAGE ON SCHEMA agent_ro TO PUBLIC");
  const std::string rules = R"toml(
[[rule]]
name = "no"
endpoint = "pg-prod"
priority = 10
condition = "'agent_ro.tokens' in sql.tables"
verdict = "deny"
[[rule]]
name = "only-these"
endpoint = "pg-prod"
condition = "sql.tables.all(t, t in ['tokens', 'public.tokens'])"
verdict = "allow"
)toml";
  Gateway gateway({.rules = rules});
  Agent agent(gateway.port(), {});
  CHECK(code(agent.query("SELECT t FROM tokens")) == "42501");
  CHECK(code(agent.query("SET search_path = public")).empty());
  CHECK(code(agent.query("SELECT t FROM tokens")).empty());
  CHECK(code(agent.query("RESET search_path")).empty());
  CHECK(code(agent.query("SELECT t FROM tokens")) == "42501");
  server.admin("DROP SCHEMA agent_ro CASCADE");
  Agent without(gateway.port(), {});
  CHECK(rows(without.query("SELECT t FROM tokens")) == Rows{"open"});
}

TEST_CASE("attack 7: after SET ROLE the path that a RESET brings back is that of the role") {
  make_tables();
  Server& server = Server::instance();
  server.admin("DROP ROLE IF EXISTS sec; CREATE ROLE sec; GRANT sec TO agent_ro");
  Gateway gateway({.rules = no_tokens});
  for (const char* reset : {"RESET search_path", "RESET ALL", "SET search_path TO DEFAULT",
                            "SET search_path TO \"$user\", public", "SET search_path TO '$user'"}) {
    INFO(reset);
    Agent agent(gateway.port(), {});
    CHECK(code(agent.query("SET search_path = public")).empty());
    CHECK(code(agent.query("SET ROLE sec")).empty());
    CHECK(code(agent.query(reset)).empty());
    CHECK(code(agent.query("SELECT t FROM tokens")) == "42501");
    CHECK(code(agent.query("SET search_path = public")).empty());
    CHECK(rows(agent.query("SELECT t FROM tokens")) == Rows{"open"});
  }
  // A role of the login's own, which it can leave.
  server.admin("ALTER ROLE agent_ro SET role = sec; ALTER ROLE agent_ro SET search_path = \"$user\"");
  Gateway own({.rules = R"toml(
[[rule]]
name = "no"
endpoint = "pg-prod"
priority = 10
condition = "'agent_ro.tokens' in sql.tables"
verdict = "deny"
[[rule]]
name = "rest"
endpoint = "pg-prod"
verdict = "allow"
)toml"});
  Agent agent(own.port(), {});
  CHECK(code(agent.query("SET ROLE NONE")).empty());
  CHECK(code(agent.query("SELECT t FROM tokens")) == "42501");
  CHECK(code(agent.query("DISCARD ALL")).empty());
  CHECK(code(agent.query("SELECT t FROM tokens")) == "42501");
  server.admin("ALTER ROLE agent_ro RESET role; ALTER ROLE agent_ro RESET search_path; DROP ROLE sec");
}

TEST_CASE("attack 7: a function vouched for by its mere name is not that of a schema of the agent's own") {
  make_tables();
  Server& server = Server::instance();
  server.admin(
      "CREATE OR REPLACE FUNCTION public.rate() RETURNS int LANGUAGE sql AS 'SELECT 1'; "
      "CREATE OR REPLACE FUNCTION agent_ro.rate() RETURNS int LANGUAGE sql AS 'SELECT 2'; "
      "GRANT USAGE ON SCHEMA agent_ro TO PUBLIC");
  const std::string rules = R"toml(
[[rule]]
name = "reads"
endpoint = "pg-prod"
condition = "action.kind in ['read', 'session'] && !('unknown_code' in sql.classes)"
verdict = "allow"
)toml";
  Gateway gateway({.rules = rules, .endpoint = "safe_functions = [\"rate\", \"public.rate\"]"});
  Agent agent(gateway.port(), {});
  CHECK(code(agent.query("SELECT rate()")) == "42501");
  CHECK(code(agent.query("SELECT public.rate()")).empty());
  server.admin("DROP SCHEMA agent_ro CASCADE");
  Agent without(gateway.port(), {});
  CHECK(rows(without.query("SELECT rate()")) == Rows{"1"});
}

TEST_CASE("an action is explained by the path that it was judged with") {
  make_tables();
  Gateway gateway({.rules = no_tokens});
  Agent agent(gateway.port(), {});
  CHECK(code(agent.query("SET search_path = sec")).empty());
  CHECK(code(agent.query("SELECT t FROM tokens")) == "42501");
  std::uint64_t cursor = 0;
  const auto records = gateway.shared().actions.since(cursor);
  REQUIRE_FALSE(records.empty());
  const std::string told = explain_record(*records.back(), gateway.shared().policy.current());
  INFO(told);
  CHECK(told.find("\"sec.tokens\"") != std::string::npos);
}

}  // namespace clawpatrol::postgres::lab
