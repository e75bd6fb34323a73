#include "daemon/netd/peer_book.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/netd/keys.h"

namespace clawpatrol::netd {

namespace {

bool contains(const std::vector<Address>& list, const Address& address) {
  return std::find(list.begin(), list.end(), address) != list.end();
}

constexpr const char* locked_down = "locked down by an operator";
constexpr const char* paused = "paused by an operator";

bool is_over(const PeerEntry& peer, std::int64_t now) {
  return peer.expires_at != 0 && now >= peer.expires_at;
}

bool is_steered(const NetworkConfig& config, const std::string& interface) {
  std::vector<std::string> steered = config.steered();
  return std::find(steered.begin(), steered.end(), interface) != steered.end();
}

// Whether the peer's table says where it is. Else it is in the tunnel, with addresses of netd's choice.
bool table_decides(const NetworkConfig& config, const ConfiguredPeer* table) {
  if (!table) return false;
  bool elsewhere =
      !table->interface.empty() && !(config.has_tunnel() && table->interface == config.interface);
  return elsewhere || !table->addresses.empty();
}

// The network address, and IPv4's broadcast address: nobody's.
bool is_of_all(const Prefix& subnet, const Address& address) {
  if (address == subnet.nth(0)) return true;
  return subnet.is_v4() && address == subnet.nth((std::uint64_t{1} << (32 - subnet.length)) - 1);
}

}  // namespace

std::uint64_t PeerEntry::key_fingerprint() const {
  std::string text = public_key + "\n" + interface;
  for (const Address& address : addresses) text += "\n" + address.text();
  return fingerprint(text);
}

bool valid_peer_name(std::string_view name) {
  auto alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  if (name.empty() || name.size() > max_name || !alphanumeric(name[0])) return false;
  return std::all_of(name.begin(), name.end(),
                     [&](char c) { return alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

const PeerEntry* PeerBook::find(std::string_view name) const {
  for (const PeerEntry& peer : peers_)
    if (peer.name == name) return &peer;
  return nullptr;
}

std::string PeerBook::conflict(const Address& address, std::string_view name, const NetworkConfig& config,
                               std::int64_t now) const {
  if (contains(config.tunnel_addresses(), address)) return "it is the gateway's own";
  for (const Prefix& prefix : config.own)
    if (prefix.contains(address)) return "it is the gateway's own";
  for (const Prefix& subnet : config.subnet)
    if (is_of_all(subnet, address))
      return fmt::format("it is the network or broadcast address of '{}'", subnet.text());
  for (const Prefix& prefix : config.virtual_)
    if (prefix.contains(address)) return fmt::format("it is a virtual address, of '{}'", prefix.text());
  for (const PeerEntry& peer : peers_)
    if (peer.name != name && contains(peer.addresses, address))
      return fmt::format("peer '{}' has it", peer.name);
  for (const RetiredAddress& retired : retired_)
    if (retired.address == address && retired.name != name && now < retired.since + address_rest_seconds)
      return fmt::format("peer '{}' had it until {} minutes ago, and addresses rest for a day", retired.name,
                         std::max<std::int64_t>(now - retired.since, 0) / 60);
  return {};
}

std::optional<Address> PeerBook::free_address(const Prefix& subnet, std::string_view name,
                                              const NetworkConfig& config, std::int64_t now) const {
  unsigned host_bits = (subnet.is_v4() ? 32u : 128u) - subnet.length;
  std::uint64_t last = host_bits >= 16 ? 65535 : (std::uint64_t{1} << host_bits) - (subnet.is_v4() ? 2 : 1);
  for (std::uint64_t index = 2; index <= last; index++) {
    Address candidate = subnet.nth(index);
    if (conflict(candidate, name, config, now).empty()) return candidate;
  }
  return std::nullopt;
}

std::expected<std::vector<Address>, std::string> PeerBook::allocate(std::string_view name,
                                                                    const NetworkConfig& config,
                                                                    std::int64_t now) const {
  std::vector<Address> addresses;
  for (const Prefix& subnet : config.subnet) {
    if (addresses.size() == max_addresses) break;
    std::optional<Address> address = free_address(subnet, name, config, now);
    if (!address)
      return std::unexpected(
          fmt::format("no free address: '{}'\nhint: Addresses of removed peers rest for a day; "
                      "a larger subnet in [gateway] helps at once.",
                      subnet.text()));
    addresses.push_back(*address);
  }
  return addresses;
}

std::expected<PeerEntry, std::string> PeerBook::add(const NewPeer& peer, const NetworkConfig& config,
                                                    std::int64_t now) {
  forget_rested(now);
  if (!valid_peer_name(peer.name))
    return std::unexpected(fmt::format(
        "not a peer's name: '{}'\nhint: Take letters, digits, '.', '_' and '-', at most 63.", peer.name));
  auto key = from_base64(peer.public_key);
  if (!key || *key == Key{}) return std::unexpected(std::string("not a WireGuard public key"));
  for (const PeerEntry& other : peers_)
    if (other.public_key == peer.public_key)
      return std::unexpected(fmt::format("that key is in use: peer '{}'", other.name));
  if (auto problem = problem_with_profile(peer, config)) return std::unexpected(*problem);
  const PeerEntry* existing = find(peer.name);
  if (existing && !existing->public_key.empty())
    return std::unexpected(fmt::format("peer exists: '{}'\nhint: cpctl peers rm {}", peer.name, peer.name));
  const ConfiguredPeer* table = config.table_of(peer.name);
  bool own = !table_decides(config, table);
  if (own && !config.has_tunnel())
    return std::unexpected(
        fmt::format("no interface for peer '{}'\nhint: [gateway] has no endpoint; give [peer.{}] an "
                    "interface that is in `ingress`, and addresses.",
                    peer.name, peer.name));
  if (!own && peer.expires_at != 0)
    return std::unexpected(
        fmt::format("a time would end nothing: [peer.{}] admits it by interface and addresses\n"
                    "hint: Leave --ttl out, and take the table away when it is over.",
                    peer.name));
  if (!existing && peers_.size() >= max_peers)
    return std::unexpected(fmt::format("too many peers: {}", peers_.size()));

  PeerEntry entry{.id = 0,
                  .name = peer.name,
                  .interface = {},
                  .addresses = {},
                  .public_key = peer.public_key,
                  .added_by = peer.uid,
                  .added_at = now,
                  .profile = peer.profile,
                  .expires_at = peer.expires_at,
                  .blocked = all_held_ ? locked_down : ""};
  if (own) {
    auto addresses = allocate(peer.name, config, now);
    if (!addresses) return std::unexpected(addresses.error());
    entry.addresses = *addresses;
  } else if (existing && existing->blocked.empty()) {
    entry.interface = existing->interface;
    entry.addresses = existing->addresses;
  } else {
    return std::unexpected(
        fmt::format("peer '{}' is not admitted: {}", peer.name,
                    existing ? existing->blocked : "reload the configuration that names it"));
  }
  if (existing) {
    entry.id = existing->id;
    *std::find_if(peers_.begin(), peers_.end(), [&](const PeerEntry& p) { return p.name == peer.name; }) =
        entry;
  } else {
    entry.id = next_id_++;
    peers_.push_back(entry);
  }
  return entry;
}

// A profile that is said twice, and otherwise, would be decided by whoever is read last; one that is nowhere
// reaches nothing.
std::optional<std::string> PeerBook::problem_with_profile(const NewPeer& peer,
                                                          const NetworkConfig& config) const {
  if (peer.profile.empty()) return std::nullopt;
  const ConfiguredPeer* table = config.table_of(peer.name);
  if (table && table->profile != peer.profile)
    return fmt::format(
        "[peer.{}] says that its profile is '{}', not '{}'\nhint: Leave --profile out, or change the table.",
        peer.name, table->profile, peer.profile);
  if (std::ranges::find(config.profiles, peer.profile) != config.profiles.end()) return std::nullopt;
  std::string known;
  for (const std::string& name : config.profiles) known += (known.empty() ? "" : ", ") + name;
  return fmt::format("there is no profile '{}'\nhint: {}", peer.profile,
                     known.empty() ? "Write [profile.NAME] first, and reload." : "There are: " + known + ".");
}

std::expected<PeerEntry, std::string> PeerBook::rotate(std::string_view name, const std::string& public_key) {
  auto key = from_base64(public_key);
  if (!key || *key == Key{}) return std::unexpected(std::string("not a WireGuard public key"));
  PeerEntry* peer = nullptr;
  for (PeerEntry& each : peers_) {
    if (each.public_key == public_key)
      return std::unexpected(fmt::format("that key is in use: peer '{}'", each.name));
    if (each.name == name) peer = &each;
  }
  if (!peer || peer->public_key.empty())
    return std::unexpected(
        fmt::format("no peer with a key: '{}'\nhint: See them with `cpctl peers list`.", name));
  peer->public_key = public_key;
  return *peer;
}

std::expected<void, std::string> PeerBook::hold(std::string_view name, Hold hold) {
  if (name.empty()) {
    all_held_ = hold == Hold::on;
    return {};
  }
  for (PeerEntry& peer : peers_) {
    if (peer.name != name) continue;
    peer.paused = hold == Hold::on;
    return {};
  }
  return std::unexpected(fmt::format("no such peer: '{}'\nhint: See them with `cpctl peers list`.", name));
}

bool PeerBook::is_held(const PeerEntry& peer) {
  return peer.blocked == locked_down || peer.blocked == paused;
}

std::vector<std::string> PeerBook::expired(std::int64_t now) const {
  std::vector<std::string> names;
  for (const PeerEntry& peer : peers_)
    if (is_over(peer, now)) names.push_back(peer.name);
  return names;
}

std::optional<std::int64_t> PeerBook::next_expiry(std::int64_t now) const {
  std::optional<std::int64_t> next;
  for (const PeerEntry& peer : peers_)
    if (peer.expires_at > now && (!next || peer.expires_at < *next)) next = peer.expires_at;
  return next;
}

std::expected<PeerEntry, std::string> PeerBook::remove(std::string_view name, const NetworkConfig& config,
                                                       std::int64_t now) {
  auto at =
      std::find_if(peers_.begin(), peers_.end(), [&](const PeerEntry& peer) { return peer.name == name; });
  if (at == peers_.end())
    return std::unexpected(fmt::format("no such peer: '{}'\nhint: See them with `cpctl peers list`.", name));
  if (at->public_key.empty())
    return std::unexpected(
        std::string("peer has no key to remove: it is its table in the configuration that admits it"));
  PeerEntry gone = *at;
  if (table_decides(config, config.table_of(name))) {
    at->public_key.clear();
    at->expires_at = 0;
    return gone;
  }
  retire(gone, {}, now);
  peers_.erase(at);
  return gone;
}

void PeerBook::retire(const PeerEntry& peer, const std::vector<Address>& kept, std::int64_t now) {
  for (const Address& address : peer.addresses) {
    if (contains(kept, address)) continue;
    std::erase_if(retired_, [&](const RetiredAddress& old) { return old.address == address; });
    retired_.push_back({address, peer.name, now});
  }
}

void PeerBook::forget_rested(std::int64_t now) {
  std::erase_if(retired_, [&](const RetiredAddress& old) { return now >= old.since + address_rest_seconds; });
}

// The table decides where the peer is.
void PeerBook::adopt_table(const ConfiguredPeer& table, const NetworkConfig& config, std::int64_t now) {
  auto at = std::find_if(peers_.begin(), peers_.end(),
                         [&](const PeerEntry& peer) { return peer.name == table.name; });
  if (at == peers_.end()) {
    if (peers_.size() >= max_peers) return;
    peers_.push_back({.id = next_id_++,
                      .name = table.name,
                      .interface = {},
                      .addresses = {},
                      .public_key = {},
                      .added_by = 0,
                      .added_at = now});
    at = peers_.end() - 1;
  }
  retire(*at, table.addresses, now);
  at->interface = table.interface;
  at->addresses.clear();
  if (!is_steered(config, config.interface_of(table.interface)))
    at->blocked = fmt::format("interface '{}' is not in `ingress`", config.interface_of(table.interface));
  if (table.addresses.empty() || table.addresses.size() > max_addresses)
    at->blocked = fmt::format("it needs 1 to {} addresses", max_addresses);
  for (const Address& address : table.addresses) {
    std::string why = conflict(address, table.name, config, now);
    if (!why.empty()) at->blocked = fmt::format("address '{}': {}", address.text(), why);
  }
  if (at->blocked.empty()) at->addresses = table.addresses;
}

std::vector<std::string> PeerBook::adopt(const NetworkConfig& config, std::int64_t now) {
  forget_rested(now);
  for (PeerEntry& peer : peers_) {
    peer.blocked.clear();
    // Its table decides from now on; without it the peer has nothing, and not what it was once added with.
    if (config.table_of(peer.name)) peer.profile.clear();
  }
  std::erase_if(peers_, [&](const PeerEntry& peer) {
    const ConfiguredPeer* table = config.table_of(peer.name);
    bool stays = !peer.public_key.empty() || table_decides(config, table);
    if (!stays) retire(peer, {}, now);
    return !stays;
  });
  for (const ConfiguredPeer& table : config.peers)
    if (table_decides(config, &table)) adopt_table(table, config, now);
  for (PeerEntry& peer : peers_) {
    if (table_decides(config, config.table_of(peer.name))) continue;
    peer.interface.clear();
    if (!config.has_tunnel()) peer.blocked = "[gateway] has no endpoint of its own";
    for (const Address& address : peer.addresses) {
      if (!config.in_subnet(address))
        peer.blocked = fmt::format("address '{}' is outside the subnet", address.text());
      std::string why = conflict(address, peer.name, config, now);
      if (!why.empty()) peer.blocked = fmt::format("address '{}': {}", address.text(), why);
    }
  }
  for (PeerEntry& peer : peers_) {
    if (!peer.blocked.empty()) continue;
    if (is_over(peer, now))
      peer.blocked = "its time is over";
    else if (all_held_)
      peer.blocked = locked_down;
    else if (peer.paused)
      peer.blocked = paused;
  }
  std::vector<std::string> problems;
  for (const PeerEntry& peer : peers_)
    if (!peer.blocked.empty())
      problems.push_back(fmt::format("peer '{}' is not admitted: {}", peer.name, peer.blocked));
  return problems;
}

}  // namespace clawpatrol::netd
