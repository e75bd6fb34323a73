#include "daemon/gateway/rule_counts.h"

namespace clawpatrol {

namespace {

// What a rule says and where. Its reason and its place among the others may change under it.
std::string meaning_of(const Rule& rule) {
  std::string text = rule.name;
  auto add = [&text](std::string_view part) { text.append(1, '\0').append(part); };
  for (const std::string& endpoint : rule.endpoints) add(endpoint);
  for (ActionType type : rule.on) add(name_of(type));
  add(rule.condition ? rule.condition->text() : "");
  add(!rule.verdict ? "approve" : *rule.verdict == Verdict::allow ? "allow" : "deny");
  add(rule.shadow ? "shadow" : "");
  return text;
}

void count_one(RuleCount& count, bool unevaluable, std::uint64_t action, std::int64_t now_unix_ns) {
  (unevaluable ? count.unevaluable : count.decided).fetch_add(1, std::memory_order_relaxed);
  count.last_action.store(action, std::memory_order_relaxed);
  count.last_unix_ns.store(now_unix_ns, std::memory_order_relaxed);
}

}  // namespace

void GenerationCounts::count(const Policy& policy, const Decision& decision, bool allowed,
                             std::uint64_t action, std::int64_t now_unix_ns) const {
  auto of = [&](const Rule* rule) -> RuleCount& {
    return *of_[static_cast<std::size_t>(rule - policy.rules.data())];
  };
  if (decision.rule) count_one(of(decision.rule), decision.unevaluable, action, now_unix_ns);
  auto count_shadow = [&](const Rule* rule, bool unevaluable) {
    count_one(of(rule), unevaluable, action, now_unix_ns);
    const bool would_allow = !unevaluable && rule->verdict == Verdict::allow;
    if (would_allow != allowed) of(rule).changed.fetch_add(1, std::memory_order_relaxed);
  };
  for (const Rule* rule : decision.shadow_matches) count_shadow(rule, false);
  for (const Rule* rule : decision.shadow_unevaluable) count_shadow(rule, true);
}

std::shared_ptr<const GenerationCounts> RuleCounts::of(const Policy& policy, std::int64_t now_unix_ns) {
  std::lock_guard lock(mutex_);
  auto& counts = by_generation_[{policy.generation, policy.digest}];
  if (counts) return counts;
  std::vector<std::shared_ptr<RuleCount>> made;
  made.reserve(policy.rules.size());
  for (const Rule& rule : policy.rules) {
    std::weak_ptr<RuleCount>& known = by_meaning_[meaning_of(rule)];
    std::shared_ptr<RuleCount> count = known.lock();
    if (!count) known = count = std::make_shared<RuleCount>(now_unix_ns);
    made.push_back(std::move(count));
  }
  auto result = counts = std::make_shared<const GenerationCounts>(std::move(made));
  if (by_generation_.size() > most_generations) by_generation_.erase(by_generation_.begin());
  std::erase_if(by_meaning_, [](const auto& entry) { return entry.second.expired(); });
  return result;
}

}  // namespace clawpatrol
