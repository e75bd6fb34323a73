// Bytes that were allowed and need no more looking at, from one socket to another. The one seam where the
// kernel will move them later.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>

#include "daemon/ring/ring.h"

namespace clawpatrol {

// Of both directions of one connection: it is idle only when neither moves.
struct Idleness {
  Clock::duration limit = Clock::duration::zero();  // zero: none
  Clock::time_point last = Clock::now();
};

struct CopyEnds {
  int from;
  int to;
};

// Until `from` ends (the value is how many bytes went over; the caller passes the end on), or either socket
// fails, or nothing has moved on the connection for its limit (ETIMEDOUT). Holds at most copy_buffer bytes,
// and none while it waits for the first. `counter` grows by what has been sent. ECONNRESET: an end was reset.
inline constexpr std::size_t copy_buffer = 64 << 10;
Task<std::expected<std::uint64_t, Error>> copy_allowed(Ring& ring, CopyEnds ends,
                                                       std::atomic<std::uint64_t>& counter,
                                                       Idleness& idleness);

}  // namespace clawpatrol
