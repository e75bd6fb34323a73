#include "daemon/netd/wireguard.h"

#include <fmt/format.h>
#include <linux/wireguard.h>
#include <netinet/in.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <openssl/crypto.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "daemon/netd/netlink_message.h"

namespace clawpatrol::netd {
namespace {

void put(nl_msg* message, int type, const void* data, std::size_t size) {
  if (nla_put(message, type, static_cast<int>(size), data) < 0) throw std::bad_alloc();
}

template <class Integer>
void put_integer(nl_msg* message, int type, Integer value) {
  put(message, type, &value, sizeof value);
}

// Closed in the order in which they were opened, inside out.
class Nest {
 public:
  Nest(nl_msg* message, int type) : message_(message), start_(nla_nest_start(message, type | NLA_F_NESTED)) {
    if (!start_) throw std::bad_alloc();
  }
  ~Nest() { nla_nest_end(message_, start_); }
  Nest(const Nest&) = delete;
  Nest& operator=(const Nest&) = delete;

 private:
  nl_msg* message_;
  nlattr* start_;
};

NlMessage device_message(int family, int command, int flags, const std::string& interface) {
  NlMessage message(nlmsg_alloc());
  if (!message || !genlmsg_put(message.get(), NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, flags,
                               static_cast<std::uint8_t>(command), WG_GENL_VERSION))
    throw std::bad_alloc();
  put(message.get(), WGDEVICE_A_IFNAME, interface.c_str(), interface.size() + 1);
  return message;
}

void put_allowed_ip(nl_msg* message, const Address& address) {
  Nest entry(message, 0);
  put_integer(message, WGALLOWEDIP_A_FAMILY,
              static_cast<std::uint16_t>(address.is_v4() ? AF_INET : AF_INET6));
  if (address.is_v4())
    put(message, WGALLOWEDIP_A_IPADDR, address.bytes.data() + 12, 4);
  else
    put(message, WGALLOWEDIP_A_IPADDR, address.bytes.data(), 16);
  put_integer(message, WGALLOWEDIP_A_CIDR_MASK, static_cast<std::uint8_t>(address.is_v4() ? 32 : 128));
}

std::optional<Prefix> allowed_ip(nlattr* nested) {
  nlattr* attributes[WGALLOWEDIP_A_MAX + 1] = {};
  if (nla_parse_nested(attributes, WGALLOWEDIP_A_MAX, nested, nullptr) < 0) return std::nullopt;
  if (!attributes[WGALLOWEDIP_A_FAMILY] || !attributes[WGALLOWEDIP_A_IPADDR] ||
      !attributes[WGALLOWEDIP_A_CIDR_MASK])
    return std::nullopt;
  Prefix prefix;
  prefix.length = nla_get_u8(attributes[WGALLOWEDIP_A_CIDR_MASK]);
  const void* raw = nla_data(attributes[WGALLOWEDIP_A_IPADDR]);
  int size = nla_len(attributes[WGALLOWEDIP_A_IPADDR]);
  if (nla_get_u16(attributes[WGALLOWEDIP_A_FAMILY]) == AF_INET && size == 4) {
    std::uint32_t v4;
    std::memcpy(&v4, raw, 4);
    prefix.address = Address::from_v4(ntohl(v4));
    return prefix;
  }
  if (size != 16) return std::nullopt;
  std::memcpy(prefix.address.bytes.data(), raw, 16);
  return prefix;
}

std::uint64_t read_u64(nlattr* attribute) {
  std::uint64_t value = 0;
  if (attribute && nla_len(attribute) == sizeof value) std::memcpy(&value, nla_data(attribute), sizeof value);
  return value;
}

bool read_key(nlattr* attribute, Key& key) {
  if (!attribute || nla_len(attribute) != WG_KEY_LEN) return false;
  std::memcpy(key.data(), nla_data(attribute), key.size());
  return true;
}

void read_peer(nlattr* nested, WireguardDevice& device) {
  nlattr* attributes[WGPEER_A_MAX + 1] = {};
  WireguardPeer fresh;
  if (nla_parse_nested(attributes, WGPEER_A_MAX, nested, nullptr) < 0) return;
  if (!read_key(attributes[WGPEER_A_PUBLIC_KEY], fresh.public_key)) return;
  // A peer with many allowed IPs goes on in the next message, with its key repeated and nothing else.
  if (device.peers.empty() || device.peers.back().public_key != fresh.public_key) {
    // struct __kernel_timespec: seconds first.
    if (nlattr* time = attributes[WGPEER_A_LAST_HANDSHAKE_TIME]; time && nla_len(time) >= 8)
      std::memcpy(&fresh.last_handshake, nla_data(time), 8);
    fresh.rx_bytes = read_u64(attributes[WGPEER_A_RX_BYTES]);
    fresh.tx_bytes = read_u64(attributes[WGPEER_A_TX_BYTES]);
    device.peers.push_back(fresh);
  }
  if (!attributes[WGPEER_A_ALLOWEDIPS]) return;
  int left = 0;
  nlattr* each = nullptr;
  nla_for_each_nested(each, attributes[WGPEER_A_ALLOWEDIPS], left) if (auto prefix = allowed_ip(each))
      device.peers.back()
          .allowed_ips.push_back(*prefix);
}

void read_device(nlmsghdr* header, WireguardDevice& device) {
  nlattr* attributes[WGDEVICE_A_MAX + 1] = {};
  if (genlmsg_parse(header, 0, attributes, WGDEVICE_A_MAX, nullptr) < 0) return;
  read_key(attributes[WGDEVICE_A_PUBLIC_KEY], device.public_key);
  if (attributes[WGDEVICE_A_LISTEN_PORT])
    device.listen_port = nla_get_u16(attributes[WGDEVICE_A_LISTEN_PORT]);
  if (!attributes[WGDEVICE_A_PEERS]) return;
  int left = 0;
  nlattr* each = nullptr;
  nla_for_each_nested(each, attributes[WGDEVICE_A_PEERS], left) read_peer(each, device);
}

}  // namespace

std::expected<Wireguard, Error> Wireguard::open() {
  NlSocket socket(nl_socket_alloc());
  if (!socket) return std::unexpected(Error{ENOMEM, "cannot open generic netlink"});
  int code = genl_connect(socket.get());
  if (code < 0) return std::unexpected(netlink_error(code, "cannot open generic netlink"));
  int family = genl_ctrl_resolve(socket.get(), WG_GENL_NAME);
  if (family < 0) return std::unexpected(netlink_error(family, "cannot find the kernel's WireGuard"));
  return Wireguard(std::move(socket), family);
}

std::expected<void, Error> Wireguard::send(nl_msg* message, const char* what, const std::string& interface) {
  int code = nl_send_auto(socket_.get(), message);
  if (code >= 0) code = nl_wait_for_ack(socket_.get());
  if (code >= 0) return {};
  return std::unexpected(netlink_error(code, fmt::format("{}: '{}'", what, interface)));
}

std::expected<WireguardDevice, Error> Wireguard::read(const std::string& interface) {
  NlMessage request = device_message(family_, WG_CMD_GET_DEVICE, NLM_F_DUMP, interface);
  WireguardDevice device;
  auto done =
      dump(socket_.get(), request.get(), fmt::format("cannot read WireGuard interface: '{}'", interface),
           [&](nlmsghdr* answer) { read_device(answer, device); });
  if (!done) return std::unexpected(done.error());
  return device;
}

std::expected<void, Error> Wireguard::set_device(const std::string& interface, const PrivateKey& key,
                                                 std::uint16_t listen_port) {
  NlMessage request = device_message(family_, WG_CMD_SET_DEVICE, NLM_F_ACK, interface);
  put(request.get(), WGDEVICE_A_PRIVATE_KEY, key.bytes().data(), key.bytes().size());
  put_integer(request.get(), WGDEVICE_A_LISTEN_PORT, listen_port);
  auto done = send(request.get(), "cannot configure WireGuard interface", interface);
  nlmsghdr* header = nlmsg_hdr(request.get());
  OPENSSL_cleanse(header, header->nlmsg_len);
  header->nlmsg_len = NLMSG_HDRLEN;
  return done;
}

std::expected<void, Error> Wireguard::set_peer(const std::string& interface, const Key& peer,
                                               const std::vector<Address>& addresses) {
  NlMessage request = device_message(family_, WG_CMD_SET_DEVICE, NLM_F_ACK, interface);
  {
    Nest peers(request.get(), WGDEVICE_A_PEERS);
    Nest entry(request.get(), 0);
    put(request.get(), WGPEER_A_PUBLIC_KEY, peer.data(), peer.size());
    put_integer(request.get(), WGPEER_A_FLAGS, std::uint32_t{WGPEER_F_REPLACE_ALLOWEDIPS});
    Nest allowed(request.get(), WGPEER_A_ALLOWEDIPS);
    for (const Address& address : addresses) put_allowed_ip(request.get(), address);
  }
  return send(request.get(), "cannot add WireGuard peer", interface);
}

std::expected<void, Error> Wireguard::remove_peer(const std::string& interface, const Key& peer) {
  NlMessage request = device_message(family_, WG_CMD_SET_DEVICE, NLM_F_ACK, interface);
  {
    Nest peers(request.get(), WGDEVICE_A_PEERS);
    Nest entry(request.get(), 0);
    put(request.get(), WGPEER_A_PUBLIC_KEY, peer.data(), peer.size());
    put_integer(request.get(), WGPEER_A_FLAGS, std::uint32_t{WGPEER_F_REMOVE_ME});
  }
  return send(request.get(), "cannot remove WireGuard peer", interface);
}

}  // namespace clawpatrol::netd
