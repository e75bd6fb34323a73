#include "cpctl/cases/where.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/config/suggest.h"

namespace clawpatrol::cpctl {
namespace {

template <class Table>
CaseOutcome unknown_name(std::string_view what, const std::string& name, const Table& table) {
  std::vector<std::string_view> names;
  for (const auto& [known, value] : table) names.push_back(known);
  CaseOutcome outcome =
      unusable(fmt::format("the policy has no {} '{}'", what, name), config::suggestion(name, names));
  outcome.unknown_name = true;
  return outcome;
}

std::optional<DestFacets> first_host_of(const EndpointConfig& endpoint) {
  auto exact = std::ranges::find(endpoint.hosts, false, &HostPort::wildcard);
  if (exact == endpoint.hosts.end()) return std::nullopt;
  return DestFacets{exact->host, exact->port};
}

std::string shown(const DestFacets& dest) {
  return fmt::format("{}:{}", dest.host, dest.port);
}

std::string address_of(const Case& wanted, const PeerConfig& peer) {
  if (!wanted.address.empty()) return wanted.address;
  return peer.addresses.empty() ? "" : peer.addresses.front().text();
}

}  // namespace

CaseOutcome unusable(std::string problem, std::string hint) {
  CaseOutcome outcome;
  outcome.problem = std::move(problem);
  outcome.hint = std::move(hint);
  return outcome;
}

bool is_of_no_endpoint(ActionType type) {
  return type == ActionType::dns || type == ActionType::connect;
}

std::expected<Where, CaseOutcome> find_place(const Policy& policy, const Case& wanted) {
  Where place;
  if (wanted.peer.empty()) return std::unexpected(unusable("the case does not say which peer acts"));
  auto peer = policy.peers.find(wanted.peer);
  if (peer == policy.peers.end()) return std::unexpected(unknown_name("peer", wanted.peer, policy.peers));
  place.peer = &peer->second;
  if (!wanted.endpoint.empty() && !policy.endpoints.contains(wanted.endpoint))
    return std::unexpected(unknown_name("endpoint", wanted.endpoint, policy.endpoints));
  if (wanted.dest) {
    place.dest = *wanted.dest;
  } else if (!wanted.endpoint.empty()) {
    auto host = first_host_of(policy.endpoints.find(wanted.endpoint)->second);
    if (!host)
      return std::unexpected(
          unusable(fmt::format("endpoint '{}' has only wildcard hosts: which one is meant?", wanted.endpoint),
                   "Say what the agent dials: dest = \"name:port\"."));
    place.dest = *host;
  } else if (wanted.type == ActionType::dns) {
    return place;
  } else {
    return std::unexpected(unusable("the case says neither 'endpoint' nor 'dest'"));
  }
  place.endpoint = policy.claim(place.dest.host, place.dest.port, place.peer->profile);
  if (place.endpoint && !wanted.endpoint.empty() && place.endpoint->name != wanted.endpoint)
    return std::unexpected(unusable(fmt::format("{} is claimed by endpoint '{}' and not by '{}'",
                                                shown(place.dest), place.endpoint->name, wanted.endpoint)));
  if (place.endpoint || is_of_no_endpoint(wanted.type)) return place;
  CaseOutcome outcome;
  outcome.guard = "unclaimed";
  outcome.reason = fmt::format("no endpoint that profile \"{}\" may reach claims {}", place.peer->profile,
                               shown(place.dest));
  if (policy.unknown_host == UnknownHost::passthrough) {
    outcome = unusable(outcome.reason + ": it passes through and is not looked at",
                       "Test it with type = \"connect\".");
    outcome.passes_unseen = true;
  }
  return std::unexpected(std::move(outcome));
}

PeerFacets peer_facets(const Case& wanted, const PeerConfig& peer) {
  return {
      .name = peer.name, .profile = peer.profile, .address = address_of(wanted, peer), .labels = peer.labels};
}

std::string declared_user(const Case& wanted) {
  if (!wanted.user.empty()) return wanted.user;
  return wanted.credential.empty() ? "agent" : wanted.credential;
}

std::expected<std::shared_ptr<const FlowFacets>, CaseOutcome> flow_facets(const Policy& policy,
                                                                          const Case& wanted,
                                                                          const Where& where) {
  auto facets = std::make_shared<FlowFacets>();
  facets->peer = peer_facets(wanted, *where.peer);
  facets->dest = where.dest;
  if (!where.endpoint) return facets;
  facets->endpoint = {where.endpoint->name, std::string(clawpatrol::name_of(where.endpoint->type))};
  const std::string user = declared_user(wanted);
  auto credential = policy.select_credential(where.peer->profile, where.endpoint->name, user);
  // A request that names none of several goes without one; a login cannot.
  const bool recorded_request = wanted.stated && wanted.type == ActionType::request;
  if (!credential && recorded_request) return facets;
  if (!credential) {
    CaseOutcome outcome;
    outcome.guard = outcome.reason = credential.error();
    return std::unexpected(std::move(outcome));
  }
  const CredentialConfig* given = *credential;
  facets->credential = given ? given->name : "";
  if (where.endpoint->type != EndpointType::postgres) return facets;
  SqlSessionFacets session;
  session.user = given && !given->user.empty() ? given->user : user;
  session.declared_user = user;
  session.database = wanted.database.empty() ? session.user : wanted.database;
  facets->sql = std::move(session);
  return facets;
}

CaseOutcome unknown_credential(const Policy& policy, const std::string& name) {
  return unknown_name("credential", name, policy.credentials);
}

}  // namespace clawpatrol::cpctl
