#include "daemon/gateway/guard.h"

#include <algorithm>

#include "daemon/gateway/sockets.h"
#include "daemon/ring/fd.h"

namespace clawpatrol {

namespace {

bool within(const std::vector<Prefix>& prefixes, const Address& address) {
  return std::ranges::any_of(prefixes, [&](const Prefix& prefix) { return prefix.contains(address); });
}

bool is_literal_endpoint(const Policy& policy, const Address& address) {
  for (const auto& [_, endpoint] : policy.endpoints)
    for (const HostPort& host : endpoint.hosts)
      if (host.address && effective(*host.address) == effective(address)) return true;
  return false;
}

// A peer on an interface of the operator's. Those of our own are in the tunnel's subnet.
bool is_peer(const Policy& policy, const Address& address) {
  return std::ranges::any_of(policy.peers, [&](const auto& peer) {
    return std::ranges::find(peer.second.addresses, address) != peer.second.addresses.end();
  });
}

bool has_wildcards(const Policy& policy) {
  for (const auto& [_, endpoint] : policy.endpoints)
    if (std::ranges::any_of(endpoint.hosts, &HostPort::wildcard)) return true;
  return false;
}

// The host of `host:port` where it is a name.
std::string_view name_within(std::string_view host_and_port) {
  std::string_view host = host_and_port.substr(0, host_and_port.rfind(':'));
  bool is_address = host.starts_with('[') || Address::parse(host).has_value();
  return is_address ? std::string_view() : host;
}

}  // namespace

bool is_local_address(const Address& address) {
  socklen_t length = 0;
  sockaddr_storage raw = to_sockaddr({address, 0}, length);
  Fd probe(socket(raw.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe) return true;
  if (bind(probe.get(), reinterpret_cast<sockaddr*>(&raw), length) == 0) return true;
  return errno != EADDRNOTAVAIL;
}

std::vector<std::string> hosts_to_follow(const Policy& policy) {
  std::vector<std::string> hosts;
  if (policy.unknown_host != UnknownHost::passthrough && !has_wildcards(policy)) return hosts;
  for (const auto& [_, endpoint] : policy.endpoints)
    for (const HostPort& host : endpoint.hosts)
      if (!host.wildcard && !host.address) hosts.push_back(host.host);
  // Behind an address translator the gateway's public address is nowhere on the machine.
  if (std::string_view own = name_within(policy.gateway.endpoint); !own.empty()) hosts.emplace_back(own);
  std::ranges::sort(hosts);
  hosts.erase(std::ranges::unique(hosts).begin(), hosts.end());
  return hosts;
}

namespace {

const char* known_refusal(const Policy& policy, const Address& address,
                          const std::vector<Prefix>& allowed_networks, const SeenAddresses& seen) {
  Address reached = effective(address);
  for (const Address& spelling : {address, reached}) {
    if (within(policy.gateway.subnet, spelling)) return "guard: an address of the tunnel";
    if (within(policy.gateway.virtual_, spelling)) return "guard: a virtual address";
    if (is_peer(policy, spelling)) return "guard: an address of a peer";
  }
  if (is_special_use(address) && !within(allowed_networks, reached)) return "guard: a network of special use";
  if (is_literal_endpoint(policy, address) || seen.contains(address, Clock::now()))
    return "guard: an address of an endpoint";
  return nullptr;
}

// Asked last, since it asks the kernel: what is within an allowed network may still be us.
const char* local_refusal(const Address& address) {
  Address reached = effective(address);
  bool local = is_local_address(address) || (reached != address && is_local_address(reached));
  return local ? "guard: an address of the gateway itself" : nullptr;
}

}  // namespace

const char* dial_refusal(const Policy& policy, const Address& address,
                         const std::vector<Prefix>& allowed_networks, const SeenAddresses& seen) {
  if (const char* why = known_refusal(policy, address, allowed_networks, seen)) return why;
  if (!seen.know(hosts_to_follow(policy), Clock::now()))
    return "guard: the endpoints' addresses are not known yet";
  return local_refusal(address);
}

const char* standing_refusal(const Policy& policy, const Address& address,
                             const std::vector<Prefix>& allowed_networks, const SeenAddresses& seen) {
  const char* why = known_refusal(policy, address, allowed_networks, seen);
  return why ? why : local_refusal(address);
}

}  // namespace clawpatrol
