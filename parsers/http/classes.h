// What the answer to a request can be, beyond what its method says: whether it mints credentials
// (attacks.md, 19).
#pragma once

#include <string_view>

#include "parsers/facets.h"
#include "parsers/http/request.h"

namespace clawpatrol::http {

inline constexpr std::string_view mints_credential = "mints_credential";

// Of a request whose other facets are `facets`. The list is open where the body is not here yet and says
// which call it is; where the body cannot be read it is taken for the worst that it can be.
NameList classes_of(const Request& request, const HttpFacets& facets);

// A class raises the kind, and so does one that is not known yet.
ActionKind raised(ActionKind kind, const HttpFacets& facets);

}  // namespace clawpatrol::http
