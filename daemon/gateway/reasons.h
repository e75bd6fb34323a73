// Why the conditions of rules are what they are of an action, as members of an explanation (docs/formats.md).
#pragma once

#include <string>

#include "policy/cel/trace.h"
#include "policy/policy.h"

namespace clawpatrol {

// Every sub-expression with its value: a list of `depth`, `text`, `value`, and `binding` or `skipped`.
std::string steps_json(const cel::Condition& condition, const Action& action);

// The sub-expressions that make a condition other than true, with the facets that they ask: a list of `text`,
// `value`, `binding` and `facets`. "[]" where it is true.
std::string because_json(const cel::Condition& condition, const Action& action);

// The rules that allow such actions at this endpoint and did not decide: a list of `rule`, `place`, `outcome`
// and `because`, in the order of trial.
std::string allowing_json(const Policy& policy, const Action& action, const Rule* decided);

// Rules beyond this are named and not reasoned about: an explanation is made where agents are served.
inline constexpr std::size_t most_reasoned = 50;

}  // namespace clawpatrol
