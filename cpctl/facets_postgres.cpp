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
#include "policy/sql/message_names.h"

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

bool runs_by_name(const sql::Statement& statement) {
  return statement.effect == sql::Effect::execute || statement.effect == sql::Effect::fetch;
}

using Where = sql::MessageNames::Where;

// A statement, with what it runs by name where the same message says what that is.
struct Seen {
  sql::Statement statement;
  Where target = Where::here;
};

// In the way in which a session goes through a message.
std::vector<Seen> see(const sql::Analysis& analysis) {
  std::vector<Seen> all;
  sql::MessageNames names;
  bool unread = false;
  for (const sql::Statement& statement : analysis.statements) {
    Seen seen{statement};
    if (runs_by_name(statement)) {
      const auto target = names.find(statement);
      seen.target = target.where;
      if (target.where == Where::here) seen.statement = sql::merge_executed(statement, *target.statement);
      if (target.where == Where::uncertain) seen.statement = sql::with_unknown_target(statement);
    }
    if (names.path_is_untold() && statement.names_by_path)
      seen.statement = sql::with_unread_code(seen.statement);
    unread |= seen.statement.runs_unread_code;
    names.after(statement, seen.statement,
                unread ? sql::MessageNames::Code::unread : sql::MessageNames::Code::read);
    all.push_back(std::move(seen));
  }
  return all;
}

// What the statement of another message decides: there may be more than this text tells.
bool is_open(const Seen& seen, const NamedList& named) {
  return named.list->open || seen.target == Where::elsewhere;
}

std::vector<std::string> open_lists(const Seen& seen) {
  std::vector<std::string> open;
  for (const NamedList& named : lists_of(seen.statement.facets))
    if (is_open(seen, named)) open.emplace_back(named.name);
  return open;
}

constexpr std::string_view guarded = "it would change how the server reads text, which no rule can allow";
constexpr std::string_view uncertain_name =
    "what it runs under this name is not certain: the same message may have changed it";

void add_facets(JsonObject& object, const Seen& seen) {
  const SqlFacets& facets = seen.statement.facets;
  object.add("verb", *facets.verb);
  for (const NamedList& named : lists_of(facets))
    object.add_json(named.name, control::json_texts(named.list->items));
  object.add_json("open", control::json_texts(open_lists(seen)));
  object.add("unbounded", *facets.unbounded);
  object.add_json(
      "copy",
      JsonObject().add("direction", facets.copy->direction).add("target", facets.copy->target).text());
}

std::string statement_json(const Seen& seen) {
  const sql::Statement& statement = seen.statement;
  JsonObject object;
  object.add("statement", *statement.facets.statement).add("kind", name_of(statement.kind));
  if (seen.target == Where::uncertain)
    object.add("unevaluable", uncertain_name);
  else
    add_facets(object, seen);
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
  for (const Seen& seen : see(analysis)) statements.push_back(statement_json(seen));
  return object.add_json("statements", control::json_array(statements));
}

std::string line_of(const std::vector<std::string>& items) {
  std::string line;
  for (const std::string& item : items) line += (line.empty() ? "" : ", ") + printable(item);
  return line.empty() ? "none" : line;
}

void show(Console& console, std::string_view name, const std::string& value) {
  console.line(console.paint(Style::dim, fmt::format("  {:<10}", name)) + " " + value);
}

void show_facets(Console& console, const Seen& seen) {
  const SqlFacets& facets = seen.statement.facets;
  show(console, "verb", *facets.verb);
  for (const NamedList& named : lists_of(facets)) {
    const std::string_view more = is_open(seen, named) ? " (open: there may be others)" : "";
    show(console, named.name, line_of(named.list->items).append(more));
  }
  show(console, "unbounded", *facets.unbounded ? "true" : "false");
  if (!facets.copy->direction.empty())
    show(console, "copy", facets.copy->direction + " " + facets.copy->target);
}

std::string_view of_target(Where where) {
  if (where == Where::here) return ", of this message; its facets are among these";
  if (where == Where::elsewhere) return ", which the session knows; its facets are added to these";
  return "";
}

void show_statement(Console& console, const Seen& seen) {
  const sql::Statement& statement = seen.statement;
  const SqlFacets& facets = statement.facets;
  std::string text = printable(*facets.statement);
  if (auto width = console.width()) text = clipped(text, *width);
  console.line(console.paint(Style::bold, text));
  show(console, "kind", std::string(name_of(statement.kind)));
  if (seen.target == Where::uncertain)
    show(console, "unknown", std::string(uncertain_name));
  else
    show_facets(console, seen);
  if (runs_by_name(statement))
    show(console, "runs", printable(statement.name).append(of_target(seen.target)));
  if (statement.reading == sql::ReadingGuard::refused)
    show(console, "refused", console.paint(Style::bad, std::string(guarded)));
}

int show_message(Console& console, const sql::Analysis& analysis) {
  if (analysis.readable != sql::Readable::yes) {
    console.line(console.paint(Style::bad, "unevaluable") + ": " + printable(unevaluable_because(analysis)));
    console.line("Every facet but sql.statement, sql.database and sql.user is unknown.");
    return exit_no;
  }
  if (analysis.statements.empty()) console.line("no statement");
  const std::vector<Seen> all = see(analysis);
  for (const Seen& seen : all) {
    if (&seen != &all.front()) console.line("");
    show_statement(console, seen);
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
    options.asked = {};  // whatever its rules ask for
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
