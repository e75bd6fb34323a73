// Binary parameters whose types the agent leaves to the server: what rules on `sql.params` see of them.
#include "daemon/gateway/postgres/params.h"

#include <catch2/catch.hpp>

#include "daemon/gateway/postgres/session.h"
#include "parsers/postgres/build.h"
#include "policy/policy.h"
#include "tests/daemon/gateway/postgres/lab.h"

namespace clawpatrol::postgres {

using namespace lab;
using Rows = std::vector<std::string>;

namespace {

constexpr const char* no_seven = R"toml(
[[rule]]
name = "no-seven"
endpoint = "pg-prod"
priority = 5
condition = "sql.params.exists(p, p in ['7', '825373492'])"
verdict = "deny"
reason = "Not seven"
[[rule]]
name = "all"
endpoint = "pg-prod"
verdict = "allow"
)toml";

std::string big_endian(std::uint64_t value, std::size_t bytes) {
  std::string out;
  while (bytes-- > 0) out.push_back(static_cast<char>(value >> (8 * bytes)));
  return out;
}
std::string int4(std::uint32_t value) {
  return big_endian(value, 4);
}

// A Bind whose one value is in binary form.
std::string binary(const std::string& value, std::string_view statement = "", std::string_view portal = "") {
  std::string rest, out;
  Writer(rest).u16(1).u16(1).u16(1).u32(static_cast<std::uint32_t>(value.size())).bytes(value).u16(0);
  append_bind(out, portal, statement, rest);
  return out;
}

std::string describe(std::string_view statement = "") {
  std::string out;
  append_describe(out, Target::statement, statement);
  return out;
}

std::string typed(std::string_view sql, std::uint32_t type, std::string_view name = "") {
  std::string types, out;
  Writer(types).u32(type);
  append_parse(out, name, sql, 1, types);
  return out;
}

const std::string sync = raw('S');

}  // namespace

TEST_CASE("a binary parameter that the agent has asked the type of is judged by its value") {
  Gateway gateway({.rules = no_seven});
  Agent agent(gateway.port(), {});
  // As asyncpg and pgx do.
  agent.send(parse("SELECT ($1::int4 * 2)::text", "s") + describe("s") + raw('H'));
  CHECK(kinds(agent.until('T')) == "1tT");
  agent.send(binary(int4(8), "s") + execute() + sync);
  CHECK(rows(agent.until('Z')) == Rows{"16"});
  agent.send(binary(int4(7), "s") + execute() + sync);
  const auto denied = agent.until('Z');
  CHECK(kinds(denied) == "EZ");
  CHECK(field(denied, 'M') == "Not seven");
  // What the audit log holds of it is its value, too.
  CHECK(gateway.audit_log().find("\"params\":[\"8\"]") != std::string::npos);
}

TEST_CASE("a type that nobody has asked for is asked for where a rule reads the value, and unseen") {
  Gateway gateway({.rules = no_seven});
  Agent agent(gateway.port(), {});
  const auto all = [](std::uint32_t value) {
    return parse("SELECT $1::int4::text") + binary(int4(value)) + execute() + sync;
  };
  agent.send(all(8));
  auto answer = agent.until('Z');
  CHECK(kinds(answer) == "12DCZ");
  CHECK(rows(answer) == Rows{"8"});
  agent.send(all(7));
  answer = agent.until('Z');
  CHECK(kinds(answer) == "1EZ");
  CHECK(field(answer, 'M') == "Not seven");
  // Asked for in the same batch; and in a deep pipeline, each answer in its place.
  agent.send(parse("SELECT $1::int4::text") + describe() + binary(int4(9)) + execute() + sync);
  CHECK(kinds(agent.until('Z')) == "1tT2DCZ");
  agent.send(all(1) + all(7) + all(2) + q("SELECT 'q'") + all(3));
  CHECK(rows(agent.until('Z')) == Rows{"1"});
  CHECK(code(agent.until('Z')) == "42501");
  CHECK(rows(agent.until('Z')) == Rows{"2"});
  CHECK(rows(agent.until('Z')) == Rows{"q"});
  CHECK(rows(agent.until('Z')) == Rows{"3"});
}

TEST_CASE("a type that the Parse says needs no asking, and 0 and unknown say nothing") {
  Gateway gateway({.rules = no_seven});
  Agent agent(gateway.port(), {});
  const auto run = [&](std::uint32_t type, const std::string& value) {
    agent.send(typed("SELECT $1::int8::text", type) + binary(value) + execute() + sync);
    return agent.until('Z');
  };
  for (std::uint32_t type : {20u, 0u, 705u}) {  // int8, none, unknown
    INFO(type);
    CHECK(rows(run(type, big_endian(8, 8))) == Rows{"8"});
    CHECK(field(run(type, big_endian(7, 8)), 'M') == "Not seven");
  }
}

