// What an audit line says of a request, as the facets of a case.
#pragma once

#include <string>

#include "cpctl/cases/cases.h"
#include "policy/json/read.h"

namespace clawpatrol::cpctl {

// `facets` is the line's member of that name; `wanted` has the request's type, and gets what is held
// (`stated`) and what is not (`unheld`): fields, the query and the body are not written down. What it returns
// is why the request cannot be judged again; empty: it can, as far as rules ask for what is held.
std::string read_request(const Json& facets, ActionKind kind, bool kubernetes, Case& wanted);

}  // namespace clawpatrol::cpctl
