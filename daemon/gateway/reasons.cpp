#include "daemon/gateway/reasons.h"

#include <algorithm>

#include "daemon/control/message.h"
#include "policy/cel/written.h"

namespace clawpatrol {
namespace {

using control::json_array;
using control::JsonObject;

constexpr std::size_t longest_value = 300;
constexpr std::size_t longest_text = 1000;
constexpr std::size_t most_culprits = 8;

std::string text_of(const cel::Condition& condition, const cel::Step& step) {
  std::string text(condition.text().substr(step.span.begin, step.span.end - step.span.begin));
  if (text.size() <= longest_text) return text;
  std::size_t end = longest_text;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

JsonObject step_json(const cel::Condition& condition, const cel::Step& step) {
  JsonObject object;
  object.add("text", text_of(condition, step));
  if (step.skipped)
    object.add("skipped", true);
  else
    object.add("value", cel::written(step.value, longest_value));
  if (!step.binding.empty()) object.add("binding", step.binding);
  return object;
}

std::string culprit_json(const cel::Condition& condition, const cel::Trace& trace, std::size_t at) {
  JsonObject values;
  for (std::size_t facet : cel::facets_of(trace, at))
    if (facet != at)
      values.add(trace.steps[facet].facet, cel::written(trace.steps[facet].value, longest_value));
  return step_json(condition, trace.steps[at]).add_json("facets", values.text()).text();
}

std::string_view outcome_of(const Rule& rule, const Action& action) {
  if (!rule.condition) return "matched";
  switch (rule.condition->evaluate(action).truth) {
    case cel::Truth::no: return "no";
    case cel::Truth::yes: return "matched";
    case cel::Truth::unevaluable: return "unevaluable";
  }
  return "unevaluable";
}

bool is_for(const Rule& rule, const Action& action) {
  bool at = action.endpoint ? std::ranges::find(rule.endpoints, action.endpoint->name) != rule.endpoints.end()
                            : rule.endpoints.empty();
  return at && std::ranges::find(rule.on, action.type) != rule.on.end();
}

}  // namespace

std::string steps_json(const cel::Condition& condition, const Action& action) {
  const cel::Trace trace = cel::trace(condition, action);
  std::vector<std::string> steps;
  for (const cel::Step& step : trace.steps)
    steps.push_back(step_json(condition, step).add("depth", step.depth).text());
  return json_array(steps);
}

std::string because_json(const cel::Condition& condition, const Action& action) {
  const cel::Trace trace = cel::trace(condition, action);
  std::vector<std::string> reasons;
  for (std::size_t at : cel::culprits(trace))
    if (reasons.size() < most_culprits) reasons.push_back(culprit_json(condition, trace, at));
  return json_array(reasons);
}

std::string allowing_json(const Policy& policy, const Action& action, const Rule* decided) {
  std::vector<std::string> rows;
  for (const Rule& rule : policy.rules) {
    if (rule.shadow || rule.verdict != Verdict::allow || &rule == decided || !is_for(rule, action)) continue;
    if (rows.size() == most_reasoned) break;
    JsonObject row;
    row.add("rule", rule.name).add("outcome", outcome_of(rule, action));
    row.add_json("because", rule.condition ? because_json(*rule.condition, action) : "[]");
    row.add_json("place", JsonObject().add("file", rule.place.file).add("line", rule.place.line).text());
    rows.push_back(row.text());
  }
  return json_array(rows);
}

}  // namespace clawpatrol
