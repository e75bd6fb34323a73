// `cpctl diff`: what a policy says that another does not, key by key.
#include "cpctl/diff/changes.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <set>

#include "fake_daemon.h"
#include "policy/config/keys.h"

using namespace clawpatrol;
using namespace clawpatrol::cpctl;

namespace {

// One key, in the words of a file: two values of it, each with what it needs about it.
struct Row {
  const char* section;
  const char* key;
  std::string before, after;
};

// Of a key that nobody has; good until 2126.
const char* const certificate = R"(-----BEGIN CERTIFICATE-----
MIIBcTCCARegAwIBAgIUBKnoaleEeIhA3YP/zO7J4iLtQI8wCgYIKoZIzj0EAwIw
DTELMAkGA1UEAwwCY2EwIBcNMjYxMTIzMDI0ODExWhgPMjEyNjEwMzAwMjQ4MTFa
MA0xCzAJBgNVBAMMAmNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE/rp0x7T8
awLBhjiBjV7uwppNQokkOkcxq4lHYCOGOwI6uAmZ+G3YlczMc+I2kGcK98qkicXN
IrO6OSV9qjX1AKNTMFEwHQYDVR0OBBYEFOwVFomwahelkewp04sBI9nEJ5FlMB8G
A1UdIwQYMBaAFOwVFomwahelkewp04sBI9nEJ5FlMA8GA1UdEwEB/wQFMAMBAf8w
CgYIKoZIzj0EAwIDSAAwRQIgZj+/JljtmApea1TNYGa0lkRheecXyWUZyD7+YvI9
FWICIQDYtY4tKE34QlGdKSXBbNSjTgUMwuzcfgsIh/joEKPE/w==
-----END CERTIFICATE-----
)";

const char* const common = R"(schema = 1
[gateway]
endpoint = "gw.example.com:51820"
subnet   = ["10.86.0.0/24"]
virtual  = ["198.18.0.0/16"]
ingress  = ["eth7", "eth8"]
)";

std::string peer(const std::string& lines) {
  return "[profile.data]\nendpoints = ['web']\n[profile.other]\nendpoints = ['web']\n[endpoint.web]\ntype = "
         "'https'\n"
         "hosts = ['web.example.com']\n[peer.a]\n" +
         lines;
}
std::string profile(const std::string& lines) {
  return "[endpoint.web]\ntype = 'https'\nhosts = ['web.example.com']\n[endpoint.net]\ntype = 'https'\n"
         "hosts = ['net.example.com']\n[credential.key]\ntype = 'bearer'\nendpoint = "
         "'web'\n[credential.cookie]\n"
         "type = 'bearer'\nendpoint = 'net'\n[profile.data]\n" +
         lines;
}
std::string endpoint(const std::string& lines) {
  return "[endpoint.it]\n" + lines;
}
std::string postgres(const std::string& lines) {
  return endpoint("type = 'postgres'\nhosts = ['pg.example.com']\n" + lines);
}
std::string web(const std::string& lines) {
  return endpoint("type = 'https'\nhosts = ['*.example.com:443']\n" + lines);
}
std::string credential(const std::string& lines) {
  return "[endpoint.web]\ntype = 'https'\nhosts = ['web.example.com', 'www.example.com']\n[endpoint.net]\n"
         "type = 'https'\nhosts = ['net.example.com']\n[profile.data]\ncredentials = "
         "['c']\n[credential.c]\n" +
         lines;
}
std::string bearer(const std::string& lines) {
  return credential("type = 'bearer'\nendpoint = 'web'\n" + lines);
}
std::string oauth(const std::string& lines) {
  const bool own_url = lines.find("url = ") != lines.npos,
             own_client = lines.find("client_id = ") != lines.npos;
  return credential(std::string("type = 'oauth2'\nendpoint = 'web'\n") +
                    (own_url ? "" : "url = 'https://id.example.com/token'\n") +
                    (own_client ? "" : "client_id = 'me'\n") + lines);
}
std::string rule(const std::string& lines) {
  return postgres("") + "[endpoint.two]\ntype = 'postgres'\nhosts = ['two.example.com']\n[[rule]]\n" + lines;
}
std::string named_rule(const std::string& lines) {
  return rule("name = 'r'\nendpoint = 'it'\n" + lines);
}

