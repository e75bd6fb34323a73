#include "daemon/netd/netd.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>

#include "bpf/shared.h"
#include "daemon/netd/client_text.h"
#include "daemon/netd/log.h"
#include "daemon/netd/sockets.h"
#include "daemon/netd/sysctl.h"

namespace clawpatrol::netd {
namespace {

// What was missed is found as late as this.
constexpr std::chrono::seconds look_again(30);

constexpr const char* lookup_name = "lookup";

std::string listener_name(std::size_t slot) {
  return fmt::format("listener-{}", slot);
}

std::vector<Link> named(const std::vector<Link>& links, const std::vector<std::string>& names) {
  std::vector<Link> found;
  for (const Link& link : links)
    if (std::find(names.begin(), names.end(), link.name) != names.end()) found.push_back(link);
  return found;
}

}  // namespace

std::int64_t Netd::now_seconds() {
  return static_cast<std::int64_t>(std::time(nullptr));
}

Netd::Netd(Settings settings, ServiceManager service)
    : settings_(std::move(settings)), service_(std::move(service)) {}

std::expected<void, Error> Netd::start() {
  auto config = load_network(settings_.config);
  if (!config) return std::unexpected(Error{EINVAL, config.error()});
  auto state = PrivateDirectory::open(settings_.state);
  if (!state) return std::unexpected(state.error());
  state_.emplace(std::move(*state));
  if (auto locked = state_->lock(); !locked) return locked;
  auto book = load_book(*state_);
  if (!book) return std::unexpected(book.error());
  auto key = load_or_make_key(*state_);
  if (!key) return std::unexpected(key.error());
  config_ = std::move(*config);
  book_ = std::move(*book);
  key_.emplace(*key);
  if (::getrandom(&incarnation_, sizeof incarnation_, 0) != sizeof incarnation_)
    return std::unexpected(os_error(errno, "cannot number this run"));
  auto netlink = Netlink::open();
  if (!netlink) return std::unexpected(netlink.error());
  netlink_.emplace(std::move(*netlink));
  auto own = own_addresses();
  if (!own) return std::unexpected(own.error());
  config_.own = std::move(*own);
  for (const std::string& problem : book_.adopt(config_, now_seconds())) log_line("{}", problem);
  if (auto saved = save_book(book_, *state_); !saved) return saved;

  auto events = NetlinkEvents::open();
  if (!events) return std::unexpected(events.error());
  events_.emplace(std::move(*events));
  auto steering = Steering::load(listen_port, settings_.rates);
  if (!steering) return std::unexpected(steering.error());
  steering_.emplace(std::move(*steering));
  for (const std::string& problem : set_machine_parameters(listen_port)) log_line("{}", problem);
  if (auto done = make_sockets(); !done) return done;
  if (auto done = attach_lookup(); !done) return done;
  if (auto done = reconcile(); !done) return done;

  poller_.watch(events_->fd(), POLLIN, [this](short) {
    if (events_->drain()) dirty_ = true;
  });
  DaemonRequests from_daemon{[this](std::uint32_t workers) { return greet(workers); },
                             [this] { return welcome(); }, [this] { return admitted(); },
                             [this] { return steering_->drops().value_or(std::vector<Drop>()); },
                             [this] { return reload(); }};
  daemon_door_ = std::make_unique<DaemonDoor>(poller_, settings_.daemon_uid, std::move(from_daemon));
  if (auto done = daemon_door_->open(settings_.run / "netd.sock"); !done) return done;
  OperatorRequests from_operator{
      [this](const PeerRequest& request) { return add_peer(request); },
      [this](const PeerRequest& request) { return rotate_peer(request); },
      [this](const HoldRequest& request) { return hold_peers(request); },
      [this](const std::string& name, std::uint32_t uid) { return remove_peer(name, uid); },
      [this] { return list_peers(); },
      [this] { return book_.all_held(); },
      [this] { return unsteered_; }};
  auto answer = [requests = std::move(from_operator)](std::string_view line, std::uint32_t uid) {
    return answer_operator(line, uid, requests);
  };
  operator_door_ = std::make_unique<OperatorDoor>(poller_, settings_.operator_group, std::move(answer));
  return operator_door_->open(settings_.run / "peers.sock");
}

// An expiry is kept to the second.
std::chrono::milliseconds Netd::until_next_turn() const {
  constexpr std::chrono::seconds longest(5);
  const std::int64_t now = now_seconds();
  if (book_.expired(now) != expired_left_) return std::chrono::milliseconds(0);  // over since we looked
  const auto next = book_.next_expiry(now);
  if (!next) return longest;
  return std::clamp(std::chrono::seconds(*next - now), std::chrono::seconds(1), longest);
}

void Netd::run_until(int stop_signals) {
  bool stop = false;
  poller_.watch(stop_signals, POLLIN, [&](short) {
    signalfd_siginfo signal{};
    if (::read(stop_signals, &signal, sizeof signal) != sizeof signal) return;
    if (signal.ssi_signo != SIGHUP)
      stop = true;
    else if (ReloadAnswer answer = reload(); !answer.done)
      log_message(journal::Message::reload_refused, "reload refused: {}", answer.problems.front());
  });
  service_.notify("READY=1");
  auto last_look = std::chrono::steady_clock::now();
  while (!stop) {
    poller_.turn(until_next_turn());
    remove_expired();
    service_.notify("WATCHDOG=1");
    auto now = std::chrono::steady_clock::now();
    operator_door_->close_idle(now);
    if (!dirty_ && now - last_look < look_again) continue;
    dirty_ = false;
    last_look = now;
    reconcile_or_log();
  }
  service_.notify("STOPPING=1");
  poller_.forget(stop_signals);
}

ReloadAnswer Netd::reload() {
  auto config = load_network(settings_.config);
  if (!config) return {.done = false, .problems = {config.error()}};
  auto own = own_addresses();
  if (!own) return {.done = false, .problems = {own.error().what}};
  config->own = std::move(*own);
  PeerBook next = book_;
  std::vector<std::string> problems = next.adopt(*config, now_seconds());
  if (auto saved = save_book(next, *state_); !saved) return {.done = false, .problems = {saved.error().what}};
  config_ = std::move(*config);
  book_ = std::move(next);
  for (const std::string& problem : problems) log_line("{}", problem);
  if (auto done = reconcile(); !done) problems.insert(problems.begin(), done.error().what);
  for (const auto& [name, why] : unsteered_)
    problems.push_back(fmt::format("interface '{}' is not steered: {}", name, why));
  if (daemon_door_) daemon_door_->peers_changed();
  log_line("configuration loaded again");
  return {.done = true, .problems = std::move(problems)};
}

void Netd::reconcile_or_log() {
  if (auto done = reconcile(); !done)
    log_message(journal::Message::network_incomplete, "{}", done.error().what);
}

// In an order in which nothing is open for a moment: the rule that routes what the filter lets in; the filter
// on the interface, which drops everything until it is told of it; then the tables; and only then is our
// interface up. What is not steered any more goes the other way round: its rule is the last to go.
std::expected<void, Error> Netd::reconcile() {
  if (auto done = follow_own_addresses(); !done) return done;
  if (config_.makes_interface())
    if (auto done = make_tunnel(); !done) return done;
  auto links = netlink_->links();
  if (!links) return std::unexpected(links.error());
  remove_old_tunnel(*links);
  if (auto done = netlink_->steer(steering_rule, config_.steered()); !done) return done;
  auto first = netlink_->comes_first(steering_rule, config_.steered());
  if (!first) return std::unexpected(first.error());
  auto table = table_of(filtered(*links, *first));
  if (!table) return std::unexpected(table.error());
  if (auto done = steering_->tell(*table); !done) return done;
  drop_stale_filters(*links);
  if (auto done = netlink_->unsteer(steering_rule, config_.steered()); !done) return done;
  if (!config_.makes_interface()) return {};
  for (const Link& link : named(*links, {config_.interface})) {
    if (auto done = sync_tunnel_addresses(link.index); !done) return done;
    if (link.up || !table->interfaces.contains(link.index)) continue;
    if (auto done = netlink_->set_up(link.index); !done) return done;
  }
  return sync_wireguard();
}

std::expected<std::vector<Prefix>, Error> Netd::own_addresses() {
  auto local = netlink_->local_prefixes();
  if (!local) return std::unexpected(local.error());
  std::vector<Prefix> own;
  for (const LocalPrefix& each : *local) own.push_back(each.prefix);
  std::sort(own.begin(), own.end());
  own.erase(std::unique(own.begin(), own.end()), own.end());
  return own;
}

// An address that this machine was given, or has lost: a peer may be admitted no more, or again.
std::expected<void, Error> Netd::follow_own_addresses() {
  auto own = own_addresses();
  if (!own) return std::unexpected(own.error());
  if (*own == config_.own) return {};
  config_.own = std::move(*own);
  PeerBook before = book_;
  for (const std::string& problem : book_.adopt(config_, now_seconds()))
    if (book_ != before) log_line("{}", problem);
  if (book_ == before) return {};
  if (daemon_door_) daemon_door_->peers_changed();
  return save_book(book_, *state_);
}

// The steered interfaces that are there and have our filter. One without it must not be steered either:
// nobody would look at the sources of what it brings. Where the rule does not come first the filter drops
// everything.
std::vector<Link> Netd::filtered(const std::vector<Link>& links, bool rule_comes_first) {
  std::map<std::string, std::string> unsteered;
  for (const std::string& name : config_.steered()) unsteered[name] = "it is not there yet";
  std::vector<Link> found;
  for (const Link& link : named(links, config_.steered())) {
    unsteered[link.name] = "it is neither Ethernet nor plain IP";
    if (!link.supported) continue;
    if (auto done = steering_->attach_filter(link.index); !done) {
      unsteered[link.name] = done.error().what;
      continue;
    }
    if (!rule_comes_first) {
      unsteered[link.name] =
          "a routing rule stands before ours and could go around us; `ip rule` and `ip -6 rule` list them";
      continue;
    }
    unsteered.erase(link.name);
    for (const std::string& problem : set_interface_parameters(link.name)) log_line("{}", problem);
    found.push_back(link);
  }
  for (const auto& [name, why] : unsteered)
    if (unsteered_[name] != why)
      log_message(journal::Message::interface_unsteered, "interface is not steered: '{}': {}", name, why);
  unsteered_ = std::move(unsteered);
  return found;
}

std::expected<SteeringTable, Error> Netd::table_of(const std::vector<Link>& steered) {
  SteeringTable table;
  std::map<std::string, int> index_of;
  for (const Link& link : steered) {
    table.interfaces[link.index] = link.link_header;
    index_of[link.name] = link.index;
  }
  for (const PeerEntry& peer : book_.peers()) {
    auto at = index_of.find(config_.interface_of(peer.interface));
    if (!peer.blocked.empty() || at == index_of.end()) continue;
    for (const Address& address : peer.addresses) table.identities[{at->second, address}] = peer.id;
  }

  auto local = netlink_->local_prefixes();
  if (!local) return std::unexpected(local.error());
  for (const Prefix& subnet : config_.subnet) table.own[subnet] |= 0;
  for (const LocalPrefix& prefix : *local)
    table.own[prefix.prefix] |= table.interfaces.contains(prefix.interface) ? STEER_OWN_SERVICES : 0;
  for (const Address& address : config_.tunnel_addresses())
    table.own[{address, static_cast<std::uint8_t>(address.is_v4() ? 32 : 128)}] |= STEER_OWN_SERVICES;
  return table;
}

std::expected<void, Error> Netd::make_tunnel() {
  auto links = netlink_->links();
  if (!links) return std::unexpected(links.error());
  bool there = false;
  for (const Link& link : named(*links, {config_.interface})) there = link.kind == "wireguard" && link.ours;
  if (!there)
    if (auto done = netlink_->make_wireguard(config_.interface); !done) return done;
  if (!wireguard_) {
    auto wireguard = Wireguard::open();
    if (!wireguard) return std::unexpected(wireguard.error());
    wireguard_.emplace(std::move(*wireguard));
  }
  tunnel_made_ = config_.interface;
  return {};
}

void Netd::remove_old_tunnel(const std::vector<Link>& links) {
  if (tunnel_made_.empty() || (config_.makes_interface() && tunnel_made_ == config_.interface)) return;
  for (const Link& link : named(links, {tunnel_made_}))
    if (link.kind == "wireguard")
      if (auto done = netlink_->remove_link(link.index); !done) log_line("{}", done.error().what);
  tunnel_made_.clear();
}

// Filters of ours on interfaces that are no longer steered. The rules go with the list of interfaces.
void Netd::drop_stale_filters(const std::vector<Link>& links) {
  std::vector<std::string> steered = config_.steered();
  for (const Link& link : links) {
    if (std::find(steered.begin(), steered.end(), link.name) != steered.end() || !has_filter(link.index))
      continue;
    if (auto done = detach_filter(link.index); !done) log_line("{}", done.error().what);
  }
}

// Only what differs: every address that is set is announced to us, and would make us look again for ever.
std::expected<void, Error> Netd::sync_tunnel_addresses(int interface) {
  auto local = netlink_->local_prefixes();
  if (!local) return std::unexpected(local.error());
  std::map<Address, std::uint8_t> wanted;
  for (const Prefix& subnet : config_.subnet) wanted[gateway_address(subnet)] = subnet.length;
  for (const LocalPrefix& present : *local) {
    const Address& address = present.prefix.address;
    bool link_local = address.bytes[0] == 0xfe && (address.bytes[1] & 0xc0) == 0x80;  // the kernel's own
    if (present.interface != interface || link_local) continue;
    if (auto at = wanted.find(address); at != wanted.end() && at->second == present.on_link) {
      wanted.erase(at);
    } else if (auto done = netlink_->remove_address(interface, address, present.on_link); !done) {
      return done;
    }
  }
  for (const auto& [address, length] : wanted)
    if (auto done = netlink_->add_address(interface, address, length); !done) return done;
  return {};
}

// Only what differs is written: a session of a peer that stays is not disturbed.
std::expected<void, Error> Netd::sync_wireguard() {
  auto device = wireguard_->read(config_.interface);
  if (!device) return std::unexpected(device.error());
  if (device->public_key != key_->public_key() || device->listen_port != config_.listen_port)
    if (auto done = wireguard_->set_device(config_.interface, *key_, config_.listen_port); !done) return done;
  std::map<Key, std::vector<Address>> wanted;
  // Who is held keeps his end of the tunnel, so that he hears the farewell; what he sends the filter drops.
  for (const PeerEntry& peer : book_.peers())
    if ((peer.blocked.empty() || PeerBook::is_held(peer)) && !peer.public_key.empty() &&
        config_.interface_of(peer.interface) == config_.interface)
      wanted[*from_base64(peer.public_key)] = peer.addresses;
  // First out, then in: an address that moves is never of two.
  for (const WireguardPeer& present : device->peers)
    if (!wanted.contains(present.public_key))
      if (auto done = wireguard_->remove_peer(config_.interface, present.public_key); !done) return done;
  for (const auto& [key, addresses] : wanted) {
    std::vector<Prefix> exact;
    for (const Address& address : addresses)
      exact.push_back({address, static_cast<std::uint8_t>(address.is_v4() ? 32 : 128)});
    std::sort(exact.begin(), exact.end());
    bool same = false;
    for (WireguardPeer& present : device->peers) {
      if (present.public_key != key) continue;
      std::sort(present.allowed_ips.begin(), present.allowed_ips.end());
      same = present.allowed_ips == exact;
    }
    if (same) continue;
    if (auto done = wireguard_->set_peer(config_.interface, key, addresses); !done) return done;
  }
  return {};
}

std::expected<void, Error> Netd::make_sockets() {
  auto v4 = make_dns_socket(Family::v4);
  if (!v4) return std::unexpected(v4.error());
  dns_v4_ = std::move(*v4);
  if (auto done = steering_->set_socket(STEER_SLOT_DNS_V4, dns_v4_.get()); !done) return done;
  // A machine without IPv6 gets no such packets.
  if (auto v6 = make_dns_socket(Family::v6)) {
    dns_v6_ = std::move(*v6);
    if (auto done = steering_->set_socket(STEER_SLOT_DNS_V6, dns_v6_.get()); !done) return done;
  } else if (v6.error().code != EAFNOSUPPORT && v6.error().code != EADDRNOTAVAIL) {
    return std::unexpected(v6.error());
  }
  // One listener from the start: until a daemon comes, connections wait in its backlog.
  return grow_listeners(1);
}

std::expected<void, Error> Netd::grow_listeners(std::uint32_t workers) {
  while (listeners_.size() < workers) {
    std::uint32_t slot = static_cast<std::uint32_t>(listeners_.size());
    auto listener = listener_of(slot);
    if (!listener) return std::unexpected(listener.error());
    if (auto done = steering_->set_socket(slot, listener->get()); !done) return done;
    listeners_.push_back(std::move(*listener));
  }
  // Before a listener goes nothing new may be sent to it.
  if (auto done = steering_->set_workers(workers); !done) return done;
  for (std::size_t slot = workers; slot < listeners_.size(); ++slot) service_.forget(listener_name(slot));
  listeners_.resize(workers);
  return {};
}

// The one that systemd held while netd was started anew, with whoever waits in it; else a new one, which
// systemd is to hold.
std::expected<Fd, Error> Netd::listener_of(std::uint32_t slot) {
  const std::string name = listener_name(slot);
  if (Fd held = service_.take(name)) {
    if (is_our_listener(held.get())) return held;
    service_.forget(name);
  }
  auto made = make_listener();
  if (made) service_.keep(name, made->get());
  return made;
}

// The link of the netd before this one, held by systemd, finds its listeners until ours does: packets that
// come in between find one or the other.
std::expected<void, Error> Netd::attach_lookup() {
  Fd before = service_.take(lookup_name);
  if (auto done = steering_->attach_lookup(); !done) return done;
  if (before) service_.forget(lookup_name);
  service_.keep(lookup_name, steering_->lookup_link());
  return {};
}

std::expected<std::vector<HandedDescriptor>, Error> Netd::greet(std::uint32_t workers) {
  if (auto done = grow_listeners(workers); !done) return std::unexpected(done.error());
  service_.forget_untaken();
  std::vector<HandedDescriptor> handed;
  for (std::uint32_t i = 0; i < workers; i++)
    handed.push_back({DescriptorRole::tcp_listener, i, listeners_[i].get()});
  handed.push_back({DescriptorRole::dns_udp_v4, 0, dns_v4_.get()});
  if (dns_v6_) handed.push_back({DescriptorRole::dns_udp_v6, 0, dns_v6_.get()});
  // The link keeps the program, the program its maps. The maps themselves stay here: who is who is not the
  // daemon's to write.
  handed.push_back({DescriptorRole::keep, 0, steering_->lookup_link()});
  return handed;
}

Message Netd::welcome() const {
  Message message;
  message.type = MessageType::welcome;
  message.welcome.incarnation = incarnation_;
  bool have_v4 = false, have_v6 = false;
  for (const Address& address : config_.tunnel_addresses()) {
    bool& have = address.is_v4() ? have_v4 : have_v6;
    if (have) continue;
    have = true;
    std::memcpy(address.is_v4() ? message.welcome.address_v4 : message.welcome.address_v6,
                address.bytes.data(), 16);
  }
  return message;
}

std::vector<PeerEntry> Netd::admitted() const {
  std::vector<PeerEntry> peers;
  for (const PeerEntry& peer : book_.peers())
    if (peer.blocked.empty()) peers.push_back(peer);
  return peers;
}

std::expected<void, Error> teardown() {
  auto netlink = Netlink::open();
  if (!netlink) return std::unexpected(netlink.error());
  if (auto done = netlink->unsteer(steering_rule, {}); !done) return done;
  auto links = netlink->links();
  if (!links) return std::unexpected(links.error());
  for (const Link& link : *links) {
    if (link.ours && link.kind == "wireguard") {
      if (auto done = netlink->remove_link(link.index); !done) return done;
    } else if (has_filter(link.index)) {
      if (auto done = detach_filter(link.index); !done) return done;
    }
  }
  return {};
}

}  // namespace clawpatrol::netd