TEST_CASE("attack 9: the type of one statement does not read the values of another") {
  Gateway gateway({.rules = no_seven});
  Agent agent(gateway.port(), {});
  const std::string bytes = "1234";  // text: '1234'; int4: 825373492
  const std::string harmless = "SELECT $1::text", forbidden = "SELECT $1::int4::text";
  const auto expect_denied = [&](const std::string& messages) {
    agent.send(messages);
    const auto answer = agent.until('Z');
    CHECK(field(answer, 'M') == "Not seven");
    CHECK(rows(answer).empty());
  };
  agent.send(parse(harmless) + describe() + binary(bytes) + execute() + sync);
  CHECK(rows(agent.until('Z')) == Rows{"1234"});
  // The unnamed statement became another one: behind the answer, in the batch, with its own Describe on its
  // way.
  expect_denied(parse(forbidden) + binary(bytes) + execute() + sync);
  expect_denied(parse(harmless) + describe() + parse(forbidden) + binary(bytes) + execute() + sync);
  expect_denied(parse(harmless) + describe() + parse(forbidden) + describe() + binary(bytes) + execute() +
                sync);
  agent.send(parse(harmless) + describe() + q("SELECT 1") + parse(forbidden) + binary(bytes) + execute() +
             sync);
  CHECK(rows(agent.until('Z')) == Rows{"1"});
  CHECK(field(agent.until('Z'), 'M') == "Not seven");
  // A name that was closed and given again, with the first one's description still on its way.
  expect_denied(parse(harmless, "n") + describe("n") + close("n") + parse(forbidden, "n") +
                binary(bytes, "n") + execute() + sync);
  // That batch failed at the Bind, so the second Parse holds.
  expect_denied(binary(bytes, "n") + execute() + sync);
  // Two names: a description of the one is not the other's.
  agent.send(parse(harmless, "a") + parse(forbidden, "b") + describe("a") + sync);
  CHECK(kinds(agent.until('Z')) == "11tTZ");
  expect_denied(describe("a") + binary(bytes, "b") + execute() + sync);
  // A Describe that is skipped describes nothing; the next batch asks anew.
  agent.send(parse(forbidden, "c") + sync + parse("SELEC") + describe("c") + sync);
  CHECK(kinds(agent.until('Z')) == "1Z");
  CHECK(kinds(agent.until('Z')) == "EZ");
  expect_denied(binary(bytes, "c") + execute() + sync);
}

TEST_CASE("attack 9: a value of a type that is not decoded stays unknown, and a rule that reads it denies") {
  Server::instance().admin(
      "DROP DOMAIN IF EXISTS small; CREATE DOMAIN small AS int4; DROP TYPE IF EXISTS mood;"
      "CREATE TYPE mood AS ENUM ('sad', 'ok')");
  Gateway gateway({.rules = no_seven});
  Agent agent(gateway.port(), {});
  for (const auto& [text, value] :
       {std::pair{"SELECT $1::small::text", int4(8)}, std::pair{"SELECT $1::mood::text", std::string("ok")},
        std::pair{"SELECT $1::point::text", std::string(16, '\0')}}) {
    INFO(text);
    for (const std::string& described : {describe(), std::string()}) {
      agent.send(parse(text) + described + binary(value) + execute() + sync);
      const auto answer = agent.until('Z');
      CHECK(code(answer) == "42501");
      CHECK(rows(answer).empty());
    }
  }
  gateway.use(allow_all);
  agent.send(parse("SELECT $1::mood::text") + binary("ok") + execute() + sync);
  CHECK(rows(agent.until('Z')) == Rows{"ok"});
}

