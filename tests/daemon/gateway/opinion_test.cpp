#include "daemon/gateway/opinion.h"

#include <catch2/catch.hpp>

#include "parsers/http/classes.h"

using namespace clawpatrol;

namespace {

std::shared_ptr<Policy> policy_of(const std::string& rules, const std::string& mode = "enforce") {
  LoadResult loaded = load_policy_text(R"(
schema = 1
[gateway]
endpoint = "gw.example.com:51820"
subnet = ["10.86.0.0/24"]
mode = ")" + mode + R"("
[peer.p]
profile = "data"
[profile.data]
endpoints = ["api"]
[endpoint.api]
type = "http"
hosts = ["api.github.com"]
)" + rules,
                                       "clawpatrol.toml", LoadFor::judge);
  REQUIRE(loaded.policy);
  return loaded.policy;
}

void give_credential(Policy& policy) {
  CredentialConfig credential;
  credential.name = "c";
  credential.endpoint = "api";
  policy.credentials.emplace("c", credential);
  policy.profiles.find("data")->second.credentials.push_back("c");
}

Opinion opinion(const Policy& policy, const std::string& path, http::BodyState body = http::BodyState::whole,
                const std::string& host = "api.github.com") {
  const http::Request request{.method = "POST",
                              .host = host,
                              .raw_path = path,
                              .query = {},
                              .headers = {},
                              .body = "Action=GetCallerIdentity",
                              .body_state = body};
  const HttpFacets facets = *http::facets_of(request, {});
  const PeerFacets peer{.name = "p", .profile = "data", .address = "10.86.0.2", .labels = {}};
  const EndpointFacets endpoint{"api", "http"};
  Action action;
  action.type = ActionType::request;
  action.kind = http::raised(http::kind_of(request), facets);
  action.peer = &peer;
  action.endpoint = &endpoint;
  action.http = &facets;
  return opinion_of(policy, action);
}

const std::string mint = "/app/installations/1/access_tokens";
const std::string everything = "[[rule]]\nname = \"r\"\nendpoint = \"api\"\nverdict = \"allow\"\n";

}  // namespace

TEST_CASE(
    "attack 19: what mints credentials passes where there are some only by a rule that reads the class") {
  auto policy = policy_of(everything);
  CHECK(opinion(*policy, mint).allowed);  // nothing of the gateway's is used
  give_credential(*policy);
  const Opinion refused = opinion(*policy, mint);
  CHECK_FALSE(refused.allowed);
  CHECK(refused.guard == "mints credentials");
  CHECK(opinion(*policy, "/repos/o/r/issues").allowed);
  auto knowing = policy_of(everything + "condition = \"'mints_credential' in http.classes\"\n");
  give_credential(*knowing);
  CHECK(opinion(*knowing, mint).allowed);
  auto observing = policy_of("", "observe");
  give_credential(*observing);
  CHECK_FALSE(opinion(*observing, mint).allowed);
  CHECK(opinion(*observing, "/repos/o/r/issues").observed);
}

TEST_CASE("a call that is named in a body is not decided before the body is here") {
  auto policy = policy_of(everything);
  give_credential(*policy);
  const Opinion early = opinion(*policy, "/", http::BodyState::unread, "sts.amazonaws.com");
  CHECK_FALSE(early.allowed);
  CHECK(early.decision.unevaluable);
  CHECK(opinion(*policy, "/", http::BodyState::whole, "sts.amazonaws.com").allowed);
  CHECK_FALSE(opinion(*policy, "/", http::BodyState::cut, "sts.amazonaws.com").allowed);
}
