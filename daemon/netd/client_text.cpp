#include "daemon/netd/client_text.h"

#include <fmt/format.h>

namespace clawpatrol::netd {
namespace {

std::string host_prefixes(const std::vector<Address>& addresses, std::string_view separator) {
  std::string text;
  for (const Address& address : addresses) {
    if (!text.empty()) text += separator;
    text += fmt::format("{}/{}", address.text(), address.is_v4() ? 32 : 128);
  }
  return text;
}

std::string dns_line(const NetworkConfig& config) {
  std::string list;
  for (const Address& address : config.tunnel_addresses()) {
    if (!list.empty()) list += ", ";
    list += address.text();
  }
  return list.empty() ? "" : fmt::format("DNS = {}\n", list);
}

}  // namespace

std::string client_configuration(const PeerEntry& peer, const NetworkConfig& config, const Key& gateway_key,
                                 const std::string& private_key, ResolverLine resolver) {
  std::string text = fmt::format("# Claw Patrol: peer {}\n[Interface]\nAddress = {}\n", peer.name,
                                 host_prefixes(peer.addresses, ", "));
  if (private_key.empty())
    text +=
        "# PrivateKey = the one of the public key that this peer was added with: it never was on the "
        "gateway\n";
  else
    text += fmt::format("PrivateKey = {}\n", private_key);
  // 1420 is what WireGuard leaves of 1500 bytes over IPv6. Everything goes through the tunnel, IPv6 too where
  // the gateway has none: what is not steered must not get out beside it.
  if (resolver == ResolverLine::written) text += dns_line(config);
  text += "MTU = 1420\n";
  text += fmt::format("\n[Peer]\nPublicKey = {}\n", to_base64(gateway_key));
  if (!config.endpoint.empty())
    text += fmt::format("Endpoint = {}\n", config.endpoint);
  else
    text += "# Endpoint = host:port of the gateway's interface, which [gateway] endpoint does not name\n";
  // The gateway by itself too, for wg-quick to make a route of: the agent's own network may be one of the
  // same addresses, and is preferred to a default route.
  text += fmt::format("AllowedIPs = 0.0.0.0/0, ::/0, {}\nPersistentKeepalive = 25\n",
                      host_prefixes(config.tunnel_addresses(), ", "));
  return text;
}

std::string wg_set_line(const PeerEntry& peer, const NetworkConfig& config, const std::string& key_file) {
  std::string port = config.listen_port != 0 ? fmt::format(" listen-port {}", config.listen_port) : "";
  return fmt::format("wg set {} private-key {}{} peer {} allowed-ips {}", config.interface_of(peer.interface),
                     key_file, port, peer.public_key, host_prefixes(peer.addresses, ","));
}

}  // namespace clawpatrol::netd
