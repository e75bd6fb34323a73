// What rules see of a request to a Kubernetes API server.
#pragma once

#include <expected>
#include <string_view>

#include "parsers/facets.h"
#include "parsers/http/request.h"

namespace clawpatrol::kubernetes {

struct Facets {
  HttpFacets http;
  K8sFacets k8s;
  ActionKind kind = ActionKind::exec;
  // Why the request is refused whatever the rules say, a literal; "": it is not. The facets are then what the
  // API server would take it for, where it can be told, and for people to read only.
  std::string_view refused;
};

// The error says why there is nothing that the request could be taken for; a literal.
std::expected<Facets, std::string_view> facets_of(const http::Request& request, const http::Options& options);

}  // namespace clawpatrol::kubernetes
