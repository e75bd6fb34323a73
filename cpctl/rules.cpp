// `cpctl rules`: what each rule of the policy in force has decided since it says what it says.
#include <fmt/format.h>

#include <algorithm>

#include "cpctl/commands.h"
#include "cpctl/daemon.h"
#include "cpctl/flow_views.h"
#include "cpctl/printable.h"
#include "cpctl/units.h"

namespace clawpatrol::cpctl {
namespace {

using control::Message;

bool is_used(const Message& rule) {
  return rule.natural_or_zero("decided") + rule.natural_or_zero("unevaluable") > 0;
}

bool belongs(const Message& rule, RulesView view) {
  switch (view) {
    case RulesView::hits: return !rule.flag("shadow");
    case RulesView::unused: return !is_used(rule);
    case RulesView::shadow: return rule.flag("shadow");
  }
  return false;
}

Cell count_cell(const Message& rule, std::string_view name, Style style) {
  const std::uint64_t count = rule.natural_or_zero(name);
  return {count_text(count), count > 0 ? style : Style::dim};
}

std::string place_text(const Message& rule) {
  const Message place = rule.object("place");
  return fmt::format("{}:{}", shown(place, "file"), place.natural_or_zero("line"));
}

Table table_of(RulesView view) {
  const Column name{"RULE", Align::left, 24}, place{"AT", Align::left, 20, 1, Keeps::end};
  const Column unevaluable{"UNEVALUABLE", Align::right, 0, 2}, last{"LAST ACTION", Align::left, 0, 3};
  const Column since{"SINCE", Align::left, 0, 4};
  if (view == RulesView::unused) return Table({name, {"VERDICT"}, place, since});
  if (view == RulesView::hits)
    return Table({name, {"VERDICT"}, {"DECIDED", Align::right}, unevaluable, last, place, since});
  return Table({name,
                {"WOULD"},
                {"MATCHED", Align::right},
                {"CHANGED", Align::right},
                unevaluable,
                last,
                place,
                since});
}

std::vector<Cell> row_of(const Message& rule, RulesView view) {
  const std::string verdict = rule.text_or_empty("verdict");
  std::vector<Cell> row = {{shown(rule, "name"), Style::bold},
                           {printable(verdict), style_of_verdict(verdict)}};
  if (view != RulesView::unused) {
    row.push_back(count_cell(rule, "decided", Style::plain));
    if (view == RulesView::shadow) row.push_back(count_cell(rule, "changed", Style::warning));
    row.push_back(count_cell(rule, "unevaluable", Style::warning));
    row.push_back({shown(rule, "last_action"), Style::accent});
  }
  row.push_back({place_text(rule), Style::dim});
  row.push_back({shown(rule, "since").substr(0, 19), Style::dim});
  return row;
}

std::string_view nothing_text(RulesView view) {
  switch (view) {
    case RulesView::hits: return "the policy in force has no rules that decide";
    case RulesView::unused: return "every rule of the policy in force has been used";
    case RulesView::shadow: return "the policy in force has no rules with shadow = true";
  }
  return "";
}

}  // namespace

int rules(Context context, RulesView view) {
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::gateway);
  if (!daemon) return exit_unreachable;
  Console& console = context.console;
  Table table = table_of(view);
  const int result = daemon->ask_quietly(command("rules"), [&](const Message& rule) {
    if (!belongs(rule, view)) return true;
    if (console.json())
      console.line(json_line(rule.json(), rule));
    else
      table.row(row_of(rule, view));
    return true;
  });
  if (result != exit_ok || console.json()) return result;
  if (table.rows() == 0) {
    console.line(nothing_text(view));
    return exit_ok;
  }
  for (const std::string& line : table.lines(console, console.width())) console.line(line);
  return exit_ok;
}

}  // namespace clawpatrol::cpctl
