// The regression suite of PostgreSQL 15: verbs against the command tags that a real server answered, tables
// and roles against libpg_query's own account.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "tests/policy/sql/statement.h"

namespace clawpatrol::sql {
namespace {

using nlohmann::json;

std::string first_word(std::string tag) {
  if (tag.starts_with("SECURITY LABEL")) return "security_label";
  if (tag.starts_with("START")) return "begin";
  tag = tag.substr(0, tag.find(' '));
  std::ranges::transform(tag, tag.begin(), [](char c) { return static_cast<char>(std::tolower(c)); });
  return tag;
}

// The server's tag is of the wrapper; an EXECUTE's of what it ran, and CREATE TABLE AS and SELECT INTO say
// SELECT.
bool verb_agrees(const Statement& statement, const std::string& tag) {
  std::string wanted = first_word(tag);
  const std::vector<std::string>& verbs = statement.facets.verbs->items;
  if (verbs.empty()) return false;
  return verbs.front() == wanted || verbs.front() == "execute" ||
         (wanted == "select" && verbs.front() == "create") ||
         (wanted == "select" && has(statement.facets.verbs, "create"));
}

struct Tally {
  std::size_t texts = 0, unreadable_to_us_alone = 0;
  std::size_t verbs = 0, verbs_agree = 0;
  std::size_t tables = 0, tables_agree = 0;
  std::size_t roles = 0, roles_agree = 0;
  std::size_t statements = 0, no_extra_table = 0, functions = 0, functions_agree = 0;
  std::size_t open = 0, selects = 0, selects_may_change_settings = 0;
};

void complain(const char* what, const json& row) {
  // Set CLAWPATROL_VERBOSE to see where the two accounts differ.
  if (getenv("CLAWPATROL_VERBOSE") != nullptr)
    std::printf("%s: %.200s\n", what, row["sql"].get<std::string>().c_str());
}

bool role_agrees(const SqlFacets& facets, const std::string& name, const std::string& role) {
  if (role == "ref") return has(facets.reads, name) || has(facets.writes, name);
  return has(facets.writes, name);
}

void compare_tables(const Statement& statement, const json& expected, const json& row, Tally& tally) {
  std::set<std::string> wanted;
  for (const json& table : expected["tables"]) {
    std::string name = table["name"];
    std::string leaf = name.substr(name.rfind('.') + 1);
    wanted.insert(leaf);
    ++tally.tables;
    bool agrees = has(statement.facets.tables, name) || has(statement.facets.tables, leaf);
    tally.tables_agree += agrees;
    if (!agrees) complain("table missing", row);
    for (const json& role : table["roles"]) {
      ++tally.roles;
      bool right = role_agrees(statement.facets, name, role) || role_agrees(statement.facets, leaf, role);
      tally.roles_agree += right;
      if (!right && agrees) complain("role differs", row);
    }
  }
  ++tally.statements;
  tally.open +=
      !statement.runs_unread_code && (statement.facets.tables->open || statement.facets.writes->open);
  if (statement.facets.verbs->items.front() == "select") {
    ++tally.selects;
    tally.selects_may_change_settings += statement.may_change_settings;
  }
  bool extra = std::ranges::any_of(statement.facets.tables->items, [&](const std::string& name) {
    return name.find('.') == std::string::npos && !wanted.contains(name);
  });
  tally.no_extra_table += !extra;
  if (extra) complain("extra table", row);
  for (const json& function : expected["functions"]) {
    if (!function.is_string()) continue;
    ++tally.functions;
    bool agrees = has(statement.facets.functions, function.get<std::string>());
    tally.functions_agree += agrees;
    if (!agrees) complain("function missing", row);
  }
}

void compare(const json& row, Tally& tally) {
  ++tally.texts;
  Options options;
  options.limits = {
      .bytes = 4 * 1024 * 1024, .tokens = 1024 * 1024, .statements = 1024};  // one of libpg_query's is 1 MiB
  Analysis analysis = analyse(row["sql"].get<std::string>(), options);
  if (!row.contains("stmts")) {
    CHECK(analysis.readable == Readable::syntax_error);
    return;
  }
  // The corpus was read with a newer grammar: what a server of version 15 refused too is no difference.
  bool refused = !row["runs"].empty() &&
                 std::ranges::all_of(row["runs"], [](const json& one) { return one.contains("error"); });
  if (analysis.readable == Readable::syntax_error && refused) return;
  if (analysis.readable != Readable::yes || analysis.statements.size() != row["stmts"].size()) {
    ++tally.unreadable_to_us_alone;
    return complain("unreadable", row);
  }
  for (std::size_t i = 0; i < analysis.statements.size(); ++i) {
    compare_tables(analysis.statements[i], row["stmts"][i], row, tally);
  }
  for (const json& run : row["runs"]) {
    const json& tags = run["tags"];
    if (run.contains("error") || tags.size() != analysis.statements.size()) continue;
    for (std::size_t i = 0; i < tags.size(); ++i) {
      ++tally.verbs;
      bool agrees = verb_agrees(analysis.statements[i], tags[i]);
      tally.verbs_agree += agrees;
      if (!agrees) complain("verb differs", row);
    }
  }
}

double share(std::size_t part, std::size_t whole) {
  return whole == 0 ? 1 : static_cast<double>(part) / static_cast<double>(whole);
}

Tally run(const char* name) {
  Tally tally;
  std::ifstream lines(std::string(CLAWPATROL_FIXTURES) + "/postgres/" + name);
  for (std::string line; std::getline(lines, line);) compare(json::parse(line), tally);
  std::printf(
      "%s: %zu texts, verbs %.4f of %zu, tables %.4f of %zu, roles %.4f of %zu, functions %.4f of %zu, no "
      "table "
      "beyond theirs in %.4f of %zu\n",
      name, tally.texts, share(tally.verbs_agree, tally.verbs), tally.verbs,
      share(tally.tables_agree, tally.tables), tally.tables, share(tally.roles_agree, tally.roles),
      tally.roles, share(tally.functions_agree, tally.functions), tally.functions,
      share(tally.no_extra_table, tally.statements), tally.statements);
  return tally;
}

}  // namespace

TEST_CASE("the regression suite of PostgreSQL 15 is read as the server ran it") {
  Tally tally = run("regress15.jsonl");
  CHECK(tally.texts == 14059);
  CHECK(tally.unreadable_to_us_alone == 0);
  // What differs: COMMIT of a failed transaction answers ROLLBACK.
  CHECK(tally.verbs - tally.verbs_agree <= 2);
  // What differs: aliases in FOR UPDATE OF and constraints in SET CONSTRAINTS, which they take for tables;
  // the source of LIKE, which is read.
  CHECK(share(tally.tables_agree, tally.tables) > 0.9995);
  CHECK(share(tally.roles_agree, tally.roles) > 0.996);
  CHECK(tally.functions_agree == tally.functions);
  // DROP ... CASCADE, CREATE ROLE and the like; and SELECTs of tables.
  CHECK(share(tally.open, tally.statements) < 0.055);
  CHECK(share(tally.selects_may_change_settings, tally.selects) < 0.45);
}

TEST_CASE("libpg_query's own test statements are read with the tables that it finds") {
  Tally tally = run("libpg_query_corpus.jsonl");
  CHECK(tally.texts == 552);
  CHECK(tally.unreadable_to_us_alone <= 1);  // `$1OR`, which PostgreSQL 15 refuses
  CHECK(share(tally.tables_agree, tally.tables) > 0.99);
}

}  // namespace clawpatrol::sql
