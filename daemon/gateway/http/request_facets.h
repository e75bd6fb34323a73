#pragma once

#include <string>

#include "parsers/facets.h"

namespace clawpatrol::http {

inline constexpr std::size_t most_listed = 64;  // items of a list in a line; each is cut to longest_excerpt

// What an audit line says of a request (docs/formats.md), as the members of a JSON object: which request it
// was, not what it carried. `k8s` may be null.
std::string facets_json(const HttpFacets& http, const K8sFacets* k8s);

}  // namespace clawpatrol::http
