#include "daemon/gateway/grant.h"
#include "daemon/gateway/admitted.h"

namespace clawpatrol {
namespace {

// How it is reached, and what vouches for it. What its rules read may change under a connection; not so what
// its statements were read by, since a prepared one is not read again.
bool same_endpoint(const EndpointConfig& a, const EndpointConfig& b) {
  return a.hosts == b.hosts && a.networks == b.networks && a.tls == b.tls && a.ca == b.ca &&
         a.type == b.type && a.safe_functions == b.safe_functions;
}

}  // namespace

Grant::Grant(const std::shared_ptr<const Policy>& policy, const Peer& peer, std::string profile,
             std::string endpoint, DestFacets dest)
    : peer_id_(peer.id),
      peer_key_(peer.key_fingerprint),
      peer_(peer.name),
      profile_(std::move(profile)),
      endpoint_(std::move(endpoint)),
      dest_(std::move(dest)) {
  auto found = policy->endpoints.find(endpoint_);
  if (found != policy->endpoints.end()) configured_ = {policy, &found->second};
}

void Grant::logged_in(Login login, const credentials::Store* store) {
  login_ = std::move(login);
  credential_version_ = store && !login_->credential.empty() ? store->version(login_->credential) : 0;
}

const char* Grant::broken(const Policy& policy, const Peers& peers, const credentials::Store* store) const {
  auto known = peers.by_id(peer_id_);
  if (!known || known->name != peer_) return "the peer is no longer known here";
  if (known->key_fingerprint != peer_key_) return "the peer's key or addresses have changed";
  const auto peer = admitted_as(policy, *known);
  if (!peer) return "the peer is no longer known here";
  if (peer->profile != profile_) return "the peer has another profile";
  if (endpoint_.empty()) {
    if (policy.unknown_host != UnknownHost::passthrough) return "unclaimed destinations are now refused";
    if (policy.claim(dest_.host, dest_.port, profile_)) return "an endpoint now claims the destination";
    return more_ ? more_(policy) : nullptr;
  }
  auto endpoint = policy.endpoints.find(endpoint_);
  if (endpoint == policy.endpoints.end() || !policy.reaches(profile_, endpoint_))
    return "the endpoint is no longer within this peer's profile";
  if (!configured_ || !same_endpoint(*configured_, endpoint->second)) return "the endpoint has changed";
  const char* why = login_ ? broken_login(policy, store) : nullptr;
  return why || !more_ ? why : more_(policy);
}

const char* Grant::broken_login(const Policy& policy, const credentials::Store* store) const {
  auto granted = policy.select_credential(
      profile_, endpoint_, login_->credential.empty() ? login_->declared_user : login_->credential);
  if (!granted) return "the credential is no longer within this peer's profile";
  const CredentialConfig* credential = *granted;
  if ((credential ? credential->name : "") != login_->credential)
    return "the credential is no longer within this peer's profile";
  if (!credential) return nullptr;
  if (credential->user != login_->user || !credential->goes_to(dest_.host, dest_.port))
    return "the credential has changed";
  if (!store || store->version(login_->credential) != credential_version_)
    return "the credential's value has changed";
  return nullptr;
}

// First the grant, then the look at what is in force; who changes that does it the other way round. So one of
// the two sees the other.
void give_grant(Shared& shared, Flow& flow, Grant grant) {
  auto given = std::make_shared<const Grant>(std::move(grant));
  flow.set_grant(given);
  const char* why = given->broken(*shared.policy.current(), shared.peers, shared.credentials.get());
  if (why) flow.ask_to_close(why);
}

void close_orphans(Shared& shared) {
  auto policy = shared.policy.current();
  for (const auto& flow : shared.flows.all(FlowTable::Which::also_opening)) {
    auto grant = flow->grant();
    const char* why = grant ? grant->broken(*policy, shared.peers, shared.credentials.get()) : nullptr;
    if (why) flow->ask_to_close(why);
  }
}

}  // namespace clawpatrol
