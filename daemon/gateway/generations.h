// The policies that were in force since the daemon started, for `cpctl rollback`.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "policy/policy.h"

namespace clawpatrol {

struct Generation {
  std::shared_ptr<const Policy> policy;  // shared with connections that it decides for
  std::int64_t loaded_unix_ns = 0;
};

// The newest ones, oldest first. Of the control thread alone.
class Generations {
 public:
  static constexpr std::size_t most = 16;

  void add(Generation generation);
  const std::deque<Generation>& all() const { return kept_; }
  std::uint64_t newest() const { return kept_.empty() ? 0 : kept_.back().policy->generation; }
  // Null: it is not kept.
  std::shared_ptr<const Policy> find(std::uint64_t number) const;
  std::shared_ptr<const Policy> before(std::uint64_t number) const;

 private:
  std::deque<Generation> kept_;
};

}  // namespace clawpatrol
