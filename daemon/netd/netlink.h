// Links, addresses, rules and routes over rtnetlink.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/ring/error.h"
#include "policy/address.h"

struct nl_sock;
struct nl_msg;

namespace clawpatrol::netd {

struct NlSocketCloser {
  void operator()(nl_sock* socket) const;
};
using NlSocket = std::unique_ptr<nl_sock, NlSocketCloser>;

struct Link {
  int index = 0;
  std::string name;
  std::string kind;               // "wireguard", "veth", "tun", ... or ""
  bool ours = false;              // made, or taken over, by make_wireguard
  std::uint32_t link_header = 0;  // bytes before the IP header
  bool supported = false;         // Ethernet, or IP without a link header
  bool up = false;
};

struct LocalPrefix {
  Prefix prefix;
  int interface = 0;         // 0: of a route, not of an address on an interface
  std::uint8_t on_link = 0;  // of an address: the length of the subnet that is reached by the interface
};

// The rule and the route that bring everything that our filter let in to sockets of this machine.
struct SteeringRule {
  std::uint32_t table, priority, mark;
};

class Netlink {
 public:
  static std::expected<Netlink, Error> open();

  std::expected<std::vector<Link>, Error> links();
  // Makes a WireGuard interface; one that is there already is kept. It is marked as ours by its alias.
  std::expected<void, Error> make_wireguard(const std::string& name);
  std::expected<void, Error> remove_link(int index);
  std::expected<void, Error> set_up(int index);
  std::expected<void, Error> add_address(int index, const Address& address, std::uint8_t prefix_length);
  std::expected<void, Error> remove_address(int index, const Address& address, std::uint8_t prefix_length);

  // Every address and prefix that the kernel delivers to this machine itself.
  std::expected<std::vector<LocalPrefix>, Error> local_prefixes();

  // Every destination that any table but the kernel's own has a route to, the default route aside.
  std::expected<std::vector<Prefix>, Error> routed_prefixes();

  // Rules `iif NAME fwmark MARK lookup TABLE` for these interfaces, both families, and `local default` in
  // that table.
  std::expected<void, Error> steer(const SteeringRule& rule, const std::vector<std::string>& interfaces);
  // Takes away those for any other interface; with none left, the route too.
  std::expected<void, Error> unsteer(const SteeringRule& rule, const std::vector<std::string>& except);
  // Whether no rule but that of the kernel's local table, or one for other interfaces, stands before those:
  // it could route around them what the filter let in.
  std::expected<bool, Error> comes_first(const SteeringRule& rule,
                                         const std::vector<std::string>& interfaces);

 private:
  std::expected<void, Error> set_alias(const std::string& name);
  explicit Netlink(NlSocket socket) : socket_(std::move(socket)) {}
  std::expected<void, Error> send(nl_msg* message, const char* what, const std::string& object);
  std::expected<void, Error> change_rule(int type, int family, const SteeringRule& rule,
                                         const std::string& interface);
  std::expected<void, Error> change_route(int type, int family, const SteeringRule& rule);
  std::expected<void, Error> steer_family(int family, const SteeringRule& rule,
                                          const std::vector<std::string>& interfaces);
  std::expected<void, Error> unsteer_family(int family, const SteeringRule& rule,
                                            const std::vector<std::string>& except);
  struct FoundRule {
    std::string interface;  // "": any
    std::uint32_t table = 0;
    bool ours = false;
  };
  std::expected<std::vector<FoundRule>, Error> rules(int family, const SteeringRule& rule);
  std::expected<std::vector<std::string>, Error> steered(int family, const SteeringRule& rule);

  NlSocket socket_;
};

// Tells when links, addresses or local routes change: the kernel tells of an address before it has made the
// routes of it. Only a reason to look again: what changed is read with the functions above.
class NetlinkEvents {
 public:
  static std::expected<NetlinkEvents, Error> open();
  int fd() const;
  bool drain();  // forgets everything that has been announced so far; whether any of it is a reason

 private:
  explicit NetlinkEvents(NlSocket socket) : socket_(std::move(socket)) {}
  NlSocket socket_;
};

}  // namespace clawpatrol::netd