std::vector<Row> rows() {
  return {
      {"peer", "profile", peer("profile = 'data'"), peer("profile = 'other'")},
      {"peer", "interface", peer("profile = 'data'\ninterface = 'eth7'\naddresses = ['10.1.0.1']"),
       peer("profile = 'data'\ninterface = 'eth8'\naddresses = ['10.1.0.1']")},
      {"peer", "addresses", peer("profile = 'data'\ninterface = 'eth7'\naddresses = ['10.1.0.1']"),
       peer("profile = 'data'\ninterface = 'eth7'\naddresses = ['10.1.0.2']")},
      {"peer", "labels", peer("profile = 'data'"), peer("profile = 'data'\nlabels = {team = 'a'}")},
      {"profile", "credentials", profile("credentials = ['key']"), profile("credentials = ['cookie']")},
      {"profile", "endpoints", profile("endpoints = ['web']"), profile("endpoints = ['net']")},
      {"endpoint", "type", endpoint("type = 'http'\nhosts = ['a.example.com:80']"),
       endpoint("type = 'kubernetes'\nhosts = ['a.example.com:80']")},
      {"endpoint", "hosts", endpoint("type = 'https'\nhosts = ['a.example.com']"),
       endpoint("type = 'https'\nhosts = ['b.example.com']")},
      {"endpoint", "tls", postgres("tls = 'verify-full'"), postgres("tls = 'disable'")},
      {"endpoint", "ca", postgres(""), postgres("ca = 'file:ca.pem'")},
      {"endpoint", "agent_login", postgres("agent_login = 'scram'"), postgres("agent_login = 'trust'")},
      {"endpoint", "safe_functions", postgres(""), postgres("safe_functions = ['f']")},
      {"endpoint", "lenient_paths", web(""), web("lenient_paths = true")},
      {"endpoint", "networks", web(""), web("networks = ['10.9.0.0/16']")},
      {"credential", "type", credential("type = 'bearer'\nendpoint = 'web'"),
       credential("type = 'anthropic'\nendpoint = 'web'")},
      {"credential", "endpoint", credential("type = 'bearer'\nendpoint = 'web'"),
       credential("type = 'bearer'\nendpoint = 'net'")},
      {"credential", "user", credential("type = 'basic'\nendpoint = 'web'\nuser = 'a'"),
       credential("type = 'basic'\nendpoint = 'web'\nuser = 'b'")},
      {"credential", "hosts", bearer(""), bearer("hosts = ['web.example.com']")},
      {"credential", "name", credential("type = 'header'\nendpoint = 'web'\nname = 'X-A'"),
       credential("type = 'header'\nendpoint = 'web'\nname = 'X-B'")},
      {"credential", "prefix", credential("type = 'header'\nendpoint = 'web'\nname = 'X-A'"),
       credential("type = 'header'\nendpoint = 'web'\nname = 'X-A'\nprefix = 'Token '")},
      {"credential", "at", bearer(""), bearer("at = 'header:X-Key'")},
      {"credential", "inject", bearer(""), bearer("inject = 'placeholder'")},
      {"credential", "placeholder", bearer("inject = 'placeholder'\nplaceholder = 'placeholder-a'"),
       bearer("inject = 'placeholder'\nplaceholder = 'placeholder-b'")},
      {"credential", "env", bearer("env = ['A_TOKEN']"), bearer("env = ['B_TOKEN']")},
      {"credential", "url", oauth("url = 'https://a.example.com/t'"),
       oauth("url = 'https://b.example.com/t'")},
      {"credential", "ca", oauth(""), oauth("ca = 'file:ca.pem'")},
      {"credential", "client_id", oauth("client_id = 'a'"), oauth("client_id = 'b'")},
      {"credential", "installation_id",
       credential("type = 'github_app'\nendpoint = 'web'\nclient_id = 'a'\ninstallation_id = '1'"),
       credential("type = 'github_app'\nendpoint = 'web'\nclient_id = 'a'\ninstallation_id = '2'")},
      {"credential", "grant", oauth(""), oauth("grant = 'refresh_token'")},
      {"credential", "client_auth", oauth(""), oauth("client_auth = 'body'")},
      {"credential", "scopes", oauth(""), oauth("scopes = ['a']")},
      {"credential", "audience", oauth(""), oauth("audience = 'a'")},
      {"rule", "name", rule("name = 'a'\nendpoint = 'it'\nverdict = 'deny'"),
       rule("name = 'b'\nendpoint = 'it'\nverdict = 'deny'")},
      {"rule", "endpoint", rule("name = 'r'\nendpoint = 'it'\nverdict = 'deny'"),
       rule("name = 'r'\nendpoint = 'two'\nverdict = 'deny'")},
      {"rule", "endpoints", rule("name = 'r'\nendpoints = ['it']\nverdict = 'deny'"),
       rule("name = 'r'\nendpoints = ['it', 'two']\nverdict = 'deny'")},
      {"rule", "on", named_rule("verdict = 'deny'"), named_rule("verdict = 'deny'\non = ['login']")},
      {"rule", "priority",
       named_rule("verdict = 'deny'\npriority = 1\n[[rule]]\nname = 's'\nendpoint = 'it'\nverdict = 'allow'"),
       named_rule(
           "verdict = 'deny'\npriority = -1\n[[rule]]\nname = 's'\nendpoint = 'it'\nverdict = 'allow'")},
      {"rule", "condition", named_rule("verdict = 'deny'"),
       named_rule("verdict = 'deny'\ncondition = 'true'")},
      {"rule", "verdict", named_rule("verdict = 'deny'"), named_rule("verdict = 'allow'")},
      {"rule", "reason", named_rule("verdict = 'deny'"), named_rule("verdict = 'deny'\nreason = 'because'")},
      {"rule", "shadow", named_rule("verdict = 'deny'"), named_rule("verdict = 'deny'\nshadow = true")},
  };
}

}  // namespace

