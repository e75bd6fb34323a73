// How busy each flow is: what `cpctl top` sorts by.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "daemon/control/message.h"

namespace clawpatrol::cpctl {

class Rates {
 public:
  // The daemon's lines of type "flow", as they are at `now`. What was taken before is what they are compared
  // with.
  void take(const std::vector<control::Message>& flows, std::chrono::steady_clock::time_point now);
  // Bytes a second, both ways; nothing for a flow that was seen once.
  std::optional<std::uint64_t> of(const control::Message& flow) const;
  // The busiest first; those that are alike by their numbers.
  std::vector<control::Message> busiest_first(std::vector<control::Message> flows) const;

 private:
  struct Seen {
    std::uint64_t bytes = 0;
    std::optional<std::uint64_t> rate;
  };
  std::map<std::uint64_t, Seen> seen_;  // by the flow's number
  std::chrono::steady_clock::time_point taken_;
};

}  // namespace clawpatrol::cpctl
