// What a configuration becomes, and what is said of one that is wrong.
#include <catch2/catch.hpp>

#include "tests/policy/config/problems.h"
#include "tests/policy/policy_text.h"

using namespace clawpatrol;
using namespace clawpatrol::tests;
using Lines = std::vector<std::string>;

namespace {

// `base` with one line of it replaced.
std::string with(const std::string& line, const std::string& other) {
  std::string text = base;
  std::size_t at = text.find(line);
  REQUIRE(at != std::string::npos);
  return text.replace(at, line.size(), other);
}

Lines rule_problems(const std::string& lines) {
  return problems(base + "[[rule]]\n" + lines);
}

}  // namespace

TEST_CASE("a whole configuration is read into its values") {
  auto policy = policy_from(R"(schema = 1
[gateway]
endpoint = "GW.example.com:51820"
subnet = ["10.86.0.0/24", "fd86::/64"]
virtual = ["198.19.0.0/16"]
interface = "wg0"
ingress = ["wg-demo"]
mode = "observe"
[defaults]
unknown_host = "passthrough"
passthrough_networks = ["10.20.0.0/16"]
approval_timeout = "5m"
[limits]
statement = "64KiB"
connections = 100
idle = "1h"
workers = 2
[audit]
sync = "all"
segment = "1MiB"
[peer.builder-1]
profile = "data"
interface = "wg-demo"
addresses = ["10.9.0.7", "fd00::7"]
labels = { team = "platform" }
[profile.data]
credentials = ["pg-reader"]
[endpoint.pg-prod]
type = "postgres"
hosts = ["pg.internal"]
tls = "disable"
safe_functions = ["app.tax_rate"]
networks = ["10.30.0.0/16"]
[credential.pg-reader]
type = "postgres"
endpoint = "pg-prod"
user = "agent_ro"
[[rule]]
name = "pg-no-ddl"
endpoint = "pg-prod"
priority = 100
condition = "true"
verdict = "deny"
reason = "Schema changes land by migration"
)");
  CHECK(policy->gateway.endpoint == "gw.example.com:51820");
  CHECK(policy->gateway.subnet.size() == 2);
  CHECK(policy->gateway.virtual_ == std::vector{*Prefix::parse("198.19.0.0/16")});
  CHECK(policy->gateway.interface == "wg0");
  CHECK(policy->gateway.mode == Mode::observe);
  CHECK(policy->unmatched == Unmatched::deny);
  CHECK(policy->unknown_host == UnknownHost::passthrough);
  CHECK(policy->passthrough_networks.size() == 1);
  CHECK(policy->approval_timeout == std::chrono::minutes(5));
  CHECK(policy->limits.statement == 65536);
  CHECK(policy->limits.connections == 100);
  CHECK(policy->limits.idle == std::chrono::hours(1));
  CHECK(policy->limits.handshake == std::chrono::seconds(30));
  CHECK(policy->limits.workers == 2);
  CHECK(policy->audit.sync == AuditSync::all);
  CHECK(policy->audit.segment == 1 << 20);
  const PeerConfig& peer = policy->peers.find("builder-1")->second;
  CHECK(peer.addresses == std::vector{*Address::parse("10.9.0.7"), *Address::parse("fd00::7")});
  CHECK(peer.labels.at("team") == "platform");
  const EndpointConfig& endpoint = policy->endpoints.find("pg-prod")->second;
  CHECK(endpoint.hosts[0].port == 5432);
  CHECK(endpoint.tls == UpstreamTls::disable);
  CHECK(endpoint.sql.limits.bytes == 65536);
  CHECK(endpoint.sql.safe_functions->contains("app.tax_rate"));
  CHECK(endpoint.networks.size() == 1);
  CHECK(policy->credentials.find("pg-reader")->second.user == "agent_ro");
  const Rule& rule = policy->rules.at(0);
  CHECK(rule.priority == 100);
  CHECK(rule.on == std::vector{ActionType::statement, ActionType::request});
  CHECK(rule.verdict == Verdict::deny);
  CHECK(rule.place == Place{"clawpatrol.toml", 39, 8, 11});
  CHECK(policy->digest.size() == 64);
}

