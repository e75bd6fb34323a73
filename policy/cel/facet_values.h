// The facets of an action as values, without copying.
#pragma once

#include "policy/cel/value.h"

namespace clawpatrol::cel {

using FacetReader = Value (*)(const Action&);
FacetReader facet_reader(FacetId id);  // never null

}  // namespace clawpatrol::cel
