#include "daemon/gateway/upstream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <vector>

#include "daemon/gateway/dns/service.h"
#include "daemon/gateway/guard.h"

namespace clawpatrol {
namespace {

using Addresses = std::expected<std::vector<SocketAddress>, Error>;
constexpr std::size_t most_addresses = 16;

const char* problem_of(Resolved::Outcome outcome) {
  switch (outcome) {
    case Resolved::Outcome::found: break;
    case Resolved::Outcome::no_such_name: return "there is no such name";
    case Resolved::Outcome::no_address: return "it has no address";
    case Resolved::Outcome::failed: return "no answer in time";
    case Resolved::Outcome::crowded: return "too many lookups of this peer wait";
  }
  return "no address";
}

// A literal needs no lookup.
Task<Addresses> resolve(Worker& worker, std::uint32_t peer_id, HostPort host, Deadline deadline) {
  if (host.address) co_return std::vector{SocketAddress{*host.address, host.port}};
  Resolved resolved =
      co_await worker.shared().name_service->resolve(worker.ring(), peer_id, host.host, deadline);
  if (resolved.outcome != Resolved::Outcome::found)
    co_return std::unexpected(Error{resolved.outcome == Resolved::Outcome::failed ? ETIMEDOUT : 0,
                                    "resolve: '" + host.host + "': " + problem_of(resolved.outcome)});
  std::vector<SocketAddress> addresses;
  for (const Address& address : resolved.addresses)
    if (addresses.size() < most_addresses) addresses.push_back({address, host.port});
  co_return addresses;
}

}  // namespace

void tune_connection(int fd) {
  const int on = 1, idle_s = 60, interval_s = 15, count = 4;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

Task<std::expected<void, Error>> connect_address(Worker& worker, SocketAddress address, Deadline deadline,
                                                 Fd& socket) {
  socklen_t length = 0;
  const sockaddr_storage raw = to_sockaddr(address, length);
  socket = Fd(::socket(raw.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) co_return std::unexpected(os_error(errno, "make a socket"));
  tune_connection(socket.get());
  // A port is then chosen at connect, per destination, and not from the few that bind() would take.
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  const int result =
      co_await worker.ring().connect(socket.get(), reinterpret_cast<const sockaddr*>(&raw), length, deadline);
  if (result < 0) co_return std::unexpected(os_error(-result, "connect: '" + address.address.text() + "'"));
  co_return std::expected<void, Error>{};
}

UpstreamHost upstream_host(Worker& worker, std::shared_ptr<const Policy> policy,
                           const EndpointConfig& endpoint, const DestFacets& dest) {
  for (const HostPort& host : endpoint.hosts)
    if (!host.wildcard && host.host == dest.host && host.port == dest.port) return {host, {}};
  HostPort host{
      .host = dest.host, .port = dest.port, .wildcard = false, .address = Address::parse(dest.host)};
  return {std::move(host), [policy = std::move(policy), networks = endpoint.networks,
                            &seen = worker.shared().name_service->seen()](const Address& address) {
            return dial_refusal(*policy, address, networks, seen);
          }};
}

// So that an address that swallows what it is sent leaves time for those behind it.
static Deadline share_of(Deadline deadline, std::size_t addresses_left) {
  const auto now = Clock::now();
  return Deadline::at(now + (deadline.when() - now) / static_cast<int>(addresses_left));
}

// What an exact endpoint's host resolves to is what passthrough and wildcards never reach (attacks.md, 13).
static void remember(Shared& shared, const HostPort& host, const std::vector<SocketAddress>& addresses) {
  if (host.address) return;
  std::vector<Address> plain;
  for (const SocketAddress& address : addresses) plain.push_back(address.address);
  shared.name_service->seen().resolved(host.host, plain, Clock::now());
}

Task<std::expected<void, Error>> connect_upstream(Worker& worker, const Flow& flow, HostPort host,
                                                  Deadline deadline, AddressGuard guard, Fd& socket) {
  // A name that the agent chose under a wildcard leaves no oftener than any other.
  const bool chosen = guard && !host.address;
  if (chosen && !worker.shared().name_service->take_lookup(*worker.shared().policy.current(), flow.peer_id))
    co_return std::unexpected(Error{0, "resolve: '" + host.host + "': too many lookups a second"});
  Addresses addresses = co_await resolve(worker, flow.peer_id, host, deadline);
  if (!addresses) co_return std::unexpected(addresses.error());
  if (!guard) remember(worker.shared(), host, *addresses);
  Error last{0, "connect: '" + host.host + "': no address"};
  std::size_t left = addresses->size();
  for (const SocketAddress& address : *addresses) {
    const Deadline share = share_of(deadline, left--);
    if (flow.close_asked()) break;
    if (const char* refusal = guard ? guard(address.address) : nullptr) {
      last = Error{0, "connect: '" + host.host + "': " + refusal};
      continue;
    }
    auto connected = co_await connect_address(worker, address, share, socket);
    if (connected) co_return connected;
    last = connected.error();
  }
  co_return std::unexpected(std::move(last));
}

}  // namespace clawpatrol
