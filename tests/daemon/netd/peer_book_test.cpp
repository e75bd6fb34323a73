#include "daemon/netd/peer_book.h"

#include <catch2/catch.hpp>

#include "daemon/netd/daemon_door.h"
#include "daemon/netd/keys.h"

using namespace clawpatrol;
using namespace clawpatrol::netd;

namespace {

constexpr std::int64_t day = 24 * 3600;
constexpr std::int64_t start = 1'700'000'000;

NetworkConfig tunnel() {
  NetworkConfig config;
  config.endpoint = "gw.example.com:51820";
  config.listen_port = 51820;
  config.interface = "wg-cp0";
  config.subnet = {*Prefix::parse("10.86.0.0/24"), *Prefix::parse("fd86::/64")};
  config.virtual_ = {*Prefix::parse("198.18.0.0/16")};
  return config;
}

NetworkConfig small_tunnel() {
  NetworkConfig config = tunnel();
  config.subnet = {*Prefix::parse("10.86.0.0/29")};  // .1 is the gateway's, .2 to .6 are for peers
  return config;
}

std::string some_key() {
  return to_base64(PrivateKey::generate().public_key());
}

NewPeer named(const std::string& name) {
  return {name, some_key(), 1000};
}

std::vector<std::string> texts(const PeerEntry& peer) {
  std::vector<std::string> list;
  for (const Address& address : peer.addresses) list.push_back(address.text());
  return list;
}

}  // namespace

TEST_CASE("a peer gets a free address of every subnet, and the gateway keeps the first") {
  PeerBook book;
  auto first = book.add(named("one"), tunnel(), start);
  auto second = book.add(named("two"), tunnel(), start);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(texts(*first) == std::vector<std::string>{"10.86.0.2", "fd86::2"});
  CHECK(texts(*second) == std::vector<std::string>{"10.86.0.3", "fd86::3"});
  CHECK(first->id != second->id);
  CHECK(first->added_by == 1000);
}

TEST_CASE("attack 20: ids are never reused, and addresses rest for a day") {
  PeerBook book;
  NetworkConfig config = small_tunnel();
  auto first = book.add(named("one"), config, start);
  REQUIRE(first);
  REQUIRE(book.remove("one", tunnel(), start + 10));

  auto second = book.add(named("two"), config, start + 20);
  REQUIRE(second);
  CHECK(second->id > first->id);
  CHECK(texts(*second) == std::vector<std::string>{"10.86.0.3"});

  SECTION("a book that went through its file remembers") {
    auto read = PeerBook::from_json(book.to_json());
    REQUIRE(read);
    CHECK(*read == book);
    auto third = read->add(named("three"), config, start + 30);
    REQUIRE(third);
    CHECK(third->id > second->id);
    CHECK(texts(*third) == std::vector<std::string>{"10.86.0.4"});
  }
  SECTION("a second before the day is over it still rests, then it is free") {
    CHECK(texts(*book.add(named("early"), config, start + 10 + day - 1)) ==
          std::vector<std::string>{"10.86.0.4"});
    CHECK(texts(*book.add(named("late"), config, start + 10 + day)) == std::vector<std::string>{"10.86.0.2"});
  }
  SECTION("who had it may have it again at once") {
    CHECK(texts(*book.add(named("one"), config, start + 30)) == std::vector<std::string>{"10.86.0.2"});
  }
}

TEST_CASE("a full subnet is said, not exceeded: neither network nor broadcast address is given") {
  PeerBook book;
  NetworkConfig config = small_tunnel();
  for (int i = 0; i < 5; i++) REQUIRE(book.add(named("p" + std::to_string(i)), config, start));
  CHECK(texts(book.peers().back()) == std::vector<std::string>{"10.86.0.6"});
  auto sixth = book.add(named("p5"), config, start);
  REQUIRE_FALSE(sixth);
  CHECK(sixth.error().find("no free address") != std::string::npos);
  CHECK(book.peers().size() == 5);
}

