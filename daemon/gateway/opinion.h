// What the policy says of an action that an endpoint claims. Nothing has been written down yet.
#pragma once

#include <string>

#include "daemon/audit/log.h"
#include "policy/policy.h"

namespace clawpatrol {

struct Opinion {
  Decision decision;
  std::string guard;  // not empty: refused whatever the rules say, and this is why
  bool allowed = false;
  bool observed = false;  // allowed only because the gateway observes: it gets no credential of its own
};

// By the rules and, where the gateway observes, by that.
Opinion opinion_of(const Policy& policy, const Action& action);

// What must be on disk before an action goes on.
audit::Durability durability_of(AuditSync sync, ActionKind kind, bool allowed);

}  // namespace clawpatrol
