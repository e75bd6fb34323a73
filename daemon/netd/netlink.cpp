#include "daemon/netd/netlink.h"

#include <fmt/format.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "daemon/netd/netlink_message.h"

namespace clawpatrol::netd {

void NlSocketCloser::operator()(nl_sock* socket) const {
  nl_socket_free(socket);
}

std::expected<void, Error> dump(nl_sock* socket, nl_msg* request, const std::string& what,
                                const std::function<void(nlmsghdr*)>& each) {
  int code = nl_send_auto(socket, request);
  if (code < 0) return std::unexpected(netlink_error(code, what));
  std::unique_ptr<nl_cb, decltype(&nl_cb_put)> callbacks(nl_cb_alloc(NL_CB_DEFAULT), &nl_cb_put);
  nl_recvmsg_msg_cb_t trampoline = [](nl_msg* message, void* to) -> int {
    (*static_cast<const std::function<void(nlmsghdr*)>*>(to))(nlmsg_hdr(message));
    return NL_OK;
  };
  nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, trampoline,
            const_cast<std::function<void(nlmsghdr*)>*>(&each));
  code = nl_recvmsgs(socket, callbacks.get());
  if (code < 0) return std::unexpected(netlink_error(code, what));
  return {};
}

namespace {

constexpr unsigned short raw_ip = 519;  // ARPHRD_RAWIP, which glibc does not know

std::expected<NlSocket, Error> connect_route() {
  NlSocket socket(nl_socket_alloc());
  if (!socket) return std::unexpected(Error{ENOMEM, "cannot open netlink"});
  if (int code = nl_connect(socket.get(), NETLINK_ROUTE); code < 0)
    return std::unexpected(netlink_error(code, "cannot open netlink"));
  return socket;
}

NlMessage new_message(int type, int flags, const void* header, std::size_t size) {
  NlMessage message(nlmsg_alloc_simple(type, flags));
  if (!message) throw std::bad_alloc();
  if (nlmsg_append(message.get(), const_cast<void*>(header), size, NLMSG_ALIGNTO) < 0) throw std::bad_alloc();
  return message;
}

void put(nl_msg* message, int type, const void* data, std::size_t size) {
  if (nla_put(message, type, static_cast<int>(size), data) < 0) throw std::bad_alloc();
}

void put_u32(nl_msg* message, int type, std::uint32_t value) {
  put(message, type, &value, sizeof value);
}

void put_text(nl_msg* message, int type, const std::string& text) {
  put(message, type, text.c_str(), text.size() + 1);
}

void put_address(nl_msg* message, int type, const Address& address) {
  if (address.is_v4())
    put(message, type, address.bytes.data() + 12, 4);
  else
    put(message, type, address.bytes.data(), 16);
}

int family_of(const Address& address) {
  return address.is_v4() ? AF_INET : AF_INET6;
}

std::optional<Address> address_of(int family, nlattr* attribute) {
  Address address;
  if (family == AF_INET && nla_len(attribute) == 4) {
    std::uint32_t raw;
    std::memcpy(&raw, nla_data(attribute), 4);
    return Address::from_v4(ntohl(raw));
  }
  if (family != AF_INET6 || nla_len(attribute) != 16) return std::nullopt;
  std::memcpy(address.bytes.data(), nla_data(attribute), 16);
  return address;
}

bool has(const std::vector<std::string>& list, const std::string& name) {
  return std::ranges::find(list, name) != list.end();
}

// Says in the kernel itself whose an interface is, so that it is known without a configuration.
constexpr std::string_view our_alias = "clawpatrol-netd";

std::optional<Link> link_of(nlmsghdr* header) {
  if (header->nlmsg_type != RTM_NEWLINK) return std::nullopt;
  nlattr* attributes[IFLA_MAX + 1] = {};
  if (nlmsg_parse(header, sizeof(ifinfomsg), attributes, IFLA_MAX, nullptr) < 0) return std::nullopt;
  auto* info = static_cast<ifinfomsg*>(nlmsg_data(header));
  Link link;
  link.index = info->ifi_index;
  link.up = (info->ifi_flags & IFF_UP) != 0;
  if (attributes[IFLA_IFNAME]) link.name = nla_get_string(attributes[IFLA_IFNAME]);
  if (attributes[IFLA_LINKINFO]) {
    nlattr* kind = nla_find(static_cast<nlattr*>(nla_data(attributes[IFLA_LINKINFO])),
                            nla_len(attributes[IFLA_LINKINFO]), IFLA_INFO_KIND);
    if (kind)
      link.kind.assign(static_cast<char*>(nla_data(kind)),
                       ::strnlen(static_cast<char*>(nla_data(kind)), nla_len(kind)));
  }
  if (attributes[IFLA_IFALIAS]) link.ours = nla_get_string(attributes[IFLA_IFALIAS]) == our_alias;
  if (info->ifi_type == ARPHRD_ETHER) link.link_header = 14;
  link.supported =
      info->ifi_type == ARPHRD_ETHER || info->ifi_type == ARPHRD_NONE || info->ifi_type == raw_ip;
  return link;
}

std::optional<LocalPrefix> local_address(nlmsghdr* header) {
  if (header->nlmsg_type != RTM_NEWADDR) return std::nullopt;
  nlattr* attributes[IFA_MAX + 1] = {};
  if (nlmsg_parse(header, sizeof(ifaddrmsg), attributes, IFA_MAX, nullptr) < 0) return std::nullopt;
  auto* info = static_cast<ifaddrmsg*>(nlmsg_data(header));
  nlattr* attribute = attributes[IFA_LOCAL] ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
  if (!attribute) return std::nullopt;
  std::optional<Address> address = address_of(info->ifa_family, attribute);
  if (!address) return std::nullopt;
  return LocalPrefix{{*address, static_cast<std::uint8_t>(address->is_v4() ? 32 : 128)},
                     static_cast<int>(info->ifa_index),
                     info->ifa_prefixlen};
}

std::optional<LocalPrefix> local_route(nlmsghdr* header) {
  if (header->nlmsg_type != RTM_NEWROUTE) return std::nullopt;
  nlattr* attributes[RTA_MAX + 1] = {};
  if (nlmsg_parse(header, sizeof(rtmsg), attributes, RTA_MAX, nullptr) < 0) return std::nullopt;
  auto* info = static_cast<rtmsg*>(nlmsg_data(header));
  if (info->rtm_table != RT_TABLE_LOCAL || !attributes[RTA_DST]) return std::nullopt;
  if (info->rtm_type != RTN_LOCAL && info->rtm_type != RTN_BROADCAST && info->rtm_type != RTN_ANYCAST)
    return std::nullopt;
  std::optional<Address> address = address_of(info->rtm_family, attributes[RTA_DST]);
  if (!address) return std::nullopt;
  return LocalPrefix{{*address, info->rtm_dst_len}, 0, 0};
}

std::optional<Prefix> route_destination(nlmsghdr* header) {
  if (header->nlmsg_type != RTM_NEWROUTE) return std::nullopt;
  nlattr* attributes[RTA_MAX + 1] = {};
  if (nlmsg_parse(header, sizeof(rtmsg), attributes, RTA_MAX, nullptr) < 0) return std::nullopt;
  auto* info = static_cast<rtmsg*>(nlmsg_data(header));
  if (info->rtm_dst_len == 0 || !attributes[RTA_DST]) return std::nullopt;
  std::optional<Address> address = address_of(info->rtm_family, attributes[RTA_DST]);
  return address ? std::optional(Prefix{*address, info->rtm_dst_len}) : std::nullopt;
}

}  // namespace

