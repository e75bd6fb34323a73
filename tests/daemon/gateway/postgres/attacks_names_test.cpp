// Attacks on what the gateway believes of a session: names, unread code, memory.
#include <fmt/format.h>

#include <algorithm>

#include <catch2/catch.hpp>
#include <fstream>

#include "parsers/postgres/build.h"
#include "tests/daemon/gateway/postgres/lab.h"

namespace clawpatrol::postgres::lab {
namespace {

using Rows = std::vector<std::string>;

// Everything is allowed but what is as the condition says.
std::string denying(std::string_view condition) {
  return fmt::format(R"toml(
[[rule]]
name = "no"
endpoint = "pg-prod"
priority = 10
condition = "{}"
verdict = "deny"
[[rule]]
name = "rest"
endpoint = "pg-prod"
condition = "true"
verdict = "allow"
)toml",
                     condition);
}
const std::string no_delete = denying("sql.verb == 'delete' && sql.verbs[0] != 'prepare'");
const std::string no_create = denying("sql.verb == 'create'");

// AddressSanitizer keeps what was freed: there the two functions below say 0, and nothing is compared.
constexpr bool keeps_what_was_freed = __has_feature(address_sanitizer);

// Megabytes that this process holds.
std::size_t resident() {
  if (keeps_what_was_freed) return 0;
  std::ifstream file("/proc/self/statm");
  std::size_t total = 0, pages = 0;
  file >> total >> pages;
  return pages * 4096 >> 20;
}

// The most since forget_peak().
std::size_t peak_resident() {
  if (keeps_what_was_freed) return 0;
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6)) >> 10;
  return 0;
}
void forget_peak() {
  std::ofstream("/proc/self/clear_refs") << 5;
}

TEST_CASE("attack 3: a portal of EXECUTE runs what the name stands for now, and is judged as that") {
  Server::instance().admin(
      "DROP TABLE IF EXISTS victim; CREATE TABLE victim AS SELECT 1 AS a; GRANT ALL ON victim TO PUBLIC");
  Gateway gateway({.rules = no_delete});
  Agent agent(gateway.port(), {});
  agent.query("BEGIN");
  agent.query("PREPARE p AS SELECT 1");
  agent.send(parse("EXECUTE p", "s") + bind("s", "port") + raw('S'));
  CHECK(kinds(agent.until('Z')) == "12Z");
  agent.query("DEALLOCATE p");
  CHECK(code(agent.query("PREPARE p AS DELETE FROM victim")).empty());
  agent.send(execute("port") + raw('S'));
  CHECK(code(agent.until('Z')) == "42501");
  agent.query("COMMIT");
  CHECK(Server::instance().admin("SELECT count(*) FROM victim") == "1");
}

TEST_CASE("attack 3: EXECUTE of a statement that changes names is not followed by its name") {
  Server::instance().admin(
      "DROP TABLE IF EXISTS victim; CREATE TABLE victim AS SELECT 1 AS a; GRANT ALL ON victim TO PUBLIC");
  Gateway gateway({.rules = no_delete});
  Agent agent(gateway.port(), {});
  agent.query("PREPARE q(int) AS SELECT $1");
  agent.send(parse("DEALLOCATE q", "d") + parse("PREPARE q(int) AS DELETE FROM victim WHERE a = $1", "r") +
             raw('S'));
  CHECK(kinds(agent.until('Z')) == "11Z");
  CHECK(rows(agent.query("EXECUTE q(1)")) == Rows{"1"});
  for (const char* name : {"d", "r"}) {
    agent.query(fmt::format("EXECUTE {}", name));
    agent.send(parse(fmt::format("EXECUTE {}", name)) + lab::bind() + execute() + raw('S'));
    agent.until('Z');
  }
  agent.query("EXECUTE q(1)");
  CHECK(Server::instance().admin("SELECT count(*) FROM victim") == "1");
}

