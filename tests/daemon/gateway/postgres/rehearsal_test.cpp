// A rehearsal says what a live connection to a real server is told.
#include "daemon/gateway/postgres/rehearsal.h"

#include <catch2/catch.hpp>

#include "tests/daemon/gateway/postgres/lab.h"

namespace clawpatrol::postgres {
namespace {

using lab::Agent;
using lab::Gateway;

struct Told {
  std::string code, message;
  std::vector<std::string> decided;  // verdict and rule of each action
  bool operator==(const Told&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Told& told) {
  out << told.code << " " << told.message;
  for (const std::string& action : told.decided) out << " | " << action;
  return out;
}

std::string shown(const ActionRecord& record) {
  return std::string(name_of(record.type)) + " " + std::string(name_of(record.kind)) + " " +
         std::string(name_of(record.verdict)) + " " + std::string(record.rule_name()) + " " + record.reason;
}

Told live(Gateway& gateway, Agent& agent, const std::string& messages) {
  std::uint64_t cursor = gateway.shared().actions.end();
  agent.send(messages);
  auto answer = agent.until('Z');
  Told told{lab::code(answer), lab::field(answer, 'M'), {}};
  // What only the server finds wrong is not the gateway's word.
  if (lab::field(answer, 'D').find("action a-") == std::string::npos) told = {};
  for (const auto& record : gateway.shared().actions.since(cursor)) told.decided.push_back(shown(*record));
  return told;
}

Told rehearsed(Rehearsal& rehearsal, const std::string& messages) {
  const Played played = rehearsal.play(messages);
  Told told;
  if (played.told && played.decisive) told = {played.told->code, played.told->message, {}};
  for (const auto& record : played.actions) told.decided.push_back(shown(*record));
  return told;
}

std::string with_values(std::string_view sql, std::vector<std::optional<std::string>> values) {
  return extended_messages(sql, values);
}

}  // namespace

TEST_CASE("what is rehearsed is what happens live, message by message on one connection") {
  const std::string rules = std::string(lab::careful) + R"toml(
[[rule]]
name = "seven"
endpoint = "pg-prod"
condition = "sql.verb == 'delete' && sql.params[0] == '7'"
verdict = "allow"
)toml";
  Gateway gateway({.rules = rules});
  Agent agent(gateway.port(), {});
  Scene scene{.peer = {.name = "tester", .profile = "data", .address = "127.0.0.1", .labels = {}},
              .endpoint = "pg-prod",
              .dest = {"127.0.0.1", 0},
              .time_unix_ns = {},
              .parameters = {{"user", "agent_ro"}, {"database", "postgres"}}};
  auto policy = gateway.shared().policy.current();
  scene.peer.profile = policy->peers.find("tester")->second.profile;
  const HostPort& host = policy->endpoints.find("pg-prod")->second.hosts.front();
  scene.dest = {host.host, host.port};
  Rehearsal rehearsal(policy, scene);
  CHECK_FALSE(rehearsal.log_in().told);
  const std::string messages[] = {
      query_message("SELECT 1"),
      query_message("SELECT * FROM tokens"),
      query_message("SELECT 1; DROP TABLE x; SELECT 2"),
      query_message("SELEC 1"),
      query_message("SELECT 1 AS \"unfinished"),
      query_message(""),
      query_message("PREPARE p AS SELECT 1"),
      query_message("EXECUTE p"),
      query_message("EXECUTE nobody"),
      query_message("DEALLOCATE p"),
      query_message("SET standard_conforming_strings = off"),
      query_message("SET client_encoding = 'SJIS'"),
      query_message("SET work_mem = '1MB'"),
      query_message("DO $$ BEGIN NULL; END $$"),
      query_message("SELECT set_config('a' || 'b', 'c', false)"),
      query_message("BEGIN"),
      query_message("DECLARE c CURSOR FOR SELECT 1"),
      query_message("FETCH 1 FROM c"),
      query_message("ROLLBACK"),
      query_message("SELECT pg_sleep(0); SELECT 1 FROM pg_class"),
      with_values("DELETE FROM pg_class WHERE oid::text = $1", {"8"}),
      with_values("SELECT $1::text", {"hello"}),
      with_values("SELECT $1::text", {std::nullopt}),
      with_values("TRUNCATE tokens", {}),
      parse_messages("DELETE FROM pg_class WHERE oid::text = $1"),
      parse_messages("SELECT 1; SELECT 2"),
      function_call_message(0),
  };
  for (const std::string& message : messages) {
    INFO(message.substr(5));
    CHECK(rehearsed(rehearsal, message) == live(gateway, agent, message));
  }
}

TEST_CASE("a rehearsal is decided as of its time, and without a login nothing is played") {
  auto loaded = load_policy_text(R"toml(schema = 1
[gateway]
subnet = ["10.86.0.0/24"]
endpoint = "gw.example.com:51820"
[peer.tester]
profile = "data"
[profile.data]
endpoints = ["pg"]
[endpoint.pg]
type = "postgres"
hosts = ["pg.internal:5432"]
tls = "disable"
[[rule]]
name = "mornings"
endpoint = "pg"
condition = "now.getHours() < 12"
verdict = "allow"
)toml");
  REQUIRE(loaded.policy);
  Scene scene{.peer = {.name = "tester", .profile = "data", .address = "10.86.0.2", .labels = {}},
              .endpoint = "pg",
              .dest = {"pg.internal", 5432},
              .time_unix_ns = std::int64_t{9} * 3600 * 1'000'000'000,
              .parameters = {{"user", "a"}}};
  Rehearsal morning(loaded.policy, scene);
  CHECK_FALSE(morning.log_in().told);
  CHECK_FALSE(morning.play(query_message("SELECT 1")).told);
  scene.time_unix_ns = std::int64_t{13} * 3600 * 1'000'000'000;
  Rehearsal afternoon(loaded.policy, scene);
  CHECK_FALSE(afternoon.log_in().told);
  const Played played = afternoon.play(query_message("SELECT 1"));
  REQUIRE(played.told);
  CHECK(played.told->code == "42501");
  CHECK(played.decisive->time_unix_ns == *scene.time_unix_ns);
  for (const std::string& database : {std::string("app\0user\0postgres", 17), std::string(100'000, 'x')}) {
    scene.parameters = {{"user", "a"}, {"database", database}};
    Rehearsal unsendable(loaded.policy, scene);
    const Played login = unsendable.log_in();
    REQUIRE(login.told);
    CHECK(login.told->code == "08P01");
  }
  scene.parameters = {{"user", "a"}};
  scene.endpoint = "gone";
  Rehearsal nowhere(loaded.policy, scene);
  CHECK(nowhere.log_in().told);
  CHECK(nowhere.play(query_message("SELECT 1")).actions.empty());
}

}  // namespace clawpatrol::postgres