std::expected<Netlink, Error> Netlink::open() {
  auto socket = connect_route();
  if (!socket) return std::unexpected(socket.error());
  int on = 1;  // so that a dump of one table does not walk all of them
  ::setsockopt(nl_socket_get_fd(socket->get()), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  return Netlink(std::move(*socket));
}

std::expected<void, Error> Netlink::send(nl_msg* message, const char* what, const std::string& object) {
  int code = nl_send_auto(socket_.get(), message);
  if (code >= 0) code = nl_wait_for_ack(socket_.get());
  if (code >= 0) return {};
  return std::unexpected(netlink_error(code, fmt::format("{}: '{}'", what, object)));
}

std::expected<std::vector<Link>, Error> Netlink::links() {
  ifinfomsg header{};
  NlMessage request = new_message(RTM_GETLINK, NLM_F_DUMP, &header, sizeof header);
  std::vector<Link> found;
  auto done = dump(socket_.get(), request.get(), "cannot list interfaces", [&](nlmsghdr* answer) {
    if (auto link = link_of(answer)) found.push_back(std::move(*link));
  });
  if (!done) return std::unexpected(done.error());
  return found;
}

std::expected<void, Error> Netlink::make_wireguard(const std::string& name) {
  ifinfomsg header{};
  NlMessage request = new_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &header, sizeof header);
  put_text(request.get(), IFLA_IFNAME, name);
  nlattr* info = nla_nest_start(request.get(), IFLA_LINKINFO);
  put_text(request.get(), IFLA_INFO_KIND, "wireguard");
  nla_nest_end(request.get(), info);
  auto made = send(request.get(), "cannot make WireGuard interface", name);
  if (made) return set_alias(name);
  auto known = links();
  if (!known) return std::unexpected(known.error());
  for (const Link& link : *known) {
    if (link.name != name) continue;
    if (link.kind == "wireguard") return set_alias(name);
    return std::unexpected(
        Error{EEXIST, fmt::format("cannot make WireGuard interface: '{}': there is one of that name, "
                                  "of kind '{}'",
                                  name, link.kind)});
  }
  Error error = made.error();
  error.what += "\nhint: Does this kernel have WireGuard? `modprobe wireguard` says.";
  return std::unexpected(error);
}

