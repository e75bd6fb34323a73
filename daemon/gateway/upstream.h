// Connections of the gateway's own to an upstream.
#pragma once

#include <condition_variable>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "daemon/gateway/gateway.h"
#include "daemon/gateway/sockets.h"

namespace clawpatrol {

// Blocking lookups of the system's resolver, on threads of their own so that no ring waits. Thread-safe.
class Resolver {
 public:
  using Answer = std::expected<std::vector<SocketAddress>, Error>;

  explicit Resolver(std::size_t threads = 2);
  ~Resolver();  // waits for lookups that run; those that have not begun are dropped
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // `answered` is called once from a thread of the resolver, or never when it is destroyed. False: too many
  // wait.
  bool look_up(std::string host, std::uint16_t port, std::function<void(Answer)> answered);
  static constexpr std::size_t most_waiting = 256;

 private:
  struct Question {
    std::string host;
    std::uint16_t port;
    std::function<void(Answer)> answered;
  };
  void serve();

  std::mutex mutex_;
  std::condition_variable asked_;
  std::deque<Question> questions_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// The addresses of `host`: a literal needs no lookup.
Task<Resolver::Answer> resolve(Worker& worker, HostPort host, Deadline deadline);

// Why an address may not be dialled, as a literal; null: it may. None: the operator named this very host,
// which may resolve anywhere.
using AddressGuard = std::function<const char*(const Address&)>;

// Connects to the first address that answers and that the guard allows. TCP_NODELAY and keepalive are set.
Task<std::expected<Fd, Error>> connect_upstream(Worker& worker, HostPort host, Deadline deadline,
                                                AddressGuard guard = {});
// The same to an address that is known: a cancel request goes to the very server that it is for.
Task<std::expected<Fd, Error>> connect_address(Worker& worker, SocketAddress address, Deadline deadline);

// TCP_NODELAY, and keepalive so that a connection without an idle limit does not outlive its peer.
void tune_connection(int fd);

}  // namespace clawpatrol
