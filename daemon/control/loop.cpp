#include "daemon/control/loop.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace clawpatrol::control {

std::expected<std::unique_ptr<Loop>, Error> Loop::create() {
  std::unique_ptr<Loop> loop(new Loop);
  loop->wake_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!loop->wake_) return std::unexpected(os_error(errno, "cannot make an eventfd for the control loop"));
  Loop* self = loop.get();
  loop->watch(self->wake_.get(), POLLIN, [self](short) {
    std::uint64_t count = 0;
    while (read(self->wake_.get(), &count, sizeof count) > 0) {
    }
    self->run_posts();
  });
  return loop;
}

void Loop::run() {
  for (;;) {
    {
      std::lock_guard lock(posts_mutex_);
      if (stopping_) return;
    }
    turn();
  }
}

void Loop::stop() {
  std::lock_guard lock(posts_mutex_);
  stopping_ = true;
  std::uint64_t one = 1;
  // It fails only when the counter is full, and then the loop wakes anyway.
  [[maybe_unused]] ssize_t written = write(wake_.get(), &one, sizeof one);
}

void Loop::post(std::function<void()> action) {
  std::lock_guard lock(posts_mutex_);
  posts_.push_back(std::move(action));
  std::uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(wake_.get(), &one, sizeof one);
}

void Loop::watch(int fd, short events, std::function<void(short)> ready) {
  // Shared, so that a callback which forgets its own descriptor goes on to its end.
  watches_[fd] = std::make_shared<Watch>(Watch{events, next_serial_++, std::move(ready)});
}

void Loop::change(int fd, short events) {
  auto found = watches_.find(fd);
  if (found != watches_.end()) found->second->events = events;
}

void Loop::forget(int fd) {
  watches_.erase(fd);
}

Loop::TimerId Loop::after(Clock::duration delay, std::function<void()> action) {
  timers_.emplace(next_timer_, Timer{Clock::now() + delay, Clock::duration::zero(), std::move(action)});
  return next_timer_++;
}

Loop::TimerId Loop::every(Clock::duration period, std::function<void()> action) {
  timers_.emplace(next_timer_, Timer{Clock::now() + period, period, std::move(action)});
  return next_timer_++;
}

void Loop::cancel(TimerId timer) {
  timers_.erase(timer);
}

std::expected<void, Error> Loop::on_signals(std::initializer_list<int> signals,
                                            std::function<void(int)> received) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : signals) sigaddset(&set, signal);
  if (int code = pthread_sigmask(SIG_BLOCK, &set, nullptr); code != 0) {
    return std::unexpected(os_error(code, "cannot block signals"));
  }
  if (signals_) forget(signals_.get());
  signals_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return std::unexpected(os_error(errno, "cannot make a signalfd"));
  watch(signals_.get(), POLLIN, [this, received = std::move(received)](short) {
    signalfd_siginfo info;
    while (signals_ && read(signals_.get(), &info, sizeof info) == sizeof info) {
      received(static_cast<int>(info.ssi_signo));
    }
  });
  return {};
}

void Loop::turn() {
  std::vector<pollfd> polled;
  std::vector<std::uint64_t> serials;
  polled.reserve(watches_.size());
  for (const auto& [fd, watch] : watches_) {
    polled.push_back({fd, watch->events, 0});
    serials.push_back(watch->serial);
  }
  int count = poll(polled.data(), polled.size(), timeout_ms());
  for (std::size_t i = 0; count > 0 && i < polled.size(); ++i) {
    if (polled[i].revents == 0) continue;
    --count;
    auto found = watches_.find(polled[i].fd);
    if (found == watches_.end() || found->second->serial != serials[i]) continue;
    std::shared_ptr<Watch> watch = found->second;
    watch->ready(polled[i].revents);
  }
  run_timers();
}

void Loop::run_posts() {
  std::vector<std::function<void()>> due;
  {
    std::lock_guard lock(posts_mutex_);
    due.swap(posts_);
  }
  for (std::function<void()>& action : due) action();
}

void Loop::run_timers() {
  Clock::time_point now = Clock::now();
  std::vector<TimerId> due;
  for (const auto& [id, timer] : timers_) {
    if (timer.due <= now) due.push_back(id);
  }
  std::sort(due.begin(), due.end(), [this](TimerId a, TimerId b) {
    return std::pair(timers_.at(a).due, a) < std::pair(timers_.at(b).due, b);
  });
  for (TimerId id : due) {
    auto found = timers_.find(id);
    if (found == timers_.end()) continue;  // cancelled by one that ran before it
    std::function<void()> action = found->second.action;
    if (found->second.period == Clock::duration::zero()) {
      timers_.erase(found);
    } else {
      found->second.due = now + found->second.period;
    }
    action();
  }
}

int Loop::timeout_ms() const {
  if (timers_.empty()) return -1;
  Clock::time_point next = Clock::time_point::max();
  for (const auto& [id, timer] : timers_) next = std::min(next, timer.due);
  auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

}  // namespace clawpatrol::control
