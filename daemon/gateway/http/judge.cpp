#include "daemon/gateway/http/judge.h"

#include "daemon/gateway/http/request_facets.h"
#include "daemon/gateway/unix_time.h"
#include "parsers/http/classes.h"
#include "parsers/kubernetes/request.h"

namespace clawpatrol::http {
namespace {

std::shared_ptr<const FlowFacets> facets_of_flow(const ClaimedFlow& flow) {
  return std::make_shared<const FlowFacets>(
      FlowFacets{flow.peer_facets, flow.endpoint_facets, flow.dest, {}, std::nullopt});
}

}  // namespace

Judge::Judge(Worker& worker, const ClaimedFlow& flow)
    : worker_(worker),
      shared_(worker.shared()),
      flow_(*flow.flow),
      peer_(flow.peer),
      of_flow_(facets_of_flow(flow)),
      facets_(of_flow_),
      lines_(*facets_, flow_.id) {}

Judge::Generation Judge::take_generation() {
  auto current = shared_.policy.current();
  if (current == policy_) return policy_;
  if (!current->endpoints.contains(facets_->endpoint.name)) return nullptr;
  if (!grant_) grant_.emplace(current, *peer_, facets_->peer.profile, facets_->endpoint.name, facets_->dest);
  if (!grant_->stands(*current, shared_.peers, shared_.credentials.get())) return nullptr;
  policy_ = std::move(current);
  return policy_;
}

bool Judge::stands() const {
  if (flow_.close_asked()) return false;
  auto current = shared_.policy.current();
  return current == policy_ || grant_->stands(*current, shared_.peers, shared_.credentials.get());
}

std::expected<Seen, std::string_view> Judge::see(const Policy& policy, const Request& request) const {
  const EndpointConfig& endpoint = policy.endpoints.find(of_flow_->endpoint.name)->second;
  // What is asked of a Kubernetes body is in its JSON whatever the rules read: the audit line names the
  // object.
  const bool parses = endpoint.type == EndpointType::kubernetes ||
                      policy.reads(endpoint.name, ActionType::request, FacetId::http_body_json);
  const Options options{.body_inspect = policy.limits.body_inspect,
                        .bodies = parses ? Bodies::parsed : Bodies::text,
                        .paths = endpoint.lenient_paths ? Paths::lenient : Paths::strict};
  Seen seen;
  if (endpoint.type == EndpointType::kubernetes) {
    auto facets = kubernetes::facets_of(request, options);
    if (!facets) return std::unexpected(facets.error());
    if (!facets->refused.empty()) return std::unexpected(facets->refused);
    seen.http = std::make_shared<const HttpFacets>(std::move(facets->http));
    seen.k8s = std::make_shared<const K8sFacets>(std::move(facets->k8s));
    seen.kind = facets->kind;
    seen.audit_json = facets_json(*seen.http, seen.k8s.get());
    return seen;
  }
  auto facets = facets_of(request, options);
  if (!facets) return std::unexpected(facets.error());
  seen.http = std::make_shared<const HttpFacets>(std::move(*facets));
  seen.kind = raised(kind_of(request), *seen.http);
  seen.audit_json = facets_json(*seen.http, nullptr);
  return seen;
}

Opinion Judge::consider(const Policy& policy, const Seen& seen, std::string_view credential) const {
  Action action;
  action.type = seen.ws ? ActionType::message : ActionType::request;
  action.ws = seen.ws.get();
  action.kind = seen.kind;
  action.peer = &of_flow_->peer;
  action.endpoint = &of_flow_->endpoint;
  action.dest = &of_flow_->dest;
  action.credential = credential;
  action.now_unix_ns = now_unix_ns();
  action.http = seen.http.get();
  action.k8s = seen.k8s.get();
  return opinion_of(policy, action);
}

void Judge::become(std::string_view credential) {
  if (facets_->credential == credential) return;
  FlowFacets facets = *facets_;
  facets.credential = std::string(credential);
  facets_ = std::make_shared<const FlowFacets>(std::move(facets));
  lines_ = AuditLines(*facets_, flow_.id);
}

Judge::Line Judge::record(const Entry& entry) {
  become(entry.credential);
  ActionRecord record;
  record.id = shared_.next_action_id();
  record.flow = flow_.id;
  record.time_unix_ns = now_unix_ns();
  record.type = entry.seen && entry.seen->ws ? ActionType::message : ActionType::request;
  record.parent = entry.parent;
  record.kind = entry.seen ? entry.seen->kind : ActionKind::exec;
  record.verdict = entry.verdict;
  record.policy = entry.policy;
  record.facets = facets_;
  record.rule = entry.opinion.decision.rule;
  record.reason = entry.opinion.decision.reason;
  record.guard = entry.opinion.observed ? "observe" : entry.opinion.guard;
  record.text = entry.text;
  std::string_view facets;
  if (entry.seen) {
    record.http = entry.seen->http;
    record.ws = entry.seen->ws;
    record.k8s = entry.seen->k8s;
    facets = entry.seen->audit_json;
  }
  Line line{.action = record.id,
            .text = lines_.action(record, facets, ""),
            .durability =
                durability_of(entry.policy->audit.sync, record.kind, entry.verdict == ActionVerdict::allow)};
  flow_.actions.fetch_add(1, std::memory_order_relaxed);
  if (entry.verdict != ActionVerdict::allow) flow_.denied.fetch_add(1, std::memory_order_relaxed);
  if (entry.opinion.guard.empty()) {
    if (counted_ != entry.policy) counts_ = shared_.rule_counts.of(*entry.policy, record.time_unix_ns);
    counted_ = entry.policy;
    counts_->count(*entry.policy, entry.opinion.decision, entry.opinion.allowed, record.id,
                   record.time_unix_ns);
  }
  flow_.set_last(shared_.actions.add(std::move(record)));
  return line;
}

AuditQueue::Commit Judge::commit(Line& line) {
  return worker_.audit().commit(std::span(&line.text, 1), line.durability, peer_->id);
}

}  // namespace clawpatrol::http
