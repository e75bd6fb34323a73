#include "daemon/gateway/sockets.h"

#include <cstring>

namespace clawpatrol {

SocketAddress from_sockaddr(const sockaddr_storage& raw) {
  SocketAddress result;
  if (raw.ss_family == AF_INET) {
    auto& v4 = reinterpret_cast<const sockaddr_in&>(raw);
    result.address = Address::from_v4(ntohl(v4.sin_addr.s_addr));
    result.port = ntohs(v4.sin_port);
  } else if (raw.ss_family == AF_INET6) {
    auto& v6 = reinterpret_cast<const sockaddr_in6&>(raw);
    std::memcpy(result.address.bytes.data(), &v6.sin6_addr, 16);
    result.port = ntohs(v6.sin6_port);
  }
  return result;
}

sockaddr_storage to_sockaddr(const SocketAddress& address, socklen_t& length) {
  sockaddr_storage raw{};
  if (address.address.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(raw);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    v4.sin_addr.s_addr = htonl(address.address.v4());
    length = sizeof v4;
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(raw);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    std::memcpy(&v6.sin6_addr, address.address.bytes.data(), 16);
    length = sizeof v6;
  }
  return raw;
}

std::expected<SocketAddress, Error> local_address(int fd) {
  sockaddr_storage raw{};
  socklen_t length = sizeof raw;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&raw), &length) != 0)
    return std::unexpected(os_error(errno, "getsockname failed"));
  return from_sockaddr(raw);
}

std::expected<SocketAddress, Error> peer_address(int fd) {
  sockaddr_storage raw{};
  socklen_t length = sizeof raw;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&raw), &length) != 0)
    return std::unexpected(os_error(errno, "getpeername failed"));
  return from_sockaddr(raw);
}

void reset(Fd socket) {
  linger abort{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
}

void disconnect(int socket) {
  const sockaddr nowhere{.sa_family = AF_UNSPEC, .sa_data = {}};
  ::connect(socket, &nowhere, sizeof nowhere);
}

}  // namespace clawpatrol
