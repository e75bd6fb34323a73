// Tasks that nobody awaits one by one: a worker's connections.
#pragma once

#include <cstddef>

#include "daemon/ring/ring.h"
#include "daemon/ring/task.h"

namespace clawpatrol {

class TaskGroup {
 public:
  explicit TaskGroup(Ring& ring) : idle_(ring) {}

  void spawn(Task<void> task) {
    ++running_;
    follow(*this, std::move(task));
  }
  std::size_t running() const { return running_; }

  // Returns once no task runs. Does not stop them: make their waits fail first.
  Task<void> join() {
    while (running_ > 0) co_await idle_.wait(Deadline::never());
  }

 private:
  struct Detached {
    struct promise_type {
      Detached get_return_object() const noexcept { return {}; }
      std::suspend_never initial_suspend() const noexcept { return {}; }
      std::suspend_never final_suspend() const noexcept { return {}; }
      void return_void() const noexcept {}
      [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
    };
  };
  static Detached follow(TaskGroup& group, Task<void> task) {
    co_await task;
    if (--group.running_ == 0) group.idle_.notify();
  }

  Event idle_;
  std::size_t running_ = 0;
};

}  // namespace clawpatrol
