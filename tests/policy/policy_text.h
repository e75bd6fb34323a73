// Policies for tests, from short texts.
#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "policy/policy.h"

namespace clawpatrol::tests {

// Two endpoints, one profile `data` and a peer; rules come after it.
inline const std::string base = R"(schema = 1
[gateway]
subnet = ["10.86.0.0/24", "fd86::/64"]
[peer.builder]
profile = "data"
[profile.data]
credentials = ["reader"]
endpoints = ["open"]
[endpoint.pg]
type = "postgres"
hosts = ["pg.internal:5432"]
tls = "disable"
[endpoint.open]
type = "postgres"
hosts = ["open.internal"]
tls = "disable"
[credential.reader]
type = "postgres"
endpoint = "pg"
user = "agent_ro"
)";

inline std::shared_ptr<Policy> policy_from(const std::string& text) {
  LoadResult loaded = load_policy_text(text);
  INFO(loaded.diagnostics.render());
  REQUIRE(loaded.policy);
  return loaded.policy;
}

// [[rule]] with a name, for pg: further lines as they are.
inline std::string rule(const std::string& name, const std::string& lines) {
  return "[[rule]]\nname = \"" + name + "\"\nendpoint = \"pg\"\n" + lines + "\n";
}

}  // namespace clawpatrol::tests