TEST_CASE("the base of these tests has nothing wrong but what it lacks") {
  CHECK(problems(base + rule("a", "verdict = \"deny\"") +
                 "[[rule]]\nname = \"b\"\nendpoint = \"open\"\nverdict = \"deny\"") == Lines{});
}

TEST_CASE("an unknown key is an error everywhere, and says what was meant") {
  CHECK(problems("schema = 1\nshcema = 2\n") == Lines{"2:1: unknown section or key 'shcema'"});
  CHECK(hint_for("schema = 1\nshcema = 2\n", "unknown section or key 'shcema'") == "Did you mean 'schema'?");
  CHECK(problems("schema = 1\n[limits]\nstatment = \"1KiB\"\n") ==
        Lines{"3:1: unknown key 'statment' in [limits]"});
  CHECK(says(problems(base + "[peer.x]\nprofile = \"data\"\nprofil = \"data\"\n"),
             "23:1: unknown key 'profil' in [peer.x]"));
  CHECK(says(rule_problems("name = \"r\"\nendpoint = \"pg\"\nverdict = \"deny\"\nverdit = \"deny\"\n"),
             "25:1: unknown key 'verdit' in rule 'r'"));
  CHECK(hint_for("schema = 1\n[limits]\nqqqqqqq = 1\n", "unknown key 'qqqqqqq' in [limits]")
            .starts_with("Known: 'body_inspect', "));
}

TEST_CASE("every key of the table is known to the loader, in its shape") {
  CHECK(problems("schema = 1\n[gateway]\nendpoint = 1\nsubnet = 1\nvirtual = 1\ninterface = 1\ningress = "
                 "1\nmode = 1\n") == Lines{"3:12: 'endpoint' is a string, not an integer",
                                           "4:10: 'subnet' is an array of strings, not an integer",
                                           "5:11: 'virtual' is an array of strings, not an integer",
                                           "6:13: 'interface' is a string, not an integer",
                                           "7:11: 'ingress' is an array of strings, not an integer",
                                           "8:8: 'mode' is a string, not an integer"});
  CHECK(problems("schema = 1\ngateway = 5\nrule = 1\npeer = []\nlimits = { }\n") ==
        Lines{"2:1: 'gateway' is a table, not an integer", "2:11: [gateway] is not a table but an integer",
              "3:1: 'rule' is an array, not an integer", "4:1: 'peer' is a table, not an array"});
  CHECK(hint_for("schema = 1\n[rule]\n", "'rule' is an array, not a table") ==
        "Write [[rule]], with two brackets.");
  CHECK(says(problems("schema = 1\n[peer]\nx = 5\n"), "3:5: [peer.x] is not a table but an integer"));
}

TEST_CASE("the schema is required, and only 1 is known") {
  CHECK(problems("[limits]\n") == Lines{"1:1: 'schema' is missing"});
  CHECK(problems("schema = 2\n") == Lines{"1:10: unknown schema"});
  CHECK(problems("schema = \"1\"\n") == Lines{"1:10: unknown schema"});
}

