// What the daemon cannot serve it does not load; what is to be judged loads whole.
#include <catch2/catch.hpp>

#include "tests/policy/config/problems.h"
#include "tests/policy/policy_text.h"

using namespace clawpatrol;
using namespace clawpatrol::tests;
using Lines = std::vector<std::string>;

namespace {

std::string with(const std::string& type, const std::string& more = "", const std::string& rules = "") {
  std::string text = base;
  text.replace(text.find("endpoints = [\"open\"]"), 20, "endpoints = [\"open\", \"web\"]");
  return text + "[endpoint.web]\ntype = \"" + type + "\"\nhosts = [\"api.internal\"]\n" + more + rules;
}

std::string rule_on_web(const std::string& condition) {
  return "[[rule]]\nname = \"r\"\nendpoint = \"web\"\nverdict = \"allow\"\ncondition = \"" + condition +
         "\"\n";
}

Lines judged(const std::string& text) {
  LoadResult loaded = load_policy_text(text, "clawpatrol.toml", LoadFor::judge);
  Lines errors;
  for (const std::string& line : lines_of(loaded.diagnostics))
    if (!line.starts_with("warning ")) errors.push_back(line);
  return errors;
}

}  // namespace

TEST_CASE("endpoints of every type are served") {
  for (const char* type : {"http", "https", "kubernetes"}) CHECK(load_policy_text(with(type)).policy);
}

TEST_CASE("conditions are checked against the facets of their endpoint's type") {
  CHECK(judged(with("https", "", rule_on_web("http.path == '/x' && http.headers['a'][0] == 'b'"))).empty());
  CHECK(judged(with("https", "", rule_on_web("http.body_json.items.exists(i, i.n > 3)"))).empty());
  CHECK(judged(with("kubernetes", "", rule_on_web("k8s.verb == 'get' && http.method == 'GET'"))).empty());
  CHECK(judged(with("kubernetes", "", rule_on_web("k8s.impersonate.user == '' && 'evict' in k8s.derived")))
            .empty());
  CHECK(judged(with("https", "", rule_on_web("k8s.verb == 'get'"))).size() == 1);
  CHECK(judged(with("https", "", rule_on_web("sql.verb == 'select'"))).size() == 1);
  CHECK(judged(with("https", "", rule_on_web("http.headers['a'] == 'b'"))).size() == 1);
  CHECK(judged(rule("r", "verdict = \"deny\"\ncondition = \"http.path == '/'\"")).size() >= 1);
}

TEST_CASE("a port that is left out is the type's own") {
  for (auto [type, port] : {std::pair("http", 80), {"https", 443}, {"kubernetes", 443}}) {
    auto policy = load_policy_text(with(type), "clawpatrol.toml", LoadFor::judge).policy;
    REQUIRE(policy);
    const EndpointConfig& web = policy->endpoints.at("web");
    CHECK(web.hosts.at(0).port == port);
    CHECK(name_of(web.type) == type);
    CHECK_FALSE(web.lenient_paths);
  }
}

TEST_CASE("keys that mean nothing for a type are refused") {
  CHECK(judged(with("https", "safe_functions = [\"f\"]\n")) ==
        Lines{"24:18: 'safe_functions' is not for https endpoints"});
  CHECK(judged(with("postgres", "lenient_paths = true\n")) ==
        Lines{"24:17: 'lenient_paths' is not for postgres endpoints"});
  CHECK(judged(with("http", "tls = \"require\"\n")) == Lines{"24:7: an http endpoint has no TLS"});
  CHECK(judged(with("https", "lenient_paths = true\n")).empty());
}

TEST_CASE("a credential is for endpoints of its own type") {
  std::string credential = "[credential.w]\ntype = \"postgres\"\nendpoint = \"web\"\nuser = \"u\"\n";
  CHECK(judged(with("https", "", credential)) ==
        Lines{"24:13: credential 'w' is postgres, and endpoint 'web' is https"});
}
