#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include "daemon/gateway/names.h"
#include "tests/temporary_directory.h"

using namespace clawpatrol;
using namespace std::chrono_literals;

namespace {

using Directory = clawpatrol::tests::TemporaryDirectory;

std::vector<Prefix> ranges(std::string_view v4 = "198.18.0.0/16", std::string_view v6 = "fd86:0:0:1::/64") {
  std::vector<Prefix> result;
  if (!v4.empty()) result.push_back(*Prefix::parse(v4));
  if (!v6.empty()) result.push_back(*Prefix::parse(v6));
  return result;
}

Policy policy_of(std::initializer_list<std::string> hosts, std::vector<Prefix> virtual_ = ranges()) {
  Policy policy;
  policy.gateway.virtual_ = std::move(virtual_);
  EndpointConfig endpoint;
  endpoint.name = "e";
  for (const std::string& host : hosts) endpoint.hosts.push_back({.host = host, .port = 5432, .address = {}});
  policy.endpoints.emplace("e", std::move(endpoint));
  return policy;
}

// A clock that the test turns.
struct Hands {
  std::shared_ptr<Clock::time_point> now = std::make_shared<Clock::time_point>(Clock::now());
  VirtualNames::Options options(std::size_t per_peer = 256) const {
    VirtualNames::Options options;
    options.leases_per_peer = per_peer;
    options.now = [at = now] { return *at; };
    return options;
  }
};

std::unique_ptr<VirtualNames> open(const Directory& directory, const Hands& hands = {},
                                   std::size_t per_peer = 256, std::vector<Prefix> in = ranges()) {
  auto names = VirtualNames::open(directory.path, in, hands.options(per_peer));
  if (!names) FAIL(names.error().what);
  return std::move(*names);
}

}  // namespace

TEST_CASE("every exact host has an address of its own in both families") {
  Directory directory;
  auto names = open(directory);
  REQUIRE(names->adopt(policy_of({"pg.internal", "other.internal"})));
  auto v4 = names->address_of("pg.internal", Family::v4), v6 = names->address_of("pg.internal", Family::v6);
  REQUIRE((v4 && v6));
  CHECK(ranges()[0].contains(*v4));
  CHECK(ranges()[1].contains(*v6));
  CHECK(*v4 != *names->address_of("other.internal", Family::v4));
  CHECK(names->name_of(*v4, 1) == "pg.internal");
  CHECK(names->name_of(*v6, 2) == "pg.internal");
  CHECK_FALSE(names->address_of("unknown.internal", Family::v4));
}

TEST_CASE("attack 22: an exact name's address persists and is never given to another name") {
  Directory directory;
  Address first;
  {
    auto names = open(directory);
    REQUIRE(names->adopt(policy_of({"old.internal"})));
    first = *names->address_of("old.internal", Family::v4);
    // The name leaves the policy, another comes.
    REQUIRE(names->adopt(policy_of({"new.internal"})));
    CHECK(*names->address_of("new.internal", Family::v4) != first);
  }
  auto names = open(directory);
  REQUIRE(names->adopt(policy_of({"newer.internal", "newest.internal"})));
  CHECK(*names->address_of("newer.internal", Family::v4) != first);
  CHECK(*names->address_of("newest.internal", Family::v4) != first);
  CHECK(names->name_of(first, 1) == "old.internal");
  REQUIRE(names->adopt(policy_of({"old.internal"})));
  CHECK(*names->address_of("old.internal", Family::v4) == first);
}

TEST_CASE("attack 22: other ranges never give an address that meant another name") {
  Directory directory;
  std::map<Address, std::string> given;
  {
    auto names = open(directory, {}, 256, ranges("198.18.0.0/24", ""));
    std::initializer_list<std::string> twenty = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j",
                                                 "k", "l", "m", "n", "o", "p", "q", "r", "s", "t"};
    REQUIRE(names->adopt(policy_of(twenty, ranges("198.18.0.0/24", ""))));
    for (const std::string& name : twenty) given[*names->address_of(name, Family::v4)] = name;
    given[*names->lease("w.example.com", Family::v4, 1)] = "w.example.com";
  }
  // 198.18.0.17 is the seventeenth address of the range before and the first of this one.
  for (const auto& range : {ranges("198.18.0.16/28", ""), ranges("198.18.0.0/25", ""), ranges()}) {
    auto names = open(directory, {}, 256, range);
    REQUIRE(names->adopt(policy_of({"new"}, range)));
    CHECK_FALSE(given.contains(*names->address_of("new", Family::v4)));
    for (int i = 0; i < 5; ++i)
      if (auto leased = names->lease(std::to_string(i) + ".x.com", Family::v4, 1))
        CHECK_FALSE(given.contains(*leased));
    for (const auto& [address, name] : given) {
      auto now = names->name_of(address, 1);
      CHECK((!now || *now == name));
    }
  }
}

TEST_CASE("a change of ranges at a reload moves every name, and back does not mix them up") {
  Directory directory;
  auto names = open(directory);
  REQUIRE(names->adopt(policy_of({"a", "b"})));
  Address a = *names->address_of("a", Family::v4);
  REQUIRE(names->adopt(policy_of({"b", "a"}, ranges("100.64.0.0/16", ""))));
  CHECK_FALSE(names->has(Family::v6));
  CHECK(Prefix::parse("100.64.0.0/16")->contains(*names->address_of("a", Family::v4)));
  CHECK_FALSE(names->name_of(a, 1));
  REQUIRE(names->adopt(policy_of({"c", "b", "a"})));
  CHECK(*names->address_of("c", Family::v4) != a);
}