TEST_CASE("a secret in the file is refused, and never shown again") {
  LoadResult loaded = load_policy_text(
      base +
      "[credential.x]\ntype = \"postgres\"\nendpoint = \"pg\"\nuser = \"u\"\npassword = \"hunter2\"\n");
  std::string shown = loaded.diagnostics.render();
  CHECK(says(lines_of(loaded.diagnostics),
             "25:1: 'password' in [credential.x] would hold a secret: secrets do not belong in this file"));
  CHECK(shown.find("cpctl creds set x\n") != std::string::npos);
  CHECK(shown.find("hunter2") == std::string::npos);

  for (const char* line :
       {"peer.a = { profile = \"q\", api_token = \"hunter2\" }",
        "[defaults]\nunmatched = \"x\"\nPrivate-Key = '''\nhunter2\nhunter2'''",
        "[endpoint.e]\nhosts = [\"postgres://u:hunter2@h/\"]", "[defaults]\nsecret = \"hunter2",
        "x = { password = \"hunter2\" ] }", "[peer.p]\nlabels = { pw = \"hunter2\" }"}) {
    LoadResult one = load_policy_text("schema = 1\n" + std::string(line) + "\n");
    INFO(one.diagnostics.render());
    CHECK_FALSE(one.policy);
    CHECK(one.diagnostics.render().find("hunter2") == std::string::npos);
  }
  // Nor how long it is.
  const auto shown_of = [](const std::string& secret) {
    return load_policy_text("schema = 1\n[peer.p]\nlabels = { pw = \"" + secret + "\" }\nprofile = \"q\"\n" +
                            "[defaults]\nsecret = \"" + secret + "\"\n")
        .diagnostics.render();
  };
  CHECK(shown_of("x") == shown_of(std::string(40, 'x')));
  // And what is wrong behind it has a place, but no line that would be shown with it.
  for (const char* line : {"password = \"hunter2-hunter2\" x", "token = [\"hunter2-hunter2\", y]"}) {
    auto one = load_policy_text(std::string("schema = 1\n[credential.x]\n") + line + "\n");
    REQUIRE_FALSE(one.diagnostics.items.empty());
    for (const auto& item : one.diagnostics.items)
      CHECK((item.source_line.empty() || item.place.column <= item.source_line.size() + 1));
    CHECK(one.diagnostics.render().find("hunter2") == std::string::npos);
  }
  // A credential may be called like one.
  CHECK(problems(base + "[credential.github_token]\ntype = \"postgres\"\nendpoint = \"pg\"\nuser = \"u\"\n")
            .size() == 3);
}

TEST_CASE("a text that is empty is said to be, and an entry of a list is said to be one") {
  CHECK(
      says(problems(base + "[endpoint.e]\ntype = \"postgres\"\ntls = \"disable\"\nhosts = [\"a:1\", \"\"]\n"),
           "24:17: an entry of 'hosts' is empty"));
  CHECK(says(problems(base + "[endpoint.e]\ntype = \"postgres\"\nca = \"\"\nhosts = [\"a:1\"]\n"),
             "23:6: 'ca' is empty"));
}

TEST_CASE("quantities have units and bounds") {
  auto limit = [](const std::string& line) { return problems("schema = 1\n[limits]\n" + line + "\n"); };
  CHECK(limit("statement = 5") == Lines{"3:13: 'statement' is a size such as \"1MiB\", not an integer"});
  CHECK(limit("statement = \"5\"") == Lines{"3:13: 'statement' is not a size: '5'"});
  CHECK(limit("statement = \"1GiB\"") == Lines{"3:13: 'statement' is out of range"});
  CHECK(hint_for("schema = 1\n[limits]\nstatement = \"1GiB\"\n", "'statement' is out of range") ==
        "It may be 1KiB to 16MiB.");
  CHECK(limit("handshake = \"1\"") == Lines{"3:13: 'handshake' is not a duration: '1'"});
  CHECK(limit("handshake = \"0s\"") == Lines{"3:13: 'handshake' is out of range"});
  CHECK(limit("connections = -1") == Lines{"3:15: 'connections' is out of range"});
  CHECK(limit("connections = \"1\"") == Lines{"3:15: 'connections' is an integer, not a string"});
  CHECK(limit("workers = 17") == Lines{"3:11: 'workers' is out of range"});
  CHECK(limit("statement = \"1MiB\"") ==
        Lines{"warning 3:13: 'statement' is larger than 'buffer': no statement can be that long"});
  CHECK(says(problems("schema = 1\n[audit]\nkeep = \"1MiB\"\n"), "3:8: 'keep' is less than two segments"));
}

TEST_CASE("what is unknown in a reference is an error with the nearest name") {
  CHECK(problems(with("profile = \"data\"", "profile = \"dta\"")) == Lines{"5:11: unknown profile 'dta'"});
  CHECK(hint_for(with("profile = \"data\"", "profile = \"dta\""), "unknown profile 'dta'") ==
        "Did you mean 'data'?");
  CHECK(problems(with("[\"reader\"]", "[\"raeder\"]")) == Lines{"7:16: unknown credential 'raeder'"});
  CHECK(problems(with("[\"open\"]", "[\"opn\"]")) == Lines{"8:14: unknown endpoint 'opn'"});
  CHECK(problems(with("endpoint = \"pg\"", "endpoint = \"gp\"")) == Lines{"19:12: unknown endpoint 'gp'"});
  CHECK(rule_problems("name = \"r\"\nendpoints = [\"pg\", \"gp\"]\nverdict = \"deny\"") ==
        Lines{"23:20: unknown endpoint 'gp'"});
}

