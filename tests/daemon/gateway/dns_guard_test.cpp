#include <arpa/inet.h>
#include <sched.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <thread>

#include "daemon/gateway/guard.h"

using namespace clawpatrol;
using namespace std::chrono_literals;

namespace {

Policy policy() {
  Policy result;
  result.unknown_host = UnknownHost::passthrough;
  result.gateway.subnet = {*Prefix::parse("10.86.0.0/24"), *Prefix::parse("fd86::/64")};
  result.gateway.virtual_ = {*Prefix::parse("198.18.0.0/16"), *Prefix::parse("fd86:0:0:1::/64")};
  return result;
}

Policy policy_with(HostPort host) {
  Policy result = policy();
  EndpointConfig endpoint;
  endpoint.name = "e";
  endpoint.hosts.push_back(std::move(host));
  result.endpoints.emplace("e", std::move(endpoint));
  return result;
}

const char* refusal(const Policy& with, std::string_view text, const SeenAddresses& seen = {},
                    std::vector<Prefix> networks = {}) {
  INFO(text);
  auto address = Address::parse(text);
  REQUIRE(address);
  return dial_refusal(with, *address, networks, seen);
}

}  // namespace

TEST_CASE("attack 14: no spelling of a guarded address gets past the guard") {
  Policy with = policy();
  for (const char* text : {"127.0.0.1",
                           "127.8.9.1",
                           "0.0.0.0",
                           "169.254.169.254",
                           "10.1.2.3",
                           "172.16.0.1",
                           "192.168.1.1",
                           "100.64.0.1",
                           "224.0.0.1",
                           "255.255.255.255",
                           "240.0.0.1",
                           "198.18.0.1",
                           "10.86.0.1",
                           "::",
                           "::1",
                           "::ffff:127.0.0.1",
                           "::127.0.0.1",
                           "64:ff9b::7f00:1",
                           "64:ff9b::a9fe:a9fe",
                           "2002:7f00:1::",
                           "2002:a9fe:a9fe::1",
                           "fe80::1",
                           "fec0::1",
                           "fc00::1",
                           "fd86::1",
                           "fd86:0:0:1::1",
                           "ff02::1",
                           "2001:db8::1",
                           "64:ff9b::c612:1"})
    CHECK(refusal(with, text) != nullptr);
  CHECK(refusal(with, "8.8.8.8") == nullptr);
  CHECK(refusal(with, "2606:4700:4700::1111") == nullptr);
}

TEST_CASE("named networks lift special use, and nothing else") {
  Policy with = policy();
  std::vector<Prefix> all = {*Prefix::parse("0.0.0.0/0"), *Prefix::parse("::/0")};
  CHECK(refusal(with, "10.1.2.3", {}, {*Prefix::parse("10.1.0.0/16")}) == nullptr);
  CHECK(refusal(with, "10.2.2.3", {}, {*Prefix::parse("10.1.0.0/16")}) != nullptr);
  for (const char* text : {"127.0.0.1", "::1", "10.86.0.7", "198.18.0.1", "fd86::7", "::ffff:10.86.0.7",
                           "64:ff9b::a56:7", "0.0.0.0"})
    CHECK(refusal(with, text, {}, all) != nullptr);
}

TEST_CASE("attack 13: an exact endpoint's real address is refused on every port, and for 24 hours after") {
  Policy with = policy_with({.host = "pg.example.com", .port = 5432, .address = {}});
  SeenAddresses seen;
  // Until it is known, nothing may be dialled.
  CHECK(refusal(with, "8.8.8.8", seen) != nullptr);
  auto now = Clock::now();
  seen.resolved("pg.example.com", {*Address::parse("9.9.9.9")}, now - 23h);
  seen.resolved("pg.example.com", {*Address::parse("8.8.4.4")}, now);
  CHECK(refusal(with, "8.8.8.8", seen) == nullptr);
  CHECK(refusal(with, "8.8.4.4", seen) != nullptr);
  CHECK(refusal(with, "9.9.9.9", seen) != nullptr);
  CHECK(refusal(with, "64:ff9b::909:909", seen) != nullptr);
  SeenAddresses old;
  old.resolved("pg.example.com", {*Address::parse("9.9.9.9")}, now - 25h);
  CHECK_FALSE(old.contains(*Address::parse("9.9.9.9"), now));
  CHECK_FALSE(old.know({"pg.example.com"}, now));
}

