#include "cpctl/cases/coverage.h"

#include <fmt/format.h>

#include <algorithm>

#include "cpctl/printable.h"
#include "daemon/control/message.h"

namespace clawpatrol::cpctl {
namespace {

std::string fraction(std::size_t reached, std::size_t all) {
  return fmt::format("{} of {} ({} %)", reached, all, all == 0 ? 100 : reached * 100 / all);
}

std::string text_of(const Rule& rule, const cel::Branch& branch) {
  const std::string_view text = rule.condition->text();
  return std::string(text.substr(branch.span.begin, branch.span.end - branch.span.begin));
}

}  // namespace

Coverage::Coverage(const Policy& policy) {
  for (const Rule& rule : policy.rules) {
    Reached& reached = rules_.emplace_back();
    reached.rule = &rule;
    if (rule.condition) reached.branches.emplace_back(rule.condition->text());
  }
}

void Coverage::add(const CaseOutcome& outcome) {
  std::vector<const Rule*> decided;
  for (const auto& record : outcome.actions) {
    const bool by_rules = record->guard.empty() || record->guard == "observe";
    if (!by_rules || record->evidence == ActionRecord::Evidence::dropped) continue;
    std::shared_ptr<const SqlFacets> analysed;
    const Action action = record->action(analysed);
    const Decision decision = explain(*record->policy, action);
    if (decision.rule) decided.push_back(decision.rule);
    decided.insert(decided.end(), decision.shadow_matches.begin(), decision.shadow_matches.end());
    for (const Tried& tried : decision.tried) {
      auto reached = std::ranges::find(rules_, tried.rule, &Reached::rule);
      if (reached == rules_.end()) continue;
      for (cel::Branches& branches : reached->branches) branches.observe(action);
    }
  }
  for (Reached& reached : rules_) reached.cases += std::ranges::find(decided, reached.rule) != decided.end();
}

Coverage::Sum Coverage::ways_of(const Reached& reached) {
  Sum sum;
  for (const cel::Branches& branches : reached.branches) {
    for (const cel::Branch& branch : branches.all()) {
      sum.reached += static_cast<std::size_t>(branch.seen_true) + static_cast<std::size_t>(branch.seen_false);
      sum.all += 2;
    }
  }
  return sum;
}

Coverage::Sum Coverage::rules() const {
  const auto reached = std::ranges::count_if(rules_, [](const Reached& rule) { return rule.cases > 0; });
  return {static_cast<std::size_t>(reached), rules_.size()};
}

Coverage::Sum Coverage::ways() const {
  Sum sum;
  for (const Reached& rule : rules_) {
    const Sum own = ways_of(rule);
    sum.reached += own.reached;
    sum.all += own.all;
  }
  return sum;
}

bool Coverage::reaches(unsigned percent) const {
  const Sum by_rule = rules(), by_way = ways();
  return (by_rule.reached + by_way.reached) * 100 >= (by_rule.all + by_way.all) * percent;
}

void Coverage::print(Console& console) const {
  for (const Reached& reached : rules_) {
    const Rule& rule = *reached.rule;
    const std::string place = fmt::format("{}:{}", printable(rule.place.file), rule.place.line);
    if (reached.cases == 0)
      console.line(fmt::format("{}: {}: no case reaches rule \"{}\"", place,
                               console.paint(Style::warning, "coverage"), rule.name));
    for (const cel::Branches& branches : reached.branches) {
      for (const cel::Branch& branch : branches.all()) {
        if (branch.seen_true && branch.seen_false) continue;
        const char* missing = branch.seen_true    ? "never seen false"
                              : branch.seen_false ? "never seen true"
                                                  : "never reached";
        console.line(fmt::format("{}: {}: rule \"{}\": {}: {}", place,
                                 console.paint(Style::warning, "coverage"), rule.name, missing,
                                 printable(text_of(rule, branch))));
      }
    }
  }
  const Sum by_rule = rules(), by_way = ways();
  console.line(fmt::format("coverage: {} rules decided, {} ways of operands seen",
                           fraction(by_rule.reached, by_rule.all), fraction(by_way.reached, by_way.all)));
}

std::string Coverage::json() const {
  using control::JsonObject;
  std::vector<std::string> rows;
  for (const Reached& reached : rules_) {
    std::vector<std::string> branches;
    for (const cel::Branches& own : reached.branches)
      for (const cel::Branch& branch : own.all())
        branches.push_back(JsonObject()
                               .add("text", text_of(*reached.rule, branch))
                               .add("seen_true", branch.seen_true)
                               .add("seen_false", branch.seen_false)
                               .text());
    rows.push_back(JsonObject()
                       .add("rule", reached.rule->name)
                       .add("cases", reached.cases)
                       .add_json("branches", control::json_array(branches))
                       .text());
  }
  const Sum by_rule = rules(), by_way = ways();
  return JsonObject()
      .add("rules_reached", by_rule.reached)
      .add("rules", by_rule.all)
      .add("ways_seen", by_way.reached)
      .add("ways", by_way.all)
      .add_json("by_rule", control::json_array(rows))
      .text();
}

}  // namespace clawpatrol::cpctl
