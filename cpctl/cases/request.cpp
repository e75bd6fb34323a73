#include "cpctl/cases/request.h"

#include <fmt/format.h>

#include "daemon/gateway/unix_time.h"
#include "parsers/http/classes.h"
#include "parsers/http/described.h"
#include "parsers/http/wire.h"
#include "parsers/kubernetes/request.h"

namespace clawpatrol::cpctl {
namespace {

CaseOutcome refused(std::string_view why) {
  CaseOutcome outcome;
  outcome.guard = outcome.reason = std::string(why);
  return outcome;
}

struct Stage {
  std::shared_ptr<const Policy> policy;
  const Case& wanted;
  const EndpointConfig& endpoint;
  const DestFacets& dest;
  std::shared_ptr<const FlowFacets> flow;
  http::Options options;
};

// Whatever else it says, a request is for the host that was dialled (attacks.md, 11).
std::string other_host(const Stage& stage, const HttpFacets& facets) {
  if (!facets.host || *facets.host == stage.dest.host) return {};
  return fmt::format("the request is for \"{}\", and the connection is to \"{}\"", *facets.host,
                     stage.dest.host);
}

CaseOutcome judge(const Stage& stage, const http::Request& request) {
  auto record = std::make_shared<ActionRecord>();
  record->type = ActionType::request;
  record->policy = stage.policy;
  record->facets = stage.flow;
  record->time_unix_ns = stage.wanted.time_unix_ns.value_or(now_unix_ns());
  record->text = std::string(request.method) + " " + std::string(request.raw_path);
  if (stage.endpoint.type == EndpointType::kubernetes) {
    auto facets = kubernetes::facets_of(request, stage.options);
    if (!facets) return refused(facets.error());
    if (!facets->refused.empty()) return refused(facets->refused);
    record->kind = facets->kind;
    record->http = std::make_shared<const HttpFacets>(std::move(facets->http));
    record->k8s = std::make_shared<const K8sFacets>(std::move(facets->k8s));
  } else {
    auto facets = http::facets_of(request, stage.options);
    if (!facets) return refused(facets.error());
    record->kind = http::raised(http::kind_of(request), *facets);
    record->http = std::make_shared<const HttpFacets>(std::move(*facets));
  }
  if (std::string why = other_host(stage, *record->http); !why.empty()) return refused(why);
  return decided(stage.policy, std::move(record));
}

CaseOutcome judge_wire(const Stage& stage, std::string_view bytes) {
  const http::WireReading reading = http::read_wire(bytes, stage.options);
  CaseOutcome all;
  for (const http::WireRequest& request : reading.requests) {
    CaseOutcome one = judge(stage, request.request());
    one.actions.insert(one.actions.begin(), all.actions.begin(), all.actions.end());
    all = std::move(one);
    if (all.verdict != Expected::allow) return all;
  }
  if (reading.refused.empty()) return all;
  CaseOutcome rest = refused(reading.refused);
  rest.actions = std::move(all.actions);
  return rest;
}

CaseOutcome judge_described(const Stage& stage, const RequestParts& parts) {
  http::Described described;
  described.method = parts.method;
  described.target = parts.target;
  bool has_host = false;
  for (const auto& [name, value] : parts.headers) {
    described.headers.push_back({name, value});
    has_host |= name.size() == 4 && (name == "host" || name == "Host" || name == "HOST");
  }
  if (!has_host) described.headers.insert(described.headers.begin(), {"Host", stage.dest.host});
  described.body = parts.body;
  const http::DescribedRequest read = http::read_described(described);
  if (!read.refused.empty()) return refused(read.refused);
  return judge(stage, read.request);
}

}  // namespace

CaseOutcome play_request(const std::shared_ptr<const Policy>& policy, const Case& wanted,
                         const Where& where) {
  auto flow = flow_facets(*policy, wanted, where);
  if (!flow) return std::move(flow.error());
  Stage stage{policy, wanted, *where.endpoint, where.dest, std::move(*flow), {}};
  stage.options.body_inspect = policy->limits.body_inspect;
  if (where.endpoint->lenient_paths) stage.options.paths = http::Paths::lenient;
  return wanted.request->wire ? judge_wire(stage, *wanted.request->wire)
                              : judge_described(stage, wanted.request->parts);
}

}  // namespace clawpatrol::cpctl
