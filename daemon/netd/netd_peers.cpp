// What operators change of peers: kept on the disk first, then told to the daemon and the kernel.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "daemon/netd/client_text.h"
#include "daemon/netd/log.h"
#include "daemon/netd/netd.h"

namespace clawpatrol::netd {
namespace {

constexpr std::int64_t longest_ttl_s = 10 * 365 * 24 * 3600;
constexpr const char* own_key = "that is the gateway's own key\nhint: Take the one that the peer made.";

}  // namespace

// On disk before it is in the kernel: an id or address that was in use once must not be forgotten.
std::expected<void, std::string> Netd::keep(const PeerBook& next) {
  if (auto saved = save_book(next, *state_); !saved) return std::unexpected(saved.error().what);
  book_ = next;
  return {};
}

// What an operator changed, to the kernel and to the daemon; "", or why it is not in the kernel yet.
std::string Netd::tell_kernel() {
  auto done = reconcile();
  if (!done) log_message(journal::Message::network_incomplete, "{}", done.error().what);
  daemon_door_->peers_changed();
  return done ? "" : "kept, and not yet in the kernel: " + done.error().what;
}

// An operator's own word for where agents dial, as when they come by another way than the others.
std::expected<AddedPeer, std::string> Netd::configuration_of(const PeerEntry& entry,
                                                             const PeerRequest& request,
                                                             const std::optional<PrivateKey>& made) const {
  NetworkConfig config = config_;
  if (!request.endpoint.empty()) {
    if (!port_of(request.endpoint) || request.endpoint.find_first_of(" \t\r\n#") != std::string::npos)
      return std::unexpected(fmt::format("endpoint '{}' is not host:port", request.endpoint));
    config.endpoint = request.endpoint;
  }
  AddedPeer added{entry,
                  client_configuration(entry, config, key_->public_key(),
                                       made ? to_base64(made->bytes()) : "", request.resolver),
                  {},
                  {},
                  config.tunnel_addresses()};
  const bool in_tunnel = config_.interface_of(entry.interface) == config_.interface;
  if (!(in_tunnel && config_.makes_interface()))
    added.wg_line = wg_set_line(entry, config_, (settings_.state / key_file_name).string());
  return added;
}

std::expected<AddedPeer, std::string> Netd::add_peer(const PeerRequest& request) {
  std::optional<PrivateKey> made;
  if (request.public_key.empty()) made = PrivateKey::generate();
  if (request.public_key == to_base64(key_->public_key())) return std::unexpected(std::string(own_key));
  if (request.ttl_s < 0 || request.ttl_s > longest_ttl_s)
    return std::unexpected(std::string("a peer's time is between a second and ten years"));
  PeerBook next = book_;
  auto entry = next.add({.name = request.name,
                         .public_key = made ? to_base64(made->public_key()) : request.public_key,
                         .uid = request.uid,
                         .profile = request.profile,
                         .expires_at = request.ttl_s ? now_seconds() + request.ttl_s : 0},
                        config_, now_seconds());
  if (!entry) return std::unexpected(entry.error());
  auto added = configuration_of(*entry, request, made);  // before anything is changed: it may be refused
  if (!added) return added;
  if (auto kept = keep(next); !kept) return std::unexpected(kept.error());
  log_line("peer '{}' added by uid {}: id {}, key {}", entry->name, request.uid, entry->id,
           entry->public_key);
  daemon_door_->operated(PeerOperation::add, request.uid, entry->name);
  const bool has_table = std::ranges::any_of(
      config_.peers, [&](const ConfiguredPeer& peer) { return peer.name == entry->name; });
  if (!has_table && entry->profile.empty())
    added->note = fmt::format(
        "it has no profile, and there is no [peer.{}] in the configuration yet: it reaches nothing",
        entry->name);
  if (!entry->blocked.empty()) added->note = "it is not admitted: " + entry->blocked;
  if (std::string late = tell_kernel(); !late.empty()) added->note = late;
  return added;
}

// At once: with the old key nobody gets in any more, and what came in with it is closed.
std::expected<AddedPeer, std::string> Netd::rotate_peer(const PeerRequest& request) {
  std::optional<PrivateKey> made;
  if (request.public_key.empty()) made = PrivateKey::generate();
  if (request.public_key == to_base64(key_->public_key())) return std::unexpected(std::string(own_key));
  PeerBook next = book_;
  auto entry = next.rotate(request.name, made ? to_base64(made->public_key()) : request.public_key);
  if (!entry) return std::unexpected(entry.error());
  auto rotated = configuration_of(*entry, request, made);
  if (!rotated) return rotated;
  if (auto kept = keep(next); !kept) return std::unexpected(kept.error());
  log_line("peer '{}' has another key by uid {}: {}", entry->name, request.uid, entry->public_key);
  daemon_door_->operated(PeerOperation::rotate, request.uid, entry->name);
  rotated->note = tell_kernel();
  return rotated;
}

std::expected<void, std::string> Netd::hold_peers(const HoldRequest& request) {
  PeerBook next = book_;
  if (auto held = next.hold(request.name, request.hold); !held) return held;
  next.adopt(config_, now_seconds());
  const bool on = request.hold == Hold::on;
  const auto kept = keep(next);
  if (!kept && !on) return kept;
  book_ = next;  // who is to be shut out is so on a full disk too
  const bool all = request.name.empty();
  log_message(on ? journal::Message::peers_held : journal::Message::ordinary, "{} {} by uid {}",
              all ? "all peers are" : "peer '" + request.name + "' is",
              on ? (all ? "locked down" : "paused") : (all ? "unlocked" : "let in again"), request.uid);
  daemon_door_->operated(all ? (on ? PeerOperation::lock : PeerOperation::unlock)
                             : (on ? PeerOperation::pause : PeerOperation::resume),
                         request.uid, request.name);
  // The daemon first: it cuts what is in flight, whatever the kernel says.
  daemon_door_->peers_changed();
  if (std::string late = tell_kernel(); !late.empty()) return std::unexpected(late);
  if (!kept) return std::unexpected("in force, but not kept: netd's next start undoes it: " + kept.error());
  return {};
}

std::expected<RemovedPeer, std::string> Netd::remove_peer(const std::string& name, std::uint32_t uid) {
  PeerBook next = book_;
  auto entry = next.remove(name, config_, now_seconds());
  if (!entry) return std::unexpected(entry.error());
  if (auto kept = keep(next); !kept) return std::unexpected(kept.error());
  log_line("peer '{}' removed by uid {}: id {}", entry->name, uid, entry->id);
  daemon_door_->operated(PeerOperation::remove, uid, entry->name);
  auto done = reconcile();
  daemon_door_->peers_changed();
  if (!done) return std::unexpected("removed, and perhaps still in the kernel: " + done.error().what);
  RemovedPeer removed{*entry, ""};
  if (book_.find(name))
    removed.note = fmt::format(
        "[peer.{}] in the configuration still says where it is, and admits it: take the table away, or pause "
        "it",
        name);
  return removed;
}

// Those that were added for a time, all at once: a file that is written for each of thousands would hold netd
// up. Where it cannot be written they are shut out all the same, and it is tried again later and later: a
// disk that is full is so for hours, and a line of the log for each second would not make it emptier.
void Netd::remove_expired() {
  const auto now = std::chrono::steady_clock::now();
  const std::vector<std::string> over = book_.expired(now_seconds());
  if (over.empty()) return expired_left_.clear();
  if (over == expired_left_ && now < remove_again_) return;
  PeerBook next = book_;
  std::vector<std::string> gone;
  for (const std::string& name : over)
    if (next.remove(name, config_, now_seconds())) gone.push_back(name);
  next.adopt(config_, now_seconds());
  if (auto kept = keep(next); kept) {
    for (const std::string& name : gone) {
      log_line("peer '{}' removed: its time is over", name);
      daemon_door_->operated(PeerOperation::expire, ::geteuid(), name);
    }
    remove_again_ = now + first_remove_pause;
    remove_pause_ = first_remove_pause;
  } else {
    book_.adopt(config_, now_seconds());
    log_message(
        journal::Message::peers_not_removed,
        "peers whose time is over are shut out, and not yet removed: {}, {} in all: {}; next try in {} s",
        over.front(), over.size(), kept.error(), remove_pause_.count());
    remove_again_ = now + remove_pause_;
    remove_pause_ = std::min(2 * remove_pause_, longest_remove_pause);
  }
  expired_left_ = book_.expired(now_seconds());
  (void)tell_kernel();
}

std::vector<ListedPeer> Netd::list_peers() {
  std::map<std::string, WireguardPeer> kernel;
  if (config_.makes_interface() && wireguard_)
    if (auto device = wireguard_->read(config_.interface))
      for (const WireguardPeer& peer : device->peers) kernel[to_base64(peer.public_key)] = peer;
  std::vector<ListedPeer> listed;
  for (const PeerEntry& peer : book_.peers()) {
    ListedPeer row{peer, 0, 0, 0, false};
    row.peer.interface = config_.interface_of(peer.interface);
    if (const ConfiguredPeer* table = config_.table_of(peer.name)) row.peer.profile = table->profile;
    if (auto at = kernel.find(peer.public_key); at != kernel.end() && !peer.public_key.empty())
      row = {row.peer, at->second.last_handshake, at->second.rx_bytes, at->second.tx_bytes, true};
    listed.push_back(std::move(row));
  }
  return listed;
}

}  // namespace clawpatrol::netd
