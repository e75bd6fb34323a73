#include "daemon/gateway/dispatch.h"

#include "daemon/gateway/agent_files.h"
#include "daemon/gateway/dns/tcp.h"
#include "daemon/gateway/grant.h"
#include "daemon/gateway/guard.h"
#include "daemon/gateway/http/handler.h"
#include "daemon/gateway/names.h"
#include "daemon/gateway/passthrough.h"
#include "daemon/gateway/postgres/handler.h"
#include "daemon/gateway/sockets.h"
#include "daemon/gateway/unix_time.h"

namespace clawpatrol {

namespace {

// The peer as the generation in force knows it, or null: a name that is in no file, or a profile that is
// gone.
const PeerConfig* configured(const Policy& policy, const Peer& peer) {
  auto found = policy.peers.find(peer.name);
  if (found == policy.peers.end() || !policy.profiles.contains(found->second.profile)) return nullptr;
  return &found->second;
}

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

// One flow from its claim to its end.
Task<void> serve(Worker& worker, Fd socket, ClaimedFlow claimed) {
  std::shared_ptr<Flow> flow = claimed.flow;
  if (claimed.endpoint_facets.name.empty())
    co_await serve_passthrough(worker, std::move(socket), std::move(claimed));
  else if (claimed.endpoint_facets.type == name_of(EndpointType::postgres))  // others do not load
    co_await serve_postgres(worker, std::move(socket), std::move(claimed));
  else if (claimed.endpoint_facets.type == name_of(EndpointType::http))
    co_await serve_http(worker, std::make_unique<Stream>(worker.ring(), std::move(socket)),
                        std::move(claimed), http::Version::http1);
  worker.shared().flows.close(*flow);
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
  const PeerConfig* config = configured(*policy, *peer);
  if (!config) return refuse(worker, std::move(socket), "peer without a profile", peer->id);
  auto dialled = dialled_host(shared, *policy, destination->address, peer->id);
  if (!dialled) return refuse(worker, std::move(socket), "virtual address that no name owns", peer->id);
  const EndpointConfig* endpoint = policy->claim(dialled->host, destination->port, config->profile);
  if (!endpoint && destination->port == 80 && is_local_address(destination->address))
    return serve_files(worker, std::move(socket), std::move(peer), *config);
  if (!endpoint && policy->unknown_host == UnknownHost::deny)
    return refuse(worker, std::move(socket), "no endpoint claims the destination", peer->id);
  auto flow = shared.flows.open(peer->id, policy->limits);
  if (!flow) return refuse(worker, std::move(socket), "too many connections", peer->id);
  ClaimedFlow claimed = claimed_flow(std::move(flow), std::move(peer), *config, endpoint,
                                     {dialled->host, destination->port}, *source, destination->address);
  claimed.name_hold = std::move(dialled->hold);
  give_grant(shared, *claimed.flow,
             Grant(*policy, *claimed.peer, config->profile, claimed.endpoint_facets.name, claimed.dest));
  worker.flows().spawn(serve(worker, std::move(socket), std::move(claimed)));
}

}  // namespace clawpatrol