TEST_CASE("names, keys and doubles that are not right are refused") {
  PeerBook book;
  NetworkConfig config = tunnel();
  REQUIRE(book.add(named("one"), config, start));
  CHECK_FALSE(book.add(named("one"), config, start));
  CHECK_FALSE(book.add(named(""), config, start));
  CHECK_FALSE(book.add(named("-x"), config, start));
  CHECK_FALSE(book.add(named("a b"), config, start));
  CHECK_FALSE(book.add(named("a\nb"), config, start));
  CHECK_FALSE(book.add(named(std::string(64, 'a')), config, start));
  CHECK(book.add(named(std::string(63, 'a')), config, start));
  CHECK_FALSE(book.add({"two", "short", 0}, config, start));
  CHECK_FALSE(book.add({"two", book.find("one")->public_key, 0}, config, start));
  CHECK_FALSE(book.add({"two", to_base64(Key{}), 0}, config, start));
  CHECK_FALSE(book.remove("nobody", tunnel(), start));
}

TEST_CASE("attack 20: a table with another peer's, the gateway's or a virtual address is not admitted") {
  PeerBook book;
  NetworkConfig config = tunnel();
  config.ingress = {"veth0"};
  REQUIRE(book.add(named("one"), config, start));
  auto blocked_with = [&](const char* address) {
    NetworkConfig next = config;
    next.peers = {{"other", "veth0", {*Address::parse(address)}}};
    PeerBook copy = book;
    auto problems = copy.adopt(next, start);
    return problems.size() == 1 && !copy.find("other")->blocked.empty() &&
           copy.find("other")->addresses.empty();
  };
  CHECK(blocked_with("10.86.0.2"));   // peer one's
  CHECK(blocked_with("fd86::2"));     // peer one's
  CHECK(blocked_with("10.86.0.1"));   // the gateway's
  CHECK(blocked_with("198.18.3.4"));  // virtual
  CHECK_FALSE(blocked_with("10.9.0.7"));
}

TEST_CASE("attack 20: an address of the gateway's own, on any interface, is no peer's while it is") {
  NetworkConfig config = tunnel();
  config.ingress = {"eth1"};
  config.peers = {{"stray", "eth1", {*Address::parse("10.77.1.9")}}};
  PeerBook book;
  REQUIRE(book.adopt(config, start).empty());
  auto keyed = book.add(named("keyed"), config, start);
  REQUIRE(keyed);
  std::uint32_t id = book.find("stray")->id;

  config.own = {*Prefix::parse("10.77.1.9/32"), *Prefix::parse("10.86.0.2/32"),
                *Prefix::parse("127.0.0.0/8")};
  CHECK(book.adopt(config, start).size() == 2);
  CHECK(book.find("stray")->blocked == "address '10.77.1.9': it is the gateway's own");
  CHECK(book.find("keyed")->blocked == "address '10.86.0.2': it is the gateway's own");
  CHECK(texts(*book.add(named("next"), config, start)).front() == "10.86.0.3");

  config.own.clear();
  CHECK(book.adopt(config, start).empty());
  CHECK(book.find("stray")->id == id);
  CHECK(texts(*book.find("stray")) == std::vector<std::string>{"10.77.1.9"});
}

TEST_CASE("attack 20: the subnet's network and broadcast addresses are nobody's") {
  NetworkConfig config = tunnel();
  config.ingress = {"eth1"};
  for (const char* address : {"10.86.0.0", "10.86.0.255", "fd86::"}) {
    config.peers = {{"stray", "eth1", {*Address::parse(address)}}};
    PeerBook book;
    INFO(address);
    REQUIRE(book.adopt(config, start).size() == 1);
    CHECK(book.find("stray")->blocked.find("network or broadcast address of") != std::string::npos);
  }
  config.peers = {{"stray", "eth1", {*Address::parse("10.86.0.254")}}};
  PeerBook book;
  CHECK(book.adopt(config, start).empty());
}

TEST_CASE("what netd says of a reload fits its message, and counts what does not") {
  CHECK(joined({}, 20) == "");
  CHECK(joined({"one", "two"}, 20) == "one; two");
  CHECK(joined({"one", "two", "a long third one"}, 22) == "one; two; and 1 more");
  CHECK(joined({std::string(50, 'x'), "two"}, 20) == std::string(20, 'x'));
}

