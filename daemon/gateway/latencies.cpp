#include "daemon/gateway/latencies.h"

#include <algorithm>

namespace clawpatrol {

void Histogram::add(std::chrono::nanoseconds taken) {
  taken = std::max(taken, std::chrono::nanoseconds(0));
  const auto bucket = std::ranges::lower_bound(bounds, taken) - bounds.begin();
  in_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(taken.count(), std::memory_order_relaxed);
}

Histogram::Counts Histogram::counts() const {
  Counts counts;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < in_.size(); ++i)
    counts.up_to[i] = total += in_[i].load(std::memory_order_relaxed);
  counts.sum = std::chrono::nanoseconds(sum_ns_.load(std::memory_order_relaxed));
  return counts;
}

}  // namespace clawpatrol
