#include <catch2/catch.hpp>

#include "policy/policy.h"
#include "tests/policy/policy_text.h"

using namespace clawpatrol;
using clawpatrol::tests::policy_from;

namespace {

const std::string text = R"(schema = 1
[gateway]
subnet = ["10.86.0.0/24"]
[profile.data]
credentials = ["a", "b"]
endpoints = ["exact", "address", "wide", "narrow"]
[profile.other]
endpoints = ["other", "wide"]
[endpoint.exact]
type = "postgres"
hosts = ["One.Example.com.:5432", "two.example.com:6543"]
tls = "disable"
[endpoint.other]
type = "postgres"
hosts = ["one.example.com:5432"]
tls = "disable"
[endpoint.address]
type = "postgres"
hosts = ["192.0.2.7", "[2001:db8::7]:5432"]
tls = "disable"
[endpoint.wide]
type = "postgres"
hosts = ["*.example.com:5432"]
tls = "disable"
[endpoint.narrow]
type = "postgres"
hosts = ["*.db.example.com:5432"]
tls = "disable"
[endpoint.several]
type = "postgres"
hosts = ["several:5432"]
tls = "disable"
[credential.a]
type = "postgres"
endpoint = "several"
user = "reader"
[credential.b]
type = "postgres"
endpoint = "several"
user = "writer"
)";

std::string claimed(const Policy& policy, std::string_view host, std::uint16_t port,
                    std::string_view profile = "data") {
  const EndpointConfig* endpoint = policy.claim(host, port, profile);
  return endpoint ? endpoint->name : "";
}

}  // namespace

TEST_CASE("an endpoint claims its host in every spelling, with its port") {
  auto policy = policy_from(text);
  CHECK(claimed(*policy, "one.example.com", 5432) == "exact");
  CHECK(claimed(*policy, "ONE.example.COM.", 5432) == "exact");
  CHECK(claimed(*policy, "two.example.com", 6543) == "exact");
  CHECK(claimed(*policy, "two.example.com", 6544) == "");
  CHECK(claimed(*policy, "192.0.2.7", 5432) == "address");
  CHECK(claimed(*policy, "::ffff:192.0.2.7", 5432) == "address");
  CHECK(claimed(*policy, "2001:DB8:0::7", 5432) == "address");
  CHECK(claimed(*policy, "2001:db8::8", 5432) == "");
  CHECK(claimed(*policy, "", 5432) == "");
}

TEST_CASE("exact beats wildcard, and the longest suffix wins") {
  auto policy = policy_from(text);
  CHECK(claimed(*policy, "two.example.com", 5432) == "wide");  // exact on another port
  CHECK(claimed(*policy, "x.example.com", 5432) == "wide");
  CHECK(claimed(*policy, "x.y.example.com", 5432) == "wide");
  CHECK(claimed(*policy, "x.db.example.com", 5432) == "narrow");
  CHECK(claimed(*policy, "db.example.com", 5432) == "wide");
  CHECK(claimed(*policy, "x.example.com", 443) == "");
}

TEST_CASE("a wildcard does not match its own suffix, nor half a label, nor an empty one") {
  auto policy = policy_from(text);
  CHECK(claimed(*policy, "example.com", 5432) == "");
  CHECK(claimed(*policy, "notexample.com", 5432) == "");
  CHECK(claimed(*policy, ".example.com", 5432) == "");
  CHECK(claimed(*policy, "x..example.com", 5432) == "");
}

TEST_CASE("a claim holds only for profiles that reach the endpoint") {
  auto policy = policy_from(text);
  CHECK(claimed(*policy, "one.example.com", 5432, "other") == "other");
  CHECK(claimed(*policy, "192.0.2.7", 5432, "other") == "");
  CHECK(claimed(*policy, "one.example.com", 5432, "nobody") == "");
  CHECK(policy->reaches("data", "several"));  // by its credentials
  CHECK_FALSE(policy->reaches("other", "several"));
  CHECK_FALSE(policy->reaches("data", "nothing"));
}

TEST_CASE("a credential is selected by name, by user, or because it is the only one") {
  auto policy = policy_from(text);
  auto selected = [&](std::string_view declared) {
    auto result = policy->select_credential("data", "several", declared);
    return result ? (*result ? (*result)->name : "none") : result.error();
  };
  CHECK(selected("a") == "a");
  CHECK(selected("{{b}}") == "b");
  CHECK(selected("writer") == "b");
  CHECK(selected("postgres") ==
        "several credentials fit: \"a\" (user \"reader\"), \"b\" (user \"writer\"): name one of them, or its "
        "user, as the user");
  CHECK(selected("") == selected("postgres"));
  CHECK(selected("{{c}}") == "the placeholder is not of this profile and endpoint");
  CHECK(policy->select_credential("data", "exact", "whoever").value() == nullptr);
  CHECK_FALSE(policy->select_credential("data", "exact", "{{a}}"));  // of another endpoint
  CHECK_FALSE(policy->select_credential("other", "several", "a"));
}

TEST_CASE("two credentials of one user have to be told apart by name") {
  std::string same = text;
  same.replace(same.find("\"writer\""), 8, "\"reader\"");
  auto policy = policy_from(same);
  CHECK_FALSE(policy->select_credential("data", "several", "reader"));
  CHECK(policy->select_credential("data", "several", "b").value()->name == "b");
}

TEST_CASE("attack 17: a credential goes to the hosts that it names") {
  auto policy = policy_from(text + R"([credential.w]
type = "postgres"
endpoint = "wide"
user = "u"
hosts = ["pg.example.com"]
)");
  const CredentialConfig& credential = policy->credentials.find("w")->second;
  CHECK(credential.goes_to("PG.example.com.", 5432));
  CHECK_FALSE(credential.goes_to("pg.example.com", 5433));
  CHECK_FALSE(credential.goes_to("evil.example.com", 5432));
}
