#include "daemon/gateway/metrics_door.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "policy/config/hosts.h"

namespace clawpatrol {

namespace {

struct SocketName {
  sockaddr_storage address{};
  socklen_t size = 0;
};

SocketName socket_name(const Address& address, std::uint16_t port) {
  SocketName name;
  if (address.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(name.address);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    v4.sin_addr.s_addr = htonl(address.v4());
    name.size = sizeof v4;
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(name.address);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::copy(address.bytes.begin(), address.bytes.end(), v6.sin6_addr.s6_addr);
    name.size = sizeof v6;
  }
  return name;
}

std::string answer_of(const std::string& body) {
  return fmt::format(
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n"
      "Connection: close\r\n\r\n{}",
      body.size(), body);
}

}  // namespace

std::expected<std::unique_ptr<MetricsDoor>, Error> MetricsDoor::listen(control::Loop& loop,
                                                                       const std::string& address,
                                                                       std::function<std::string()> metrics) {
  auto where = config::parse_host(address, std::nullopt);
  // Checked when the configuration is loaded, and here again: beyond loopback it would be everybody's.
  if (!where || !where->address || !is_loopback(*where->address))
    return std::unexpected(
        Error{EINVAL, fmt::format("metrics are for a loopback address, not '{}'", address)});
  const SocketName name = socket_name(*where->address, where->port);
  Fd listener(::socket(name.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (!listener || ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&name.address), name.size) != 0 ||
      ::listen(listener.get(), 16) != 0)
    return std::unexpected(os_error(errno, fmt::format("cannot listen for metrics at '{}'", address)));
  std::unique_ptr<MetricsDoor> door(new MetricsDoor(loop, std::move(listener), std::move(metrics)));
  loop.watch(door->listener_.get(), POLLIN, [door = door.get()](short) { door->accept_one(); });
  return door;
}

MetricsDoor::~MetricsDoor() {
  while (!callers_.empty()) drop(callers_.begin()->first);
  loop_.forget(listener_.get());
}

std::uint16_t MetricsDoor::port() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);  // at the same place in both families
}

void MetricsDoor::accept_one() {
  Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket || callers_.size() >= most_callers) return;
  const int fd = socket.get();
  Caller& caller = callers_[fd];
  caller.socket = std::move(socket);
  caller.timer = loop_.after(patience, [this, fd] { drop(fd); });
  loop_.watch(fd, POLLIN, [this, fd](short) { on_ready(fd); });
}

void MetricsDoor::drop(int fd) {
  auto at = callers_.find(fd);
  if (at == callers_.end()) return;
  loop_.cancel(at->second.timer);
  loop_.forget(fd);
  callers_.erase(at);
}

void MetricsDoor::on_ready(int fd) {
  Caller& caller = callers_.at(fd);
  const bool goes_on = caller.answer.empty() ? read_request(caller) : write_answer(caller);
  if (!goes_on) return drop(fd);
  if (!caller.answer.empty()) loop_.change(fd, POLLOUT);
}

bool MetricsDoor::read_request(Caller& caller) {
  char part[1024];
  const ssize_t size = ::recv(caller.socket.get(), part, sizeof part, 0);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) return false;
  caller.request.append(part, static_cast<std::size_t>(size));
  if (caller.request.find("\r\n\r\n") != std::string::npos) {
    caller.answer = answer_of(metrics_());
    return write_answer(caller);
  }
  return caller.request.size() <= longest_request;
}

bool MetricsDoor::write_answer(Caller& caller) {
  while (!caller.answer.empty()) {
    const ssize_t size =
        ::send(caller.socket.get(), caller.answer.data(), caller.answer.size(), MSG_NOSIGNAL);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    caller.answer.erase(0, static_cast<std::size_t>(size));
  }
  return false;
}

}  // namespace clawpatrol
