#include "daemon/netd/sockets.h"

#include <fmt/format.h>
#include <linux/in6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "bpf/shared.h"

namespace clawpatrol::netd {
namespace {

constexpr int backlog = 4096;
constexpr int bind_attempts = 100;
constexpr std::chrono::milliseconds bind_pause(20);

struct Option {
  int level, name, value;
};

std::expected<void, Error> set_options(int fd, std::initializer_list<Option> options) {
  for (const Option& option : options)
    if (::setsockopt(fd, option.level, option.name, &option.value, sizeof option.value) != 0)
      return std::unexpected(
          os_error(errno, fmt::format("cannot set socket option: '{}/{}'", option.level, option.name)));
  return {};
}

std::expected<void, Error> bind_with_patience(int fd, const sockaddr* address, socklen_t length,
                                              const char* what) {
  for (int attempt = 0;; attempt++) {
    if (::bind(fd, address, length) == 0) return {};
    if (errno != EADDRINUSE || attempt == bind_attempts) return std::unexpected(os_error(errno, what));
    std::this_thread::sleep_for(bind_pause);
  }
}

}  // namespace

std::expected<Fd, Error> make_listener() {
  Fd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return std::unexpected(os_error(errno, "cannot make a listener"));
  // REUSEPORT: the workers' listeners share the port, and those of a netd before this one that the daemon
  // holds.
  auto set = set_options(fd.get(), {{SOL_IPV6, IPV6_V6ONLY, 0},
                                    {SOL_SOCKET, SO_REUSEADDR, 1},
                                    {SOL_SOCKET, SO_REUSEPORT, 1},
                                    {SOL_IP, IP_TRANSPARENT, 1},
                                    {SOL_IPV6, IPV6_TRANSPARENT, 1}});
  if (!set) return std::unexpected(set.error());
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(listen_port);
  std::uint32_t loopback = htonl(STEER_LISTEN_V4);
  address.sin6_addr.s6_addr[10] = address.sin6_addr.s6_addr[11] = 0xff;
  std::memcpy(&address.sin6_addr.s6_addr[12], &loopback, 4);
  auto bound = bind_with_patience(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address,
                                  "cannot bind the listener: '127.0.0.1:15086'");
  if (!bound) return std::unexpected(bound.error());
  if (::listen(fd.get(), backlog) != 0) return std::unexpected(os_error(errno, "cannot listen"));
  return fd;
}

bool is_our_listener(int fd) {
  int listening = 0, transparent = 0;
  socklen_t size = sizeof listening;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || !listening) return false;
  size = sizeof transparent;
  if (::getsockopt(fd, SOL_IPV6, IPV6_TRANSPARENT, &transparent, &size) != 0 || !transparent) return false;
  sockaddr_in6 address{};
  size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return false;
  return address.sin6_family == AF_INET6 && address.sin6_port == htons(listen_port);
}

std::expected<Fd, Error> make_dns_socket(Family family) {
  bool v4 = family == Family::v4;
  Fd fd(::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return std::unexpected(os_error(errno, "cannot make the DNS socket"));
  auto set = v4 ? set_options(fd.get(), {{SOL_SOCKET, SO_REUSEADDR, 1},
                                         {SOL_SOCKET, SO_REUSEPORT, 1},
                                         {SOL_IP, IP_TRANSPARENT, 1},
                                         {SOL_IP, IP_RECVORIGDSTADDR, 1}})
                : set_options(fd.get(), {{SOL_IPV6, IPV6_V6ONLY, 1},
                                         {SOL_SOCKET, SO_REUSEADDR, 1},
                                         {SOL_SOCKET, SO_REUSEPORT, 1},
                                         {SOL_IPV6, IPV6_TRANSPARENT, 1},
                                         {SOL_IPV6, IPV6_RECVORIGDSTADDR, 1}});
  if (!set) return std::unexpected(set.error());
  sockaddr_in v4_address{};
  v4_address.sin_family = AF_INET;
  v4_address.sin_port = htons(53);
  v4_address.sin_addr.s_addr = htonl(STEER_DNS_V4);
  sockaddr_in6 v6_address{};
  v6_address.sin6_family = AF_INET6;
  v6_address.sin6_port = htons(53);
  v6_address.sin6_addr.s6_addr[0] = 0x01;
  v6_address.sin6_addr.s6_addr[15] = 0x53;
  auto bound = v4 ? bind_with_patience(fd.get(), reinterpret_cast<sockaddr*>(&v4_address), sizeof v4_address,
                                       "cannot bind the DNS socket: '127.86.0.53:53'")
                  : bind_with_patience(fd.get(), reinterpret_cast<sockaddr*>(&v6_address), sizeof v6_address,
                                       "cannot bind the DNS socket: '[100::53]:53'");
  if (!bound) {
    Error error = bound.error();
    if (error.code == EADDRINUSE)
      error.what +=
          "\nhint: Another resolver listens on port 53 of every address; let it listen on its own only.";
    return std::unexpected(error);
  }
  return fd;
}

}  // namespace clawpatrol::netd
