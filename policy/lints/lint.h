// What is likely not meant, of a policy that could be put in force: warnings with codes (codes.h).
#pragma once

#include "policy/config/build.h"

namespace clawpatrol::lints {

// Of each rule whose condition checks, and of rules together. Before the rules are sorted.
void lint_rules(config::Build& build);

// Of what is defined and reaches nobody. Says things that are not so where a section could not be read.
void lint_use(config::Build& build);

}  // namespace clawpatrol::lints
