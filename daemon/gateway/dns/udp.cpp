#include "daemon/gateway/dns/udp.h"

#include <poll.h>

#include <array>
#include <cstring>

#include "daemon/gateway/dns/service.h"
#include "daemon/gateway/sockets.h"
#include "daemon/ring/task_group.h"

namespace clawpatrol {

namespace {

constexpr auto stop_check = std::chrono::milliseconds(250);
constexpr int batch = 64;  // datagrams taken before the ring's other work has its turn

struct Datagram {
  SocketAddress from;
  Address to;
  std::string message;
};

// Room for one address of the larger family, aligned as control messages must be.
struct Control {
  alignas(
      cmsghdr) std::array<char, CMSG_SPACE(sizeof(sockaddr_in6)) + CMSG_SPACE(sizeof(in6_pktinfo))> bytes{};
};

// The destination as the agent wrote it: IP_ORIGDSTADDR and IPV6_ORIGDSTADDR, a socket address both.
std::optional<Address> destination_of(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    bool v4 = part->cmsg_level == SOL_IP && part->cmsg_type == IP_ORIGDSTADDR;
    bool v6 = part->cmsg_level == SOL_IPV6 && part->cmsg_type == IPV6_ORIGDSTADDR;
    if (!v4 && !v6) continue;
    sockaddr_storage raw{};
    std::memcpy(&raw, CMSG_DATA(part), v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    return from_sockaddr(raw).address;
  }
  return std::nullopt;
}

enum class Received : std::uint8_t { datagram, unusable, nothing };

Received receive(int socket, Datagram& datagram) {
  std::array<char, dns::max_query + 1> buffer;
  Control control;
  sockaddr_storage from{};
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_name = &from;
  message.msg_namelen = sizeof from;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  ssize_t size = recvmsg(socket, &message, MSG_DONTWAIT);
  // Anything but "nothing there" is an error of an earlier answer that has come back: the next call goes on.
  if (size < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? Received::nothing : Received::unusable;
  auto to = destination_of(message);
  if (!to || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) return Received::unusable;
  datagram = {from_sockaddr(from), *to, std::string(buffer.data(), static_cast<std::size_t>(size))};
  return Received::datagram;
}

void set_source(msghdr& message, Control& control, const Address& source) {
  message.msg_control = control.bytes.data();
  message.msg_controllen = source.is_v4() ? CMSG_SPACE(sizeof(in_pktinfo)) : CMSG_SPACE(sizeof(in6_pktinfo));
  cmsghdr* part = CMSG_FIRSTHDR(&message);
  if (source.is_v4()) {
    in_pktinfo info{};
    info.ipi_spec_dst.s_addr = htonl(source.v4());
    part->cmsg_level = SOL_IP;
    part->cmsg_type = IP_PKTINFO;
    part->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(part), &info, sizeof info);
  } else {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, source.bytes.data(), sizeof info.ipi6_addr);
    part->cmsg_level = SOL_IPV6;
    part->cmsg_type = IPV6_PKTINFO;
    part->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(part), &info, sizeof info);
  }
}

// A full socket buffer loses the answer, as the network may: the client asks again.
void send_answer(int socket, const Datagram& asked, std::string_view answer) {
  if (answer.empty()) return;
  socklen_t length = 0;
  sockaddr_storage to = to_sockaddr(asked.from, length);
  iovec part{const_cast<char*>(answer.data()), answer.size()};
  Control control;
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = length;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  set_source(message, control, asked.to);
  sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

struct Listener {
  Worker& worker;
  NameService& service;
  int socket;
  TaskGroup lookups;
};

Task<void> answer_later(Listener& listener, Datagram datagram, NameService::Asked asked) {
  std::string answer = co_await listener.service.look_up(listener.worker, std::move(asked));
  send_answer(listener.socket, datagram, answer);
}

void answer(Listener& listener, Datagram datagram) {
  Shared& shared = listener.worker.shared();
  auto peer = shared.peers.by_address(datagram.from.address);
  if (!peer) return shared.refusals.count("dns: unknown peer", 0);
  std::uint32_t peer_id = peer->id;
  auto begun =
      listener.service.begin(std::move(peer), datagram.from.address, datagram.message, Transport::udp);
  if (auto* done = std::get_if<std::string>(&begun)) return send_answer(listener.socket, datagram, *done);
  if (listener.lookups.running() >= max_pending_lookups)
    return shared.refusals.count("dns: too many lookups at a time", peer_id);
  listener.lookups.spawn(
      answer_later(listener, std::move(datagram), std::move(std::get<NameService::Asked>(begun))));
}

void ask_for_destinations(int socket) {
  int on = 1;
  // One of the two fails on a socket of the other family.
  setsockopt(socket, SOL_IP, IP_RECVORIGDSTADDR, &on, sizeof on);
  setsockopt(socket, SOL_IPV6, IPV6_RECVORIGDSTADDR, &on, sizeof on);
}

}  // namespace

Task<void> serve_dns_udp(Worker& worker, NameService& service, Fd socket,
                         std::shared_ptr<std::atomic<bool>> stop) {
  ask_for_destinations(socket.get());
  Listener listener{worker, service, socket.get(), TaskGroup(worker.ring())};
  while (!*stop && !service.stopping()) {
    co_await worker.ring().poll(socket.get(), POLLIN, Deadline::after(stop_check));
    Datagram datagram;
    for (int i = 0; i < batch; ++i) {
      Received received = receive(socket.get(), datagram);
      if (received == Received::nothing) break;
      if (received == Received::datagram) answer(listener, std::move(datagram));
    }
  }
  co_await listener.lookups.join();
}

}  // namespace clawpatrol
