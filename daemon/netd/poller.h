// Waits on descriptors. One thread, a dozen of them: poll(2).
#pragma once

#include <chrono>
#include <functional>
#include <map>

namespace clawpatrol::netd {

class Poller {
 public:
  using Handler = std::function<void(short events)>;

  // Watches `fd` for `events` (POLLIN, POLLOUT); replaces what was said of it before. It must be forgotten
  // before it is closed.
  void watch(int fd, short events, Handler handler);
  void forget(int fd);

  // Handles what is ready, or returns after `timeout`.
  void turn(std::chrono::milliseconds timeout);

 private:
  struct Watched {
    short events;
    std::uint64_t since;  // a descriptor's number may be reused within one turn
    Handler handler;
  };
  std::map<int, Watched> watched_;
  std::uint64_t turns_ = 0;
};

}  // namespace clawpatrol::netd