// A message of its own: the kernel takes no alias while it makes an interface.
std::expected<void, Error> Netlink::set_alias(const std::string& name) {
  ifinfomsg header{};
  NlMessage request = new_message(RTM_NEWLINK, NLM_F_ACK, &header, sizeof header);
  put_text(request.get(), IFLA_IFNAME, name);
  put_text(request.get(), IFLA_IFALIAS, std::string(our_alias));
  return send(request.get(), "cannot mark interface", name);
}

std::expected<void, Error> Netlink::remove_link(int index) {
  ifinfomsg header{};
  header.ifi_index = index;
  NlMessage request = new_message(RTM_DELLINK, NLM_F_ACK, &header, sizeof header);
  return send(request.get(), "cannot remove interface", std::to_string(index));
}

std::expected<void, Error> Netlink::set_up(int index) {
  ifinfomsg header{};
  header.ifi_index = index;
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  NlMessage request = new_message(RTM_NEWLINK, NLM_F_ACK, &header, sizeof header);
  return send(request.get(), "cannot bring interface up", std::to_string(index));
}

namespace {

NlMessage address_message(int type, int flags, int index, const Address& address,
                          std::uint8_t prefix_length) {
  ifaddrmsg header{};
  header.ifa_family = static_cast<std::uint8_t>(family_of(address));
  header.ifa_prefixlen = prefix_length;
  header.ifa_index = static_cast<std::uint32_t>(index);
  // No duplicate address detection: there is no neighbour to ask, and until it ends the address does not
  // work.
  if (!address.is_v4()) header.ifa_flags = IFA_F_NODAD;
  NlMessage request = new_message(type, flags, &header, sizeof header);
  put_address(request.get(), IFA_LOCAL, address);
  put_address(request.get(), IFA_ADDRESS, address);
  return request;
}

}  // namespace

std::expected<void, Error> Netlink::add_address(int index, const Address& address,
                                                std::uint8_t prefix_length) {
  NlMessage request =
      address_message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, index, address, prefix_length);
  return send(request.get(), "cannot add address", address.text());
}

std::expected<void, Error> Netlink::remove_address(int index, const Address& address,
                                                   std::uint8_t prefix_length) {
  NlMessage request = address_message(RTM_DELADDR, NLM_F_ACK, index, address, prefix_length);
  return send(request.get(), "cannot remove address", address.text());
}

std::expected<std::vector<LocalPrefix>, Error> Netlink::local_prefixes() {
  std::vector<LocalPrefix> found;
  auto keep = [&](const std::optional<LocalPrefix>& prefix) {
    if (prefix) found.push_back(*prefix);
  };
  for (int family : {AF_INET, AF_INET6}) {
    rtmsg route{};
    route.rtm_family = static_cast<std::uint8_t>(family);
    NlMessage routes = new_message(RTM_GETROUTE, NLM_F_DUMP, &route, sizeof route);
    put_u32(routes.get(), RTA_TABLE, RT_TABLE_LOCAL);
    auto listed = dump(socket_.get(), routes.get(), "cannot list local routes",
                       [&](nlmsghdr* answer) { keep(local_route(answer)); });
    // With IPv6 switched off there is no such table, and nothing local in it.
    if (!listed &&
        !(listed.error().code == NLE_OBJ_NOTFOUND || listed.error().code == NLE_NOADDR || family == AF_INET6))
      return std::unexpected(listed.error());
    ifaddrmsg address{};
    address.ifa_family = static_cast<std::uint8_t>(family);
    NlMessage addresses = new_message(RTM_GETADDR, NLM_F_DUMP, &address, sizeof address);
    listed = dump(socket_.get(), addresses.get(), "cannot list addresses",
                  [&](nlmsghdr* answer) { keep(local_address(answer)); });
    if (!listed && family == AF_INET) return std::unexpected(listed.error());
  }
  return found;
}

