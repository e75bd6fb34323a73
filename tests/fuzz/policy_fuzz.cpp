// Any bytes as a configuration: loading never crashes, what is wrong is said with a place that exists, and
// what loads can decide.
#include <cstdlib>
#include <string_view>

#include "policy/policy.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_diagnostics(const clawpatrol::LoadResult& loaded) {
  require((loaded.policy == nullptr) == loaded.diagnostics.has_errors());
  for (const auto& item : loaded.diagnostics.items) {
    require(item.place.line == 0 || item.place.column >= 1);
    require(item.source_line.empty() || item.place.column <= item.source_line.size() + 2);
    require(!item.message.empty());
  }
  for (char c : loaded.diagnostics.render()) require(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
}

void decide_something(const clawpatrol::Policy& policy) {
  clawpatrol::SqlFacets sql;
  sql.verb = std::string("drop");
  clawpatrol::SqlParams params = clawpatrol::Unknown::pending;
  clawpatrol::EndpointFacets endpoint{"pg-prod", "postgres"};
  clawpatrol::Action action;
  action.endpoint = &endpoint;
  action.sql = &sql;
  action.sql_params = &params;
  for (auto type :
       {clawpatrol::ActionType::statement, clawpatrol::ActionType::login, clawpatrol::ActionType::connect}) {
    action.type = type;
    clawpatrol::Decision decision = clawpatrol::explain(policy, action);
    require(decision.verdict == clawpatrol::Verdict::allow || !decision.reason.empty());
  }
  for (const auto& [name, profile] : policy.profiles) {
    policy.claim("pg.internal", 5432, name);
    (void)policy.select_credential(name, "pg-prod", "agent_ro");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  clawpatrol::LoadResult loaded = clawpatrol::load_policy_text({reinterpret_cast<const char*>(data), size});
  check_diagnostics(loaded);
  if (loaded.policy) decide_something(*loaded.policy);
  return 0;
}
