#include "daemon/netd/poller.h"

#include <poll.h>

#include <vector>

namespace clawpatrol::netd {

void Poller::watch(int fd, short events, Handler handler) {
  watched_[fd] = {events, turns_, std::move(handler)};
}

void Poller::forget(int fd) {
  watched_.erase(fd);
}

void Poller::turn(std::chrono::milliseconds timeout) {
  std::vector<pollfd> set;
  for (const auto& [fd, watched] : watched_) set.push_back({fd, watched.events, 0});
  turns_++;
  if (::poll(set.data(), set.size(), static_cast<int>(timeout.count())) <= 0) return;
  for (const pollfd& ready : set) {
    if (ready.revents == 0) continue;
    auto at = watched_.find(ready.fd);
    if (at == watched_.end() || at->second.since == turns_) continue;
    Handler handler = at->second.handler;  // it may forget itself
    handler(ready.revents);
  }
}

}  // namespace clawpatrol::netd