TEST_CASE("attack 20: two tables with one address: the second is not admitted") {
  PeerBook book;
  NetworkConfig config = tunnel();
  config.ingress = {"veth0", "veth1"};
  config.peers = {{"a", "veth0", {*Address::parse("10.9.0.7")}},
                  {"b", "veth1", {*Address::parse("10.9.0.7")}}};
  CHECK(book.adopt(config, start).size() == 1);
  CHECK(book.find("a")->blocked.empty());
  CHECK_FALSE(book.find("b")->blocked.empty());
}

TEST_CASE("peers of ingress interfaces come and go with their tables, and their addresses rest") {
  PeerBook book;
  NetworkConfig config;
  config.ingress = {"veth0"};
  config.interface = "wg-cp0";
  config.peers = {{"a", "veth0", {*Address::parse("10.9.0.7")}}};
  CHECK(book.adopt(config, start).empty());
  std::uint32_t id = book.find("a")->id;
  CHECK(book.adopt(config, start + 1).empty());
  CHECK(book.find("a")->id == id);

  NetworkConfig renamed = config;
  renamed.peers[0].name = "b";
  CHECK(book.adopt(renamed, start + 2).size() == 1);  // it rests
  CHECK(book.find("a") == nullptr);
  CHECK_FALSE(book.find("b")->blocked.empty());
  CHECK(book.adopt(renamed, start + 2 + day).empty());
  CHECK(book.find("b")->id > id);
  CHECK(texts(*book.find("b")) == std::vector<std::string>{"10.9.0.7"});
}

TEST_CASE(
    "attack 20: a peer that its table admits is let in by no removal, and no time is promised to end it") {
  PeerBook book;
  NetworkConfig config;
  config.ingress = {"veth0"};
  config.interface = "wg-cp0";
  config.peers = {{"a", "veth0", {*Address::parse("10.9.0.7")}}};
  REQUIRE(book.adopt(config, start).empty());
  NewPeer timed = named("a");
  timed.expires_at = start + 60;
  auto refused = book.add(timed, config, start);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().find("a time would end nothing: [peer.a]") != std::string::npos);
  REQUIRE(book.add(named("a"), config, start));
  const std::uint64_t with_key = book.find("a")->key_fingerprint();
  REQUIRE(book.hold("a", Hold::on));
  book.adopt(config, start);
  CHECK(PeerBook::is_held(*book.find("a")));
  REQUIRE(book.remove("a", config, start + 1));
  book.adopt(config, start + 1);
  CHECK(PeerBook::is_held(*book.find("a")));
  CHECK(book.find("a")->public_key.empty());
  CHECK(book.find("a")->key_fingerprint() != with_key);  // what came in with it ends
  REQUIRE(book.hold("a", Hold::off));
  CHECK(book.adopt(config, start + 2).empty());
  CHECK(book.find("a")->blocked.empty());
}

TEST_CASE("a table that names an interface outside `ingress` is not admitted") {
  PeerBook book;
  NetworkConfig config = tunnel();
  config.peers = {{"a", "eth7", {*Address::parse("10.9.0.7")}}};
  CHECK(book.adopt(config, start).size() == 1);
}

TEST_CASE("the fingerprint changes with the key, the interface and the addresses") {
  PeerBook book;
  auto peer = book.add(named("one"), tunnel(), start);
  REQUIRE(peer);
  PeerEntry other = *peer;
  CHECK(other.key_fingerprint() == peer->key_fingerprint());
  other.public_key = some_key();
  CHECK(other.key_fingerprint() != peer->key_fingerprint());
  other = *peer;
  other.addresses.pop_back();
  CHECK(other.key_fingerprint() != peer->key_fingerprint());
}

TEST_CASE("a book in a file that contradicts itself is refused") {
  CHECK_FALSE(PeerBook::from_json(""));
  CHECK_FALSE(PeerBook::from_json("{}"));
  CHECK_FALSE(PeerBook::from_json(R"({"version":2,"next_id":1,"peers":[],"retired":[]})"));
  CHECK(PeerBook::from_json(R"({"version":1,"next_id":1,"peers":[],"retired":[]})"));
  const char* id_not_given =
      R"({"version":1,"next_id":3,"peers":[{"id":3,"name":"a","interface":"","addresses":[],
    "public_key":"","added_by":0,"added_at":0}],"retired":[]})";
  CHECK_FALSE(PeerBook::from_json(id_not_given));
}

