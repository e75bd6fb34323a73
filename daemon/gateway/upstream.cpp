#include "daemon/gateway/upstream.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>

#include "daemon/gateway/dns/service.h"

namespace clawpatrol {
namespace {

Resolver::Answer ask_system(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) return std::unexpected(Error{0, "resolve: '" + host + "': " + ::gai_strerror(error)});
  std::vector<SocketAddress> addresses;
  for (addrinfo* at = found; at != nullptr && addresses.size() < 16; at = at->ai_next) {
    sockaddr_storage raw{};
    std::memcpy(&raw, at->ai_addr, at->ai_addrlen);
    addresses.push_back(from_sockaddr(raw));
  }
  ::freeaddrinfo(found);
  return addresses;
}

// What the waiting task and the resolver's thread share: either may be gone first.
struct Lookup {
  explicit Lookup(Ring& ring) : answered(ring) {}
  Event answered;
  std::optional<Resolver::Answer> answer;
};

}  // namespace

Resolver::Resolver(std::size_t threads) {
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { serve(); });
}

Resolver::~Resolver() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    questions_.clear();
  }
  asked_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool Resolver::look_up(std::string host, std::uint16_t port, std::function<void(Answer)> answered) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || questions_.size() >= most_waiting) return false;
    questions_.push_back({std::move(host), port, std::move(answered)});
  }
  asked_.notify_one();
  return true;
}

void Resolver::serve() {
  while (true) {
    std::unique_lock lock(mutex_);
    asked_.wait(lock, [this] { return stopping_ || !questions_.empty(); });
    if (stopping_) return;
    Question question = std::move(questions_.front());
    questions_.pop_front();
    lock.unlock();
    Answer answer = ask_system(question.host, question.port);
    lock.lock();
    const bool heard = !stopping_;
    lock.unlock();
    if (heard) question.answered(std::move(answer));
  }
}

Task<Resolver::Answer> resolve(Worker& worker, HostPort host, Deadline deadline) {
  if (host.address) co_return std::vector{SocketAddress{*host.address, host.port}};
  auto lookup = std::make_shared<Lookup>(worker.ring());
  Ring* ring = &worker.ring();
  auto deliver = [ring, lookup](Resolver::Answer answer) {
    ring->post([lookup, answer = std::move(answer)]() mutable {
      lookup->answer = std::move(answer);
      lookup->answered.notify();
    });
  };
  if (!worker.shared().resolver->look_up(host.host, host.port, std::move(deliver)))
    co_return std::unexpected(Error{0, "resolve: '" + host.host + "': too many lookups wait"});
  while (!lookup->answer) {
    const bool in_time = co_await lookup->answered.wait(deadline);
    if (!in_time)
      co_return std::unexpected(Error{ETIMEDOUT, "resolve: '" + host.host + "': no answer in time"});
  }
  co_return std::move(*lookup->answer);
}

void tune_connection(int fd) {
  const int on = 1, idle_s = 60, interval_s = 15, count = 4;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

Task<std::expected<Fd, Error>> connect_address(Worker& worker, SocketAddress address, Deadline deadline) {
  socklen_t length = 0;
  const sockaddr_storage raw = to_sockaddr(address, length);
  Fd fd(::socket(raw.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) co_return std::unexpected(os_error(errno, "make a socket"));
  tune_connection(fd.get());
  // A port is then chosen at connect, per destination, and not from the few that bind() would take.
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  const int result =
      co_await worker.ring().connect(fd.get(), reinterpret_cast<const sockaddr*>(&raw), length, deadline);
  if (result < 0) co_return std::unexpected(os_error(-result, "connect: '" + address.address.text() + "'"));
  co_return fd;
}

// What an exact endpoint's host resolves to is what passthrough and wildcards never reach (attacks.md, 13).
static void remember(Shared& shared, const HostPort& host, const std::vector<SocketAddress>& addresses) {
  if (host.address || !shared.name_service) return;
  std::vector<Address> plain;
  for (const SocketAddress& address : addresses) plain.push_back(address.address);
  shared.name_service->seen().resolved(host.host, plain, Clock::now());
}

Task<std::expected<Fd, Error>> connect_upstream(Worker& worker, HostPort host, Deadline deadline,
                                                AddressGuard guard) {
  Resolver::Answer addresses = co_await resolve(worker, host, deadline);
  if (!addresses) co_return std::unexpected(addresses.error());
  if (!guard) remember(worker.shared(), host, *addresses);
  Error last{0, "connect: '" + host.host + "': no address"};
  for (const SocketAddress& address : *addresses) {
    if (const char* refusal = guard ? guard(address.address) : nullptr) {
      last = Error{0, "connect: '" + host.host + "': " + refusal};
      continue;
    }
    auto fd = co_await connect_address(worker, address, deadline);
    if (fd) co_return std::move(*fd);
    last = fd.error();
    if (last.code == ETIMEDOUT && deadline.when() <= Clock::now()) break;
  }
  co_return std::unexpected(std::move(last));
}

}  // namespace clawpatrol
