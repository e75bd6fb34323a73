// Facets of one family as an object of JSON, for `cpctl facets`.
#pragma once

#include <string>

#include "parsers/facets.h"

namespace clawpatrol::cpctl {

// {"verb": "get", ...}: names without their family, values as docs/formats.md has them ("An action as
// facets"). What does not apply is left out.
std::string facets_json(const Action& action, FacetFamily family);

}  // namespace clawpatrol::cpctl
