// `cpctl explain`: which rule, why, which rules were tried with what outcome, and the facets.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/gateway/flows.h"

namespace clawpatrol {

// From a record that is still in memory: decides again by the generation that decided, and by `current` where
// it is another.
std::string explain_record(const ActionRecord& record, const std::shared_ptr<const Policy>& current);

// From the lines that the audit log has of the action `id`. Where its generation is still in force, the rule
// is shown too. Empty where none of the lines is the action's own.
std::string explain_audit_lines(std::string_view id, const std::vector<std::string>& lines,
                                const Policy* current);

}  // namespace clawpatrol