TEST_CASE("a profile that is nowhere, or contradicts the table, is refused") {
  PeerBook book;
  NetworkConfig config = tunnel();
  config.profiles = {"agents", "data"};
  config.peers = {{"one", "", {}, "data"}};
  auto with = [](const std::string& name, const std::string& profile) {
    NewPeer peer = named(name);
    peer.profile = profile;
    return peer;
  };
  auto nowhere = book.add(with("two", "admins"), config, start);
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().find("agents, data") != std::string::npos);
  CHECK_FALSE(book.add(with("one", "agents"), config, start));
  CHECK(book.add(with("one", "data"), config, start));
  CHECK(book.add(with("two", "agents"), config, start)->profile == "agents");
}

TEST_CASE("once a table has decided, a peer has nothing without it, and not what it was added with") {
  PeerBook book;
  NetworkConfig config = tunnel();
  config.profiles = {"wide", "narrow"};
  NewPeer peer = named("one");
  peer.profile = "wide";
  REQUIRE(book.add(peer, config, start));
  book.adopt(config, start);
  CHECK(book.find("one")->profile == "wide");
  config.peers = {{"one", "", {}, "narrow"}};
  book.adopt(config, start);
  config.peers.clear();
  book.adopt(config, start);
  CHECK(book.find("one")->profile.empty());
}

TEST_CASE("who is held is not admitted, and is again once he is not; also after a restart") {
  PeerBook book;
  REQUIRE(book.add(named("one"), tunnel(), start));
  REQUIRE(book.add(named("two"), tunnel(), start));
  auto blocked = [&](const char* name) { return !book.find(name)->blocked.empty(); };
  CHECK_FALSE(book.hold("three", Hold::on));
  REQUIRE(book.hold("one", Hold::on));
  book.adopt(tunnel(), start);
  CHECK((blocked("one") && !blocked("two")));
  REQUIRE(book.hold("", Hold::on));
  book = *PeerBook::from_json(book.to_json());
  book.adopt(tunnel(), start);
  CHECK((blocked("one") && blocked("two")));
  // Not even who comes while all are held.
  CHECK_FALSE(book.add(named("three"), tunnel(), start)->blocked.empty());
  REQUIRE(book.hold("", Hold::off));
  book.adopt(tunnel(), start);
  CHECK((blocked("one") && !blocked("two") && !blocked("three")));
  REQUIRE(book.hold("one", Hold::off));
  book.adopt(tunnel(), start);
  CHECK_FALSE(blocked("one"));
}

TEST_CASE("a peer's time ends, whether or not netd runs then") {
  PeerBook book;
  NewPeer brief = named("brief");
  brief.expires_at = start + 10;
  REQUIRE(book.add(brief, tunnel(), start));
  REQUIRE(book.add(named("stays"), tunnel(), start));
  NewPeer later = named("later");
  later.expires_at = start + 20;
  REQUIRE(book.add(later, tunnel(), start));
  CHECK(book.next_expiry(start) == start + 10);
  CHECK(book.next_expiry(start + 10) == start + 20);
  CHECK_FALSE(book.next_expiry(start + 20));
  CHECK(book.expired(start + 9).empty());
  CHECK(book.expired(start + 10) == std::vector<std::string>{"brief"});
  book = *PeerBook::from_json(book.to_json());
  book.adopt(tunnel(), start + 10);
  CHECK_FALSE(book.find("brief")->blocked.empty());
  CHECK(book.find("stays")->blocked.empty());
}

TEST_CASE("a rotated key is another fingerprint for the same id and addresses") {
  PeerBook book;
  auto before = book.add(named("one"), tunnel(), start);
  REQUIRE(before);
  const std::string key = some_key();
  auto after = book.rotate("one", key);
  REQUIRE(after);
  CHECK(after->id == before->id);
  CHECK(after->addresses == before->addresses);
  CHECK(after->key_fingerprint() != before->key_fingerprint());
  CHECK_FALSE(book.rotate("one", key));  // in use
  CHECK_FALSE(book.rotate("two", some_key()));
  CHECK_FALSE(book.rotate("one", "nonsense"));
}
