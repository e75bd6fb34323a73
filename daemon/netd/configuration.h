// What netd needs of the operator's configuration, and nothing else of it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "policy/address.h"

namespace clawpatrol::netd {

// A [peer.NAME] table. Peers of the gateway's own interface get their addresses from netd.
struct ConfiguredPeer {
  std::string name;
  std::string interface;           // "": the gateway's own
  std::vector<Address> addresses;  // with `interface` only
  std::string profile = {};
};

struct NetworkConfig {
  std::string endpoint;           // what agents dial; "": there is no tunnel, only other ingress
  std::uint16_t listen_port = 0;  // of `endpoint`
  std::string interface;          // of the tunnel
  std::vector<Prefix> subnet;
  std::vector<Prefix> virtual_;
  std::vector<std::string> ingress;
  std::vector<ConfiguredPeer> peers;
  std::vector<std::string> profiles = {};
  std::vector<Prefix> own;  // what the kernel delivers to this machine itself: not configured, but found

  bool has_tunnel() const { return !endpoint.empty(); }
  // A tunnel whose interface is in `ingress` is the operator's, wireguard-go for example; else netd makes it.
  bool makes_interface() const;
  // What the configuration says of a peer; null: nothing.
  const ConfiguredPeer* table_of(std::string_view name) const {
    const auto at = std::ranges::find(peers, name, &ConfiguredPeer::name);
    return at == peers.end() ? nullptr : &*at;
  }
  // Where a peer of this table's interface is found; "" is the tunnel's.
  const std::string& interface_of(const std::string& named) const {
    return named.empty() ? interface : named;
  }
  std::vector<std::string> steered() const;       // every interface whose traffic is steered
  std::vector<Address> tunnel_addresses() const;  // the gateway's own: the first of each subnet
  bool in_subnet(const Address& address) const;
};

// The first address of a subnet after its network address.
Address gateway_address(const Prefix& subnet);

// PATH is a file, or a directory that holds clawpatrol.toml and conf.d. Refused unless root or this process
// owns the files and nobody else may write them. The error is for the operator, in full.
std::expected<NetworkConfig, std::string> load_network(const std::filesystem::path& path);

// What load_network() does once the file is read: names that the kernel would refuse, an endpoint without a
// port, a subnet that is missing or too small.
std::optional<std::string> problem_with(const NetworkConfig& config);

// Whether the configuration names a network to serve, or cannot be read: then it is not for anybody to add
// one.
bool says_its_network(const std::filesystem::path& path);

// The port of `host:port` or `[v6]:port`.
std::optional<std::uint16_t> port_of(const std::string& endpoint);

}  // namespace clawpatrol::netd
