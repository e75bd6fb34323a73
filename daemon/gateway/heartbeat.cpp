#include "daemon/gateway/heartbeat.h"

#include <algorithm>

namespace clawpatrol {

Heartbeat::Heartbeat(std::vector<Post> rings) {
  for (Post& post : rings) pulses_.push_back({std::move(post), std::make_shared<std::atomic<bool>>(true)});
}

bool Heartbeat::felt() {
  if (!std::ranges::all_of(pulses_, [](const Pulse& pulse) { return pulse.answered->load(); })) return false;
  for (Pulse& pulse : pulses_) {
    pulse.answered->store(false);
    pulse.post([answered = pulse.answered] { answered->store(true); });
  }
  return true;
}

}  // namespace clawpatrol
