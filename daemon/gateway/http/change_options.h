// Changes of Kubernetes that a few options describe whole: one object is deleted, evicted or scaled. What
// such a request carries holds no secret, so that the audit line may have it, and a rule can be written that
// allows this and no more (`cpctl rules suggest`).
#pragma once

#include <string>

#include "parsers/facets.h"

namespace clawpatrol::http {

// By its verb and resource; the object is named in the path.
bool deletes_evicts_or_scales(const K8sFacets& k8s);

// The query and the body of such a change as members of the line's facets, `k8s_params` and `k8s_body`. ""
// where it is no such change, or has anything in it but the API's own options for one, in short plain values.
std::string change_options_json(const K8sFacets& k8s);

}  // namespace clawpatrol::http
