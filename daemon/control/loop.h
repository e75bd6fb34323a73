// The control thread's loop: descriptors, timers, signals, and calls from other threads, on poll(2). For what
// is rare and few: the control socket, netd's socket, signals. Traffic is the ring's.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "daemon/ring/error.h"
#include "daemon/ring/fd.h"

namespace clawpatrol::control {

// All calls but post() and stop() are the loop thread's. A callback may watch, forget and cancel anything,
// itself included.
class Loop {
 public:
  using Clock = std::chrono::steady_clock;
  using TimerId = std::uint64_t;

  static std::expected<std::unique_ptr<Loop>, Error> create();
  ~Loop() = default;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();                               // until stop()
  void stop();                              // any thread; also before run()
  void post(std::function<void()> action);  // any thread; in the order of the calls

  // `ready` gets poll's revents (POLLHUP and POLLERR come unasked). The descriptor is not owned and must be
  // forgotten before it is closed.
  void watch(int fd, short events, std::function<void(short)> ready);
  void change(int fd, short events);
  void forget(int fd);

  TimerId after(Clock::duration delay, std::function<void()> action);
  TimerId every(Clock::duration period, std::function<void()> action);
  void cancel(TimerId timer);  // of a timer that has run or was cancelled: nothing

  // Blocks these signals on the calling thread and has them delivered here. Call before other threads are
  // made, so that they inherit the mask.
  std::expected<void, Error> on_signals(std::initializer_list<int> signals,
                                        std::function<void(int)> received);

 private:
  struct Watch {
    short events = 0;
    std::uint64_t serial = 0;  // a descriptor's number may be reused within one turn
    std::function<void(short)> ready;
  };
  struct Timer {
    Clock::time_point due;
    Clock::duration period;  // zero: once
    std::function<void()> action;
  };

  Loop() = default;
  void turn();
  void run_posts();
  void run_timers();
  int timeout_ms() const;

  std::unordered_map<int, std::shared_ptr<Watch>> watches_;  // shared: alive while its callback runs
  std::uint64_t next_serial_ = 1;
  std::map<TimerId, Timer> timers_;
  TimerId next_timer_ = 1;
  Fd wake_;
  Fd signals_;
  std::mutex posts_mutex_;
  std::vector<std::function<void()>> posts_;
  bool stopping_ = false;  // under posts_mutex_
};

}  // namespace clawpatrol::control
