#include "daemon/gateway/opinion.h"

namespace clawpatrol {
namespace {

// Observing lets pass what rules and `unmatched` refuse, of statements and requests that could be read only
// (attacks.md, 29).
bool may_be_observed(const Action& action) {
  if (action.type == ActionType::statement) return action.sql && action.sql->verb.known();
  return action.type == ActionType::request && action.http;
}

}  // namespace

Opinion opinion_of(const Policy& policy, const Action& action) {
  Opinion opinion;
  opinion.decision = decide(policy, action);
  opinion.allowed = opinion.decision.verdict == Verdict::allow;
  const bool observes = policy.gateway.mode == Mode::observe && !opinion.decision.awaits_params;
  if (!opinion.allowed && observes && may_be_observed(action)) opinion.allowed = opinion.observed = true;
  return opinion;
}

audit::Durability durability_of(AuditSync sync, ActionKind kind, bool allowed) {
  if (sync == AuditSync::all) return audit::Durability::synced;
  const bool changes = kind != ActionKind::read && kind != ActionKind::session;
  if (sync == AuditSync::changes && changes && allowed) return audit::Durability::synced;
  return audit::Durability::handed;
}

}  // namespace clawpatrol
