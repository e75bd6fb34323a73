#include <catch2/catch.hpp>

#include "daemon/netd/client_text.h"
#include "daemon/netd/configuration.h"
#include "daemon/netd/operator_commands.h"
#include "daemon/netd/sysctl.h"
#include "tests/temporary_directory.h"

using namespace clawpatrol;
using namespace clawpatrol::netd;

namespace {

NetworkConfig tunnel() {
  NetworkConfig config;
  config.endpoint = "gw.example.com:51820";
  config.listen_port = 51820;
  config.interface = "wg-cp0";
  config.subnet = {*Prefix::parse("10.86.0.0/24"), *Prefix::parse("fd86::/64")};
  return config;
}

PeerEntry peer() {
  PeerEntry entry;
  entry.id = 1;
  entry.name = "builder-1";
  entry.addresses = {*Address::parse("10.86.0.2"), *Address::parse("fd86::2")};
  entry.public_key = "/TOE4TKtAqVsePRVR+5AA43HkAK5DSntkOCO7nYq5xU=";
  return entry;
}

}  // namespace

TEST_CASE("a wg-quick configuration is complete, and everything goes through the tunnel") {
  Key gateway{};
  std::string text = client_configuration(peer(), tunnel(), gateway, "PRIVATE");
  CHECK(text ==
        "# Claw Patrol: peer builder-1\n[Interface]\nAddress = 10.86.0.2/32, fd86::2/128\nPrivateKey = "
        "PRIVATE\n"
        "DNS = 10.86.0.1, fd86::1\nMTU = 1420\n\n[Peer]\nPublicKey = "
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
        "Endpoint = gw.example.com:51820\nAllowedIPs = 0.0.0.0/0, ::/0, 10.86.0.1/32, "
        "fd86::1/128\nPersistentKeepalive = 25\n");
}

TEST_CASE("a private key that never was on the gateway is asked for in a comment") {
  std::string text = client_configuration(peer(), tunnel(), Key{}, "");
  CHECK(text.find("\nPrivateKey") == std::string::npos);
  CHECK(text.find("\n# PrivateKey = ") != std::string::npos);
}

TEST_CASE("the wg line lets exactly the peer's addresses in") {
  NetworkConfig config = tunnel();
  config.ingress = {"wg-cp0"};
  CHECK(wg_set_line(peer(), config, "/s/wireguard.key") ==
        "wg set wg-cp0 private-key /s/wireguard.key listen-port 51820 peer "
        "/TOE4TKtAqVsePRVR+5AA43HkAK5DSntkOCO7nYq5xU= allowed-ips 10.86.0.2/32,fd86::2/128");
}

TEST_CASE("a public key is derived as wg pubkey does, and base64 has one spelling") {
  // RFC 7748, 6.1: Alice's pair.
  Key secret = {0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1,
                0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0,
                0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a};
  std::string text = to_base64(PrivateKey(secret).public_key());
  CHECK(text == "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=");
  CHECK(from_base64(text));
  text[42] = 'p';  // the same 32 bytes, with a stray bit behind them
  CHECK_FALSE(from_base64(text));
  CHECK_FALSE(from_base64(""));
  CHECK_FALSE(from_base64("hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTm=="));
  CHECK_FALSE(from_base64("hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\n"));
}

TEST_CASE("a made private key is clamped, and no two are the same") {
  PrivateKey one = PrivateKey::generate(), two = PrivateKey::generate();
  CHECK((one.bytes()[0] & 7) == 0);
  CHECK((one.bytes()[31] & 0xc0) == 0x40);
  CHECK(one.bytes() != two.bytes());
}

TEST_CASE("the key file is made once, private, and a broken one is refused") {
  const tests::TemporaryDirectory directory;
  auto state = PrivateDirectory::open(directory.path);
  REQUIRE(state);
  auto made = load_or_make_key(*state);
  auto again = load_or_make_key(*state);
  REQUIRE(made);
  REQUIRE(again);
  CHECK(made->bytes() == again->bytes());
  auto mode = std::filesystem::status(directory.path / key_file_name).permissions();
  CHECK((mode & std::filesystem::perms(0777)) == std::filesystem::perms(0600));
  REQUIRE(state->replace(key_file_name, "not a key"));
  CHECK_FALSE(load_or_make_key(*state));
}

