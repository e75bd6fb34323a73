#include "daemon/gateway/dispatch.h"

#include <algorithm>

#include "daemon/gateway/admitted.h"
#include "daemon/gateway/agent_files.h"
#include "daemon/gateway/agent_tls.h"
#include "daemon/gateway/close_requests.h"
#include "daemon/gateway/dns/tcp.h"
#include "daemon/gateway/grant.h"
#include "daemon/gateway/guard.h"
#include "daemon/gateway/http/handler.h"
#include "daemon/gateway/https.h"
#include "daemon/gateway/names.h"
#include "daemon/gateway/passthrough.h"
#include "daemon/gateway/postgres/handler.h"
#include "daemon/gateway/sockets.h"
#include "daemon/gateway/unix_time.h"

namespace clawpatrol {

namespace {

// What the agent dialled: the name behind a virtual address, else the address itself.
struct DialledHost {
  std::string host;
  std::shared_ptr<const void> hold;  // keeps the address of a wildcard name from ending while the flow lives
};

// Nothing for a virtual address that no name owns.
std::optional<DialledHost> dialled_host(Shared& shared, const Policy& policy, const Address& destination,
                                        std::uint32_t peer_id) {
  for (const Prefix& range : policy.gateway.virtual_) {
    if (!range.contains(destination)) continue;
    auto dialled = shared.names->dialled(destination, peer_id);
    if (!dialled) return std::nullopt;
    auto hold = std::make_shared<const VirtualNames::Dialled>(std::move(*dialled));
    return DialledHost{hold->name, hold};
  }
  return DialledHost{destination.text(), nullptr};
}

void refuse(Worker& worker, Fd socket, const char* reason, std::uint32_t peer_id) {
  worker.shared().refusals.count(reason, peer_id);
  reset(std::move(socket));
}

ClaimedFlow claimed_flow(std::shared_ptr<Flow> flow, std::shared_ptr<const Peer> peer,
                         const PeerConfig& config, const EndpointConfig* endpoint, DestFacets dest,
                         SocketAddress source, Address destination) {
  ClaimedFlow claimed;
  claimed.peer_facets = {.name = peer->name,
                         .profile = config.profile,
                         .address = source.address.text(),
                         .labels = config.labels};
  if (endpoint)
    claimed.endpoint_facets = {.name = endpoint->name, .type = std::string(name_of(endpoint->type))};
  flow->peer = peer->name;
  flow->endpoint = claimed.endpoint_facets.name;
  flow->destination = dest.host.find(':') == std::string::npos
                          ? dest.host + ":" + std::to_string(dest.port)
                          : "[" + dest.host + "]:" + std::to_string(dest.port);
  flow->protocol = endpoint ? claimed.endpoint_facets.type : "passthrough";
  flow->opened_unix_ns = now_unix_ns();
  claimed.flow = std::move(flow);
  claimed.peer = std::move(peer);
  claimed.dest = std::move(dest);
  claimed.source = source.address;
  claimed.destination = destination;
  return claimed;
}

// HTTP within TLS, and told by its server name.
bool speaks_tls(EndpointType type) {
  return type == EndpointType::https || type == EndpointType::kubernetes;
}

// Begins to serve. No task of its own, which would hold all of this for as long as the flow.
Task<void> begin_serving(Worker& worker, Fd socket, ClaimedFlow claimed, Opening opening) {
  const std::string type = claimed.endpoint_facets.type;
  if (claimed.endpoint_facets.name.empty())
    return serve_passthrough(worker, std::move(socket), std::move(claimed), std::move(opening));
  if (type == name_of(EndpointType::postgres))
    return serve_postgres(worker, std::move(socket), std::move(claimed));
  if (type == name_of(EndpointType::http))
    return serve_http(worker, std::make_unique<Stream>(worker.ring(), std::move(socket)), std::move(claimed),
                      http::Version::http1);
  return serve_https(worker, std::move(socket), std::move(claimed), std::move(opening));  // Kubernetes too
}

Task<void> close_behind(Worker& worker, std::shared_ptr<Flow> flow, Task<void> serving) {
  co_await serving;
  worker.shared().flows.close(*flow);
}

// One flow from its claim to its end. `opening`: what has been read of it already, if anything.
Task<void> serve(Worker& worker, Fd socket, ClaimedFlow claimed, Opening opening) {
  std::shared_ptr<Flow> flow = claimed.flow;
  Task<void> serving = begin_serving(worker, std::move(socket), std::move(claimed), std::move(opening));
  return close_behind(worker, std::move(flow), std::move(serving));
}

// Who came, and where to.
struct Arrival {
  std::shared_ptr<Flow> flow;
  std::shared_ptr<const Peer> peer;
  SocketAddress source, destination;
  DialledHost dialled;
};

// Null `endpoint`: passthrough.
ClaimedFlow claim(Shared& shared, const std::shared_ptr<const Policy>& policy, const PeerConfig& config,
                  const EndpointConfig* endpoint, Arrival arrival) {
  ClaimedFlow claimed = claimed_flow(std::move(arrival.flow), std::move(arrival.peer), config, endpoint,
                                     {arrival.dialled.host, arrival.destination.port}, arrival.source,
                                     arrival.destination.address);
  claimed.name_hold = std::move(arrival.dialled.hold);
  give_grant(shared, *claimed.flow,
             Grant(policy, *claimed.peer, config.profile, claimed.endpoint_facets.name, claimed.dest));
  return claimed;
}

// Whether a ClientHello at this port may name an endpoint of the profile.
bool may_be_named(const Policy& policy, std::string_view profile, std::uint16_t port) {
  return std::ranges::any_of(policy.endpoints, [&](const auto& entry) {
    const EndpointConfig& endpoint = entry.second;
    return speaks_tls(endpoint.type) && policy.reaches(profile, endpoint.name) &&
           std::ranges::any_of(endpoint.hosts, [port](const HostPort& host) { return host.port == port; });
  });
}

constexpr auto passthrough_opening = std::chrono::milliseconds(250);  // its server may speak first

// A literal address that nothing claims, where TLS may name an endpoint: an agent that has looked the name up
// elsewhere. What is dialled for it is what the name resolves to, never that address.
Task<void> serve_by_server_name(Worker& worker, Fd socket, Arrival arrival) {
  Shared& shared = worker.shared();
  std::shared_ptr<Flow> flow = arrival.flow;
  Opening opening;
  {
    auto policy = shared.policy.current();
    CloseRequests requests(worker.ring(), *flow, socket.get());
    const Deadline first = policy->unknown_host == UnknownHost::passthrough
                               ? Deadline::after(passthrough_opening)
                               : Deadline::after(policy->limits.handshake);
    opening = co_await read_opening(worker.ring(), socket.get(), first);
  }
  auto policy = shared.policy.current();
  const auto config = admitted_as(*policy, *arrival.peer);
  const EndpointConfig* endpoint = nullptr;
  if (config && opening.hello)
    endpoint = policy->claim(opening.hello->server_name, arrival.destination.port, config->profile);
  if (endpoint && !speaks_tls(endpoint->type)) endpoint = nullptr;
  if (endpoint) arrival.dialled.host = opening.hello->server_name;
  const bool passes = endpoint || (config && policy->unknown_host == UnknownHost::passthrough);
  if (passes && !flow->close_asked())
    co_return co_await serve(worker, std::move(socket),
                             claim(shared, policy, *config, endpoint, std::move(arrival)),
                             std::move(opening));
  shared.refusals.count("no endpoint claims the destination", arrival.peer->id);
  shared.flows.close(*flow);
  if (!opening.hello) co_return reset(std::move(socket));
  Stream agent(worker.ring(), std::move(socket));
  co_await refuse_name(agent, Deadline::after(std::chrono::seconds(1)));
}

void serve_files(Worker& worker, Fd socket, std::shared_ptr<const Peer> peer, const PeerConfig& config) {
  Shared& shared = worker.shared();
  auto flow = shared.flows.open(peer->id, shared.policy.current()->limits);
  if (!flow) return refuse(worker, std::move(socket), "too many connections", peer->id);
  worker.flows().spawn(
      serve_agent_files(worker, std::move(socket), std::move(peer), config.profile, std::move(flow)));
}

}  // namespace

void dispatch(Worker& worker, Fd socket) {
  Shared& shared = worker.shared();
  auto source = peer_address(socket.get());
  auto destination = local_address(socket.get());
  if (!source || !destination) return;  // gone already
  auto peer = shared.peers.by_address(source->address);
  if (!peer) return refuse(worker, std::move(socket), "unknown peer", 0);
  if (destination->port == 53) {
    worker.flows().spawn(serve_dns_tcp(worker, std::move(socket), std::move(peer)));
    return;
  }
  auto policy = shared.policy.current();
  const auto config = admitted_as(*policy, *peer);
  if (!config) return refuse(worker, std::move(socket), "peer without a profile", peer->id);
  auto dialled = dialled_host(shared, *policy, destination->address, peer->id);
  if (!dialled) return refuse(worker, std::move(socket), "virtual address that no name owns", peer->id);
  const EndpointConfig* endpoint = policy->claim(dialled->host, destination->port, config->profile);
  if (!endpoint && destination->port == 80 && is_local_address(destination->address))
    return serve_files(worker, std::move(socket), std::move(peer), *config);
  const bool literal = !dialled->hold;
  const bool by_name = !endpoint && literal && may_be_named(*policy, config->profile, destination->port);
  if (!endpoint && !by_name && policy->unknown_host == UnknownHost::deny)
    return refuse(worker, std::move(socket), "no endpoint claims the destination", peer->id);
  auto flow = shared.flows.open(peer->id, policy->limits);
  if (!flow) return refuse(worker, std::move(socket), "too many connections", peer->id);
  Arrival arrival{std::move(flow), std::move(peer), *source, *destination, std::move(*dialled)};
  if (by_name) {
    worker.flows().spawn(serve_by_server_name(worker, std::move(socket), std::move(arrival)));
    return;
  }
  worker.flows().spawn(
      serve(worker, std::move(socket), claim(shared, policy, *config, endpoint, std::move(arrival)), {}));
}

}  // namespace clawpatrol
