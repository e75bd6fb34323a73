#include "cpctl/steps.h"

#include <algorithm>

#include "cpctl/printable.h"
#include "policy/cel/written.h"

namespace clawpatrol::cpctl {
namespace {

constexpr std::size_t longest_value = 2000;
constexpr std::size_t least_value_columns = 24;
constexpr std::size_t widest_text_uncut = 60;  // values of longer ones follow at once

Style style_of(const ShownStep& step) {
  if (step.skipped) return Style::dim;
  if (step.value == "true") return Style::good;
  if (step.value == "false") return Style::bad;
  if (step.value.starts_with("unknown (") || step.value.starts_with("error (")) return Style::warning;
  return Style::plain;
}

std::string text_of(const ShownStep& step) {
  std::string text(2 * step.depth, ' ');
  text += one_line(step.text);
  if (!step.binding.empty()) text += "  with " + one_line(step.binding);
  return text;
}

}  // namespace

std::string one_line(std::string_view expression) {
  std::string out;
  for (char c : expression) {
    bool blank = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    if (blank && (out.empty() || out.back() == ' ')) continue;
    out += blank ? ' ' : c;
  }
  return printable(out);
}

std::vector<ShownStep> steps_of(std::string_view expression, const cel::Trace& trace) {
  std::vector<ShownStep> shown;
  for (const cel::Step& step : trace.steps) {
    std::string text(expression.substr(step.span.begin, step.span.end - step.span.begin));
    std::string value = step.skipped ? "" : cel::written(step.value, longest_value);
    shown.push_back({step.depth, std::move(text), std::move(value), step.binding, step.skipped});
  }
  return shown;
}

std::vector<ShownStep> steps_of(const std::vector<control::Message>& steps) {
  std::vector<ShownStep> shown;
  for (const control::Message& step : steps)
    shown.push_back({std::min<std::uint64_t>(step.natural_or_zero("depth"), 200), step.text_or_empty("text"),
                     step.text_or_empty("value"), step.text_or_empty("binding"), step.flag("skipped")});
  return shown;
}

std::vector<std::string> step_lines(const Console& console, const std::vector<ShownStep>& steps,
                                    std::optional<std::size_t> width) {
  std::size_t longest = 0, room = widest_text_uncut;
  if (width) room = *width > 2 * least_value_columns ? *width - least_value_columns - 2 : *width / 2;
  for (const ShownStep& step : steps)
    if (std::size_t columns = display_width(text_of(step)); columns <= room || width)
      longest = std::max(longest, std::min(columns, room));
  std::vector<std::string> lines;
  for (const ShownStep& step : steps) {
    std::string text = text_of(step);
    if (width) text = clipped(text, longest);
    std::size_t columns = display_width(text);
    std::string value = step.skipped ? "not asked" : printable(step.value);
    if (width) value = clipped(value, *width > longest + 2 ? *width - longest - 2 : 1);
    std::string gap(columns < longest ? longest - columns + 2 : 2, ' ');
    lines.push_back(console.paint(step.skipped ? Style::dim : Style::plain, text) + gap +
                    console.paint(style_of(step), value));
  }
  return lines;
}

}  // namespace clawpatrol::cpctl
