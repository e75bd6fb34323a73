#include "cpctl/diff/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "cpctl/cases/report.h"

namespace clawpatrol::cpctl {
namespace {

constexpr std::size_t most_examples = 3;

// How much it lets happen.
int width_of(Expected verdict) {
  return verdict == Expected::allow ? 2 : verdict == Expected::undecided ? 1 : 0;
}

// What was in force when the line's facets were made is not in the line.
bool reads_alike(const Policy& before, const Policy& after, const std::string& endpoint) {
  auto old = before.endpoints.find(endpoint), now = after.endpoints.find(endpoint);
  if (old == before.endpoints.end() || now == after.endpoints.end()) return true;
  return old->second.safe_functions == now->second.safe_functions &&
         old->second.lenient_paths == now->second.lenient_paths;
}

bool has_facets_of_line(const Case& wanted) {
  if (wanted.type == ActionType::request) return true;
  return wanted.stated && wanted.stated->sql.statement.known() && !wanted.statement_of_message;
}

// What nobody looks at is allowed.
CaseOutcome as_verdict(CaseOutcome outcome) {
  if (!outcome.passes_unseen) return outcome;
  outcome.guard = outcome.reason = std::exchange(outcome.problem, "");
  outcome.verdict = Expected::allow;
  return outcome;
}

}  // namespace

std::expected<void, std::string> Replay::read(const std::filesystem::path& path) {
  LongTexts texts;
  return for_each_line(path, [&](std::string_view line) { take(line, texts); });
}

void Replay::take(std::string_view line, LongTexts& texts) {
  auto recorded = read_recorded(line, texts, *before_);
  if (!recorded) {
    ++damaged_;
    return;
  }
  if (!*recorded) return;
  // Facets that were made under other options of the endpoint are explained by its text under those of now.
  if (has_facets_of_line((*recorded)->wanted)) {
    auto again = read_recorded(line, texts, *after_);
    if (again && *again && !has_facets_of_line((*again)->wanted)) recorded = std::move(again);
  }
  ++actions_;
  if ((*recorded)->lacking.empty())
    judge(**recorded);
  else
    ++unjudged_[(*recorded)->lacking];
}

void Replay::judge(const Recorded& action) {
  if (has_facets_of_line(action.wanted) && !reads_alike(*before_, *after_, action.endpoint)) {
    ++unjudged_[action.wanted.type == ActionType::request
                    ? "a request, at an endpoint whose lenient_paths has changed"
                    : "run by a name, at an endpoint whose safe_functions have changed"];
    return;
  }
  const CaseOutcome old = as_verdict(run_case(before_, action.wanted));
  if (!old.problem.empty()) {
    ++unjudged_[old.unknown_name ? "of a peer, endpoint or credential that the old policy does not have"
                                 : old.problem];
    return;
  }
  CaseOutcome now = as_verdict(run_case(after_, action.wanted));
  // Whom the new policy does not know, it lets nowhere.
  if (now.unknown_name) now.guard = now.reason = std::exchange(now.problem, "");
  if (!now.problem.empty()) {
    ++unjudged_[now.problem];
    return;
  }
  const bool as_recorded =
      old.verdict == action.wanted.verdict && (!action.wanted.rule || *action.wanted.rule == old.rule);
  if (!as_recorded) ++foreign_;
  if (old.verdict == now.verdict && old.rule == now.rule) {
    ++alike_;
    return;
  }
  const int by = width_of(now.verdict) - width_of(old.verdict);
  Group& group = groups_[outcome_text(old) + "\n" + outcome_text(now)];
  group.way = by > 0 ? Way::wider : by < 0 ? Way::narrower : Way::other_rule;
  group.before = outcome_text(old), group.after = outcome_text(now);
  group.before_rule = old.rule, group.after_rule = now.rule;
  ++group.count;
  if (group.examples.size() < most_examples) group.examples.push_back(action.id + ": " + action.text);
}

std::vector<Replay::Group> Replay::groups() const {
  std::vector<Group> out;
  for (const auto& [key, group] : groups_) out.push_back(group);
  std::ranges::sort(out, [](const Group& a, const Group& b) {
    return std::tuple(a.way, b.count, std::string_view(a.before), std::string_view(a.after)) <
           std::tuple(b.way, a.count, std::string_view(b.before), std::string_view(b.after));
  });
  return out;
}

std::size_t Replay::wider() const {
  std::size_t count = 0;
  for (const auto& [key, group] : groups_) count += group.way == Way::wider ? group.count : 0;
  return count;
}

std::size_t Replay::narrower() const {
  std::size_t count = 0;
  for (const auto& [key, group] : groups_) count += group.way == Way::narrower ? group.count : 0;
  return count;
}

}  // namespace clawpatrol::cpctl
