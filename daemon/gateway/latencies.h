// How long things took, counted as Prometheus counts it.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace clawpatrol {

// Any thread may add and read. To add is two relaxed additions.
class Histogram {
 public:
  // Upper bounds of the buckets, inclusive; what took longer than the last is in one more.
  static constexpr std::array<std::chrono::nanoseconds, 16> bounds = [] {
    using std::chrono::microseconds;
    return std::array<std::chrono::nanoseconds, 16>{
        microseconds(5),       microseconds(10),      microseconds(25),        microseconds(50),
        microseconds(100),     microseconds(250),     microseconds(500),       microseconds(1'000),
        microseconds(2'500),   microseconds(5'000),   microseconds(10'000),    microseconds(50'000),
        microseconds(100'000), microseconds(500'000), microseconds(1'000'000), microseconds(10'000'000)};
  }();

  void add(std::chrono::nanoseconds taken);

  struct Counts {
    std::array<std::uint64_t, bounds.size() + 1> up_to{};  // cumulative; the last is of all
    std::chrono::nanoseconds sum{0};
  };
  // Each bucket is at least the one before it, also while others add.
  Counts counts() const;

 private:
  std::array<std::atomic<std::uint64_t>, bounds.size() + 1> in_{};
  std::atomic<std::int64_t> sum_ns_{0};
};

struct Latencies {
  // What was judged in one go: read, analysed and decided. A statement that `analysts` read is counted
  // without that.
  Histogram decision;
  Histogram added;       // from there until it was recorded and could go on
  Histogram audit_sync;  // from an action's line until it was on the disk, where the action waits for that
};

}  // namespace clawpatrol
