#include "daemon/gateway/dns/service.h"

#include "tests/daemon/gateway/dns_fixture.h"

using namespace dns_test;

namespace {

constexpr std::uint16_t a = 1, aaaa = 28, any = 255, https = 65, txt = 16, ptr = 12;

Task<void> ask_into(Gateway& gateway, std::shared_ptr<const Peer> peer, std::string query,
                    std::string& answer) {
  auto begun = gateway.shared.name_service->begin(peer, peer->addresses[0], query, Transport::udp);
  if (auto* asked = std::get_if<NameService::Asked>(&begun))
    answer = co_await gateway.shared.name_service->look_up(*gateway.worker, std::move(*asked));
  else
    answer = std::get<std::string>(begun);
}

Reply ask(Gateway& gateway, std::shared_ptr<const Peer> peer, const std::string& name, std::uint16_t type) {
  std::string query = query_for(name, type), answer;
  gateway.run([&] { gateway.worker->flows().spawn(ask_into(gateway, peer, query, answer)); });
  INFO(name);
  REQUIRE_FALSE(answer.empty());
  return read_reply(query, answer);
}

}  // namespace

TEST_CASE("a name of an endpoint has a virtual address that says which name was dialled") {
  Gateway gateway(load(two_profiles));
  Reply v4 = ask(gateway, gateway.one, "PG.Internal", a), v6 = ask(gateway, gateway.one, "pg.internal", aaaa);
  REQUIRE(v4.addresses.size() == 1);
  REQUIRE(v6.addresses.size() == 1);
  CHECK(v4.ttl == 60);
  CHECK(gateway.shared.names->name_of(*Address::parse(v4.addresses[0]), 1) == "pg.internal");
  CHECK(gateway.shared.names->name_of(*Address::parse(v6.addresses[0]), 1) == "pg.internal");
  CHECK(gateway.system.asked.empty());
}

TEST_CASE("a name that a wildcard covers is leased to the peer") {
  Gateway gateway(load(two_profiles));
  Reply reply = ask(gateway, gateway.one, "shard-7.db.example.com", a);
  REQUIRE(reply.addresses.size() == 1);
  CHECK(gateway.shared.names->name_of(*Address::parse(reply.addresses[0]), 1) == "shard-7.db.example.com");
  CHECK(ask(gateway, gateway.one, "db.example.com", a).addresses.empty());
}

TEST_CASE("other types of an endpoint's name are empty, so that clients use its addresses") {
  Gateway gateway(load(two_profiles));
  for (std::uint16_t type : {any, https, txt, std::uint16_t{64}, std::uint16_t{4711}}) {
    Reply reply = ask(gateway, gateway.one, "pg.internal", type);
    CHECK(reply.rcode == 0);
    CHECK(reply.addresses.empty());
    CHECK(reply.authorities == 1);
  }
}

TEST_CASE("attack 21: a name of no endpoint is refused without asking anybody") {
  Gateway gateway(load(two_profiles));
  for (const char* name : {"c2VjcmV0.evil.example", "example.org", "localhost", "1.2.3.4"}) {
    Reply reply = ask(gateway, gateway.one, name, a);
    CHECK(reply.rcode == 3);
    CHECK(reply.prohibited);
    CHECK(reply.authorities == 1);
  }
  CHECK(ask(gateway, gateway.one, "evil.example", txt).rcode == 3);
  CHECK(ask(gateway, gateway.one, "1.0.0.10.in-addr.arpa", ptr).rcode == 3);
  CHECK(gateway.system.asked.empty());
}

