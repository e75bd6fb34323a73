// How often each rule decided, for `cpctl rules`.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "policy/policy.h"

namespace clawpatrol {

// Of one rule, since it says what it says. Counted by any worker.
struct RuleCount {
  explicit RuleCount(std::int64_t since) : since_unix_ns(since) {}
  const std::int64_t since_unix_ns;
  std::atomic<std::uint64_t> decided{0};      // its condition was true; of a shadow rule: would have decided
  std::atomic<std::uint64_t> unevaluable{0};  // denied for want of a value; of a shadow rule: would have
  std::atomic<std::uint64_t> changed{0};      // of a shadow rule: the verdict would have been another
  std::atomic<std::uint64_t> last_action{0};  // 0: none yet
  std::atomic<std::int64_t> last_unix_ns{0};
};

// The counts of a generation's rules, by their position in Policy::rules.
class GenerationCounts {
 public:
  explicit GenerationCounts(std::vector<std::shared_ptr<RuleCount>> of) : of_(std::move(of)) {}

  // One action, and what became of it: the rule that decided it and the shadow rules before that.
  void count(const Policy& policy, const Decision& decision, bool allowed, std::uint64_t action,
             std::int64_t now_unix_ns) const;
  const RuleCount& at(std::size_t position) const { return *of_[position]; }
  std::size_t size() const { return of_.size(); }

 private:
  friend class RuleCounts;
  // Shared with other generations in which the same rule stands.
  std::vector<std::shared_ptr<RuleCount>> of_;
};

// Thread-safe. A rule that says the same in the next generation goes on with its counts, wherever it stands
// in it; one that says something else begins anew.
class RuleCounts {
 public:
  static constexpr std::size_t most_generations = 16;

  // Begins or finds the counts of a generation. The oldest are forgotten.
  std::shared_ptr<const GenerationCounts> of(const Policy& policy, std::int64_t now_unix_ns);

 private:
  std::mutex mutex_;
  using Key = std::pair<std::uint64_t, std::string>;  // generation, digest
  std::map<Key, std::shared_ptr<const GenerationCounts>> by_generation_;
  std::map<std::string, std::weak_ptr<RuleCount>> by_meaning_;
};

}  // namespace clawpatrol
