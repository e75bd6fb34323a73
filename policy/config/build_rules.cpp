// [[rule]]: what it is for, when it matches, what it says.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "policy/config/build.h"
#include "policy/config/suggest.h"
#include "policy/config/toml_string.h"

namespace clawpatrol::config {
namespace {

constexpr std::size_t longest_condition = 64 << 10;

bool is_of_no_endpoint(ActionType type) {
  return type == ActionType::dns || type == ActionType::connect;
}

void read_endpoints(Build& build, const Table& table, Rule& rule, Named& named) {
  if (table.has("endpoint") && table.has("endpoints"))
    build.report.error(table.at("endpoint"),
                       fmt::format("{} has both 'endpoint' and 'endpoints'", table.title()),
                       "Write one of them.");
  if (auto endpoint = table.string("endpoint")) named.endpoints.push_back(*endpoint);
  for (Text& endpoint : table.strings("endpoints")) named.endpoints.push_back(std::move(endpoint));
  for (const Text& endpoint : named.endpoints) rule.endpoints.push_back(endpoint.value);
  bool written = table.has("endpoint") || table.has("endpoints");
  if (!rule.endpoints.empty()) {
    if (std::ranges::find(rule.on, ActionType::dns) != rule.on.end())
      build.report.error(table.at("on"), "a dns action belongs to no endpoint",
                         "Leave 'endpoint' out of this rule.");
  } else if (!written && !std::ranges::all_of(rule.on, is_of_no_endpoint)) {
    build.report.error(table.at(), fmt::format("{} needs 'endpoint' or 'endpoints'", table.title()),
                       "Only a rule on dns and connect may do without, for what no endpoint claims.");
  } else if (table.is_empty_array("endpoints")) {
    build.report.error(table.at("endpoints"), fmt::format("{} is for no endpoint", table.title()));
  }
}

void read_on(Build& build, const Table& table, Rule& rule) {
  for (std::size_t index : table.choices("on")) rule.on.push_back(static_cast<ActionType>(index));
  if (!table.has("on")) {
    rule.on = {ActionType::statement, ActionType::request};
  } else if (table.is_empty_array("on")) {
    build.report.error(table.at("on"), fmt::format("{} sees no action", table.title()),
                       "Leave 'on' out for statements and requests.");
  }
}

void read_verdict(Build& build, const Table& table, Rule& rule) {
  if (auto verdict = table.choice("verdict")) rule.verdict = static_cast<Verdict>(*verdict);
  for (const Text& approver : table.strings("approve")) rule.approve.push_back(approver.value);
  if (table.has("verdict") && table.has("approve")) {
    build.report.error(table.at("approve"), fmt::format("{} has both 'verdict' and 'approve'", table.title()),
                       "Write one of them.");
  } else if (table.has("approve")) {
    build.report.error(table.at("approve"),
                       fmt::format("{} asks for approval, and no approver works", table.title()),
                       "This version has none: such a rule could only deny. Write verdict = \"deny\".");
  } else if (!table.has("verdict")) {
    build.report.error(table.at(), fmt::format("{} has no verdict", table.title()),
                       "Write verdict = \"allow\" or verdict = \"deny\".");
  }
}

// What the condition may ask: the facets that exist where the rule is tried.
std::vector<FacetFamily> families_of(const Build& build, const Rule& rule) {
  std::vector<FacetFamily> families = {FacetFamily::every};
  for (const std::string& name : rule.endpoints) {
    auto endpoint = build.policy.endpoints.find(name);
    bool known = endpoint != build.policy.endpoints.end();  // check_references says so
    for (FacetFamily family : families_of(known ? endpoint->second.type : EndpointType::postgres))
      if (std::ranges::find(families, family) == families.end()) families.push_back(family);
  }
  if (rule.endpoints.empty()) families.push_back(FacetFamily::dns);
  return families;
}

void check_rule_name(Build& build, const Rule& rule, const Text& name,
                     std::unordered_map<std::string, Location>& seen) {
  check_name(build, "rule", name);
  auto [first, added] = seen.emplace(rule.name, name.at);
  if (added) return;
  Diagnostic& twice = build.report.error(name.at, fmt::format("defined twice: rule '{}'", rule.name));
  twice.code = "CP0105";
  Report::relate(twice, first->second, "first defined here");
}

void build_rule(Build& build, const Node& node, std::unordered_map<std::string, Location>& seen) {
  const Entry* named_as = node.find("name");
  bool has_name = named_as && named_as->value.kind == NodeKind::string;
  std::string title = has_name ? fmt::format("rule '{}'", named_as->value.text) : "[[rule]]";
  Table table(node, "rule", std::move(title), has_name ? named_as->value.at : node.at, build.report);
  Rule rule;
  Named named;
  named.at = table.at();
  if (auto name = table.required_string("name")) {
    rule.name = name->value;
    check_rule_name(build, rule, *name, seen);
  }
  read_on(build, table, rule);
  read_endpoints(build, table, rule, named);
  read_verdict(build, table, rule);
  rule.priority = table.integer("priority").value_or(0);
  rule.shadow = table.boolean("shadow").value_or(false);
  if (auto reason = table.string("reason")) rule.reason = reason->value;
  if (auto condition = table.text("condition")) {
    compile_condition(build, *condition, rule, families_of(build, rule));
    named.condition.push_back(std::move(*condition));
  } else if (table.has("condition")) {
    named.condition.emplace_back();  // it is no string, and no rule without one
  }
  rule.place = named.at.source->place(named.at.begin, named.at.end);
  build.policy.rules.push_back(std::move(rule));
  build.rules.push_back(std::move(named));
}

// attacks.md, 9: a literal in the text dodges a rule that reads only parameters, and the other way round.
void lint_facets(Build& build, const Text& text, const Rule& rule) {
  auto reads = [&](FacetId id) {
    return std::ranges::find(rule.condition->facets(), id) != rule.condition->facets().end();
  };
  bool params = reads(FacetId::sql_params), literals = reads(FacetId::sql_literals);
  if (params == literals) return;
  build.report.lint(
      "CP0206", text.at,
      fmt::format("rule \'{}\' reads {} and not {}", rule.name, params ? "sql.params" : "sql.literals",
                  params ? "sql.literals" : "sql.params"),
      "The same value can be sent either way: as a Bind parameter, or written in the text.");
}

// Such a rule denies every action of that type, in its own name, whatever it was meant to do.
void lint_actions(Build& build, const Text& text, const Rule& rule) {
  const auto& read = rule.condition->facets();
  const auto reads = [&](FacetId id) { return std::ranges::find(read, id) != read.end(); };
  // It tells the types apart itself.
  if (reads(FacetId::action_type) || reads(FacetId::action_kind)) return;
  for (ActionType type : rule.on) {
    auto missing = std::ranges::find_if(read, [&](FacetId id) { return !exists_for(id, type); });
    if (missing == read.end()) continue;
    build.report.lint(
        "CP0207", text.at,
        fmt::format("rule '{}' reads {}, which does not exist for {}", rule.name,
                    facet_table[static_cast<std::size_t>(*missing)].path, name_of(type)),
        fmt::format(
            "Where a condition cannot be evaluated its rule denies: leave \"{}\" out of 'on', or look at "
            "action.type first.",
            name_of(type)));
  }
}

}  // namespace

Location locate(const Text& text, const cel::Span& span) {
  std::vector<std::size_t> map = map_toml_string(text.at.source->text().substr(text.at.begin));
  std::size_t last = map.size() - 1;
  if (last != text.value.size()) return text.at;
  std::size_t begin = std::min(span.begin, last), end = std::min(span.end, last);
  return {text.at.source, text.at.begin + map[begin], text.at.begin + map[std::max(begin, end)]};
}

void build_rules(Build& build) {
  const Entry* entry = build.root.find("rule");
  if (!entry || entry->value.kind != NodeKind::array) return;  // build_top has said so
  std::unordered_map<std::string, Location> seen;
  for (const Node& node : entry->value.items) build_rule(build, node, seen);
}

void compile_condition(Build& build, const Text& text, Rule& rule, const std::vector<FacetFamily>& families) {
  if (text.value.size() > longest_condition) {
    build.report.error(text.at, fmt::format("condition is longer than {} bytes", longest_condition)).code =
        "CP0102";
    return;
  }
  auto compiled = cel::Condition::compile(text.value, {families});
  if (compiled) {
    rule.condition = std::move(*compiled);
    lint_facets(build, text, rule);
    lint_actions(build, text, rule);
    return;
  }
  for (const cel::Problem& problem : compiled.error())
    build.report.error(locate(text, problem.span), problem.message, problem.hint).code = "CP0102";
}

}  // namespace clawpatrol::config
