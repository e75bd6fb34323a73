#include "daemon/gateway/grant.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "daemon/gateway/postgres/judge.h"
#include "tests/temporary_directory.h"

using namespace clawpatrol;

namespace {

const std::string text = R"(schema = 1
[gateway]
endpoint = "192.0.2.1:51820"
subnet   = ["10.86.0.0/24"]
[peer.one]
profile = "data"
[profile.data]
credentials = ["reader"]
[profile.empty]
[endpoint.pg]
type  = "postgres"
hosts = ["pg.internal:5432", "second.internal:5432"]
tls   = "disable"
[credential.reader]
type     = "postgres"
endpoint = "pg"
user     = "agent_ro"
[[rule]]
name     = "all"
endpoint = "pg"
verdict  = "allow"
)";

std::shared_ptr<Policy> load(std::string with,
                             std::initializer_list<std::pair<const char*, const char*>> edits = {}) {
  for (const auto& [old, fresh] : edits) {
    REQUIRE(with.find(old) != std::string::npos);
    with.replace(with.find(old), std::string_view(old).size(), fresh);
  }
  LoadResult loaded = load_policy_text(with);
  INFO(loaded.diagnostics.render());
  REQUIRE(loaded.policy);
  return loaded.policy;
}

struct Fixture {
  tests::TemporaryDirectory made;
  std::filesystem::path directory = made.path;
  Fixture() {
    shared.credentials = std::move(*credentials::Store::open(directory / "credentials"));
    REQUIRE(shared.credentials->set("reader", "secret"));
    shared.policy.replace(load(text));
    shared.peers.replace({one});
    flow = shared.flows.open(1, shared.policy.current()->limits);
    flow->on_close_request([this](std::string why) { closed = std::move(why); });
    Grant grant = claimed();
    grant.logged_in({"reader", "agent_ro", "whoever"}, shared.credentials.get());
    give_grant(shared, *flow, std::move(grant));
    REQUIRE(closed.empty());
  }

  Grant claimed() { return Grant(shared.policy.current(), one, "data", "pg", {"pg.internal", 5432}); }
  std::string after(const std::shared_ptr<Policy>& policy) {
    shared.policy.replace(policy);
    close_orphans(shared);
    return closed;
  }
  std::string after(std::vector<Peer> peers) {
    shared.peers.replace(std::move(peers));
    close_orphans(shared);
    return closed;
  }

  Shared shared;
  Peer one{.id = 1, .name = "one", .addresses = {*Address::parse("10.86.0.2")}, .key_fingerprint = 7};
  std::shared_ptr<Flow> flow;
  std::string closed;
};

}  // namespace

TEST_CASE("attack 20: a change of what a connection rests on ends it at once") {
  Fixture fixture;
  SECTION("the endpoint's hosts") {
    CHECK(fixture.after(load(text, {{", \"second.internal:5432\"", ""}})) == "the endpoint has changed");
  }
  SECTION("what its statements were read by") {
    CHECK(fixture.after(
              load(text, {{"tls   = \"disable\"", "tls   = \"disable\"\nsafe_functions = [\"f\"]"}})) ==
          "the endpoint has changed");
  }
  SECTION("the endpoint's networks") {
    CHECK(fixture.after(
              load(text, {{"tls   = \"disable\"", "tls   = \"disable\"\nnetworks = [\"10.9.0.0/16\"]"}})) ==
          "the endpoint has changed");
  }
  SECTION("the endpoint") {
    CHECK(fixture.after(load(text, {{"endpoint.pg", "endpoint.qg"},
                                    {"= \"pg\"\nuser", "= \"qg\"\nuser"},
                                    {"endpoint = \"pg\"", "endpoint = \"qg\""}})) ==
          "the endpoint is no longer within this peer's profile");
  }
  SECTION("the grant of the credential") {
    CHECK(fixture.after(load(text, {{"credentials = [\"reader\"]", "endpoints = [\"pg\"]"}})) ==
          "the credential is no longer within this peer's profile");
  }
  SECTION("the credential's user") {
    CHECK(fixture.after(load(text, {{"agent_ro", "agent_rw"}})) == "the credential has changed");
  }
  SECTION("the credential's hosts") {
    CHECK(fixture.after(load(text, {{"user     = \"agent_ro\"",
                                     "user     = \"agent_ro\"\nhosts    = [\"second.internal:5432\"]"}})) ==
          "the credential has changed");
  }
  SECTION("the profile") {
    CHECK(fixture.after(load(text, {{"profile = \"data\"", "profile = \"empty\""}})) ==
          "the peer has another profile");
  }
  SECTION("the credential's value, by the same") {
    REQUIRE(fixture.shared.credentials->set("reader", "secret"));
    close_orphans(fixture.shared);
    CHECK(fixture.closed == "the credential's value has changed");
  }
  SECTION("the credential's value, for none") {
    REQUIRE(fixture.shared.credentials->remove("reader"));
    close_orphans(fixture.shared);
    CHECK(fixture.closed == "the credential's value has changed");
  }
  SECTION("the peer's key or addresses") {
    fixture.one.key_fingerprint = 8;
    CHECK(fixture.after({fixture.one}) == "the peer's key or addresses have changed");
  }
  SECTION("the peer") {
    CHECK(fixture.after(std::vector<Peer>()) == "the peer is no longer known here");
  }
  SECTION("the peer's place, which another has taken") {
    fixture.one.name = "two";
    CHECK(fixture.after({fixture.one}) == "the peer is no longer known here");
  }
}