TEST_CASE("attack 3: a name that is made and run by one message is judged as what it was made for") {
  Server::instance().admin(
      "DROP TABLE IF EXISTS victim; CREATE TABLE victim AS SELECT 1 AS a; GRANT ALL ON victim TO PUBLIC");
  Gateway gateway({.rules = no_delete});
  Agent agent(gateway.port(), {});
  CHECK(rows(agent.query("PREPARE p AS SELECT 7; EXECUTE p")) == Rows{"7"});
  CHECK(code(agent.query("PREPARE d AS DELETE FROM victim; EXECUTE d")) == "42501");
  // The second is not what runs: the server refuses it, and what follows is not reached.
  CHECK(code(agent.query("PREPARE p AS SELECT 8; EXECUTE p")) == "42P05");
  CHECK(rows(agent.query("DEALLOCATE p; PREPARE p AS SELECT 9; EXECUTE p")) == Rows{"9"});
  CHECK(rows(agent.query("PREPARE other AS SELECT 1; EXECUTE p")) == Rows{"9"});
  CHECK(code(agent.query("DEALLOCATE p; EXECUTE p")) == "42501");
  CHECK(rows(agent.query("BEGIN; DECLARE c CURSOR FOR SELECT 5; FETCH c; COMMIT")) == Rows{"5"});
  // The protocol's statement of that name is another one upstream, so that the server could not tell.
  agent.send(parse("SELECT 1", "s") + raw('S'));
  CHECK(kinds(agent.until('Z')) == "1Z");
  CHECK(code(agent.query("PREPARE z AS SELECT 1; PREPARE s AS DELETE FROM victim; EXECUTE s")) == "42P05");
  CHECK(code(agent.query("PREPARE y AS SELECT 1; PREPARE s AS SELECT 6; EXECUTE s")) == "42P05");
  CHECK(rows(agent.query("DEALLOCATE s; PREPARE s AS SELECT 6; EXECUTE s")) == Rows{"6"});
  CHECK(Server::instance().admin("SELECT count(*) FROM victim") == "1");
}

TEST_CASE("attack 5: COPY FROM STDIN entered by the name of a statement is one") {
  Server::instance().admin(
      "DROP TABLE IF EXISTS filled; CREATE TABLE filled (a int); GRANT ALL ON filled TO PUBLIC");
  Gateway gateway({.rules = allow_all});
  Agent agent(gateway.port(), {});
  agent.send(parse("COPY filled FROM STDIN", "c") + raw('S'));
  CHECK(kinds(agent.until('Z')) == "1Z");
  agent.send(q("EXECUTE c") + raw('d', "7\n") + raw('d', q("DROP TABLE users")) + raw('f', "enough") +
             q("SELECT 'after'"));
  const auto copied = agent.until('Z');
  INFO(field(copied, 'M'));
  CHECK(kinds(copied) == "GEZ");
  CHECK(rows(agent.until('Z')) == Rows{"after"});
}

TEST_CASE("attack 2: planning runs code that was not read, already at Bind") {
  Server::instance().admin(
      "DROP TABLE IF EXISTS evil; CREATE OR REPLACE FUNCTION folded(int) RETURNS int LANGUAGE plpgsql "
      "IMMUTABLE AS "
      "$$BEGIN PERFORM set_config('standard_conforming_strings', 'off', false); RETURN 1; END$$");
  Gateway gateway({.rules = no_create});
  for (std::string name : {"", "t"}) {
    Agent agent(gateway.port(), {});
    agent.send(parse("SELECT folded(1)", name) + lab::bind(name, name) +
               parse("SELECT 'a\\'' AS x INTO evil FROM users --'") + lab::bind() + execute() + raw('S'));
    CHECK(code(agent.until('Z')) == "42501");
    CHECK(Server::instance().admin("SELECT count(*) FROM pg_class WHERE relname = 'evil'") == "0");
  }
}

TEST_CASE("attack 2: a text is not parsed a second time while how it is read is uncertain") {
  Server& server = Server::instance();
  server.admin(
      "DROP TABLE IF EXISTS evil; CREATE OR REPLACE FUNCTION off() RETURNS int LANGUAGE plpgsql VOLATILE AS "
      "$$BEGIN PERFORM set_config('standard_conforming_strings', 'off', false); RETURN 1; END$$");
  Gateway gateway({.rules = no_create});
  Agent agent(gateway.port(), {});
  // Whole, this is one constant; with the setting off it is SELECT INTO and a comment.
  agent.send(parse("SELECT 'a\\'' AS x INTO evil FROM users --'", "s") + raw('S'));
  CHECK(kinds(agent.until('Z')) == "1Z");
  agent.send(parse("SELECT off()") + lab::bind() + execute() + lab::bind("s") + execute() + raw('S'));
  agent.until('Z');
  CHECK(server.admin("SELECT count(*) FROM pg_class WHERE relname = 'evil'") == "0");
  // Once the server has said that all is as it was, the statement is good again.
  Agent other(gateway.port(), {});
  server.admin(
      "CREATE OR REPLACE FUNCTION harmless() RETURNS int LANGUAGE plpgsql VOLATILE AS $$BEGIN RETURN 1; "
      "END$$");
  other.send(parse("SELECT 'a\\b'", "t") + raw('S'));
  other.until('Z');
  other.send(parse("SELECT harmless()") + lab::bind() + execute() + raw('S') + lab::bind("t") + execute() +
             raw('S'));
  CHECK(code(other.until('Z')).empty());
  CHECK(rows(other.until('Z')) == Rows{"a\\b"});
}

