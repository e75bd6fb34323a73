#include "daemon/netd/configuration.h"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <charconv>

namespace clawpatrol::netd {

std::vector<std::string> NetworkConfig::steered() const {
  std::vector<std::string> names = ingress;
  if (makes_interface()) names.push_back(interface);
  return names;
}

bool NetworkConfig::makes_interface() const {
  return has_tunnel() && std::find(ingress.begin(), ingress.end(), interface) == ingress.end();
}

std::vector<Address> NetworkConfig::tunnel_addresses() const {
  std::vector<Address> addresses;
  for (const Prefix& prefix : subnet) addresses.push_back(gateway_address(prefix));
  return addresses;
}

bool NetworkConfig::in_subnet(const Address& address) const {
  return std::any_of(subnet.begin(), subnet.end(),
                     [&](const Prefix& prefix) { return prefix.contains(address); });
}

Address gateway_address(const Prefix& subnet) {
  return subnet.nth(1);
}

std::optional<std::uint16_t> port_of(const std::string& endpoint) {
  std::size_t colon = endpoint.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  if (endpoint.find(':') != colon && endpoint[colon - 1] != ']') return std::nullopt;  // a bare IPv6 address
  unsigned port = 0;
  const char* end = endpoint.data() + endpoint.size();
  auto [stop, error] = std::from_chars(endpoint.data() + colon + 1, end, port);
  if (error != std::errc() || stop != end || port == 0 || port > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(port);
}

namespace {

bool interface_name(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ || name == "." || name == ".." || name == "lo") return false;
  return std::none_of(name.begin(), name.end(),
                      [](char c) { return c <= ' ' || c > '~' || c == '/' || c == ':'; });
}

std::optional<std::string> problem_with_subnets(const NetworkConfig& config) {
  for (const Prefix& prefix : config.subnet) {
    unsigned bits = prefix.is_v4() ? 32 : 128;
    if (prefix.length > bits - 2)
      return fmt::format("subnet '{}' is too small for a gateway and a peer", prefix.text());
    for (const Prefix& other : config.virtual_)
      if (prefix.overlaps(other))
        return fmt::format("subnet '{}' overlaps virtual '{}'", prefix.text(), other.text());
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> problem_with(const NetworkConfig& config) {
  if (config.steered().empty())
    return "[gateway] has neither `endpoint` nor `ingress`: there is nothing to steer";
  for (const std::string& name : config.steered())
    if (!interface_name(name)) return fmt::format("'{}' cannot be the name of a steered interface", name);
  if (config.has_tunnel()) {
    if (!port_of(config.endpoint)) return fmt::format("endpoint '{}' is not host:port", config.endpoint);
    if (config.subnet.empty()) return "[gateway] endpoint needs a subnet for its peers";
  }
  return problem_with_subnets(config);
}

}  // namespace clawpatrol::netd
