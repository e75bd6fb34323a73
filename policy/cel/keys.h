// What a condition cannot be true without, found in its syntax tree: so that many rules need not be
// evaluated.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policy/cel/ast.h"

namespace clawpatrol::cel {

// The key of a condition's facets, or null where there is none that decides it.
//
// Where there are keys, the condition is `no` of every action in which the facet of each key is known, is no
// open list, and the key does not hold. That is so whatever else the condition says, since false
// decides && whatever its other operands are, true decides ||, and one member decides exists and all. No two
// keys are `none` of one facet.
std::optional<std::vector<Key>> keys_of(const Ast& condition);

}  // namespace clawpatrol::cel
