#include "daemon/gateway/upstream_contexts.h"

namespace clawpatrol {

namespace {

tls::Verify verify_of(UpstreamTls tls) {
  switch (tls) {
    case UpstreamTls::verify_ca: return tls::Verify::chain;
    case UpstreamTls::require: return tls::Verify::nothing;
    case UpstreamTls::verify_full:
    case UpstreamTls::disable: break;
  }
  return tls::Verify::full;
}

}  // namespace

std::expected<void, Error> UpstreamContexts::renew(const Policy& policy) {
  std::map<Key, Context> made;
  for (const auto& [name, endpoint] : policy.endpoints) {
    if (endpoint.tls == UpstreamTls::disable) continue;
    Context& context = made[{endpoint.tls, endpoint.ca}];
    if (context) continue;
    auto created = tls::ClientContext::create(verify_of(endpoint.tls), endpoint.ca);
    if (!created) return std::unexpected(Error{0, "endpoint '" + name + "': " + created.error().what});
    context = std::move(*created);
  }
  std::lock_guard lock(mutex_);
  contexts_ = std::move(made);
  return {};
}

std::expected<UpstreamContexts::Context, Error> UpstreamContexts::of(const EndpointConfig& endpoint) {
  if (endpoint.tls == UpstreamTls::disable) return nullptr;
  {
    std::lock_guard lock(mutex_);
    auto found = contexts_.find({endpoint.tls, endpoint.ca});
    if (found != contexts_.end()) return found->second;
  }
  // A connection that rests on an earlier generation.
  return tls::ClientContext::create(verify_of(endpoint.tls), endpoint.ca);
}

}  // namespace clawpatrol
