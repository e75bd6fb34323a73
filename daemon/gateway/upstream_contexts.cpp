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
  identified_.clear();
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

std::expected<UpstreamContexts::Context, Error> UpstreamContexts::of(const EndpointConfig& endpoint,
                                                                     const ClientCertificate& certificate) {
  if (endpoint.tls == UpstreamTls::disable)
    return std::unexpected(Error{0, "a client certificate needs TLS, which the endpoint's `tls` forgoes"});
  const std::pair<std::string, Key> key{certificate.credential, {endpoint.tls, endpoint.ca}};
  {
    std::lock_guard lock(mutex_);
    auto found = identified_.find(key);
    if (found != identified_.end() && found->second.version == certificate.version)
      return found->second.context;
  }
  auto made = tls::ClientContext::create(verify_of(endpoint.tls), endpoint.ca, certificate.identity);
  if (!made)
    return std::unexpected(Error{0, "credential '" + certificate.credential + "': " + made.error().what});
  std::lock_guard lock(mutex_);
  identified_[key] = {certificate.version, *made};
  return *made;
}

}  // namespace clawpatrol
