#include "daemon/gateway/netd_session.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "bpf/shared.h"

namespace clawpatrol {
namespace {

using netd::DescriptorRole;
using netd::Message;
using netd::MessageType;

constexpr std::size_t max_session_peers = STEER_MAX_PEERS;
constexpr std::size_t max_session_rows = STEER_MAX_DROPS;

std::string_view reason_text(std::uint32_t reason) {
  switch (reason) {
    case DROP_INTERFACE: return "interface is not steered";
    case DROP_LINK: return "not IP";
    case DROP_MALFORMED: return "malformed headers";
    case DROP_FRAGMENT: return "fragment";
    case DROP_OPTIONS: return "IP options or extension headers";
    case DROP_SPOOFED: return "source is no peer's";
    case DROP_OWN_ADDRESS: return "the gateway's or a peer's address";
    case DROP_DESTINATION: return "multicast, loopback or link-local destination";
    case DROP_UDP: return "UDP that is not DNS";
    case DROP_QUIC: return "QUIC";
    case DROP_ICMP: return "ICMP";
    case DROP_PROTOCOL: return "other IP protocol";
    case DROP_NO_LISTENER: return "no gateway process";
    case DROP_RATE: return "rate";
    default: return "unknown reason";
  }
}

bool is_zero(const std::uint8_t (&raw)[16]) {
  return std::all_of(std::begin(raw), std::end(raw), [](std::uint8_t byte) { return byte == 0; });
}

std::optional<Address> address_from(const std::uint8_t (&raw)[16]) {
  if (is_zero(raw)) return std::nullopt;
  Address address;
  std::memcpy(address.bytes.data(), raw, sizeof raw);
  return address;
}

// The text of a NUL-padded field, whether or not a NUL is there.
template <std::size_t Size>
std::string text_from(const char (&raw)[Size]) {
  return std::string(raw, ::strnlen(raw, Size));
}

// The descriptor of a message, or the first of several, the others closed; their number in `count`.
Fd take_rights(const msghdr& message, std::size_t& count) {
  Fd first;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(const_cast<msghdr*>(&message), part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t at = 0; at + sizeof(int) <= part->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
      int raw;
      std::memcpy(&raw, CMSG_DATA(part) + at, sizeof raw);
      Fd fd(raw);
      if (count++ == 0) first = std::move(fd);
    }
  }
  return first;
}

}  // namespace

std::expected<NetdSession, Error> NetdSession::connect(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string text = path.string();
  if (text.size() >= sizeof address.sun_path)
    return std::unexpected(Error{ENAMETOOLONG, "cannot reach netd: '" + text + "': the path is too long"});
  std::memcpy(address.sun_path, text.data(), text.size());
  Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd || ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return std::unexpected(os_error(errno, "cannot reach netd: '" + text + "'"));
  return NetdSession(std::move(fd));
}

std::expected<void, Error> NetdSession::send(const Message& message) {
  if (!fd_) return std::unexpected(Error{ENOTCONN, "cannot ask netd: the session is over"});
  ssize_t sent = ::send(fd_.get(), &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent == static_cast<ssize_t>(sizeof message)) return {};
  return std::unexpected(os_error(errno, "cannot ask netd"));
}

std::expected<void, Error> NetdSession::send_hello(std::uint32_t workers) {
  Message message;
  message.type = MessageType::hello;
  message.hello.workers = workers;
  return send(message);
}

std::expected<void, Error> NetdSession::request_statistics() {
  Message message;
  message.type = MessageType::get_statistics;
  return send(message);
}

std::expected<void, Error> NetdSession::request_reload() {
  Message message;
  message.type = MessageType::reload;
  return send(message);
}

std::vector<SessionEvent> NetdSession::on_readable() {
  std::vector<SessionEvent> events;
  while (fd_ && receive(events)) {
  }
  return events;
}

void NetdSession::close(std::string why, std::vector<SessionEvent>& events) {
  fd_.reset();
  events.push_back(SessionClosed{std::move(why)});
}

