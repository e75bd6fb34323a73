#include "daemon/gateway/opinion.h"

#include <algorithm>

namespace clawpatrol {
namespace {

// Observing lets pass what rules and `unmatched` refuse, of statements and requests that could be read only
// (attacks.md, 29).
bool may_be_observed(const Action& action) {
  if (action.type == ActionType::statement) return action.sql && action.sql->verb.known();
  return action.type == ActionType::request && action.http;
}

bool has_credentials(const Policy& policy, const Action& action) {
  auto profile = action.peer ? policy.profiles.find(action.peer->profile) : policy.profiles.end();
  if (profile == policy.profiles.end() || !action.endpoint) return false;
  return std::ranges::any_of(profile->second.credentials, [&](const std::string& name) {
    auto credential = policy.credentials.find(name);
    return credential != policy.credentials.end() && credential->second.endpoint == action.endpoint->name;
  });
}

bool reads_classes(const Rule& rule) {
  return rule.condition && std::ranges::count(rule.condition->facets(), FacetId::http_classes) > 0;
}

// What answers with new credentials passes where there are credentials only by a rule that knows that it does
// (attacks.md, 19). A call that is named in a body that is not here yet is not decided before that.
void refuse_minting(const Policy& policy, const Action& action, Opinion& opinion) {
  if (!action.http || !action.http->classes) return;
  const NameList& classes = *action.http->classes;
  if (!classes.open && classes.items.empty()) return;
  const bool known_to_rule = opinion.decision.rule && reads_classes(*opinion.decision.rule);
  const bool minting = opinion.allowed && has_credentials(policy, action) && !known_to_rule;
  if (!classes.open && !minting) return;
  opinion.allowed = opinion.observed = false;
  opinion.guard = "mints credentials";
  opinion.decision = {};
  opinion.decision.unevaluable = classes.open;
  opinion.decision.reason =
      classes.open ? "which call this is stands in its body, which is not known yet"
                   : "the answer would hold new credentials, and no rule that reads http.classes allows it";
}

}  // namespace

Opinion opinion_of(const Policy& policy, const Action& action) {
  Opinion opinion;
  opinion.decision = decide(policy, action);
  opinion.allowed = opinion.decision.verdict == Verdict::allow;
  const bool observes = policy.gateway.mode == Mode::observe && !opinion.decision.awaits_params;
  if (!opinion.allowed && observes && may_be_observed(action)) opinion.allowed = opinion.observed = true;
  refuse_minting(policy, action, opinion);
  return opinion;
}

audit::Durability durability_of(AuditSync sync, ActionKind kind, bool allowed) {
  if (sync == AuditSync::all) return audit::Durability::synced;
  const bool changes = kind != ActionKind::read && kind != ActionKind::session;
  if (sync == AuditSync::changes && changes && allowed) return audit::Durability::synced;
  return audit::Durability::handed;
}

}  // namespace clawpatrol
