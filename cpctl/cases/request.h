// Cases of HTTP and Kubernetes: requests as they stand on the wire, or in parts.
#pragma once

#include <memory>

#include "cpctl/cases/where.h"

namespace clawpatrol::cpctl {

// By the daemon's parsers and rules: the first request that is denied, or refused whatever the rules say.
CaseOutcome play_request(const std::shared_ptr<const Policy>& policy, const Case& wanted, const Where& where);

}  // namespace clawpatrol::cpctl