bool NetdSession::receive(std::vector<SessionEvent>& events) {
  Message message;
  alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))];
  iovec part{&message, sizeof message};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ssize_t size = ::recvmsg(fd_.get(), &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (size < 0 && errno == EINTR) return true;
  if (size < 0 && errno == EAGAIN) return false;
  if (size < 0) return close(std::strerror(errno), events), false;
  if (size == 0) return close("netd closed it", events), false;
  std::size_t descriptors = 0;
  Fd descriptor = take_rights(header, descriptors);
  bool whole =
      size == static_cast<ssize_t>(sizeof message) && (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
  if (!whole || message.version != netd::protocol_version || message.length != sizeof message)
    return close("netd speaks another version of the protocol", events), false;
  if (descriptors != (message.type == MessageType::descriptor ? 1u : 0u))
    return close("a message has the wrong number of descriptors", events), false;
  const char* why = take(message, std::move(descriptor), events);
  if (why != nullptr) close(why, events);
  return why == nullptr;
}

const char* NetdSession::take(const Message& message, Fd descriptor, std::vector<SessionEvent>& events) {
  switch (message.type) {
    case MessageType::welcome:
      events.push_back(SessionWelcome{message.welcome.incarnation, address_from(message.welcome.address_v4),
                                      address_from(message.welcome.address_v6)});
      return nullptr;
    case MessageType::descriptor: return take_descriptor(message, std::move(descriptor), events);
    case MessageType::peer: return take_peer(message);
    case MessageType::peers_end: {
      SessionPeers snapshot;
      for (const auto& [id, peer] : peers_) snapshot.peers.push_back(peer);
      events.push_back(std::move(snapshot));
      return nullptr;
    }
    case MessageType::statistics:
      if (rows_.size() >= max_session_rows) return "more statistics than there can be";
      rows_.push_back({message.statistics.peer_id, message.statistics.reason,
                       reason_text(message.statistics.reason), message.statistics.packets,
                       message.statistics.bytes});
      return nullptr;
    case MessageType::statistics_end:
      events.push_back(SessionStatistics{std::move(rows_)});
      rows_.clear();
      return nullptr;
    case MessageType::reloaded: {
      std::string problem = text_from(message.reloaded.problem);
      if (message.reloaded.ok == 0 && problem.empty()) problem = "netd could not load the configuration";
      events.push_back(SessionReloaded{message.reloaded.ok != 0, std::move(problem)});
      return nullptr;
    }
    case MessageType::operated:
      events.push_back(SessionOperated{message.operated.operation, message.operated.uid,
                                       text_from(message.operated.name)});
      return nullptr;
    default: return "netd sent a message that this version does not know";
  }
}

const char* NetdSession::take_descriptor(const Message& message, Fd descriptor,
                                         std::vector<SessionEvent>& events) {
  switch (message.descriptor.role) {
    case DescriptorRole::tcp_listener:
      if (message.descriptor.index >= netd::max_workers) return "a listener for no worker";
      events.push_back(SessionListener{message.descriptor.index, std::move(descriptor)});
      return nullptr;
    case DescriptorRole::dns_udp_v4:
    case DescriptorRole::dns_udp_v6:
      events.push_back(
          SessionDnsSocket{message.descriptor.role == DescriptorRole::dns_udp_v6, std::move(descriptor)});
      return nullptr;
    case DescriptorRole::keep: events.push_back(SessionKeep{std::move(descriptor)}); return nullptr;
  }
  return "a descriptor for no purpose";
}

const char* NetdSession::take_peer(const Message& message) {
  if (message.peer.id == 0) return "a peer without an id";
  if (message.peer.change == netd::PeerChange::gone) {
    peers_.erase(message.peer.id);
    return nullptr;
  }
  if (peers_.size() >= max_session_peers && !peers_.contains(message.peer.id))
    return "more peers than there can be";
  Peer peer;
  peer.id = message.peer.id;
  peer.name = text_from(message.peer.name);
  peer.profile = text_from(message.peer.profile);
  peer.key_fingerprint = message.peer.key_fingerprint;
  for (const auto& raw : message.peer.addresses)
    if (auto address = address_from(raw)) peer.addresses.push_back(*address);
  peers_[peer.id] = std::move(peer);
  return nullptr;
}

}  // namespace clawpatrol
