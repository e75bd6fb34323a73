// The facets of an action as values, without copying.
#pragma once

#include "policy/cel/value.h"

namespace clawpatrol::cel {

Value read_facet(const Action& action, FacetId id);

}  // namespace clawpatrol::cel
