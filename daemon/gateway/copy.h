// Bytes that were allowed, on their way to the other side. The one seam where the kernel will move them
// later.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>

#include "daemon/gateway/stream.h"
#include "daemon/ring/ring.h"

namespace clawpatrol {

// Of both directions of one connection: it is idle only when neither moves.
struct Idleness {
  Clock::duration limit = Clock::duration::zero();  // zero: none
  Clock::time_point last = Clock::now();
};

// Those that had to be looked at, and are in memory: all of them or an error. `counter` grows by their
// number.
class [[nodiscard]] SendAllowed {
 public:
  SendAllowed(Stream& to, std::string_view bytes, std::atomic<std::uint64_t>& counter, Deadline deadline)
      : sending_(to.send_all(bytes, deadline)), size_(bytes.size()), counter_(counter) {}
  bool await_ready() { return sending_.await_ready(); }
  void await_suspend(std::coroutine_handle<> waiter) { sending_.await_suspend(waiter); }
  std::expected<void, Error> await_resume() {
    counter_.fetch_add(size_, std::memory_order_relaxed);
    return sending_.await_resume();
  }

 private:
  Stream::SendAll sending_;
  std::size_t size_;
  std::atomic<std::uint64_t>& counter_;
};

struct CopyEnds {
  int from;
  int to;
};

// Those that need no more looking at, until `from` ends (the value is how many bytes went over; the caller
// passes the end on), or either socket fails, or nothing has moved on the connection for its limit
// (ETIMEDOUT). Holds at most copy_buffer bytes, and none while it waits for the first. `counter` grows by
// what has been sent. ECONNRESET: an end was reset.
inline constexpr std::size_t copy_buffer = 64 << 10;
Task<std::expected<std::uint64_t, Error>> copy_allowed(Ring& ring, CopyEnds ends,
                                                       std::atomic<std::uint64_t>& counter,
                                                       Idleness& idleness);

}  // namespace clawpatrol