TEST_CASE("attack 2: a setting that a view, a trigger or a cast name changes is not relied on") {
  Server& server = Server::instance();
  server.admin(
      "DROP VIEW IF EXISTS sv; CREATE VIEW sv AS SELECT * FROM pg_settings; GRANT ALL ON sv TO PUBLIC;"
      "DROP TABLE IF EXISTS trap; CREATE TABLE trap (a int); GRANT ALL ON trap TO PUBLIC;"
      "CREATE OR REPLACE FUNCTION spring() RETURNS trigger LANGUAGE plpgsql AS "
      "$$BEGIN PERFORM set_config('standard_conforming_strings', 'off', false); RETURN NEW; END$$;"
      "CREATE TRIGGER spring BEFORE INSERT ON trap FOR EACH ROW EXECUTE FUNCTION spring()");
  Gateway gateway({.rules = allow_all});
  const std::string fooling = q("SELECT 'a\\'' ; DROP TABLE victim; --'");
  for (const char* change : {"UPDATE sv SET setting = 'off' WHERE name = 'standard_conforming_strings'",
                             "INSERT INTO trap VALUES (1)",
                             "SELECT set_config('standard_conforming_stringsX'::varchar(27), 'off', false)",
                             "SELECT set_config('standard_conforming_strings   '::bpchar, 'off', false)"}) {
    INFO(change);
    server.admin(
        "DROP TABLE IF EXISTS victim; CREATE TABLE victim AS SELECT 1 AS a; ALTER TABLE victim OWNER TO "
        "agent_ro");
    Agent agent(gateway.port(), {});
    agent.send(q(change) + fooling);
    agent.until('Z');
    agent.until('Z');
    CHECK(server.admin("SELECT count(*) FROM victim") == "1");
  }
}

TEST_CASE("attack 6: in another encoding than UTF8 a letter beyond ASCII is not read") {
  Gateway gateway({.rules = careful});
  Agent other(gateway.port(), {{"client_encoding", "LATIN1"}});
  CHECK(code(other.query("SELECT 'schl\xfcssel'")) == "22021");
  CHECK(rows(other.query("SELECT 'plain'")) == Rows{"plain"});
  Agent agent(gateway.port(), {});
  CHECK(code(agent.query("SELECT 'schl\xfcssel'")) == "22021");
  agent.send(q("SET client_encoding TO 'LATIN1'") + q("SELECT 'schl\xfcssel'"));
  CHECK(code(agent.until('Z')).empty());
  CHECK(code(agent.until('Z')) == "22021");
  agent.send(q("SET client_encoding TO 'UTF8'") + q("SELECT 'schl\u00fcssel'"));
  CHECK(code(agent.until('Z')).empty());
  CHECK(rows(agent.until('Z')) == Rows{"schl\u00fcssel"});
}