std::expected<std::vector<Prefix>, Error> Netlink::routed_prefixes() {
  std::vector<Prefix> found;
  for (int family : {AF_INET, AF_INET6}) {
    rtmsg route{};
    route.rtm_family = static_cast<std::uint8_t>(family);
    NlMessage routes = new_message(RTM_GETROUTE, NLM_F_DUMP, &route, sizeof route);
    auto listed = dump(socket_.get(), routes.get(), "cannot list routes", [&](nlmsghdr* answer) {
      if (auto prefix = route_destination(answer)) found.push_back(*prefix);
    });
    if (!listed && family == AF_INET) return std::unexpected(listed.error());
  }
  return found;
}

std::expected<void, Error> Netlink::change_rule(int type, int family, const SteeringRule& rule,
                                                const std::string& interface) {
  fib_rule_hdr header{};
  header.family = static_cast<std::uint8_t>(family);
  header.action = FR_ACT_TO_TBL;
  int flags = type == RTM_NEWRULE ? NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK : NLM_F_ACK;
  NlMessage request = new_message(type, flags, &header, sizeof header);
  put_text(request.get(), FRA_IIFNAME, interface);
  put_u32(request.get(), FRA_FWMARK, rule.mark);
  put_u32(request.get(), FRA_FWMASK, 0xffffffff);
  put_u32(request.get(), FRA_TABLE, rule.table);
  put_u32(request.get(), FRA_PRIORITY, rule.priority);
  return send(request.get(), "cannot change routing rule", interface);
}

std::expected<void, Error> Netlink::change_route(int type, int family, const SteeringRule& rule) {
  rtmsg header{};
  header.rtm_family = static_cast<std::uint8_t>(family);
  header.rtm_table = RT_TABLE_UNSPEC;
  header.rtm_type = RTN_LOCAL;
  header.rtm_scope = family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
  header.rtm_protocol = RTPROT_STATIC;
  int flags = type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK : NLM_F_ACK;
  NlMessage request = new_message(type, flags, &header, sizeof header);
  put_u32(request.get(), RTA_TABLE, rule.table);
  put_u32(request.get(), RTA_OIF, if_nametoindex("lo"));
  return send(request.get(), "cannot change the local route", fmt::format("table {}", rule.table));
}

// All rules, in the order in which the kernel asks them.
std::expected<std::vector<Netlink::FoundRule>, Error> Netlink::rules(int family, const SteeringRule& rule) {
  fib_rule_hdr header{};
  header.family = static_cast<std::uint8_t>(family);
  NlMessage request = new_message(RTM_GETRULE, NLM_F_DUMP, &header, sizeof header);
  std::vector<FoundRule> found;
  auto done = dump(socket_.get(), request.get(), "cannot list routing rules", [&](nlmsghdr* answer) {
    nlattr* attributes[FRA_MAX + 1] = {};
    if (answer->nlmsg_type != RTM_NEWRULE ||
        nlmsg_parse(answer, sizeof(fib_rule_hdr), attributes, FRA_MAX, nullptr) < 0)
      return;
    // The kernel leaves out what is 0.
    auto number = [&](int type) { return attributes[type] ? nla_get_u32(attributes[type]) : 0; };
    FoundRule each;
    each.table = number(FRA_TABLE);
    if (attributes[FRA_IIFNAME]) each.interface = nla_get_string(attributes[FRA_IIFNAME]);
    each.ours = each.table == rule.table && number(FRA_PRIORITY) == rule.priority &&
                number(FRA_FWMARK) == rule.mark && !each.interface.empty();
    found.push_back(std::move(each));
  });
  if (!done) return std::unexpected(done.error());
  return found;
}

std::expected<bool, Error> Netlink::comes_first(const SteeringRule& rule,
                                                const std::vector<std::string>& interfaces) {
  for (int family : {AF_INET, AF_INET6}) {
    auto all = rules(family, rule);
    if (!all && family == AF_INET6) continue;  // a machine without it
    if (!all) return std::unexpected(all.error());
    const auto last = std::ranges::find_if(all->rbegin(), all->rend(), &FoundRule::ours);
    for (auto each = last; each != all->rend(); ++each) {
      const bool concerned = each->interface.empty() || has(interfaces, each->interface);
      if (!each->ours && each->table != RT_TABLE_LOCAL && concerned) return false;
    }
  }
  return true;
}