TEST_CASE(
    "diff: every key of a peer, profile, endpoint, credential and rule is a change where it is changed") {
  std::set<std::pair<std::string, std::string>> looked_at;
  for (const Row& row : rows()) {
    auto load = [](const std::string& text) {
      TemporaryDirectory directory;
      std::ofstream(directory.path / "clawpatrol.toml") << common << text;
      std::ofstream(directory.path / "ca.pem") << certificate;
      LoadResult loaded = load_policy(directory.path, LoadFor::judge);
      INFO(text << loaded.diagnostics.render());
      REQUIRE(loaded.policy);
      return loaded.policy;
    };
    INFO(row.section << "." << row.key);
    const auto before = load(row.before), after = load(row.after);
    CHECK(changes_between(*before, *before).empty());
    const std::vector<Change> changes = changes_between(*before, *after);
    CHECK(std::ranges::any_of(changes, [&](const Change& change) { return change.section == row.section; }));
    looked_at.emplace(row.section, row.key);
  }
  for (const config::Key& key : config::all_keys()) {
    const std::set<std::string_view> tables{"peer", "profile", "endpoint", "credential", "rule"};
    INFO(key.section << "." << key.name << " has no row above");
    // No policy that asks for approval loads yet.
    if (key.section == "rule" && key.name == "approve") continue;
    if (tables.contains(key.section))
      CHECK(looked_at.contains({std::string(key.section), std::string(key.name)}));
  }
}