TEST_CASE("configurations that cannot be steered are refused with a reason") {
  CHECK_FALSE(problem_with(tunnel()));
  NetworkConfig config;
  CHECK(problem_with(config));  // nothing to steer
  config.ingress = {"veth0"};
  CHECK_FALSE(problem_with(config));
  for (const char* name : {"lo", "", "a/b", "with space", "sixteen-letters-"}) {
    config.ingress = {name};
    CHECK(problem_with(config));
  }
  config = tunnel();
  config.endpoint = "fd00::1:51820";  // which colon?
  CHECK(problem_with(config));
  config.endpoint = "[fd00::1]:51820";
  CHECK_FALSE(problem_with(config));
  config.subnet.clear();
  CHECK(problem_with(config));
  config.subnet = {*Prefix::parse("10.0.0.0/31")};
  CHECK(problem_with(config));
  config = tunnel();
  config.virtual_ = {*Prefix::parse("10.86.0.0/16")};
  CHECK(problem_with(config));
}

TEST_CASE("an interface that is an ingress is the operator's, else netd makes it") {
  NetworkConfig config = tunnel();
  CHECK(config.makes_interface());
  CHECK(config.steered() == std::vector<std::string>{"wg-cp0"});
  config.ingress = {"wg-cp0"};
  CHECK_FALSE(config.makes_interface());
  CHECK(config.steered() == std::vector<std::string>{"wg-cp0"});
}

TEST_CASE("a port is added once to the reserved ones") {
  CHECK(with_reserved_port("", 15086) == "15086");
  CHECK(with_reserved_port("15086", 15086) == "15086");
  CHECK(with_reserved_port("80,15000-16000", 15086) == "80,15000-16000");
  CHECK(with_reserved_port("80,443", 15086) == "80,443,15086");
}

TEST_CASE("operator's lines that are no requests are refused, not trusted") {
  OperatorRequests requests;
  int added = 0;
  requests.add = [&](const PeerRequest& request) -> std::expected<AddedPeer, std::string> {
    added++;
    CHECK(request.uid == 7);
    AddedPeer result{peer(), "text", "", "not yet in"};
    result.peer.name = request.name;
    return result;
  };
  int held = 0;
  requests.hold = [&](const HoldRequest& request) -> std::expected<void, std::string> {
    held++;
    CHECK(request.hold == Hold::on);
    return {};
  };
  requests.remove = [](const std::string&, std::uint32_t) -> std::expected<RemovedPeer, std::string> {
    return std::unexpected(std::string("no such peer\nhint: look"));
  };
  requests.list = [] {
    return std::vector<ListedPeer>{{peer(), 0, 0, 0, false}, {peer(), 1'700'000'000, 1, 2, true}};
  };
  requests.all_held = [] { return true; };
  requests.unsteered = [] { return std::map<std::string, std::string>{{"eth9", "it is not there yet"}}; };
  auto ask = [&](std::string_view line) { return answer_operator(line, 7, requests); };
  auto refused = [&](std::string_view line) { return ask(line).find("\"ok\":false") != std::string::npos; };
  CHECK(refused(""));
  CHECK(refused("[]"));
  CHECK(refused("{}"));
  CHECK(refused(R"({"command":"add","name":"x"})"));
  CHECK(refused(R"({"v":2,"command":"add","name":"x"})"));
  CHECK(refused(R"({"v":1,"command":"add","name":7})"));
  CHECK(refused(R"({"v":1,"command":"fly"})"));
  CHECK(refused(std::string(100000, '[')));
  CHECK(refused(R"({"v":1,"command":"add","name":"x","ttl_s":"long"})"));
  // Who forgot the name has not locked everybody out.
  CHECK(refused(R"({"v":1,"command":"hold"})"));
  CHECK(refused(R"({"v":1,"command":"hold","name":"x","all":true})"));
  CHECK(held == 0);
  CHECK_FALSE(refused(R"({"v":1,"command":"hold","all":true})"));
  CHECK_FALSE(refused(R"({"v":1,"command":"hold","name":"x"})"));
  CHECK(held == 2);
  CHECK(added == 0);
  CHECK_FALSE(refused(R"({"v":1,"command":"add","name":"x"})"));
  CHECK(added == 1);
  // As docs/formats.md names them.
  CHECK(ask(R"({"v":1,"command":"list"})").find("\"locked_down\":true") != std::string::npos);
  CHECK(ask(R"({"v":1,"command":"list"})").find("\"why\":\"it is not there yet\"") != std::string::npos);
  CHECK(ask(R"({"v":1,"command":"list"})").find("\"last_handshake\":1700000000") != std::string::npos);
  CHECK(ask(R"({"v":1,"command":"add","name":"x"})").find("\"note\":\"not yet in\"") != std::string::npos);
  CHECK(ask(R"({"v":1,"command":"rm","name":"x"})") ==
        R"({"error":"no such peer","hint":"look","ok":false,"v":1})");
  CHECK(ask(R"({"v":1,"command":"list"})").find("builder-1") != std::string::npos);
  CHECK(ask("{\"v\":1,\"command\":\"add\",\"name\":\"x\\u202e\"}").find("\\u202e") != std::string::npos);
}
