#include "cpctl/flow_views.h"

#include <fmt/format.h>

#include <algorithm>

#include "cpctl/printable.h"
#include "cpctl/units.h"

namespace clawpatrol::cpctl {

Style style_of_verdict(std::string_view verdict) {
  if (verdict == "allow") return Style::good;
  if (verdict.starts_with("den")) return Style::bad;
  return verdict.empty() ? Style::plain : Style::warning;
}

std::string shown(const control::Message& message, std::string_view key) {
  return printable(message.text_or_empty(key));
}

std::string time_of_day(std::string_view rfc3339) {
  // 2026-11-22T14:03:59.123Z; anything else is shown as it is.
  bool expected = rfc3339.size() >= 19 && rfc3339[10] == 'T';
  return printable(expected ? rfc3339.substr(11, 8) : rfc3339);
}

Table flow_table(const std::vector<control::Message>& flows, const Rates* rates) {
  constexpr std::ptrdiff_t rate_column = 3;
  std::vector<Column> columns{
      {"FLOW", Align::right},       {"PEER", Align::left, 8},        {"ENDPOINT", Align::left, 8, 1},
      {"AGE", Align::right, 0, 2},  {"STATE", Align::left, 6, 6},    {"UP", Align::right, 0, 4},
      {"DOWN", Align::right, 0, 3}, {"ACTION", Align::left, 0, 5},   {"VERDICT", Align::left},
      {"RULE", Align::left, 21},    {"LAST ACTION", Align::left, 12}};
  if (rates) columns.insert(columns.begin() + rate_column, {"RATE", Align::right});
  Table table(std::move(columns));
  for (const control::Message& flow : flows) {
    control::Message last = flow.object("last");
    std::string verdict = last.text_or_empty("verdict");
    std::string decided_by = shown(last, "rule");
    if (decided_by.empty() && !last.text_or_empty("guard").empty())
      decided_by = "(" + shown(last, "guard") + ")";
    std::string text = shown(last, "text");
    if (text.empty()) text = shown(last, "action_type");
    std::vector<Cell> cells{{std::to_string(flow.natural_or_zero("id"))},
                            {shown(flow, "peer"), Style::bold},
                            {shown(flow, "endpoint")},
                            {duration_text(flow.natural_or_zero("age_s"))},
                            {shown(flow, "state"), Style::dim},
                            {bytes_text(flow.natural_or_zero("bytes_up"))},
                            {bytes_text(flow.natural_or_zero("bytes_down"))},
                            {shown(last, "id"), Style::accent},
                            {printable(verdict), style_of_verdict(verdict)},
                            {decided_by},
                            {text}};
    if (rates) {
      auto rate = rates->of(flow);
      cells.insert(cells.begin() + rate_column, {rate ? bytes_text(*rate) + "/s" : "-"});
    }
    table.row(std::move(cells));
  }
  return table;
}

void CellLine::cell(Style style, const std::string& text, std::size_t columns) {
  std::size_t width = std::max(columns, display_width(text));
  line_ += console_.paint(style, text) + std::string(width - display_width(text) + 2, ' ');
  used_ += width + 2;
}

std::string CellLine::ending_in(const std::string& text) const {
  auto width = console_.width();
  return line_ + (width ? clipped(text, *width > used_ ? *width - used_ : 0) : text);
}

std::string action_line(const Console& console, const control::Message& action) {
  constexpr std::size_t roomy = 110;
  bool narrow = console.width().value_or(roomy) < roomy;
  std::string verdict = printable(action.text_or_empty("verdict"));
  std::string rule = shown(action, "rule");
  if (rule.empty()) rule = action.text_or_empty("guard").empty() ? "-" : "(" + shown(action, "guard") + ")";
  std::string text = shown(action, "text");
  CellLine line(console);
  line.cell(Style::dim, time_of_day(action.text_or_empty("time")), 8);
  line.cell(Style::accent, shown(action, "id"), narrow ? 8 : 14);
  line.cell(style_of_verdict(verdict), verdict, 5);
  line.cell(Style::bold, shown(action, "peer"), narrow ? 9 : 12);
  if (!narrow) line.cell(Style::plain, shown(action, "endpoint"), 10);
  line.cell(Style::plain, rule, narrow ? 10 : 16);
  return line.ending_in(text.empty() ? shown(action, "action_type") : text);
}

}  // namespace clawpatrol::cpctl
