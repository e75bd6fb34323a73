// What a policy says of a case: by the daemon's own login, session and rules.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cpctl/cases/cases.h"
#include "daemon/gateway/actions.h"
#include "policy/policy.h"

namespace clawpatrol::cpctl {

struct CaseOutcome {
  // Not empty: the case and the policy do not fit together, so that there is no verdict.
  std::string problem;
  std::string hint;
  bool unknown_name = false;   // because the policy has no such peer, endpoint or credential
  bool passes_unseen = false;  // because nothing claims the connection, and it passes through

  Expected verdict = Expected::deny;
  std::string rule;                // "": none decided
  std::string reason;              // as the audit log has it
  std::string guard;               // not empty: refused, or let pass, by the gateway itself, and why
  RecentActions::Record decisive;  // null: refused before any action
  std::vector<RecentActions::Record> actions;  // everything that was judged on the way
};

// Of one action, by rules alone; its verdict and what decided are filled in.
CaseOutcome decided(const std::shared_ptr<const Policy>& policy, std::shared_ptr<ActionRecord> record);

CaseOutcome run_case(const std::shared_ptr<const Policy>& policy, const Case& wanted);

}  // namespace clawpatrol::cpctl
