// Addresses of sockets, as values.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <expected>

#include "daemon/ring/error.h"
#include "daemon/ring/fd.h"
#include "policy/address.h"

namespace clawpatrol {

struct SocketAddress {
  Address address;
  std::uint16_t port = 0;
};

SocketAddress from_sockaddr(const sockaddr_storage& raw);
sockaddr_storage to_sockaddr(const SocketAddress& address, socklen_t& length);  // AF_INET or AF_INET6
std::expected<SocketAddress, Error> local_address(int fd);  // getsockname(2): the original destination
std::expected<SocketAddress, Error> peer_address(int fd);   // getpeername(2)

// Closes with a reset instead of a farewell.
void reset(Fd socket);

// Resets a connection at once, wakes whatever waits for it, and keeps its descriptor: what waits may be the
// ring's. A shutdown would say goodbye first, and a server cannot tell a reset that follows it from a client
// that had finished.
void disconnect(int socket);

}  // namespace clawpatrol
