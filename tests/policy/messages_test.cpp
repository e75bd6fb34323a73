#include <catch2/catch.hpp>

#include "policy/policy.h"

using namespace clawpatrol;

namespace {

const std::string base = R"x(schema = 1
[gateway]
subnet = ["10.86.0.0/24", "fd86::/64"]
[peer.builder]
profile = "data"
[profile.data]
endpoints = ["chat"]
[endpoint.chat]
type = "https"
hosts = ["chat.example.com"]
)x";

LoadResult load(const std::string& rules) {
  return load_policy_text(base + rules, "clawpatrol.toml", LoadFor::judge);
}

Decision decide_text(const std::string& rules, const std::string& text, const std::string& direction = "up") {
  LoadResult loaded = load(rules);
  INFO(loaded.diagnostics.render());
  REQUIRE(loaded.policy);
  const EndpointFacets endpoint{"chat", "https"};
  HttpFacets http;
  http.path = std::string("/room");
  const WsFacets ws{
      .direction = direction, .opcode = std::string("text"), .text = text, .json = Unknown::unparseable};
  Action action;
  action.type = ActionType::message;
  action.endpoint = &endpoint;
  action.http = &http;
  action.ws = &ws;
  Decision decision = decide(*loaded.policy, action);
  decision.rule = nullptr;  // of a policy that ends here
  return decision;
}

}  // namespace

TEST_CASE("rules that name messages see them, with the request that opened their WebSocket") {
  const std::string rules = R"x(
[[rule]]
name = "requests"
endpoint = "chat"
verdict = "deny"
[[rule]]
name = "words"
endpoint = "chat"
on = ["message"]
condition = "ws.direction == 'up' && http.path == '/room' && ws.text.contains('secret')"
verdict = "deny"
)x";
  CHECK(decide_text(rules, "hello").verdict == Verdict::allow);
  CHECK(decide_text(rules, "a secret").verdict == Verdict::deny);
  CHECK(decide_text(rules, "a secret", "down").verdict == Verdict::allow);
  CHECK(load(rules).policy->sees("chat", ActionType::message));
  CHECK_FALSE(load("").policy->sees("chat", ActionType::message));
  CHECK_FALSE(load(rules).policy->sees("other", ActionType::message));
}

TEST_CASE("what a message could not be read as denies it") {
  CHECK(decide_text(R"x(
[[rule]]
name = "json"
endpoint = "chat"
on = ["message"]
condition = "ws.json.method == 'x'"
verdict = "allow"
)x",
                    "no document")
            .reason.contains("could not be evaluated"));
}

TEST_CASE("a rule that reads ws without naming messages is warned of when the policy is loaded") {
  LoadResult loaded = load(R"x(
[[rule]]
name = "words"
endpoint = "chat"
condition = "ws.text.contains('secret')"
verdict = "deny"
)x");
  REQUIRE(loaded.diagnostics.items.size() > 0);
  CHECK(loaded.diagnostics.render().contains("CP0207"));
}