TEST_CASE("TLS to upstream is verified in full where nothing else is said") {
  auto mode_of = [](const std::string& text) {
    return load_policy_text(text).policy->endpoints.find("pg")->second.tls;
  };
  CHECK(mode_of(with("tls = \"disable\"\n", "")) == UpstreamTls::verify_full);
  CHECK(mode_of(with("tls = \"disable\"", "tls = \"verify-ca\"")) == UpstreamTls::verify_ca);
  CHECK(mode_of(with("tls = \"disable\"", "tls = \"require\"")) == UpstreamTls::require);
  CHECK(mode_of(with("", "")) == UpstreamTls::disable);
  CHECK(problems(with("tls = \"disable\"", "tls = \"prefer\"")) == Lines{"12:7: unknown tls 'prefer'"});
}

TEST_CASE("an unknown type of endpoint is refused with those that are known") {
  std::string text = with("type = \"postgres\"", "type = \"gopher\"");
  CHECK(problems(text) == Lines{"10:8: unknown type 'gopher'"});
  CHECK(hint_for(text, "unknown type 'gopher'") == "Known: 'postgres', 'http', 'https' and 'kubernetes'.");
  CHECK(problems(with("type = \"postgres\"\n", "")) == Lines{"9:11: [endpoint.pg] needs 'type'"});
  CHECK(problems(with("hosts = [\"open.internal\"]", "hosts = []")) ==
        Lines{"15:9: [endpoint.open] needs 'hosts'"});
  CHECK(problems(with("hosts = [\"open.internal\"]\n", "")) == Lines{"13:11: [endpoint.open] needs 'hosts'"});
}

TEST_CASE("hosts are names, addresses and wildcards, with a port") {
  auto host = [](const std::string& text) { return problems(with("\"open.internal\"", "\"" + text + "\"")); };
  for (const char* text : {"a", "a.b:1", "A.B.:65535", "10.0.0.1", "10.0.0.1:5432", "[fd00::1]:5432",
                           "fd00::1", "[fd00::1]", "*.b.c:1", "_x.b-c.d", "xn--bcher-kva.example"}) {
    INFO(text);
    CHECK(host(text).size() <= 2);  // warnings alone
    CHECK(std::ranges::all_of(host(text), [](auto& line) { return line.starts_with("warning"); }));
  }
  for (const char* text : {"a:0",
                           "a:65536",
                           "a:05",
                           "a:",
                           "a:1x",
                           ":5432",
                           "a..b",
                           "-a",
                           "a-",
                           "a b",
                           "*",
                           "*.",
                           "*.com",
                           "*.10.0.0.1",
                           "a.*.b",
                           "10.1",
                           "0x7f.1",
                           "10.0.0.1.",
                           "010.0.0.1",
                           "1.2.3.999",
                           "[fd00::1",
                           "[fd00::1]5432",
                           "[a.b]:1",
                           "a/b",
                           "http://a",
                           "u@a",
                           "fe80::1%eth0",
                           "\u00e9.example",
                           "[10.0.0.1]x"}) {
    INFO(text);
    REQUIRE(host(text).size() == 1);
    CHECK(host(text)[0].starts_with("15:10: "));
  }
  CHECK(problems(with("\"open.internal\"", "\"a\", \"A.:5432\"")) ==
        Lines{"15:15: 'a:5432' stands twice in 'hosts'"});
}

TEST_CASE("two endpoints that claim one host for one profile are an error that shows both") {
  std::string text = with("\"open.internal\"", "\"x\", \"PG.internal.\"");
  LoadResult loaded = load_policy_text(text);
  REQUIRE(loaded.diagnostics.items.size() == 1);
  CHECK(loaded.diagnostics.items[0].message ==
        "endpoints 'open' and 'pg' both claim 'pg.internal:5432' for profile 'data'");
  REQUIRE(loaded.diagnostics.items[0].related.size() == 1);
  CHECK(loaded.diagnostics.items[0].related[0].line == 15);
  // For different profiles it is no conflict.
  std::string apart = text;
  apart.replace(apart.find("endpoints = [\"open\"]"), 20, "");
  CHECK(problems(apart + "[profile.second]\nendpoints = [\"open\"]\n").size() == 3);
  // Wildcards conflict with equal wildcards alone.
  CHECK(problems(with("\"open.internal\"", "\"*.x.internal\", \"*.y.x.internal\"")).size() == 2);
}

