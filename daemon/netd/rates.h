// How much of what is new one peer may bring: buckets in the kernel's filter (bpf/steer.bpf.c). Past it the
// peer's packets are dropped and counted as `rate`.
#pragma once

#include <cstdint>

namespace clawpatrol::netd {

struct Rates {
  std::uint32_t connections_per_second = 1000;
  std::uint32_t connection_burst = 2000;
  std::uint32_t datagrams_per_second = 500;  // DNS
  std::uint32_t datagram_burst = 500;
};

// A bucket as the filter wants it: one thing costs `interval_ns`, and as much as `burst_ns` may be owed.
struct Bucket {
  std::uint64_t interval_ns, burst_ns;
};
constexpr Bucket bucket_of(std::uint32_t per_second, std::uint32_t burst) {
  const std::uint64_t interval = 1'000'000'000 / per_second;
  return {interval, interval * burst};
}

}  // namespace clawpatrol::netd