TEST_CASE("attack 6: a long text is read in the encoding that is in force when it is judged") {
  Gateway gateway({.rules = careful});
  Agent agent(gateway.port(), {});
  const std::string padding = "/*" + std::string(20'000, 'x') + "*/";
  agent.send(q("SET client_encoding TO 'LATIN1'") + q("SELECT 'schl\u00fcssel' " + padding));
  CHECK(code(agent.until('Z')).empty());
  CHECK(code(agent.until('Z')) == "22021");
}

TEST_CASE("attack 6: a parameter of a type that is not built in runs that type's code") {
  Server& server = Server::instance();
  server.admin(
      "DROP DOMAIN IF EXISTS checked; DROP FUNCTION IF EXISTS check_it(text);"
      "CREATE FUNCTION check_it(text) RETURNS bool LANGUAGE plpgsql AS "
      "'BEGIN DELETE FROM checked_users; RETURN true; END' SECURITY DEFINER;"
      "DROP TABLE IF EXISTS checked_users; CREATE TABLE checked_users AS SELECT 1 AS a;"
      "CREATE DOMAIN checked AS text CHECK (check_it(value))");
  const auto oid = static_cast<std::uint32_t>(std::stoul(server.admin("SELECT 'checked'::regtype::oid")));
  const auto run = [](std::uint32_t type) {
    std::string types, out;
    Writer(types).u32(type);
    append_parse(out, "", "SELECT $1::text", 1, types);
    return out + bind("", "", {"x"}) + execute() + raw('S');
  };
  Gateway gateway({.rules = careful});
  Agent agent(gateway.port(), {});
  agent.send(run(oid));
  CHECK(code(agent.until('Z')) == "42501");
  CHECK(server.admin("SELECT count(*) FROM checked_users") == "1");
  std::uint64_t cursor = 0;
  auto records = gateway.shared().actions.since(cursor);
  REQUIRE_FALSE(records.empty());
  CHECK(records.back()->evidence == ActionRecord::Evidence::kept);
  CHECK(records.back()->sql->tables->open);
  agent.send(run(25));
  CHECK(rows(agent.until('Z')) == Rows{"x"});
}

TEST_CASE("attack 9: in another encoding than UTF8 a parameter beyond ASCII is not read") {
  Gateway gateway({.rules = R"toml(
[[rule]]
name = "no-e-acute"
endpoint = "pg-prod"
priority = 5
condition = "sql.params.exists(p, p == '\u00e9')"
verdict = "deny"
[[rule]]
name = "all"
endpoint = "pg-prod"
verdict = "allow"
)toml"});
  const auto run = [](const char* value) { return bind("s", "", {value}) + execute() + raw('S'); };
  const std::string prepare = parse("SELECT $1::text", "s") + raw('S');
  Agent agent(gateway.port(), {});
  agent.send(prepare + run("\u00e9") + run("\u00fc"));
  agent.until('Z');
  CHECK(code(agent.until('Z')) == "42501");
  CHECK(rows(agent.until('Z')) == Rows{"\u00fc"});
  Agent other(gateway.port(), {{"client_encoding", "LATIN1"}});
  other.send(prepare + run("\xe9") + run("plain"));
  other.until('Z');
  CHECK(code(other.until('Z')) == "42501");
  CHECK(rows(other.until('Z')) == Rows{"plain"});
  // What comes with the change, and what comes right behind it.
  agent.send(parse("SET client_encoding TO 'LATIN1'") + bind() + execute() + run("\xe9"));
  CHECK(code(agent.until('Z')) == "42501");
  agent.send(parse("SET client_encoding TO 'LATIN1'") + bind() + execute() + raw('S') + run("\xe9"));
  CHECK(code(agent.until('Z')).empty());
  CHECK(code(agent.until('Z')) == "42501");
  agent.send(parse("SET client_encoding TO 'UTF8'") + bind() + execute() + raw('S') + run("\u00fc"));
  CHECK(code(agent.until('Z')).empty());
  CHECK(rows(agent.until('Z')) == Rows{"\u00fc"});
}

TEST_CASE("attack 28: a message of more statements than the limit is refused as one") {
  Gateway gateway({.rules = careful});
  Agent agent(gateway.port(), {});
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += "SELECT 1;";
  CHECK(code(agent.query(many)) == "54000");
  const std::string log = gateway.audit_log();
  CHECK(std::ranges::count(log, '\n') < 20);
}

TEST_CASE("attack 28: portals that are bound and never executed hold bounded memory") {
  Gateway gateway({.rules = allow_all});
  Agent agent(gateway.port(), {});
  const std::string large(200'000, 'x');
  agent.send(parse("SELECT length($1)") + raw('H'));
  const std::size_t before = resident();
  for (int i = 0; i < 400; ++i) agent.send(lab::bind("", "", {large}));
  agent.send(execute() + raw('S'));
  CHECK(rows(agent.until('Z')) == Rows{"200000"});
  CHECK(resident() < before + 32);
}

TEST_CASE("attack 28: a peer takes no more of a server's connections than its share") {
  Gateway gateway({.rules = allow_all, .settings = "[limits]\nupstream_per_peer = 2\n"});
  Agent first(gateway.port(), {});
  {
    Agent second(gateway.port(), {});
    CHECK(code(refused_login(gateway, {})) == "53300");
  }
  CHECK(rows(first.query("SELECT 'stays'")) == Rows{"stays"});
  for (std::string answer = "53300"; !answer.empty();) answer = code(refused_login(gateway, {}));
}

TEST_CASE(
    "attack 28: what is made of long texts is held for the message alone, and counted where it is kept") {
  Gateway gateway({.rules = careful});
  Agent agent(gateway.port(), {});
  auto relations = [](int number) {
    std::string text = fmt::format("DELETE FROM t{}", number);
    for (int i = 0; i < 12'000; ++i) text += fmt::format("{} some_table_{}", i ? "," : " USING", i);
    return text;
  };
  for (int i = 0; i < 4; ++i) agent.query(relations(i));
  const std::size_t before = resident();
  for (int i = 4; i < 40; ++i) CHECK(code(agent.query(relations(i))) == "42501");
  CHECK(resident() < before + 24);

  Gateway lenient({.rules = allow_all});
  Agent waiting(lenient.port(), {});
  forget_peak();
  const std::size_t before_waiting = resident();
  waiting.send(q("SELECT pg_sleep(1.5)"));
  for (int i = 0; i < 20; ++i) waiting.send(q(relations(i)));
  for (int i = 0; i < 21; ++i) waiting.until('Z');
  INFO(peak_resident() << " MB, before " << before_waiting);
  CHECK(peak_resident() < before_waiting + 30);

  // A text's constants are made where a rule asks for them, and then counted.
  const std::string asks = R"toml(
[[rule]]
name = "asks"
endpoint = "pg-prod"
condition = "!('x' in sql.literals)"
verdict = "allow"
)toml";
  lenient.use(asks);
  Agent preparing(lenient.port(), {});
  std::string constants = "SELECT 1 WHERE '' IN (''";
  for (int i = 0; i < 12'000; ++i) constants += fmt::format(",'constant{}'", i);
  std::string answer;
  int kept = 0;
  for (; answer.empty() && kept < 10; ++kept) {
    preparing.send(parse(fmt::format("/*{}*/ {})", kept, constants), fmt::format("s{}", kept)) + raw('S'));
    answer = code(preparing.until('Z'));
  }
  CHECK(answer == "54000");
  CHECK(kept < 6);  // by their text alone, ten would have room
  // After a reload, too: what there is no room for is not known, and so not allowed.
  lenient.use(allow_all);
  Agent before_reload(lenient.port(), {});
  for (int i = 0; i < 5; ++i) before_reload.send(parse(constants + ")", fmt::format("s{}", i)));
  before_reload.send(raw('S'));
  CHECK(code(before_reload.until('Z')).empty());
  lenient.use(asks);
  int allowed = 0;
  for (int i = 0; i < 5; ++i) {
    before_reload.send(lab::bind(fmt::format("s{}", i)) + raw('S'));
    allowed += code(before_reload.until('Z')).empty() ? 1 : 0;
  }
  CHECK(allowed > 0);
  CHECK(allowed < 5);
}

TEST_CASE("attack 28: closing names that do not exist holds no memory") {
  Gateway gateway({.rules = allow_all});
  Agent agent(gateway.port(), {});
  const std::size_t before = resident();
  for (int i = 0; i < 3000; ++i) agent.send(close(std::string(9'900, 'n') + std::to_string(i)));
  agent.send(raw('S'));
  const auto answers = agent.until('Z');
  INFO(field(answers, 'M'));
  CHECK(answers.size() == 3001);
  CHECK(resident() < before + 24);
}

TEST_CASE("attack 1: what a login sets unasked is written down, and what matters is asked for") {
  Gateway gateway({.rules = careful});
  Agent agent(gateway.port(), {{"statement_timeout", "0"}});
  CHECK(rows(agent.query("SHOW statement_timeout")) == Rows{"0"});
  CHECK(gateway.audit_log().find("statement_timeout = 0") != std::string::npos);
  CHECK(code(refused_login(gateway, {{"default_transaction_read_only", "off"}})) == "28000");
}

TEST_CASE("attack 8: a function call's line says which function") {
  Gateway gateway({.rules = allow_all});
  Agent agent(gateway.port(), {});
  agent.send(raw('F', std::string("\0\0\5\x25\0\0\0\1\0\0\0\3abc\0\0", 17)));  // length(text)
  CHECK(agent.until('Z').size() >= 2);
  CHECK(gateway.audit_log().find("function 1317 with 1 arguments") != std::string::npos);
}

TEST_CASE("an error longer than the gateway holds reaches the agent, and the session goes on") {
  Gateway gateway({.rules = allow_all});
  Agent agent(gateway.port(), {});
  CHECK(code(agent.query("SELECT ('x' || repeat('a', 400000))::int")) == "22P02");
  CHECK(rows(agent.query("SELECT 'on'")) == Rows{"on"});
}

}  // namespace
}  // namespace clawpatrol::postgres::lab
