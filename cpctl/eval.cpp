// `cpctl eval EXPR`: an expression of the language of conditions, over the facets of a file.
#include <fmt/format.h>

#include <algorithm>

#include "cpctl/commands.h"
#include "cpctl/printable.h"
#include "cpctl/steps.h"
#include "daemon/control/message.h"
#include "policy/action_json.h"
#include "policy/cel/syntax.h"
#include "policy/cel/trace.h"
#include "policy/cel/written.h"
#include "policy/config/files.h"
#include "policy/config/source.h"

namespace clawpatrol::cpctl {
namespace {

using control::JsonObject;

constexpr std::size_t largest_facets = 64 << 20;
constexpr std::size_t longest_written = 1 << 20;  // a value can be larger than the expression that made it

// An action knows all of a family or nothing, and a file may state one facet of it.
std::vector<FacetId> unstated(const StatedAction& action) {
  std::vector<FacetId> ids;
  for (const FacetInfo& facet : facet_table)
    if (!action.states(facet.id)) ids.push_back(facet.id);
  return ids;
}

std::string problem_json(const cel::Problem& problem) {
  return JsonObject()
      .add("begin", problem.span.begin)
      .add("end", problem.span.end)
      .add("message", problem.message)
      .add("hint", problem.hint)
      .text();
}

int refuse(Console& console, const std::string& expression, const std::vector<cel::Problem>& problems) {
  if (console.json()) {
    std::vector<std::string> all;
    for (const cel::Problem& problem : problems) all.push_back(problem_json(problem));
    JsonObject line = control::message_of_type("eval");
    console.line(line.add("ok", false).add_json("problems", control::json_array(all)).text());
    return exit_no;
  }
  config::Source source("expression", "", expression);
  Diagnostics diagnostics;
  config::Report report(diagnostics);
  for (const cel::Problem& problem : problems)
    report.error({&source, problem.span.begin, problem.span.end}, problem.message, problem.hint);
  console.lines(diagnostics.render());
  return exit_no;
}

void print(Console& console, const std::string& expression, const cel::Trace& trace) {
  if (console.json()) {
    JsonObject line = control::message_of_type("eval");
    line.add("ok", !trace.value.undecided()).add("value_type", trace.type);
    const std::string text = cel::written(trace.value, longest_written);
    const bool whole = text.size() < longest_written;
    line.add_json("value", whole ? value_json(trace.value) : "null").add("written", text);
    if (trace.value.undecided()) line.add("cause", cel::cause_of(trace.value));
    console.line(line.text());
    return;
  }
  if (!trace.value.undecided()) {
    console.line(fmt::format("{} : {}", printable(cel::written(trace.value, longest_written)), trace.type));
    return;
  }
  std::string cause = fmt::format("unevaluable ({})", printable(cel::cause_of(trace.value)));
  console.line(fmt::format("{} : {}", console.paint(Style::warning, cause), trace.type));
  std::optional<std::size_t> width = console.width();
  if (width) *width -= std::min<std::size_t>(*width, 2);
  for (const std::string& text : step_lines(console, steps_of(expression, trace), width))
    console.line("  " + text);
  if (trace.value.kind == cel::Kind::unknown && trace.value.why() == Unknown::not_applicable)
    console.line("hint: --facets FILE states the facets of an action.");
}

std::expected<StatedAction, std::vector<FacetProblem>> facets_of(const std::filesystem::path& file) {
  if (file.empty()) return StatedAction{};
  auto text = config::read_file(file, largest_facets);
  if (!text) return std::unexpected(std::vector<FacetProblem>{{"", "cannot read: " + text.error(), ""}});
  return read_action_text(*text);
}

}  // namespace

int eval(Context context, const EvalRequest& request) {
  Console& console = context.console;
  auto stated = facets_of(request.facets);
  if (!stated) {
    for (const FacetProblem& problem : stated.error()) {
      std::string facet = problem.facet.empty() ? "" : printable(problem.facet) + ": ";
      console.complain(
          fmt::format("{}: {}{}", printable(request.facets.native()), facet, printable(problem.message)),
          problem.hint);
    }
    return exit_no;
  }
  const Action action = stated->action();
  auto trace = cel::trace(request.expression, action, {cel::all_families(), unstated(*stated)});
  if (!trace) return refuse(console, request.expression, trace.error());
  print(console, request.expression, *trace);
  return trace->value.undecided() ? exit_no : exit_ok;
}

}  // namespace clawpatrol::cpctl