// The interfaces of the rules that are ours.
std::expected<std::vector<std::string>, Error> Netlink::steered(int family, const SteeringRule& rule) {
  auto all = rules(family, rule);
  if (!all) return std::unexpected(all.error());
  std::vector<std::string> names;
  for (FoundRule& each : *all)
    if (each.ours) names.push_back(std::move(each.interface));
  return names;
}

std::expected<void, Error> Netlink::steer_family(int family, const SteeringRule& rule,
                                                 const std::vector<std::string>& interfaces) {
  auto present = steered(family, rule);
  if (!present) return std::unexpected(present.error());
  if (!interfaces.empty())
    if (auto done = change_route(RTM_NEWROUTE, family, rule); !done) return done;
  for (const std::string& name : interfaces)
    if (!has(*present, name))
      if (auto done = change_rule(RTM_NEWRULE, family, rule, name); !done) return done;
  return {};
}

std::expected<void, Error> Netlink::unsteer_family(int family, const SteeringRule& rule,
                                                   const std::vector<std::string>& except) {
  auto present = steered(family, rule);
  if (!present) return std::unexpected(present.error());
  for (const std::string& name : *present)
    if (!has(except, name))
      if (auto done = change_rule(RTM_DELRULE, family, rule, name); !done) return done;
  if (except.empty()) (void)change_route(RTM_DELROUTE, family, rule);  // it may never have been there
  return {};
}

namespace {

// A machine without IPv6 has nothing to steer there.
std::expected<void, Error> unless_without(std::expected<void, Error> done) {
  if (!done && (done.error().code == NLE_OPNOTSUPP || done.error().code == NLE_AF_NOSUPPORT)) return {};
  return done;
}

}  // namespace

std::expected<void, Error> Netlink::steer(const SteeringRule& rule,
                                          const std::vector<std::string>& interfaces) {
  if (auto done = steer_family(AF_INET, rule, interfaces); !done) return done;
  return unless_without(steer_family(AF_INET6, rule, interfaces));
}

std::expected<void, Error> Netlink::unsteer(const SteeringRule& rule,
                                            const std::vector<std::string>& except) {
  if (auto done = unsteer_family(AF_INET, rule, except); !done) return done;
  return unless_without(unsteer_family(AF_INET6, rule, except));
}

namespace {

// Of routes only those of the local table are read here, and a router may have very many others. Our own
// route is not in it: what we change must not be a reason to look again.
bool changes_what_is_read(nlmsghdr* event) {
  if (event->nlmsg_type != RTM_NEWROUTE && event->nlmsg_type != RTM_DELROUTE) return true;
  return nlmsg_valid_hdr(event, sizeof(rtmsg)) == 0 ||
         static_cast<const rtmsg*>(nlmsg_data(event))->rtm_table == RT_TABLE_LOCAL;
}

}  // namespace

std::expected<NetlinkEvents, Error> NetlinkEvents::open() {
  auto socket = connect_route();
  if (!socket) return std::unexpected(socket.error());
  nl_socket_disable_seq_check(socket->get());
  int code = nl_socket_add_memberships(socket->get(), RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                                       RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,
                                       RTNLGRP_IPV6_RULE, 0);
  if (code >= 0) code = nl_socket_set_nonblocking(socket->get());
  if (code < 0) return std::unexpected(netlink_error(code, "cannot watch interfaces"));
  return NetlinkEvents(std::move(*socket));
}

int NetlinkEvents::fd() const {
  return nl_socket_get_fd(socket_.get());
}

bool NetlinkEvents::drain() {
  alignas(nlmsghdr) char buffer[16384];
  bool matters = false;
  while (true) {
    ssize_t size = ::recv(fd(), buffer, sizeof buffer, MSG_DONTWAIT | MSG_TRUNC);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == ENOBUFS) {
      matters = true;  // some were lost
      continue;
    }
    if (size < 0) return matters;
    if (size > static_cast<ssize_t>(sizeof buffer)) {
      matters = true;
      continue;
    }
    int left = static_cast<int>(size);
    for (auto* each = reinterpret_cast<nlmsghdr*>(buffer); nlmsg_ok(each, left);
         each = nlmsg_next(each, &left))
      matters = matters || changes_what_is_read(each);
  }
}

}  // namespace clawpatrol::netd
