#include "daemon/gateway/explanation.h"

#include <algorithm>

#include "daemon/control/message.h"
#include "daemon/gateway/command_views.h"
#include "daemon/gateway/reasons.h"
#include "policy/action_json.h"

namespace clawpatrol {
namespace {

using control::json_array;
using control::JsonObject;
using control::Message;
using control::message_of_type;

std::string place_json(const Place& place) {
  return JsonObject().add("file", place.file).add("line", place.line).text();
}

std::string_view verdict_of(const Rule& rule) {
  return rule.shadow ? "shadow" : verdict_text(rule);
}

std::string_view outcome_name(cel::Truth truth) {
  switch (truth) {
    case cel::Truth::no: return "no";
    case cel::Truth::yes: return "matched";
    case cel::Truth::unevaluable: return "unevaluable";
  }
  return "unevaluable";
}

std::string tried_json(const Decision& decision, const Action& action) {
  std::vector<std::string> rows;
  for (const Tried& tried : decision.tried) {
    JsonObject row;
    row.add("rule", tried.rule->name)
        .add("outcome", outcome_name(tried.truth))
        .add("verdict", verdict_of(*tried.rule));
    row.add("decided", tried.rule == decision.rule).add("cause", tried.cause);
    if (tried.truth != cel::Truth::yes && tried.rule->condition && rows.size() < most_reasoned)
      row.add_json("because", because_json(*tried.rule->condition, action));
    rows.push_back(row.add_json("place", place_json(tried.rule->place)).text());
  }
  return json_array(rows);
}

// The action is null where it is no longer known.
std::string decision_json(const Decision& decision, const Action* action) {
  JsonObject object;
  object.add("unevaluable", decision.unevaluable);
  if (decision.rule) {
    object.add("condition", decision.rule->condition ? decision.rule->condition->text() : "");
    object.add_json("place", place_json(decision.rule->place));
    if (action && decision.rule->condition)
      object.add_json("steps", steps_json(*decision.rule->condition, *action));
  }
  return object.text();
}

// What the generation now in force would say, where it is not the one that decided.
std::string now_json(const Action& action, const Policy& current) {
  Decision decision = decide(current, action);
  JsonObject object;
  object.add("generation", current.generation)
      .add("verdict", decision.verdict == Verdict::allow ? "allow" : "deny");
  return object.add("rule", decision.rule ? decision.rule->name : "").text();
}

// Whether what was kept of it is all that these rules ask for.
bool has_what_is_asked(const Action& action, const Policy& policy) {
  if (!action.sql || !action.endpoint) return true;
  auto endpoint = policy.endpoints.find(action.endpoint->name);
  return endpoint == policy.endpoints.end() || !sql::lacks(*action.sql, endpoint->second.sql.asked);
}

void tried_unknown(JsonObject& line, std::string_view why) {
  line.add("tried_known", false).add("tried_unknown_why", why).add_json("tried", "[]");
}

}  // namespace

std::string explain_record(const ActionRecord& record, const std::shared_ptr<const Policy>& current) {
  JsonObject line = message_of_type("explanation");
  line.add("source", "memory").add_json("action", action_object(record, "action").text());
  if (record.evidence == ActionRecord::Evidence::dropped) {
    tried_unknown(line, "the action was too large to keep whole; `cpctl audit tail` has its line");
    return line.text();
  }
  std::shared_ptr<const SqlFacets> analysed;
  Action action = record.action(analysed);
  Decision decision = explain(*record.policy, action);
  line.add_json("decision", decision_json(decision, &action));
  if (!record.guard.empty()) {
    tried_unknown(line, "none was asked; the gateway itself refuses this, and no rule can allow it");
  } else {
    line.add("tried_known", true).add_json("tried", tried_json(decision, action));
    if (decision.verdict == Verdict::deny)
      line.add_json("allowing", allowing_json(*record.policy, action, decision.rule));
  }
  line.add_json("facets", all_facets_json(action));
  const bool is_other = current && current != record.policy && record.guard.empty();
  if (is_other && has_what_is_asked(action, *current)) {
    line.add_json("now", now_json(action, *current));
  }
  return line.text();
}

namespace {

std::string action_json(const Message& line) {
  JsonObject action = message_of_type("action");
  for (const char* key : {"id", "time", "peer", "endpoint"}) action.add(key, line.text_or_empty(key));
  action.add("action_type", line.text_or_empty("type"));
  for (const char* key : {"kind", "verdict", "rule", "reason", "guard", "parent"}) {
    action.add(key, line.text_or_empty(key));
  }
  action.add("generation", line.natural_or_zero("generation")).add("flow", line.natural_or_zero("flow"));
  Message facets = line.object("facets");
  std::string statement = facets.text("statement").value_or(facets.text_or_empty("statement_begins"));
  return action.add("text", line.text("text").value_or(statement)).text();
}

std::string explain_audit_line(const Message& line, const Policy* current) {
  JsonObject object = message_of_type("explanation");
  object.add("source", "audit").add_json("action", action_json(line));
  std::string name = line.text_or_empty("rule");
  if (current && !name.empty() && current->generation == line.natural("generation")) {
    auto rule = std::ranges::find(current->rules, name, &Rule::name);
    Decision decision;
    if (rule != current->rules.end()) decision.rule = &*rule;
    object.add_json("decision", decision_json(decision, nullptr));
  }
  tried_unknown(object, "no longer known; of an action this old only the audit line is left");
  Message facets = line.object("facets");
  return object.add_json("facets", facets.is_null() ? "{}" : facets.json()).text();
}

}  // namespace

std::string explain_audit_lines(std::string_view id, const std::vector<std::string>& lines,
                                const Policy* current) {
  std::string explanation, outcome;
  for (const std::string& text : lines) {
    auto line = Message::parse(text);
    if (!line || line->text("id") != id) continue;
    if (line->text_or_empty("type") == "outcome")
      outcome = line->json();
    else if (line->has("verdict"))
      explanation = explain_audit_line(*line, current);
  }
  if (explanation.empty() || outcome.empty()) return explanation;
  explanation.pop_back();
  return explanation + ",\"outcome\":" + outcome + "}";
}

}  // namespace clawpatrol
