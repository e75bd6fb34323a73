// Eager coroutines. A task runs at once to its first wait; a waiter is resumed from the ring's own loop, so
// that stack depth is the length of the await chain. One thread: a task never leaves the ring that it began
// on.
//
// Rules (docs/ARCHITECTURE.md, "Coroutines"): lambda coroutines never capture; parameters are values, or
// references to what outlives the task; across a co_await everything else may have changed.
#pragma once

#include <cassert>
#include <coroutine>
#include <cstdlib>
#include <exception>
#include <optional>
#include <utility>

#include "daemon/ring/frame_memory.h"

namespace clawpatrol {

template <class T>
class Task;

namespace detail {

struct FinalResume {
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
    std::coroutine_handle<> waiter = self.promise().waiter;
    return waiter ? waiter : std::noop_coroutine();
  }
  void await_resume() const noexcept {}
};

struct PromiseBase {
  std::coroutine_handle<> waiter;
  std::suspend_never initial_suspend() const noexcept { return {}; }
  FinalResume final_suspend() const noexcept { return {}; }
  static void* operator new(std::size_t size) { return take_frame(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { give_back_frame(frame, size); }
  // Exceptions are for starting up; one that reaches a running task is a bug.
  [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  void return_value(T result) { value.emplace(std::move(result)); }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() const noexcept {}
};

}  // namespace detail

// Must have finished before it is destroyed: to stop a task, make its waits fail (shut the socket down,
// notify the event), then await it. Destroying one that still runs terminates the process.
template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (!handle_) return;
    if (!handle_.done()) std::abort();
    handle_.destroy();
  }

  bool done() const { return handle_.done(); }

  auto operator co_await() & noexcept { return Awaiter{handle_}; }
  auto operator co_await() && noexcept { return Awaiter{handle_}; }

 private:
  struct Awaiter {
    Handle handle;
    bool await_ready() const noexcept { return handle.done(); }
    void await_suspend(std::coroutine_handle<> waiter) const noexcept { handle.promise().waiter = waiter; }
    T await_resume() const {
      if constexpr (!std::is_void_v<T>) return std::move(*handle.promise().value);
    }
  };
  Handle handle_;
};

template <class T>
Task<T> detail::Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> detail::Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

}  // namespace clawpatrol
