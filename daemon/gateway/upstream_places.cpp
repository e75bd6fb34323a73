#include "daemon/gateway/upstream_places.h"

#include <algorithm>

namespace clawpatrol {

std::optional<UpstreamPlaces::Place> UpstreamPlaces::take(std::uint32_t peer_id, const std::string& endpoint,
                                                          std::size_t limit) {
  At at{peer_id, endpoint};
  std::lock_guard lock(mutex_);
  std::size_t& count = taken_[at].count;
  if (count >= limit) return std::nullopt;
  ++count;
  return Place(*this, std::move(at));
}

UpstreamPlaces::Answer UpstreamPlaces::take_or_wait(At at, std::size_t limit, std::function<void()> told) {
  std::lock_guard lock(mutex_);
  Taken& taken = taken_[at];
  if (taken.count < limit) {
    ++taken.count;
    return {.place = Place(*this, std::move(at))};
  }
  // Without anybody who could leave nobody's turn would come.
  if (taken.count == 0 || taken.waiting.size() >= most_waiting) return {};
  std::unique_ptr<Turn> turn(new Turn(*this, std::move(at), limit, std::move(told)));
  taken.waiting.push_back(turn.get());
  return {.turn = std::move(turn)};
}

void UpstreamPlaces::pass_on(const At& at) {
  auto found = taken_.find(at);
  Taken& taken = found->second;
  // The limit may have come down since.
  if (!taken.waiting.empty() && taken.count <= taken.waiting.front()->limit_) {
    Turn& next = *taken.waiting.front();
    taken.waiting.pop_front();
    next.granted_ = true;
    next.told_();
    return;
  }
  if (--taken.count == 0 && taken.waiting.empty()) taken_.erase(found);
}

void UpstreamPlaces::leave(const At& at) {
  std::lock_guard lock(mutex_);
  pass_on(at);
}

std::optional<UpstreamPlaces::Place> UpstreamPlaces::Turn::take() {
  std::lock_guard lock(places_.mutex_);
  if (!std::exchange(granted_, false)) return std::nullopt;
  return Place(places_, at_);
}

UpstreamPlaces::Turn::~Turn() {
  std::lock_guard lock(places_.mutex_);
  auto found = places_.taken_.find(at_);
  if (granted_)
    places_.pass_on(at_);
  else if (found != places_.taken_.end())
    std::erase(found->second.waiting, this);
}

}  // namespace clawpatrol