TEST_CASE("attack 21: names outside the peer's profile are unknown to it, as any other") {
  for (const auto& [text, prohibited] : {std::pair(two_profiles, true), std::pair(passthrough(), false)}) {
    Gateway gateway(load(text));
    gateway.system.names["secret.internal"] = {"8.8.8.8"};
    for (const char* name : {"secret.internal", "secret.db.example.com"}) {
      Reply theirs = ask(gateway, gateway.one, name, a),
            none = ask(gateway, gateway.one, "nobody.example", a);
      CHECK(theirs.rcode == 3);
      CHECK(theirs.prohibited == prohibited);
      CHECK(theirs.rcode == none.rcode);
      CHECK(theirs.prohibited == none.prohibited);
    }
    CHECK(gateway.system.count("secret.internal") == 0);
    CHECK(ask(gateway, gateway.two, "secret.internal", a).addresses.size() == 1);
    CHECK(ask(gateway, gateway.two, "pg.internal", a).rcode == 3);
  }
}

TEST_CASE("a name above an endpoint's exists and has no records") {
  Gateway gateway(load(two_profiles));
  CHECK(ask(gateway, gateway.one, "internal", a).rcode == 0);
  CHECK(ask(gateway, gateway.one, "db.example.com", a).rcode == 0);
  CHECK(ask(gateway, gateway.one, "ternal", a).rcode == 3);
}

TEST_CASE("a peer without a profile gets no answer") {
  Gateway gateway(load(two_profiles));
  Peer stranger{.id = 9, .name = "nobody", .addresses = {*Address::parse("10.86.0.9")}};
  auto begun =
      gateway.shared.name_service->begin(std::make_shared<const Peer>(stranger), stranger.addresses[0],
                                         query_for("pg.internal", a), Transport::udp);
  CHECK(std::get<std::string>(begun).empty());
}

TEST_CASE("what is not a query gets no answer, and a broken one FORMERR") {
  Gateway gateway(load(two_profiles));
  auto answer = [&](const std::string& message) {
    return std::get<std::string>(
        gateway.shared.name_service->begin(gateway.one, gateway.one->addresses[0], message, Transport::udp));
  };
  CHECK(answer("").empty());
  CHECK(answer("short").empty());
  std::string query = query_for("pg.internal", a);
  std::string reply = answer(query);
  CHECK(answer(reply).empty());
  std::string broken = answer(query + "x");
  CHECK((broken.at(3) & 15) == 1);
}

TEST_CASE("attack 21: under passthrough a lookup is on disk before it leaves, with its name, type and peer") {
  Gateway gateway(load(passthrough()));
  gateway.system.names["example.org"] = {"8.8.8.8", "2606:4700:4700::1111"};
  Reply reply = ask(gateway, gateway.one, "Example.org", a);
  CHECK(reply.addresses == std::vector<std::string>{"8.8.8.8"});
  CHECK(reply.ttl == 30);
  std::string log = gateway.audit_text();
  CHECK(log.find("\"dns.name\":\"example.org\"") != std::string::npos);
  CHECK(log.find("\"type\":\"dns\"") != std::string::npos);
  CHECK(log.find("\"peer\":\"one\"") != std::string::npos);
  auto records = [&] {
    std::uint64_t cursor = 0;
    return gateway.shared.actions.since(cursor).size();
  };
  CHECK(records() == 1);
  // The other family, from the cache: nothing leaves.
  CHECK(ask(gateway, gateway.one, "example.org", aaaa).addresses ==
        std::vector<std::string>{"2606:4700:4700::1111"});
  CHECK(gateway.system.count("example.org") == 1);
  CHECK(records() == 1);
  // Another peer learns nothing from what is warm for this one.
  CHECK(ask(gateway, gateway.two, "example.org", a).addresses.size() == 1);
  CHECK(gateway.system.count("example.org") == 2);
}

TEST_CASE("attack 21: types that carry data are empty under passthrough and nobody is asked") {
  Gateway gateway(load(passthrough()));
  for (std::uint16_t type : {txt, https, any, ptr, std::uint16_t{5}, std::uint16_t{15}}) {
    Reply reply = ask(gateway, gateway.one, "payload.evil.example", type);
    CHECK(reply.rcode == 0);
    CHECK(reply.addresses.empty());
  }
  CHECK(gateway.system.asked.empty());
}

