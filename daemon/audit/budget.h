// How much one peer may write into the audit log (attacks.md, 27): past it that peer alone is denied, and one
// line tells how often.
//
// Two buckets a peer. The first bounds the rate at all times. The second is its share of what is kept, filled
// again in the time for which lines are kept: only where the log is full of young lines must a peer that has
// used it up stop, so that a busy peer may have the room that others do not need, and none can push them out.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "daemon/audit/log.h"

namespace clawpatrol::audit {

// Thread-safe. Holds an entry for each peer that wrote lately; netd's peers are few and their ids are never
// reused.
class PeerBudget {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    std::size_t bytes_per_second = 1 << 20;
    std::size_t burst = 4 << 20;  // at most this at once; a longer line never passes
    std::size_t share = 0;        // of what is kept; 0: no share is kept account of
    std::chrono::nanoseconds share_time = std::chrono::hours(24);
  };
  explicit PeerBudget(Options options) : options_(options) {}
  void set_options(Options options);

  // Takes `bytes` from the peer's budget. False, and nothing is taken, where there is not enough: the action
  // is denied and leaves no line of its own.
  bool spend(std::uint32_t peer_id, std::size_t bytes, Clock::time_point now,
             Pressure pressure = Pressure::none);

  // What was refused. Each peer comes at most once a second, so that the lines about it are within a bound as
  // well; ask on a timer.
  struct Overrun {
    std::uint32_t peer_id = 0;
    std::uint64_t lines = 0, bytes = 0;
  };
  std::vector<Overrun> take_overruns(Clock::time_point now);

 private:
  struct Account {
    double tokens = 0;
    double share = 0;  // of it, unused
    Clock::time_point filled;
    std::uint64_t refused_lines = 0, refused_bytes = 0;
    Clock::time_point told{};
  };
  void fill(Account& account, Clock::time_point now) const;

  std::mutex mutex_;  // guards everything below
  Options options_;
  std::unordered_map<std::uint32_t, Account> accounts_;
};

}  // namespace clawpatrol::audit
