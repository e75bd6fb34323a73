// Connections of the gateway's own to an upstream.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>

#include "daemon/gateway/gateway.h"
#include "daemon/gateway/sockets.h"

namespace clawpatrol {

// Why an address may not be dialled, as a literal; null: it may. None: the operator named this very host,
// which may resolve anywhere.
using AddressGuard = std::function<const char*(const Address&)>;

// Where a flow's connections to its endpoint's server go.
struct UpstreamHost {
  HostPort host;
  AddressGuard guard;  // none: the operator named this very host
};
UpstreamHost upstream_host(Worker& worker, std::shared_ptr<const Policy> policy,
                           const EndpointConfig& endpoint, const DestFacets& dest);

// Connects `socket` to the first address that answers and that the guard allows. TCP_NODELAY and keepalive
// are set. The name is looked up as the flow's peer's, among its other lookups; a literal address needs no
// lookup. Once the flow is asked to close nothing more is dialled; who asked may shut the socket down
// meanwhile.
Task<std::expected<void, Error>> connect_upstream(Worker& worker, const Flow& flow, HostPort host,
                                                  Deadline deadline, AddressGuard guard, Fd& socket);
// The same to an address that is known: a cancel request goes to the very server that it is for.
Task<std::expected<void, Error>> connect_address(Worker& worker, SocketAddress address, Deadline deadline,
                                                 Fd& socket);

// TCP_NODELAY, and keepalive so that a connection without an idle limit does not outlive its peer.
void tune_connection(int fd);

}  // namespace clawpatrol
