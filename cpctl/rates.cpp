#include "cpctl/rates.h"

#include <algorithm>

namespace clawpatrol::cpctl {
namespace {

std::uint64_t bytes_of(const control::Message& flow) {
  return flow.natural_or_zero("bytes_up") + flow.natural_or_zero("bytes_down");
}

}  // namespace

void Rates::take(const std::vector<control::Message>& flows, std::chrono::steady_clock::time_point now) {
  const double seconds = std::chrono::duration<double>(now - taken_).count();
  std::map<std::uint64_t, Seen> fresh;
  for (const control::Message& flow : flows) {
    const std::uint64_t id = flow.natural_or_zero("id");
    Seen seen{bytes_of(flow), std::nullopt};
    auto before = seen_.find(id);
    // A daemon that was started anew counts flows from one again: fewer bytes are another flow's.
    if (before != seen_.end() && before->second.bytes <= seen.bytes && seconds > 0)
      seen.rate =
          static_cast<std::uint64_t>(static_cast<double>(seen.bytes - before->second.bytes) / seconds);
    fresh.emplace(id, seen);
  }
  seen_ = std::move(fresh);
  taken_ = now;
}

std::optional<std::uint64_t> Rates::of(const control::Message& flow) const {
  auto found = seen_.find(flow.natural_or_zero("id"));
  return found == seen_.end() ? std::nullopt : found->second.rate;
}

std::vector<control::Message> Rates::busiest_first(std::vector<control::Message> flows) const {
  std::ranges::sort(flows, [&](const control::Message& one, const control::Message& other) {
    const std::uint64_t busy = of(one).value_or(0), busier = of(other).value_or(0);
    return busy != busier ? busy > busier : one.natural_or_zero("id") < other.natural_or_zero("id");
  });
  return flows;
}

}  // namespace clawpatrol::cpctl
