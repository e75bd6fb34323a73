// What a request to a Kubernetes API server amounts to, beyond its verb.
#pragma once

#include "parsers/facets.h"
#include "parsers/kubernetes/request_info.h"

namespace clawpatrol::kubernetes {

// `evict`, `drain` (evictions are what drains a node; so are deletions of all pods of one), `cordon` (a write
// that says spec.unschedulable: true), `scale` (a write to the scale of something, or a patch that sets its
// spec.replicas), `restart` (a write that sets the annotation of `kubectl rollout restart`). Open where the
// body could say so and is not known.
NameList derived_from(const RequestInfo& info, const Params& params, const Facet<Document>& body);

}  // namespace clawpatrol::kubernetes
