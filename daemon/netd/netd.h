// netd itself: what the configuration and the peers' book ask for, made true in the kernel, again and again.
#pragma once

#include <chrono>
#include <expected>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/files/private_directory.h"
#include "daemon/netd/configuration.h"
#include "daemon/netd/daemon_door.h"
#include "daemon/netd/keys.h"
#include "daemon/netd/netlink.h"
#include "daemon/netd/operator_commands.h"
#include "daemon/netd/operator_door.h"
#include "daemon/netd/peer_book.h"
#include "daemon/netd/poller.h"
#include "daemon/netd/rates.h"
#include "daemon/netd/service_manager.h"
#include "daemon/netd/steering.h"
#include "daemon/netd/wireguard.h"

namespace clawpatrol::netd {

// Numbers of ours in the kernel's tables. Behind the rule of the local table, and before every other one:
// also those that are added later without a priority, which the kernel puts before the first that has one.
inline constexpr SteeringRule steering_rule{.table = 49576, .priority = 0, .mark = 0xc1a80053};

class Netd {
 public:
  struct Settings {
    std::filesystem::path config, state, run;
    uid_t daemon_uid;
    gid_t operator_group;
    Rates rates;
  };
  Netd(Settings settings, ServiceManager service);

  // Everything that must be true before an agent is served. What fails here is fatal.
  std::expected<void, Error> start();
  // Tells systemd that it is ready, and that it lives.
  void run_until(int stop_signals);  // a signalfd: TERM and INT return, HUP reloads

 private:
  // Between tries to take who is expired out of a file that cannot be written.
  static constexpr std::chrono::seconds first_remove_pause{5}, longest_remove_pause{300};

  static std::int64_t now_seconds();
  ReloadAnswer reload();
  std::expected<void, Error> reconcile();
  void reconcile_or_log();
  std::expected<std::vector<Prefix>, Error> own_addresses();
  std::expected<void, Error> follow_own_addresses();
  std::expected<void, Error> make_tunnel();
  std::expected<void, Error> sync_wireguard();
  std::expected<void, Error> sync_tunnel_addresses(int interface);
  void remove_old_tunnel(const std::vector<Link>& links);
  void drop_stale_filters(const std::vector<Link>& links);
  std::vector<Link> filtered(const std::vector<Link>& links, bool rule_comes_first);
  std::expected<SteeringTable, Error> table_of(const std::vector<Link>& steered);
  std::expected<void, Error> make_sockets();
  std::expected<void, Error> grow_listeners(std::uint32_t workers);
  std::expected<Fd, Error> listener_of(std::uint32_t slot);
  std::expected<void, Error> attach_lookup();

  std::expected<std::vector<HandedDescriptor>, Error> greet(std::uint32_t workers);
  Message welcome() const;
  std::vector<PeerEntry> admitted() const;
  std::expected<AddedPeer, std::string> add_peer(const PeerRequest& request);
  std::expected<AddedPeer, std::string> rotate_peer(const PeerRequest& request);
  std::expected<AddedPeer, std::string> configuration_of(const PeerEntry& entry, const PeerRequest& request,
                                                         const std::optional<PrivateKey>& made) const;
  std::expected<void, std::string> hold_peers(const HoldRequest& request);
  std::expected<RemovedPeer, std::string> remove_peer(const std::string& name, std::uint32_t uid);
  void remove_expired();
  std::chrono::milliseconds until_next_turn() const;
  std::string tell_kernel();
  std::vector<ListedPeer> list_peers();
  std::expected<void, std::string> keep(const PeerBook& next);

  Settings settings_;
  ServiceManager service_;
  std::optional<PrivateDirectory> state_;
  NetworkConfig config_;
  PeerBook book_;
  std::optional<PrivateKey> key_;
  std::uint64_t incarnation_ = 0;

  Poller poller_;
  std::optional<Netlink> netlink_;
  std::optional<NetlinkEvents> events_;
  std::optional<Wireguard> wireguard_;
  std::optional<Steering> steering_;
  std::vector<Fd> listeners_;
  Fd dns_v4_, dns_v6_;
  std::string tunnel_made_;                       // the interface that we made, or took over, for the tunnel
  std::map<std::string, std::string> unsteered_;  // interface -> why, so that each is said once
  bool dirty_ = false;                            // the kernel has announced changes
  std::vector<std::string> expired_left_;         // shut out, and still in a file that cannot be written
  std::chrono::steady_clock::time_point remove_again_;
  std::chrono::seconds remove_pause_ = first_remove_pause;
  std::unique_ptr<DaemonDoor> daemon_door_;
  std::unique_ptr<OperatorDoor> operator_door_;
};

// Removes what netd leaves in the kernel on purpose when it stops: the tunnel too, whatever the configuration
// says now.
std::expected<void, Error> teardown();

}  // namespace clawpatrol::netd