TEST_CASE("attack 21: guarded addresses are withheld from answers") {
  Gateway gateway(load(passthrough()));
  gateway.system.names["rebind.example"] = {"127.0.0.1", "169.254.169.254", "10.86.0.1", "8.8.8.8",
                                            "::1",       "fd00::1"};
  CHECK(ask(gateway, gateway.one, "rebind.example", a).addresses == std::vector<std::string>{"8.8.8.8"});
  Reply none = ask(gateway, gateway.one, "rebind.example", aaaa);
  CHECK(none.rcode == 0);
  CHECK(none.addresses.empty());
  CHECK(none.prohibited);
}

TEST_CASE("attack 13: an address that is an endpoint's is withheld from answers") {
  Gateway gateway(load(passthrough()));
  gateway.shared.name_service->seen().resolved("pg.internal", {*Address::parse("8.8.8.8")}, Clock::now());
  gateway.system.names["alias.example"] = {"8.8.8.8", "8.8.4.4"};
  CHECK(ask(gateway, gateway.one, "alias.example", a).addresses == std::vector<std::string>{"8.8.4.4"});
}

TEST_CASE("attack 21: a peer's lookups are limited by the second, and another's are not touched") {
  Gateway gateway(load(passthrough("[limits]\ndns_queries_per_second = 5\n")));
  unsigned failed = 0;
  for (int i = 0; i < 12; ++i)
    if (ask(gateway, gateway.one, std::to_string(i) + ".evil.example", a).rcode == 2) ++failed;
  CHECK(failed >= 6);
  CHECK(gateway.system.asked.size() <= 6);
  CHECK(gateway.refusals("dns: too many lookups a second") == failed);
  CHECK(ask(gateway, gateway.two, "other.example", a).rcode == 3);
  CHECK(ask(gateway, gateway.one, "pg.internal", a).addresses.size() == 1);
}

TEST_CASE("attack 21: a rule decides over lookups, and its reason reaches the client") {
  Gateway gateway(load(passthrough(R"toml(
[[rule]]
name = "no-evil"
on = ["dns"]
condition = "dns.name.endsWith('.evil.example')"
verdict = "deny"
reason = "not there"
)toml")));
  gateway.system.names["x.evil.example"] = {"8.8.8.8"};
  gateway.system.names["good.example"] = {"8.8.8.8"};
  Reply denied = ask(gateway, gateway.one, "x.evil.example", a);
  CHECK(denied.rcode == 3);
  CHECK(denied.prohibited);
  CHECK(gateway.system.count("x.evil.example") == 0);
  CHECK(ask(gateway, gateway.one, "good.example", a).addresses.size() == 1);
  CHECK(gateway.audit_text().find("no-evil") != std::string::npos);
}

TEST_CASE("names that only look like host names are never handed to the system's resolver") {
  Gateway gateway(load(passthrough()));
  for (const char* name : {"127.1", "2130706433", "0x7f000001", "a b", "x\\y"})
    CHECK(ask(gateway, gateway.one, name, a).rcode == 3);
  CHECK(gateway.system.asked.empty());
}

TEST_CASE("while an endpoint's addresses are not known, passthrough answers SERVFAIL") {
  Gateway gateway(load(passthrough()));
  auto policy = load(passthrough() +
                     "[endpoint.more]\ntype = \"postgres\"\nhosts = [\"new.internal\"]\ntls = \"disable\"\n");
  gateway.shared.policy.replace(policy);
  gateway.system.names["example.org"] = {"8.8.8.8"};
  CHECK(ask(gateway, gateway.one, "example.org", a).rcode == 2);
  gateway.shared.name_service->seen().resolved("new.internal", {}, Clock::now());
  CHECK(ask(gateway, gateway.one, "example.org", a).addresses.size() == 1);
}
