// A WireGuard interface over generic netlink (linux/wireguard.h).
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "daemon/netd/keys.h"
#include "daemon/netd/netlink.h"

namespace clawpatrol::netd {

struct WireguardPeer {
  Key public_key{};
  std::vector<Prefix> allowed_ips;
  std::int64_t last_handshake = 0;  // seconds since 1970; 0: never
  std::uint64_t rx_bytes = 0, tx_bytes = 0;
};

struct WireguardDevice {
  Key public_key{};
  std::uint16_t listen_port = 0;
  std::vector<WireguardPeer> peers;
};

class Wireguard {
 public:
  // After the interface was made: making it loads the module.
  static std::expected<Wireguard, Error> open();

  std::expected<WireguardDevice, Error> read(const std::string& interface);
  // Setting the key that the device has already changes nothing, and breaks no session.
  std::expected<void, Error> set_device(const std::string& interface, const PrivateKey& key,
                                        std::uint16_t listen_port);
  // Adds a peer, or replaces what it may send from.
  std::expected<void, Error> set_peer(const std::string& interface, const Key& peer,
                                      const std::vector<Address>& addresses);
  std::expected<void, Error> remove_peer(const std::string& interface, const Key& peer);

 private:
  Wireguard(NlSocket socket, int family) : socket_(std::move(socket)), family_(family) {}
  std::expected<void, Error> send(struct nl_msg* message, const char* what, const std::string& interface);

  NlSocket socket_;
  int family_;
};

}  // namespace clawpatrol::netd
