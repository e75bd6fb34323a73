// `cpctl facets postgres`: SQL as the gateway sees it, by the daemon's own analysis.
#include <fmt/format.h>

#include <memory>
#include <unordered_set>

#include "cpctl/commands.h"
#include "cpctl/json_lines.h"
#include "cpctl/printable.h"
#include "cpctl/table.h"
#include "policy/config/units.h"
#include "policy/policy.h"
#include "policy/sql/analysis.h"

namespace clawpatrol::cpctl {
namespace {

using control::JsonObject;

struct NamedList {
  std::string_view name;
  const Facet<NameList>& list;
};

std::vector<NamedList> lists_of(const SqlFacets& facets) {
  return {{"verbs", facets.verbs},     {"tables", facets.tables},    {"reads", facets.reads},
          {"writes", facets.writes},   {"columns", facets.columns},  {"functions", facets.functions},
          {"classes", facets.classes}, {"literals", facets.literals}};
}

// What the statement of another message decides: there may be more than this text tells.
bool runs_by_name(const sql::Statement& statement) {
  return statement.effect == sql::Effect::execute || statement.effect == sql::Effect::fetch;
}

std::vector<std::string> open_lists(const sql::Statement& statement) {
  std::vector<std::string> open;
  for (const NamedList& named : lists_of(statement.facets)) {
    if (named.list->open || runs_by_name(statement)) open.emplace_back(named.name);
  }
  return open;
}

constexpr std::string_view guarded = "it would change how the server reads text, which no rule can allow";

std::string statement_json(const sql::Statement& statement) {
  const SqlFacets& facets = statement.facets;
  JsonObject object;
  object.add("statement", *facets.statement).add("kind", name_of(statement.kind)).add("verb", *facets.verb);
  for (const NamedList& named : lists_of(facets))
    object.add_json(named.name, control::json_texts(named.list->items));
  object.add_json("open", control::json_texts(open_lists(statement)));
  object.add("unbounded", *facets.unbounded);
  object.add_json(
      "copy",
      JsonObject().add("direction", facets.copy->direction).add("target", facets.copy->target).text());
  if (runs_by_name(statement)) object.add("runs", statement.name);
  if (statement.reading == sql::ReadingGuard::refused) object.add("refused", guarded);
  return object.text();
}

std::string unevaluable_because(const sql::Analysis& analysis) {
  std::string why = analysis.error;
  if (analysis.error_position != 0) why += fmt::format(" at character {}", analysis.error_position);
  if (!analysis.error_hint.empty()) why += ": " + analysis.error_hint;
  return why;
}

JsonObject& add_message(JsonObject& object, const sql::Analysis& analysis) {
  if (analysis.readable != sql::Readable::yes)
    return object.add("unevaluable", unevaluable_because(analysis));
  std::vector<std::string> statements;
  for (const sql::Statement& statement : analysis.statements) statements.push_back(statement_json(statement));
  return object.add_json("statements", control::json_array(statements));
}

std::string line_of(const std::vector<std::string>& items) {
  std::string line;
  for (const std::string& item : items) line += (line.empty() ? "" : ", ") + printable(item);
  return line.empty() ? "none" : line;
}

void show_statement(Console& console, const sql::Statement& statement) {
  const SqlFacets& facets = statement.facets;
  auto show = [&console](std::string_view name, const std::string& value) {
    console.line(console.paint(Style::dim, fmt::format("  {:<10}", name)) + " " + value);
  };
  std::string text = printable(*facets.statement);
  if (auto width = console.width()) text = clipped(text, *width);
  console.line(console.paint(Style::bold, text));
  show("kind", std::string(name_of(statement.kind)));
  show("verb", *facets.verb);
  for (const NamedList& named : lists_of(facets)) {
    const bool open = named.list->open || runs_by_name(statement);
    show(named.name, line_of(named.list->items) + (open ? " (open: there may be others)" : ""));
  }
  show("unbounded", *facets.unbounded ? "true" : "false");
  if (!facets.copy->direction.empty()) show("copy", facets.copy->direction + " " + facets.copy->target);
  if (runs_by_name(statement))
    show("runs", printable(statement.name) + ", which the session knows; its facets are added to these");
  if (statement.reading == sql::ReadingGuard::refused)
    show("refused", console.paint(Style::bad, std::string(guarded)));
}

int show_message(Console& console, const sql::Analysis& analysis) {
  if (analysis.readable != sql::Readable::yes) {
    console.line(console.paint(Style::bad, "unevaluable") + ": " + printable(unevaluable_because(analysis)));
    console.line("Every facet but sql.statement, sql.database and sql.user is unknown.");
    return exit_no;
  }
  if (analysis.statements.empty()) console.line("no statement");
  for (const sql::Statement& statement : analysis.statements) {
    if (&statement != &analysis.statements.front()) console.line("");
    show_statement(console, statement);
  }
  return exit_ok;
}

std::expected<sql::Options, std::string> options_of(const Context& context, const SqlView& view) {
  sql::Options options;
  if (!view.endpoint.empty()) {
    LoadResult loaded = load_policy(context.paths.config, LoadFor::judge);
    if (!loaded.policy)
      return std::unexpected(
          fmt::format("{} is not usable: run `cpctl check`", context.paths.config.native()));
    auto found = loaded.policy->endpoints.find(view.endpoint);
    if (found == loaded.policy->endpoints.end())
      return std::unexpected(fmt::format("there is no endpoint '{}'", view.endpoint));
    options = found->second.sql;
  }
  if (!view.safe_functions.empty()) {
    std::unordered_set<std::string> names(view.safe_functions.begin(), view.safe_functions.end());
    if (options.safe_functions) names.insert(options.safe_functions->begin(), options.safe_functions->end());
    options.safe_functions = std::make_shared<const std::unordered_set<std::string>>(std::move(names));
  }
  if (!view.limit.empty()) {
    auto bytes = config::parse_size(view.limit);
    if (!bytes) return std::unexpected(fmt::format("--limit '{}': {}", view.limit, bytes.error()));
    options.limits.bytes = static_cast<std::size_t>(*bytes);
  }
  return options;
}

}  // namespace

int facets_postgres(Context context, const SqlView& view) {
  Console& console = context.console;
  auto options = options_of(context, view);
  if (!options) {
    console.complain(printable(options.error()));
    return exit_usage;
  }
  if (view.input == InputForm::json_lines)
    return answer_lines(context,
                        [&](const control::Message& line) -> std::expected<std::string, std::string> {
                          auto text = line.text("sql");
                          if (!text) return std::unexpected("this line has no text under \"sql\"");
                          JsonObject answer;
                          return add_message(answer, sql::analyse(*text, *options)).text();
                        });
  auto text = read_input(console);
  if (!text) {
    console.complain(text.error());
    return exit_no;
  }
  const sql::Analysis analysis = sql::analyse(*text, *options);
  if (!console.json()) return show_message(console, analysis);
  JsonObject line = control::message_of_type("sql");
  console.line(add_message(line, analysis).text());
  return analysis.readable == sql::Readable::yes ? exit_ok : exit_no;
}

}  // namespace clawpatrol::cpctl
