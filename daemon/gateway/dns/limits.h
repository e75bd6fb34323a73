// What one peer may use of the resolver.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "daemon/ring/timers.h"

namespace clawpatrol {

// A token bucket per peer that holds a second's worth. Any thread.
class PeerRates {
 public:
  bool take(std::uint32_t peer_id, std::size_t per_second, Clock::time_point now) {
    std::lock_guard lock(mutex_);
    auto [entry, fresh] = buckets_.try_emplace(peer_id, Bucket{static_cast<double>(per_second), now});
    Bucket& bucket = entry->second;
    double refill =
        std::chrono::duration<double>(now - bucket.since).count() * static_cast<double>(per_second);
    bucket.tokens = std::min(bucket.tokens + refill, static_cast<double>(per_second));
    bucket.since = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

 private:
  struct Bucket {
    double tokens;
    Clock::time_point since;
  };
  std::mutex mutex_;
  std::unordered_map<std::uint32_t, Bucket> buckets_;
};

// Counts what a peer holds at one time. Any thread.
class PeerCounts {
 public:
  bool enter(std::uint32_t peer_id, std::size_t limit) {
    std::lock_guard lock(mutex_);
    std::size_t& count = counts_[peer_id];
    if (count >= limit) return false;
    ++count;
    return true;
  }
  void leave(std::uint32_t peer_id) {
    std::lock_guard lock(mutex_);
    if (--counts_[peer_id] == 0) counts_.erase(peer_id);
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::uint32_t, std::size_t> counts_;
};

}  // namespace clawpatrol
