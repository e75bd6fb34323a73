// `cpctl explain ACTION`: which rule, why, which rules were tried, and what they saw.
#include <fmt/format.h>

#include <algorithm>

#include "cpctl/commands.h"
#include "cpctl/daemon.h"
#include "cpctl/flow_views.h"
#include "cpctl/printable.h"
#include "cpctl/steps.h"
#include "cpctl/units.h"

namespace clawpatrol::cpctl {
namespace {

using control::Message;

std::string items_text(const std::vector<Message>& elements) {
  std::string items;
  for (const Message& item : elements) {
    items += (items.empty() ? "" : ", ") + printable(item.as_text().value_or(item.json()));
  }
  return items.empty() ? "none" : items;
}

std::string value_text(const Message& value) {
  if (auto text = value.as_text()) return printable(*text);
  if (value.text("unknown")) return "unknown: " + shown(value, "unknown");
  if (value.has("items")) {
    return items_text(value.list("items")) + (value.flag("open") ? " (open: there may be others)" : "");
  }
  if (value.has("direction")) {  // sql.copy
    std::string copy = shown(value, "direction") + " " + shown(value, "target");
    return copy == " " ? "none" : copy;
  }
  bool list = value.json().starts_with('[');
  return list ? items_text(value.elements()) : printable(value.json());
}

std::string place_text(const Message& place) {
  if (place.is_null()) return "";
  return fmt::format("{}:{}", shown(place, "file"), place.natural_or_zero("line"));
}

void show_head(Console& console, const Message& action) {
  std::string verdict = action.text_or_empty("verdict");
  console.line(fmt::format("{}  {}  {}", console.paint(Style::accent, shown(action, "id")),
                           console.paint(style_of_verdict(verdict), printable(verdict)),
                           console.paint(Style::dim, shown(action, "time"))));
  std::string what = shown(action, "action_type");
  if (!shown(action, "kind").empty()) what += " (" + shown(action, "kind") + ")";
  console.line(fmt::format("  {} of peer {} at endpoint {}", what,
                           console.paint(Style::bold, shown(action, "peer")),
                           console.paint(Style::bold, shown(action, "endpoint"))));
  if (!shown(action, "text").empty()) {
    console.line("");
    console.paragraph(4, shown(action, "text"));
  }
  console.line("");
}

void print_steps(Console& console, std::size_t indent, const std::vector<ShownStep>& steps) {
  std::optional<std::size_t> width = console.width();
  if (width) *width -= std::min(*width, indent);
  for (const std::string& text : step_lines(console, steps, width))
    console.line(std::string(indent, ' ') + text);
}

// The whole once, folded, and its parts with their values under it.
void show_condition(Console& console, const Message& decision) {
  std::string condition = decision.text_or_empty("condition");
  if (condition.empty()) return;
  std::vector<ShownStep> steps = steps_of(decision.list("steps"));
  console.line(console.paint(Style::dim, "  when"));
  if (steps.size() == 1) return print_steps(console, 4, steps);
  console.paragraph(4, one_line(condition));
  if (steps.empty()) return;
  steps.erase(steps.begin());
  print_steps(console, 4, steps);
}

// "sql.verb == 'drop' is false: sql.verb is 'select'"
std::string reason_text(const Message& reason) {
  std::string text = one_line(reason.text_or_empty("text"));
  std::string binding = reason.text_or_empty("binding");
  if (!binding.empty()) text += " with " + one_line(binding);
  text += " is " + shown(reason, "value");
  std::string facets;
  for (const auto& [name, value] : reason.object("facets").members())
    facets +=
        (facets.empty() ? ": " : ", ") + printable(name) + " is " + printable(value.as_text().value_or(""));
  return text + facets;
}

void show_reasons(Console& console, const Message& row) {
  for (const Message& reason : row.list("because")) console.paragraph(6, reason_text(reason));
}

void show_decision(Console& console, const Message& action, const Message& decision) {
  std::string rule = shown(action, "rule"), guard = shown(action, "guard"), reason = shown(action, "reason");
  std::string place = place_text(decision.object("place"));
  std::string type = action.text_or_empty("action_type");
  if (!rule.empty()) {
    console.line(fmt::format("decided by rule {}{}", console.paint(Style::bold, "\"" + rule + "\""),
                             place.empty() ? "" : " at " + place));
  } else if (!guard.empty()) {
    console.line(
        fmt::format("decided by the gateway itself, not by a rule: {}", console.paint(Style::bold, guard)));
  } else if (action.text_or_empty("verdict") == "denied-with") {
    console.line("denied because another statement of the same message was");
  } else if (type == "login") {
    console.line("no rule decided: a login passes when profile and credential fit");
  } else if (type == "statement" || type == "request") {
    console.line("no rule decided: defaults.unmatched did");
  } else {
    console.line(fmt::format("no rule decided: only one with on = [\"{}\"] could", printable(type)));
  }
  if (!reason.empty()) console.paragraph(2, reason);
  show_condition(console, decision);
  console.line(
      console.paint(Style::dim, fmt::format("  policy generation {}", action.natural_or_zero("generation"))));
}

void show_tried(Console& console, const Message& explanation) {
  console.line("");
  if (!explanation.flag("tried_known")) {
    console.line("rules tried: " + shown(explanation, "tried_unknown_why"));
    return;
  }
  std::vector<Message> tried = explanation.list("tried");
  if (tried.empty())
    return console.line("rules tried: none; no rule of the endpoint is for this kind of action");
  console.line("rules tried, in order:");
  std::vector<Column> columns = {{"", Align::left},
                                 {"OUTCOME", Align::left},
                                 {"RULE", Align::left, 24},
                                 {"VERDICT", Align::left},
                                 {"AT", Align::left, 20, 2, Keeps::end}};
  const bool any_cause =
      std::ranges::any_of(tried, [](const Message& rule) { return !rule.text_or_empty("cause").empty(); });
  if (any_cause) columns.push_back({"WHY", Align::left, 24});
  Table table(std::move(columns));
  for (const Message& rule : tried) {
    std::string outcome = rule.text_or_empty("outcome");
    Style style = outcome == "matched" ? Style::bold : outcome == "unevaluable" ? Style::warning : Style::dim;
    std::string verdict = shown(rule, "verdict");
    std::vector<Cell> cells = {{rule.flag("decided") ? ">" : " ", Style::bold},
                               {printable(outcome), style},
                               {shown(rule, "rule"), style},
                               {verdict, rule.flag("decided") ? style_of_verdict(verdict) : Style::dim},
                               {place_text(rule.object("place")), Style::dim}};
    if (any_cause) cells.push_back({shown(rule, "cause")});
    table.row(std::move(cells));
  }
  std::vector<std::string> lines = table.lines(console, console.width());
  console.line(lines.front());
  for (std::size_t i = 0; i < tried.size(); ++i) {
    console.line(lines[i + 1]);
    show_reasons(console, tried[i]);
  }
}

// What would have had to be otherwise for a rule to allow it.
void show_allowing(Console& console, const Message& explanation) {
  if (!explanation.has("allowing")) return;
  const Message action = explanation.object("action");
  console.line("");
  std::vector<Message> rules = explanation.list("allowing");
  if (rules.empty()) {
    std::string endpoint = shown(action, "endpoint");
    return console.line(fmt::format("what would have allowed it: nothing; no rule allows any {} {}",
                                    shown(action, "action_type"),
                                    endpoint.empty() ? "of no endpoint" : "at endpoint " + endpoint));
  }
  console.line("what would have allowed it:");
  for (const Message& rule : rules) {
    bool matches = rule.text_or_empty("outcome") == "matched";
    console.line(fmt::format("  rule {}{}{}", console.paint(Style::bold, "\"" + shown(rule, "rule") + "\""),
                             console.paint(Style::dim, " at " + place_text(rule.object("place"))),
                             matches ? ", had no rule before it decided" : ", but"));
    show_reasons(console, rule);
  }
}

void show_facets(Console& console, const Message& facets) {
  auto members = facets.members();
  if (members.empty()) return;
  console.line("");
  console.line("facets:");
  std::size_t longest = 0;
  for (const auto& [name, value] : members) longest = std::max(longest, display_width(printable(name)));
  for (const auto& [name, value] : members) {
    std::string text = value_text(value);
    if (auto width = console.width()) text = clipped(text, *width > longest + 4 ? *width - longest - 4 : 1);
    std::string key = printable(name);
    console.line("  " + console.paint(Style::dim, key) + std::string(longest - display_width(key) + 2, ' ') +
                 text);
  }
}

void show_outcome(Console& console, const Message& outcome) {
  if (outcome.is_null()) return;
  console.line("");
  console.line(fmt::format("outcome: {} {}, {} up, {} down", outcome.flag("ok") ? "done" : "failed",
                           shown(outcome, "code"), bytes_text(outcome.natural_or_zero("bytes_up")),
                           bytes_text(outcome.natural_or_zero("bytes_down"))));
}

void show_now(Console& console, const Message& now) {
  if (now.is_null()) return;
  std::string verdict = shown(now, "verdict");
  console.line("");
  console.line(fmt::format("the generation now in force ({}) says: {}{}", now.natural_or_zero("generation"),
                           console.paint(style_of_verdict(verdict), verdict),
                           shown(now, "rule").empty() ? "" : " by rule \"" + shown(now, "rule") + "\""));
}

}  // namespace

int explain_action(Context context, const std::string& action) {
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::gateway);
  if (!daemon) return exit_unreachable;
  Console& console = context.console;
  return daemon->ask(command("explain").add("action", action), [&](const Message& line) {
    if (line.text_or_empty("type") != "explanation") return true;
    Message about = line.object("action");
    show_head(console, about);
    show_decision(console, about, line.object("decision"));
    show_tried(console, line);
    show_allowing(console, line);
    show_facets(console, line.object("facets"));
    show_outcome(console, line.object("outcome"));
    show_now(console, line.object("now"));
    return true;
  });
}

}  // namespace clawpatrol::cpctl