TEST_CASE("a statement that is parsed again keeps the types that it was described with") {
  Server& server = Server::instance();
  server.admin(
      "DROP TABLE IF EXISTS typed_anew; CREATE TABLE typed_anew (v int4); GRANT ALL ON typed_anew TO "
      "PUBLIC; INSERT INTO typed_anew VALUES (7), (8)");
  Gateway gateway({.rules = no_seven});
  Agent agent(gateway.port(), {});
  agent.send(parse("SELECT v::text FROM typed_anew WHERE v = $1", "s") + describe("s") + sync);
  CHECK(kinds(agent.until('Z')) == "1tTZ");
  server.admin("ALTER TABLE typed_anew ALTER v TYPE int8");
  CHECK(code(agent.query("DO $$ BEGIN NULL; END $$")).empty());
  // Read anew it would want eight bytes; the agent was told four.
  agent.send(binary(int4(8), "s") + execute() + sync);
  CHECK(rows(agent.until('Z')) == Rows{"8"});
  CHECK(code(agent.query("DO $$ BEGIN NULL; END $$")).empty());
  agent.send(binary(int4(7), "s") + execute() + sync);
  CHECK(field(agent.until('Z'), 'M') == "Not seven");
  // One that was never described is parsed again first, and then asked about.
  agent.send(parse("SELECT v::text FROM typed_anew WHERE v = $1", "t") + sync);
  agent.until('Z');
  CHECK(code(agent.query("DO $$ BEGIN NULL; END $$")).empty());
  agent.send(binary(big_endian(8, 8), "t") + execute() + sync);
  auto answer = agent.until('Z');
  CHECK(kinds(answer) == "2DCZ");
  CHECK(rows(answer) == Rows{"8"});
  agent.send(binary(big_endian(7, 8), "t") + execute() + sync);
  CHECK(field(agent.until('Z'), 'M') == "Not seven");
}

TEST_CASE("attack 3: a name that code may have given to another statement lends no types") {
  Gateway gateway({.rules = no_seven});
  Agent agent(gateway.port(), {});
  CHECK(code(agent.query("PREPARE p(text) AS SELECT $1")).empty());
  agent.send(describe("p") + binary("1234", "p") + execute() + sync);
  CHECK(rows(agent.until('Z')) == Rows{"1234"});
  CHECK(code(agent.query("DO $$ BEGIN EXECUTE 'DEALLOCATE p';"
                         "EXECUTE 'PREPARE p(int4) AS SELECT $1::text'; END $$"))
            .empty());
  agent.send(binary("1234", "p") + execute() + sync);
  const auto answer = agent.until('Z');
  CHECK(code(answer) == "42501");
  CHECK(rows(answer).empty());
}

TEST_CASE("where the server cannot say a type its error is the Bind's") {
  Gateway gateway({.rules = no_seven});
  Agent agent(gateway.port(), {});
  agent.send(parse("SELECT $1::int4::text", "s") + sync);
  agent.until('Z');
  agent.send(q("BEGIN") + q("SELECT 1/0") + binary(int4(8), "s") + execute() + sync);
  agent.until('Z');
  CHECK(code(agent.until('Z')) == "22012");
  const auto answer = agent.until('Z');
  CHECK(kinds(answer) == "EZ");
  CHECK(code(answer) == "25P02");
  CHECK(status(answer) == 'E');
  agent.query("ROLLBACK");
  agent.send(binary(int4(8), "s") + execute() + sync);
  CHECK(rows(agent.until('Z')) == Rows{"8"});
}

TEST_CASE("attack 9: numbers in binary form are no letters, in whatever encoding") {
  Gateway gateway({.rules = no_seven});
  Agent agent(gateway.port(), {{"client_encoding", "LATIN1"}});
  const auto run = [&](const std::string& sql, const std::string& value) {
    agent.send(parse(sql) + binary(value) + execute() + sync);
    return agent.until('Z');
  };
  CHECK(rows(run("SELECT $1::int4::text", int4(0xffffffff))) == Rows{"-1"});
  CHECK(code(run("SELECT $1::text", "\xe9")) == "42501");
}