TEST_CASE("an address that no name owns means nothing") {
  Directory directory;
  auto names = open(directory);
  REQUIRE(names->adopt(policy_of({"pg.internal"})));
  for (const char* text : {"198.18.0.0", "198.18.0.2", "198.18.200.1", "198.18.255.255", "fd86:0:0:1::ffff",
                           "fd86:0:0:1:8000::1", "10.0.0.1", "::1"})
    CHECK_FALSE(names->dialled(*Address::parse(text), 1));
}

TEST_CASE("attack 22: a lease belongs to one peer, and another's address is nothing to it") {
  Directory directory;
  auto names = open(directory);
  Address mine = *names->lease("x.example.com", Family::v4, 1),
          theirs = *names->lease("x.example.com", Family::v4, 2);
  CHECK(mine != theirs);
  CHECK(*names->lease("x.example.com", Family::v4, 1) == mine);
  CHECK(names->name_of(mine, 1) == "x.example.com");
  CHECK_FALSE(names->name_of(mine, 2));
  CHECK(names->name_of(*names->lease("x.example.com", Family::v6, 1), 1) == "x.example.com");
}

TEST_CASE("attack 22: a peer that exhausts its quota gets nothing more, and others go on") {
  Directory directory;
  Hands hands;
  auto names = open(directory, hands, 10);
  std::set<Address> leased;
  for (int i = 0; i < 10; ++i) leased.insert(*names->lease(std::to_string(i) + ".x.com", Family::v4, 1));
  CHECK(leased.size() == 10);
  CHECK_FALSE(names->lease("one-more.x.com", Family::v4, 1));
  CHECK(names->lease("0.x.com", Family::v4, 1));
  CHECK(names->lease("one-more.x.com", Family::v4, 2));
  *hands.now += 62min;
  CHECK(names->lease("one-more.x.com", Family::v4, 1));
}

TEST_CASE("attack 22: a leased address is not given on while a flow holds it, nor for an hour after") {
  Directory directory;
  Hands hands;
  // Of eight addresses three can be leased.
  auto names = open(directory, hands, 256, ranges("198.18.0.0/29", ""));
  Address held = *names->lease("held.x.com", Family::v4, 1);
  std::optional<VirtualNames::Dialled> flow = names->dialled(held, 1);
  REQUIRE(flow);
  CHECK(flow->name == "held.x.com");
  *hands.now += 100h;
  std::set<Address> given;
  for (int i = 0; i < 8; ++i)
    if (auto address = names->lease(std::to_string(i) + ".x.com", Family::v4, 2)) given.insert(*address);
  CHECK(given.size() == 2);
  CHECK_FALSE(given.contains(held));
  CHECK(names->name_of(held, 1) == "held.x.com");
  flow.reset();
  *hands.now += 59min;
  CHECK_FALSE(names->lease("a.x.com", Family::v4, 3));
  *hands.now += 62min;
  CHECK(names->lease("a.x.com", Family::v4, 3));
}

TEST_CASE("attack 22: after a crash no address that was leased means another name") {
  Directory directory;
  Hands hands;
  std::map<Address, std::string> before;
  {
    auto names = open(directory, hands, 1000);
    for (int i = 0; i < 100; ++i) {
      std::string name = std::to_string(i) + ".x.com";
      before[*names->lease(name, Family::v4, 1)] = name;
    }
  }  // nothing is written at the end: this is a crash
  auto names = open(directory, hands, 1000);
  for (int i = 0; i < 300; ++i) {
    std::string name = std::to_string(i) + ".y.com";
    auto address = names->lease(name, Family::v4, 1);
    REQUIRE(address);
    CHECK_FALSE(before.contains(*address));
  }
  for (const auto& [address, name] : before) {
    auto now = names->name_of(address, 1);
    CHECK((!now || *now == name));
  }
}

TEST_CASE("a names.json that cannot be read whole is refused, not replaced") {
  Directory directory;
  {
    REQUIRE(open(directory)->adopt(policy_of({"a"})));
  }
  auto file = directory.path / "names.json";
  std::string text;
  {
    std::ifstream in(file);
    text.assign(std::istreambuf_iterator<char>(in), {});
  }
  REQUIRE(text.size() > 20);
  for (std::string bad : {std::string(""), std::string("{}"), text.substr(0, text.size() / 2), text + "x"}) {
    std::ofstream(file, std::ios::trunc) << bad;
    CHECK_FALSE(VirtualNames::open(directory.path, ranges()));
  }
}

TEST_CASE("a range too small for the names is an error and changes nothing") {
  Directory directory;
  auto names = open(directory, {}, 256, ranges("198.18.0.0/30", ""));
  REQUIRE(names->adopt(policy_of({"a"}, ranges("198.18.0.0/30", ""))));
  CHECK_FALSE(names->adopt(policy_of({"a", "b"}, ranges("198.18.0.0/30", ""))));
  CHECK(names->address_of("a", Family::v4));
  CHECK_FALSE(names->address_of("b", Family::v4));
}