TEST_CASE("attack 17: a credential on a wildcard endpoint names its hosts") {
  auto text = [](const std::string& hosts) {
    return with("\"pg.internal:5432\"", "\"*.db.internal:5432\"") + hosts;
  };
  CHECK(problems(text("")) ==
        Lines{"17:13: credential 'reader' would go to every host of '*.db.internal:5432'"});
  CHECK(problems(text("hosts = [\"a.db.internal\"]\n")).size() == 2);  // warnings
  CHECK(problems(text("hosts = [\"db.internal\"]\n")) ==
        Lines{"21:10: 'db.internal:5432' is not a host of endpoint 'pg'"});
  CHECK(problems(text("hosts = [\"a.db.internal:1\"]\n")) ==
        Lines{"21:10: 'a.db.internal:1' is not a host of endpoint 'pg'"});
  CHECK(problems(text("hosts = [\"evildb.internal\"]\n")).size() == 1);
  CHECK(problems(text("hosts = [\"*.db.internal\"]\n")) ==
        Lines{"21:10: a credential names exact hosts, never a wildcard"});
}

TEST_CASE("networks of the gateway do not overlap, and hold no service") {
  auto subnet = [](const std::string& line) {
    return problems(with("subnet = [\"10.86.0.0/24\", \"fd86::/64\"]", line));
  };
  CHECK(says(subnet("subnet = [\"10.86.0.0/24\", \"10.86.0.128/25\"]"),
             "3:27: gateway.subnet '10.86.0.128/25' overlaps gateway.subnet '10.86.0.0/24'"));
  CHECK(says(subnet("subnet = [\"198.18.7.0/24\"]"),
             "2:2: gateway.virtual '198.18.0.0/16' overlaps gateway.subnet '198.18.7.0/24'"));
  CHECK(says(subnet("subnet = [\"10.86.0.1/24\"]"), "3:11: not a network: '10.86.0.1/24'"));
  CHECK(says(subnet("subnet = [\"224.0.0.0/8\"]"), "3:11: '224.0.0.0/8' cannot be gateway.subnet"));
  CHECK(says(subnet("subnet = [\"127.0.0.0/8\"]"), "3:11: '127.0.0.0/8' cannot be gateway.subnet"));
  CHECK(says(subnet("subnet = [\"10.86.0.0/31\"]"), "3:11: '10.86.0.0/31' cannot be gateway.subnet"));
  CHECK(says(subnet("subnet = [\"::/0\"]"), "3:11: '::/0' cannot be gateway.subnet"));
  CHECK(says(subnet("mode = \"enforce\""),
             "2:2: [gateway] has neither 'subnet' nor 'ingress': no agent could reach it"));
  CHECK(problems(with("\"open.internal\"", "\"10.86.0.9\"")) ==
        Lines{"15:10: '10.86.0.9/32' is in gateway.subnet '10.86.0.0/24'"});
  CHECK(problems(with("\"open.internal\"", "\"198.18.0.9\"")) ==
        Lines{"15:10: '198.18.0.9/32' is in gateway.virtual '198.18.0.0/16'"});
  CHECK(problems(base + "[defaults]\npassthrough_networks = [\"10.0.0.0/8\"]\n") ==
        Lines{"22:25: '10.0.0.0/8' is in gateway.subnet '10.86.0.0/24'"});
}