namespace {

// A session with a server that says what a test says.
struct Alone {
  Alone() {
    auto loaded = load_policy_text(std::string(R"toml(schema = 1
[gateway]
subnet = ["10.86.0.0/24"]
endpoint = "gw.example.com:51820"
[peer.tester]
profile = "data"
[profile.data]
endpoints = ["pg-prod"]
[endpoint.pg-prod]
type = "postgres"
hosts = ["pg.internal:5432"]
tls = "disable"
)toml") + no_seven);
    REQUIRE(loaded.policy);
    Peer peer;
    peer.id = 1;
    peer.name = "tester";
    shared.peers.replace({peer});
    shared.policy.replace(loaded.policy);
    flow.flow = std::make_shared<Flow>(1);
    flow.peer = shared.peers.by_id(1);
    flow.peer_facets = {.name = "tester", .profile = "data", .address = "10.86.0.2", .labels = {}};
    flow.endpoint_facets = {"pg-prod", "postgres"};
    flow.dest = {"pg.internal", 5432};
    judge.emplace(shared, analyses, flow);
    REQUIRE(judge->take_generation());
    judge->set_encoding("UTF8");
    session.emplace(*judge, limits, Session::Kind::ordinary);
  }
  // What goes up, by type.
  std::string up(const std::string& messages) {
    waiting += messages;
    waiting.erase(0, session->from_agent(waiting));
    std::string types;
    std::string_view sent = session->to_server();
    while (!sent.empty()) {
      types += sent[0];
      sent.remove_prefix(1 + Reader(sent.substr(1)).u32());
    }
    session->sent();
    return types;
  }
  std::string down(const std::string& messages) {
    std::string rewritten;
    std::string_view out;
    const std::size_t used = session->from_server(messages, rewritten, out);
    CHECK((used == messages.size() || ended()));
    std::string types;
    for (; !out.empty(); out.remove_prefix(1 + Reader(out.substr(1)).u32())) types += out[0];
    return types;
  }
  bool ended() const { return session->ending() != Session::Ending::none; }

  Session::Limits limits{.whole_message = 1 << 10};
  Shared shared;
  sql::Cache analyses{1 << 20};
  ClaimedFlow flow;
  std::optional<Judge> judge;
  std::optional<Session> session;
  std::string waiting;
};

std::string described(const std::vector<std::uint32_t>& types) {
  std::string body;
  Writer writer(body);
  writer.u16(static_cast<std::uint16_t>(types.size()));
  for (std::uint32_t type : types) writer.u32(type);
  return raw('t', body);
}

const std::string one_batch = binary(int4(8)) + execute() + sync;

}  // namespace

TEST_CASE("a server that describes other parameters than were parsed is not believed") {
  for (const auto& types : {std::vector<std::uint32_t>{}, {25}}) {
    Alone alone;
    CHECK(alone.up(typed("SELECT $1::int4", 23) + describe() + sync) == "PDS");
    CHECK(alone.down(raw('1') + described(types) + raw('n') + raw('Z', "I")) == "1tnZ");
    CHECK_FALSE(alone.ended());
    // Its own Parse said int4, and 8 is allowed; but who reads it is not certain.
    CHECK(alone.up(one_batch) == "PS");
  }
  Alone agreed;
  CHECK(agreed.up(typed("SELECT $1::int4", 23) + describe() + sync) == "PDS");
  CHECK(agreed.down(raw('1') + described({23}) + raw('n') + raw('Z', "I")) == "1tnZ");
  CHECK(agreed.up(one_batch) == "BES");
}

TEST_CASE("a description that lies of its length, or that nobody asked for, ends the connection") {
  for (const std::string& body : {std::string("\0\2\0\0\0\x17", 6), std::string("\0\1\0\0\0\x17x", 7),
                                  std::string("\0", 1), std::string("\0\0\0\0\0\x17", 6)}) {
    Alone alone;
    alone.up(parse("SELECT $1::int4") + describe() + sync);
    alone.down(raw('1') + raw('t', body));
    CHECK(alone.ended());
  }
  Alone alone;
  alone.up(parse("SELECT $1::int4") + sync);
  alone.down(raw('1') + described({23}));
  CHECK(alone.ended());
  Alone after_denial;
  CHECK(after_denial.up(describe("nobody") + sync) == "PS");
  after_denial.down(described({23}));
  CHECK(after_denial.ended());
}

TEST_CASE("a server is asked once, and only where a rule reads what it is asked for") {
  Alone alone;
  CHECK(alone.up(parse("SELECT $1::int4") + one_batch) == "PDH");
  CHECK(alone.down(raw('1')) == "1");
  CHECK(alone.up("") == "");  // still waits
  SECTION("it answers") {
    CHECK(alone.down(described({23}) + raw('n')) == "");
    CHECK(alone.up("") == "BES");
  }
  SECTION("it says nothing of parameters: they stay unknown") {
    CHECK(alone.down(raw('n')) == "");
    CHECK(alone.up("") == "PS");
  }
  SECTION("it says more than is held") {
    const std::string large = described(std::vector<std::uint32_t>(1000, 23)) + raw('n');
    const std::size_t half = large.size() / 2;
    CHECK(alone.down(large.substr(0, half)) == "");
    CHECK(alone.down(large.substr(half)) == "");
    CHECK_FALSE(alone.ended());
    CHECK(alone.up("") == "PS");
  }
  SECTION("it answers with an error: so the agent's batch ends") {
    std::string error;
    append_error(error, {.code = "25P02", .message = "aborted", .detail = {}, .hint = {}});
    CHECK(alone.down(error) == "E");
    CHECK(alone.up("") == "S");
  }
}

}  // namespace clawpatrol::postgres