TEST_CASE("attack 13: what endpoints resolved to is remembered across a restart, with its age") {
  const Address nine = *Address::parse("9.9.9.9"), eight = *Address::parse("8.8.8.8");
  auto now = Clock::now();
  constexpr std::int64_t unix_s = 1'700'000'000;
  SeenAddresses before;
  CHECK_FALSE(before.take_unsaved(now, unix_s));
  CHECK(before.resolved("pg.example.com", {nine}, now - 20h));
  CHECK(before.resolved("pg.example.com", {eight}, now));
  CHECK_FALSE(before.resolved("pg.example.com", {eight}, now));
  auto text = before.take_unsaved(now, unix_s);
  REQUIRE(text);
  CHECK_FALSE(before.take_unsaved(now + 1s, unix_s + 1));
  CHECK(before.take_unsaved(now + SeenAddresses::save_interval, unix_s));  // it has aged
  SeenAddresses after;
  REQUIRE(after.restore(*text, now, unix_s + 3 * 3600));
  CHECK(after.contains(eight, now));
  CHECK(after.contains(nine, now));
  CHECK_FALSE(after.contains(nine, now + 2h));
  CHECK_FALSE(after.know({"pg.example.com"}, now));
  SeenAddresses late, clock_set_back;
  REQUIRE(late.restore(*text, now, unix_s + 5 * 3600));
  CHECK_FALSE(late.contains(nine, now));
  REQUIRE(clock_set_back.restore(*text, now, unix_s - 900'000));
  CHECK(clock_set_back.contains(nine, now + 23h));
  for (const char* broken :
       {"", "{}", R"({"version":2,"addresses":{}})", R"({"version":1,"addresses":{"x":1}})"})
    CHECK_FALSE(late.restore(broken, now, unix_s));
}

TEST_CASE("a peer on an interface of the operator's is out of another's reach, whatever networks are named") {
  Policy with = policy();
  const std::vector<Prefix> networks = {*Prefix::parse("10.77.0.0/16"), *Prefix::parse("fd77::/16")};
  CHECK(refusal(with, "10.77.4.2", {}, networks) == nullptr);
  with.peers["b"].addresses = {*Address::parse("10.77.4.2"), *Address::parse("fd77:4::2")};
  CHECK(refusal(with, "10.77.4.2", {}, networks) == std::string("guard: an address of a peer"));
  CHECK(refusal(with, "fd77:4::2", {}, networks) == std::string("guard: an address of a peer"));
  CHECK(refusal(with, "64:ff9b::a4d:402", {}, networks) == std::string("guard: an address of a peer"));
  CHECK(refusal(with, "10.77.4.3", {}, networks) == nullptr);
}

TEST_CASE("attack 13: an endpoint that is a literal address is refused as one") {
  Policy with = policy_with({.host = "8.8.8.8", .port = 5432, .address = Address::parse("8.8.8.8")});
  CHECK(refusal(with, "8.8.8.8") != nullptr);
  CHECK(refusal(with, "8.8.4.4") == nullptr);
}

TEST_CASE("hosts are followed only where something goes to addresses that the operator did not name") {
  Policy with = policy_with({.host = "pg.example.com", .port = 5432, .address = {}});
  with.gateway.endpoint = "gw.example.com:51820";
  CHECK(hosts_to_follow(with) == std::vector<std::string>{"gw.example.com", "pg.example.com"});
  with.unknown_host = UnknownHost::deny;
  CHECK(hosts_to_follow(with).empty());
  with.endpoints.at("e").hosts.push_back(
      {.host = "example.org", .port = 5432, .wildcard = true, .address = {}});
  CHECK(hosts_to_follow(with) == std::vector<std::string>{"gw.example.com", "pg.example.com"});
  with.gateway.endpoint = "192.0.2.1:51820";
  CHECK(hosts_to_follow(with) == std::vector<std::string>{"pg.example.com"});
  with.gateway.endpoint = "[2001:db8::1]:51820";
  CHECK(hosts_to_follow(with) == std::vector<std::string>{"pg.example.com"});
}

TEST_CASE("an address of this machine is known as one, and others are not") {
  CHECK(is_local_address(*Address::parse("127.0.0.1")));
  CHECK(is_local_address(*Address::parse("127.99.0.1")));
  CHECK(is_local_address(*Address::parse("::1")));
  CHECK(is_local_address(*Address::parse("0.0.0.0")));
  CHECK_FALSE(is_local_address(*Address::parse("8.8.8.8")));
  CHECK_FALSE(is_local_address(*Address::parse("2606:4700:4700::1111")));
}
