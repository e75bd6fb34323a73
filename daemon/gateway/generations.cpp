#include "daemon/gateway/generations.h"

namespace clawpatrol {

void Generations::add(Generation generation) {
  kept_.push_back(std::move(generation));
  if (kept_.size() > most) kept_.pop_front();
}

std::shared_ptr<const Policy> Generations::find(std::uint64_t number) const {
  for (const Generation& generation : kept_)
    if (generation.policy->generation == number) return generation.policy;
  return nullptr;
}

std::shared_ptr<const Policy> Generations::before(std::uint64_t number) const {
  std::shared_ptr<const Policy> found;
  for (const Generation& generation : kept_)
    if (generation.policy->generation < number) found = generation.policy;
  return found;
}

}  // namespace clawpatrol
