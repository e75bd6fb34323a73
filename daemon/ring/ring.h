// One io_uring and its loop: the only thing that a worker waits on. Restricted to the operations below before
// it is enabled. Not thread-safe except where it says so.
//
// Every wait has a deadline. An operation past it is cancelled, and the wait ends with ETIMEDOUT once the
// kernel has let go of the buffer: a buffer handed to an operation belongs to the kernel until its co_await
// returns.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <source_location>
#include <span>
#include <string_view>
#include <vector>

#include "daemon/ring/error.h"
#include "daemon/ring/fd.h"
#include "daemon/ring/task.h"
#include "daemon/ring/timers.h"

struct io_uring;
struct io_uring_sqe;

namespace clawpatrol {

class Ring;

// Caller-owned: lives until its last completion has arrived.
class Completion {
 public:
  // `flags` are the IORING_CQE_F_ ones. Called on the ring's thread.
  virtual void complete(std::int32_t result, std::uint32_t flags) = 0;

 protected:
  ~Completion() = default;
};

// One operation, awaited once. Result: what the syscall of that name returns, or -errno; -ETIMEDOUT past the
// deadline.
class [[nodiscard]] Operation final : Completion, Timer {
 public:
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter);
  std::int32_t await_resume() const noexcept { return result_; }

  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

 private:
  friend class Ring;
  struct Request {  // what to put into the submission entry
    std::uint8_t opcode = 0;
    int fd = -1;
    const void* address = nullptr;
    std::uint32_t length = 0;
    std::uint64_t offset = 0;
    std::uint32_t operation_flags = 0;
    std::uint16_t priority = 0;  // the `ioprio` field, where newer operations keep their flags
  };
  Operation(Ring& ring, Request request, Deadline deadline)
      : ring_(ring), request_(request), deadline_(deadline) {}
  void complete(std::int32_t result, std::uint32_t flags) override;
  void expire() override;

  Ring& ring_;
  Request request_;
  Deadline deadline_;
  std::coroutine_handle<> waiter_;
  std::int32_t result_ = 0;
  bool expired_ = false;
};

// Something that tasks of this ring wait for and code of this ring announces. Wakes every waiter; remembers
// nothing: check the condition first, in a loop.
class Event {
 public:
  explicit Event(Ring& ring) : ring_(ring) {}
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void notify();  // waiters run from the loop, not within this call

  class [[nodiscard]] Wait final : Timer {
   public:
    Wait(Event& event, Deadline deadline) : event_(event), deadline_(deadline) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter);
    bool await_resume() const noexcept { return !expired_; }  // false: the deadline passed

   private:
    friend class Event;
    void expire() override;
    Event& event_;
    Deadline deadline_;
    std::coroutine_handle<> waiter_;
    bool expired_ = false;
  };
  Wait wait(Deadline deadline) { return Wait(*this, deadline); }

 private:
  Ring& ring_;
  std::vector<Wait*> waiting_;
};

class Ring {
 public:
  struct Options {
    unsigned entries = 1024;      // submission queue
    unsigned completions = 8192;  // completion queue
  };
  // Fails with a hint where the kernel or its sysctl forbids io_uring.
  static std::expected<std::unique_ptr<Ring>, Error> create(const Options& options);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Runs on the calling thread, which owns the ring from then on, until stop().
  void run();
  void stop();                              // any thread
  void post(std::function<void()> action);  // any thread; runs from the loop

  // Called once per turn of the loop, after all completions and before what they asked for is submitted: the
  // place for work that is cheaper in groups, such as the audit log's write.
  void on_turn_end(std::function<void()> action);

  // Called once per turn, before anything of it runs.
  void on_turn_begin(std::function<void()> action);
  // The next turn follows at once, whether or not anything completes.
  void turn_again() { again_ = true; }

  // Called when the ring has nothing to do and expects to have soon: the place for work that would otherwise
  // stand in the way of the next completion.
  void on_idle(std::function<void()> action);

  Clock::time_point now() const { return now_; }  // cached, once per turn

  Operation recv(int fd, std::span<char> buffer, Deadline deadline);
  Operation send(int fd, std::string_view bytes, Deadline deadline);  // MSG_NOSIGNAL; may be short
  Operation recv_message(int fd, msghdr* message, Deadline deadline);
  Operation send_message(int fd, const msghdr* message, Deadline deadline);
  Operation connect(int fd, const sockaddr* address, socklen_t length, Deadline deadline);
  Operation poll(int fd, std::uint32_t events, Deadline deadline);
  Operation sleep_until(Deadline deadline);  // always -ETIMEDOUT

  // All of it or an error.
  class SendAll;
  SendAll send_all(int fd, std::string_view bytes, Deadline deadline);

  // Resumes a task from the loop, after what is being run now.
  void resume_soon(std::coroutine_handle<> task);

  Timers& timers() { return timers_; }

  // Connections accepted by a multishot accept, until close(). The listener is not owned.
  class Acceptor;

 private:
  friend class Operation;
  friend class Acceptor;
  Ring() = default;
  io_uring_sqe* entry();
  void submit(const Operation::Request& request, Completion& completion);
  void cancel(Completion& completion);
  void drain_posts();
  void finish_turn();
  void wait();
  Task<std::expected<void, Error>> send_rest(int fd, std::string_view bytes, Deadline deadline);
  bool look_before_sleeping();
  unsigned kernel_flags() const;
  void sleep();
  void take_completions();
  void run_ready();

  std::unique_ptr<io_uring> ring_;
  Timers timers_;
  Clock::time_point now_ = Clock::now();
  std::vector<std::coroutine_handle<>> ready_, running_;
  std::vector<std::function<void()>> turn_begin_, turn_end_, idle_;
  Fd wake_;
  class Waker;
  std::unique_ptr<Waker> waker_;
  std::mutex posts_mutex_;
  std::vector<std::function<void()>> posts_;
  unsigned taken_ = 0;  // completions, in this turn
  bool waits_are_short_ = false;
  bool again_ = false;
  bool enabled_ = false;
  bool stopping_ = false;
};

// Nearly always the socket takes all of it at once, and asking it is cheaper than an operation.
class [[nodiscard]] Ring::SendAll {
 public:
  SendAll(Ring& ring, int fd, std::string_view bytes, Deadline deadline)
      : ring_(ring), fd_(fd), bytes_(bytes), deadline_(deadline) {}
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiter);
  std::expected<void, Error> await_resume();

 private:
  Ring& ring_;
  int fd_;
  std::string_view bytes_;
  Deadline deadline_;
  std::optional<Task<std::expected<void, Error>>> rest_;
};

class Ring::Acceptor final : Completion, Timer {
 public:
  // `accepted` is called with each new socket (close-on-exec). Errors that pass (EMFILE and its like) are
  // counted and accepting goes on a little later.
  Acceptor(Ring& ring, int listener, std::function<void(Fd)> accepted);
  ~Acceptor() = default;  // only after close() has completed
  void start();
  Task<void> close();  // no `accepted` after it returns
  std::uint64_t failures() const { return failures_; }

 private:
  void complete(std::int32_t result, std::uint32_t flags) override;
  void expire() override;
  Ring& ring_;
  int listener_;
  std::function<void(Fd)> accepted_;
  Event closed_;
  std::uint64_t failures_ = 0;
  bool armed_ = false;
  bool closing_ = false;
};

}  // namespace clawpatrol