TEST_CASE("a peer of an ingress interface has an interface and addresses of its own") {
  auto peer = [](const std::string& lines) {
    std::string text = with("[peer.builder]\n", "ingress = [\"wg-demo\", \"eth1\"]\n[peer.builder]\n");
    return problems(text + "[peer.p]\nprofile = \"data\"\n" + lines +
                    "[[rule]]\nname = \"r\"\nendpoints = [\"pg\", \"open\"]\nverdict = \"deny\"\n");
  };
  CHECK(peer("") == Lines{});
  CHECK(peer("interface = \"wg-demo\"\naddresses = [\"10.86.0.7\"]\n") == Lines{});
  CHECK(peer("interface = \"eth1\"\naddresses = [\"10.9.0.7\"]\n") ==
        Lines{"warning 25:14: nothing proves who sends on 'eth1'"});
  CHECK(peer("interface = \"wg-demo\"\n") ==
        Lines{"24:13: a peer of an ingress interface needs 'addresses'"});
  CHECK(peer("addresses = [\"10.9.0.7\"]\n") ==
        Lines{"24:13: 'addresses' of a peer of the gateway's own interface"});
  CHECK(peer("interface = \"eth2\"\naddresses = [\"10.9.0.7\"]\n")[0] ==
        "24:13: 'eth2' is not in gateway.ingress");
  CHECK(peer("interface = \"wg-demo\"\naddresses = [\"10.9.0.0/24\"]\n") ==
        Lines{"25:14: not an address: '10.9.0.0/24'"});
  for (const char* address : {"10.86.0.1", "198.18.0.1", "127.0.0.1", "224.0.0.1", "0.0.0.0", "::", "::1",
                              "ff02::1", "255.255.255.255"})
    CHECK(peer(std::string("interface = \"wg-demo\"\naddresses = [\"") + address + "\"]\n") ==
          Lines{std::string("25:14: peer 'p' cannot have the address '") + address + "'"});
  CHECK(peer("interface = \"wg-demo\"\naddresses = [\"10.9.0.7\"]\n[peer.q]\nprofile = \"data\"\ninterface = "
             "\"wg-demo\"\n"
             "addresses = [\"::ffff:10.9.0.7\"]\n") ==
        Lines{"29:14: peers 'p' and 'q' both have the address '10.9.0.7'"});
  CHECK(problems(with("[peer.builder]\n",
                      "ingress = [\"wg-cp0\", \"lo\", \"a/b\", \"sixteen-letters-\"]\n[peer.builder]\n")) ==
        Lines{"4:22: not an interface that can be steered: 'lo'",
              "4:28: not an interface that can be steered: 'a/b'",
              "4:35: not an interface that can be steered: 'sixteen-letters-'"});
}

TEST_CASE("names are plain, and texts hold no control characters") {
  for (const char* name : {"\"a b\"", "\"\"", "\"a/b\"", "-a", "\"é\"", "\"a\\u0000\"",
                           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}) {
    INFO(name);
    auto lines = problems(base + "[peer." + name + "]\nprofile = \"data\"\n");
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].starts_with("21:7: not a name of a peer"));
  }
  CHECK(problems(with("user = \"agent_ro\"", "user = \"a\\u0000b\"")) ==
        Lines{"20:8: 'user' holds a control character"});
  CHECK(problems(with("user = \"agent_ro\"", "user = \"\"")) == Lines{"20:8: 'user' is empty"});
  CHECK(rule_problems("name = \"r\"\nendpoint = \"pg\"\nverdict = \"deny\"\nreason = \"a\\nb\"") ==
        Lines{"25:10: 'reason' holds a control character"});
}

TEST_CASE("unmatched = allow is never silent") {
  CHECK(problems(base + "[defaults]\nunmatched = \"allow\"\n")[0] ==
        "warning 22:13: what no rule matches is allowed");
}

TEST_CASE("what nobody reaches, and what no rule is for, is said") {
  CHECK(problems(with("endpoints = [\"open\"]\n", "")) ==
        Lines{"warning 8:11: no rule is for endpoint 'pg': everything sent to it is refused",
              "warning 12:11: no profile reaches endpoint 'open'",
              "warning 12:11: no rule is for endpoint 'open': everything sent to it is refused"});
}

TEST_CASE("a policy that was moved about keeps its rules in the order of the file") {
  std::string text = base;
  for (int i = 0; i < 200; ++i)
    text += rule("r" + std::to_string(i), "verdict = \"deny\"\npriority = " + std::to_string(i % 3));
  auto policy = policy_from(text);
  REQUIRE(policy->rules.size() == 200);
  CHECK(policy->rules[0].name == "r2");
  CHECK(policy->rules[1].name == "r5");
  CHECK(policy->rules[199].name == "r198");
  CHECK(policy->rules_of("pg")[0] == &policy->rules[0]);
}
