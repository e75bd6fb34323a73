// What only the whole configuration shows.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "policy/config/build.h"
#include "policy/config/hosts.h"
#include "policy/config/suggest.h"

namespace clawpatrol::config {
namespace {

void check_known(Build& build, std::string_view kind, const std::vector<Text>& names,
                 const NamedTables& known) {
  for (const Text& name : names) {
    if (known.contains(name.value)) continue;
    build.report.error(name.at, fmt::format("unknown {} '{}'", kind, name.value),
                       suggestion(name.value, names_in(known)));
  }
}

bool speaks_tls(EndpointType type) {
  return type == EndpointType::https || type == EndpointType::kubernetes;
}

bool fits(CredentialType credential, EndpointType endpoint) {
  if (credential == CredentialType::postgres) return endpoint == EndpointType::postgres;
  if (credential == CredentialType::mtls) return speaks_tls(endpoint);
  return endpoint != EndpointType::postgres;
}

// A certificate is shown within TLS alone; and a secret goes to whoever answers, where nobody is verified.
void check_credential_tls(Build& build, const CredentialConfig& credential, const EndpointConfig& endpoint,
                          const Location& at) {
  if (!speaks_tls(endpoint.type)) return;
  if (credential.type == CredentialType::mtls && endpoint.tls == UpstreamTls::disable)
    build.report.error(at,
                       fmt::format("credential '{}' is mtls, and endpoint '{}' has tls = \"disable\"",
                                   credential.name, endpoint.name),
                       "A client certificate is shown within TLS alone.");
  if (credential.type != CredentialType::mtls && endpoint.tls == UpstreamTls::require)
    build.report.lint("CP0308", at,
                      fmt::format("credential '{}' goes to whoever answers for endpoint '{}'",
                                  credential.name, endpoint.name),
                      "With tls = \"require\" the server's certificate is not verified.");
}

void check_credential_hosts(Build& build, const CredentialConfig& credential, const Named& named) {
  auto found = build.policy.endpoints.find(credential.endpoint);
  if (found == build.policy.endpoints.end()) return;
  const EndpointConfig& endpoint = found->second;
  if (!fits(credential.type, endpoint.type))
    build.report.error(named.at,
                       fmt::format("credential '{}' is {}, and endpoint '{}' is {}", credential.name,
                                   name_of(credential.type), endpoint.name, name_of(endpoint.type)),
                       "List the endpoint in a profile's 'endpoints' to use it without a credential.");
  check_credential_tls(build, credential, endpoint, named.at);
  auto wildcard = std::ranges::find_if(endpoint.hosts, &HostPort::wildcard);
  if (wildcard != endpoint.hosts.end() && credential.hosts.empty()) {
    build.report.error(
        named.at,
        fmt::format("credential '{}' would go to every host of '{}'", credential.name, text_of(*wildcard)),
        "Name the exact hosts that it is for: hosts = [\"host:port\"].");
  }
  for (std::size_t i = 0; i < credential.hosts.size(); ++i) {
    const HostPort& host = credential.hosts[i];
    auto claims = [&host](const HostPort& claimed) { return covers(claimed, host); };
    if (host.wildcard) {
      build.report.error(named.hosts[i], "a credential names exact hosts, never a wildcard");
    } else if (std::ranges::none_of(endpoint.hosts, claims)) {
      build.report.error(named.hosts[i],
                         fmt::format("'{}' is not a host of endpoint '{}'", text_of(host), endpoint.name));
    }
  }
}

bool is_unicast(const Address& address) {
  if (address.is_v4()) {
    std::uint32_t v4 = address.v4();
    return v4 >> 24 != 0 && v4 >> 24 != 127 && v4 >> 28 < 14;
  }
  bool unspecified_or_loopback = address <= *Address::parse("::1");
  return !unspecified_or_loopback && address.bytes[0] != 0xff;
}

// Every address has one meaning: an agent, a name, or a service.
void check_own_networks(Build& build) {
  for (std::size_t i = 0; i < build.owned.size(); ++i) {
    const Owned& own = build.owned[i];
    std::uint8_t longest = own.prefix.is_v4() ? 30 : 126;
    if (own.prefix.length > longest || own.prefix.length < 8 || !is_unicast(own.prefix.address))
      build.report.error(own.at, fmt::format("'{}' cannot be {}", own.prefix.text(), own.what),
                         "Take a unicast network, of 4 addresses at least, that nothing else uses.");
    for (std::size_t j = 0; j < i; ++j) {
      const Owned& other = build.owned[j];
      if (!own.prefix.overlaps(other.prefix)) continue;
      Diagnostic& overlap =
          build.report.error(own.at, fmt::format("{} '{}' overlaps {} '{}'", own.what, own.prefix.text(),
                                                 other.what, other.prefix.text()));
      Report::relate(overlap, other.at, "the other network");
    }
  }
}

void check_outside(Build& build, const Location& at, const Prefix& prefix) {
  for (const Owned& own : build.owned) {
    if (!own.prefix.overlaps(prefix)) continue;
    Diagnostic& inside =
        build.report.error(at, fmt::format("'{}' is in {} '{}'", prefix.text(), own.what, own.prefix.text()),
                           "The gateway's own networks hold agents and names, never a service.");
    Report::relate(inside, own.at, "the gateway's network");
  }
}

void check_services(Build& build) {
  for (const auto& [name, endpoint] : build.policy.endpoints) {
    const Named& named = build.endpoints[name];
    for (std::size_t i = 0; i < endpoint.hosts.size(); ++i) {
      const std::optional<Address>& address = endpoint.hosts[i].address;
      if (!address) continue;
      check_outside(build, named.hosts[i],
                    {*address, static_cast<std::uint8_t>(address->is_v4() ? 32 : 128)});
    }
    for (std::size_t i = 0; i < endpoint.networks.size(); ++i)
      check_outside(build, named.networks[i], endpoint.networks[i]);
  }
  for (std::size_t i = 0; i < build.passthrough_at.size(); ++i)
    check_outside(build, build.passthrough_at[i], build.policy.passthrough_networks[i]);
}

void check_peer_address(Build& build, const PeerConfig& peer, const Address& address, const Location& at) {
  const GatewayConfig& gateway = build.policy.gateway;
  bool own = std::ranges::any_of(gateway.subnet, [&](const Prefix& subnet) {
    return address == subnet.address || address == subnet.nth(1);
  });
  bool name =
      std::ranges::any_of(gateway.virtual_, [&](const Prefix& prefix) { return prefix.contains(address); });
  if (!own && !name && is_unicast(address)) return;
  build.report.error(at, fmt::format("peer '{}' cannot have the address '{}'", peer.name, address.text()),
                     own    ? "It is the gateway's own."
                     : name ? "It is in gateway.virtual, whose addresses stand for names."
                            : "It is not a unicast address.");
}

void warn_of_shared_ethernet(Build& build, const PeerConfig& peer, const Location& at,
                             std::set<std::string>& warned) {
  constexpr std::string_view tunnels[] = {"wg", "tun", "tailscale", "ppp"};
  if (peer.interface.empty()) return;  // refused elsewhere
  bool tunnel = std::ranges::any_of(tunnels, [&](auto prefix) { return peer.interface.starts_with(prefix); });
  if (tunnel || !warned.insert(peer.interface).second) return;
  build.report.lint(
      "CP0305", at, fmt::format("nothing proves who sends on '{}'", peer.interface),
      "Whoever can send there can take a peer's address. That is fine on a veth or a VLAN of one "
      "agent, and not on a shared Ethernet.");
}

void check_peers(Build& build) {
  std::map<Address, std::pair<std::string, Location>> owner;
  std::set<std::string> warned;
  for (const auto& [name, peer] : build.policy.peers) {
    const Named& named = build.peers[name];
    for (std::size_t i = 0; i < peer.addresses.size(); ++i) {
      const Address& address = peer.addresses[i];
      check_peer_address(build, peer, address, named.hosts[i]);
      warn_of_shared_ethernet(build, peer, named.hosts[i], warned);
      auto [first, added] = owner.emplace(address, std::pair(name, named.hosts[i]));
      if (added) continue;
      Diagnostic& twice =
          build.report.error(named.hosts[i], fmt::format("peers '{}' and '{}' both have the address '{}'",
                                                         first->second.first, name, address.text()));
      Report::relate(twice, first->second.second, "the other peer");
    }
  }
}

// As Policy::reaches() says, without asking it of every endpoint.
std::set<std::string> reached_by(const Build& build, const ProfileConfig& profile) {
  std::set<std::string> names(profile.endpoints.begin(), profile.endpoints.end());
  for (const std::string& name : profile.credentials) {
    auto credential = build.policy.credentials.find(name);
    if (credential != build.policy.credentials.end()) names.insert(credential->second.endpoint);
  }
  std::erase_if(names, [&](const std::string& name) { return !build.policy.endpoints.contains(name); });
  return names;
}

struct Claim {
  std::string endpoint;
  Location at;
};

void check_claims_of(Build& build, const ProfileConfig& profile, std::set<std::string>& reported) {
  std::map<std::string, Claim> claims;
  for (const std::string& name : reached_by(build, profile)) {
    const EndpointConfig& endpoint = build.policy.endpoints.find(name)->second;
    for (std::size_t i = 0; i < endpoint.hosts.size(); ++i) {
      std::string host = text_of(endpoint.hosts[i]);
      const Location& at = build.endpoints[name].hosts[i];
      auto [entry, added] = claims.emplace(host, Claim{name, at});
      const Claim& first = entry->second;
      if (added || !reported.insert(name + " " + first.endpoint + " " + host).second) continue;
      Diagnostic& twice =
          build.report.error(at,
                             fmt::format("endpoints '{}' and '{}' both claim '{}' for profile '{}'",
                                         first.endpoint, name, host, profile.name),
                             "A flow belongs to one endpoint, so that one set of rules judges it.");
      Report::relate(twice, first.at, "the other claim");
    }
  }
}

}  // namespace

void check_references(Build& build) {
  for (const auto& [name, named] : build.peers) check_known(build, "profile", named.profile, build.profiles);
  for (const auto& [name, named] : build.profiles) {
    check_known(build, "credential", named.credentials, build.credentials);
    check_known(build, "endpoint", named.endpoints, build.endpoints);
  }
  for (const auto& [name, named] : build.credentials)
    check_known(build, "endpoint", named.endpoints, build.endpoints);
  for (const Named& named : build.rules) check_known(build, "endpoint", named.endpoints, build.endpoints);
}

void check_credentials(Build& build) {
  for (const auto& [name, named] : build.credentials)
    check_credential_hosts(build, build.policy.credentials.find(name)->second, named);
}

void check_addresses(Build& build) {
  check_own_networks(build);
  check_services(build);
  check_peers(build);
}

void check_claims(Build& build) {
  std::set<std::string> reported;
  for (const auto& [name, profile] : build.policy.profiles) check_claims_of(build, profile, reported);
}

}  // namespace clawpatrol::config