TEST_CASE("attack 20: what was judged is asked again after the wait for the audit log") {
  Fixture fixture;
  sql::Cache analyses(1 << 16);
  ClaimedFlow claimed;
  claimed.flow = fixture.flow;
  claimed.peer = fixture.shared.peers.by_id(1);
  claimed.peer_facets = {"one", "data", "10.86.0.2", {}};
  claimed.endpoint_facets = {"pg", "postgres"};
  claimed.dest = {"pg.internal", 5432};
  postgres::Judge judge(fixture.shared, analyses, claimed);
  REQUIRE(judge.take_generation());
  judge.become({.credential = "reader", .user = "agent_ro", .declared_user = "x", .database = "app"});
  CHECK(judge.stands());
  SECTION("another value") {
    REQUIRE(fixture.shared.credentials->set("reader", "other"));
  }
  SECTION("another generation that does not grant it") {
    fixture.shared.policy.replace(load(text, {{"credentials = [\"reader\"]", "endpoints = [\"pg\"]"}}));
  }
  CHECK_FALSE(judge.stands());
}

TEST_CASE("what a connection does not rest on does not end it") {
  Fixture fixture;
  CHECK(fixture.after(load(text, {{"verdict  = \"allow\"", "verdict  = \"deny\""}})) == "");
  CHECK(fixture.after(load(text + "[endpoint.other]\ntype = \"postgres\"\nhosts = [\"o.internal\"]\ntls = "
                                  "\"disable\"\n")) == "");
  REQUIRE(fixture.shared.credentials->set("another", "secret"));
  close_orphans(fixture.shared);
  CHECK(fixture.closed == "");
  CHECK(fixture.after({fixture.one, {.id = 2, .name = "two", .addresses = {}}}) == "");
}

TEST_CASE("attack 20: a change that came before the grant was given ends the connection too") {
  Fixture fixture;
  Grant grant = fixture.claimed();
  grant.logged_in({"reader", "agent_ro", "whoever"}, fixture.shared.credentials.get());
  REQUIRE(fixture.shared.credentials->set("reader", "another"));
  give_grant(fixture.shared, *fixture.flow, std::move(grant));
  CHECK(fixture.closed == "the credential's value has changed");
}

TEST_CASE("a login without a credential rests on the endpoint's being listed") {
  Fixture fixture;
  auto listed = load(text, {{"credentials = [\"reader\"]", "endpoints = [\"pg\"]"}});
  fixture.shared.policy.replace(listed);
  Grant grant = fixture.claimed();
  grant.logged_in({"", "whoever", "whoever"}, fixture.shared.credentials.get());
  give_grant(fixture.shared, *fixture.flow, std::move(grant));
  CHECK(fixture.closed == "");
  CHECK(fixture.after(load(text)) == "the credential is no longer within this peer's profile");
}

TEST_CASE("passthrough ends where it is no longer allowed, or an endpoint claims the destination") {
  Fixture fixture;
  const std::string open = text + "[defaults]\nunknown_host = \"passthrough\"\n";
  fixture.shared.policy.replace(load(open));
  give_grant(fixture.shared, *fixture.flow,
             Grant(fixture.shared.policy.current(), fixture.one, "data", "", {"203.0.113.5", 443}));
  CHECK(fixture.after(load(open)) == "");
  SECTION("what else it rests on") {
    Grant grant(fixture.shared.policy.current(), fixture.one, "data", "", {"203.0.113.5", 443});
    grant.also_rests_on([](const Policy& now) { return now.rules.size() > 1 ? "more rules" : nullptr; });
    give_grant(fixture.shared, *fixture.flow, std::move(grant));
    CHECK(fixture.after(load(open)) == "");
    CHECK(fixture.after(load(open + "[[rule]]\nname = \"no\"\nendpoint = \"pg\"\nverdict = \"deny\"\n")) ==
          "more rules");
  }
  SECTION("no longer allowed") {
    CHECK(fixture.after(load(text)) == "unclaimed destinations are now refused");
  }
  SECTION("claimed") {
    CHECK(fixture.after(load(open, {{"pg.internal:5432", "203.0.113.5:443"}})) ==
          "an endpoint now claims the destination");
  }
}
