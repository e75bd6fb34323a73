#include "daemon/gateway/explanation.h"

#include <algorithm>

#include "daemon/control/message.h"
#include "daemon/gateway/command_views.h"

namespace clawpatrol {
namespace {

using control::json_array;
using control::json_string;
using control::json_texts;
using control::JsonObject;
using control::Message;
using control::message_of_type;

std::string json_of(const std::string& value) {
  return json_string(value);
}
std::string json_of(bool value) {
  return value ? "true" : "false";
}
std::string json_of(std::int64_t value) {
  return std::to_string(value);
}

std::string json_of(const NameList& list) {
  if (!list.open) return json_texts(list.items);
  return JsonObject().add_json("items", json_texts(list.items)).add("open", true).text();
}

std::string json_of(const CopyFacet& copy) {
  return JsonObject().add("direction", copy.direction).add("target", copy.target).text();
}

std::string json_of(const std::vector<std::optional<std::string>>& values) {
  std::vector<std::string> elements;
  for (const auto& value : values) elements.push_back(value ? json_string(*value) : "null");
  return json_array(elements);
}

template <class T>
void add_facet(JsonObject& out, std::string_view name, const Facet<T>& facet) {
  if (facet)
    out.add_json(name, json_of(*facet));
  else if (facet.why() != Unknown::not_applicable) {
    out.add_json(name, JsonObject().add("unknown", name_of(facet.why())).text());
  }
}

void add_sql(JsonObject& out, const SqlFacets& sql) {
  add_facet(out, "sql.statement", sql.statement);
  add_facet(out, "sql.verb", sql.verb);
  add_facet(out, "sql.verbs", sql.verbs);
  add_facet(out, "sql.tables", sql.tables);
  add_facet(out, "sql.reads", sql.reads);
  add_facet(out, "sql.writes", sql.writes);
  add_facet(out, "sql.columns", sql.columns);
  add_facet(out, "sql.functions", sql.functions);
  add_facet(out, "sql.classes", sql.classes);
  add_facet(out, "sql.unbounded", sql.unbounded);
  add_facet(out, "sql.copy", sql.copy);
  add_facet(out, "sql.statements", sql.statements);
  add_facet(out, "sql.literals", sql.literals);
}

std::string labels_json(const PeerFacets& peer) {
  JsonObject labels;
  for (const auto& [key, value] : peer.labels) labels.add(key, value);
  return labels.text();
}

std::string place_json(const Place& place) {
  return JsonObject().add("file", place.file).add("line", place.line).text();
}

std::string_view verdict_of(const Rule& rule) {
  if (rule.shadow) return "shadow";
  if (!rule.verdict) return "approve";
  return *rule.verdict == Verdict::allow ? "allow" : "deny";
}

std::string_view outcome_name(cel::Truth truth) {
  switch (truth) {
    case cel::Truth::no: return "no";
    case cel::Truth::yes: return "matched";
    case cel::Truth::unevaluable: return "unevaluable";
  }
  return "unevaluable";
}

std::string tried_json(const Decision& decision) {
  std::vector<std::string> rows;
  for (const Tried& tried : decision.tried) {
    JsonObject row;
    row.add("rule", tried.rule->name)
        .add("outcome", outcome_name(tried.truth))
        .add("verdict", verdict_of(*tried.rule));
    row.add("decided", tried.rule == decision.rule).add("cause", tried.cause);
    rows.push_back(row.add_json("place", place_json(tried.rule->place)).text());
  }
  return json_array(rows);
}

std::string decision_json(const Decision& decision) {
  JsonObject object;
  object.add("unevaluable", decision.unevaluable);
  if (decision.rule) {
    object.add("condition", decision.rule->condition ? decision.rule->condition->text() : "");
    object.add_json("place", place_json(decision.rule->place));
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

void tried_unknown(JsonObject& line, std::string_view why) {
  line.add("tried_known", false).add("tried_unknown_why", why).add_json("tried", "[]");
}

}  // namespace

std::string all_facets_json(const Action& action) {
  JsonObject out;
  out.add("action.kind", name_of(action.kind)).add("action.type", name_of(action.type));
  if (const PeerFacets* peer = action.peer) {
    out.add("peer.name", peer->name).add("peer.profile", peer->profile).add("peer.address", peer->address);
    out.add_json("peer.labels", labels_json(*peer));
  }
  if (action.endpoint)
    out.add("endpoint.name", action.endpoint->name).add("endpoint.type", action.endpoint->type);
  if (action.dest) out.add("dest.host", action.dest->host).add("dest.port", action.dest->port);
  out.add("credential", action.credential).add("now", time_text(action.now_unix_ns));
  if (action.sql) add_sql(out, *action.sql);
  if (action.sql_params) add_facet(out, "sql.params", *action.sql_params);
  if (const SqlSessionFacets* session = action.sql_session) {
    out.add("sql.database", session->database).add("sql.user", session->user);
    out.add("sql.declared_user", session->declared_user);
  }
  if (action.dns) out.add("dns.name", action.dns->name).add("dns.type", action.dns->type);
  return out.text();
}

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
  line.add_json("decision", decision_json(decision));
  if (!record.guard.empty()) {
    tried_unknown(line, "none was asked; the gateway itself refuses this, and no rule can allow it");
  } else {
    line.add("tried_known", true).add_json("tried", tried_json(decision));
  }
  line.add_json("facets", all_facets_json(action));
  if (current && current != record.policy && record.guard.empty()) {
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
    object.add_json("decision", decision_json(decision));
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
