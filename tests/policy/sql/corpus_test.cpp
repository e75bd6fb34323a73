// Real statements by the thousand: how few of them are open, and libpg_query's own tests. Verbs, tables and
// functions of the regression suite are compared by scripts/conformance sql.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/policy/sql/statement.h"

namespace clawpatrol::sql {
namespace {

using nlohmann::json;

template <class Look>
std::size_t each_record(const char* name, Look look) {
  std::ifstream lines(std::string(CLAWPATROL_FIXTURES) + "/postgres/" + name);
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) look(json::parse(line));
  return count;
}

double share(std::size_t part, std::size_t whole) {
  return whole == 0 ? 1 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

TEST_CASE("of the regression suite's statements few have relations that the text does not tell") {
  std::size_t statements = 0, open = 0, selects = 0, selects_may_change_settings = 0;
  const std::size_t texts = each_record("regress15.jsonl", [&](const json& record) {
    const Analysis analysis = analyse(record["sql"].get<std::string>(), {});
    if (analysis.readable != Readable::yes) return;
    for (const Statement& statement : analysis.statements) {
      ++statements;
      open += !statement.runs_unread_code && (statement.facets.tables->open || statement.facets.writes->open);
      if (statement.facets.verbs->items.front() != "select") continue;
      ++selects;
      selects_may_change_settings += statement.may_change_settings;
    }
  });
  CHECK(texts == 14059);
  // DROP ... CASCADE, CREATE ROLE and the like; and SELECTs of tables.
  CHECK(share(open, statements) < 0.055);
  CHECK(share(selects_may_change_settings, selects) < 0.45);
}

TEST_CASE("libpg_query's own test statements are read with the tables and functions that it finds") {
  Options options;
  options.limits = {.bytes = 4 * 1024 * 1024, .tokens = 1024 * 1024, .statements = 1024};  // one is 1 MiB
  std::size_t unreadable_to_us_alone = 0, tables = 0, tables_agree = 0, functions = 0, functions_agree = 0;
  const std::size_t texts = each_record("libpg_query_corpus.jsonl", [&](const json& record) {
    const Analysis analysis = analyse(record["sql"].get<std::string>(), options);
    if (!record.contains("stmts")) {
      CHECK(analysis.readable == Readable::syntax_error);
      return;
    }
    if (analysis.readable != Readable::yes || analysis.statements.size() != record["stmts"].size()) {
      ++unreadable_to_us_alone;
      return;
    }
    for (std::size_t i = 0; i < analysis.statements.size(); ++i) {
      const SqlFacets& facets = analysis.statements[i].facets;
      for (const json& table : record["stmts"][i]["tables"]) {
        const std::string name = table["name"];
        ++tables;
        tables_agree += has(facets.tables, name) || has(facets.tables, name.substr(name.rfind('.') + 1));
      }
      for (const json& function : record["stmts"][i]["functions"]) {
        ++functions;
        functions_agree += has(facets.functions, function.get<std::string>());
      }
    }
  });
  std::printf("libpg_query_corpus.jsonl: %zu texts, tables %.4f of %zu, functions %.4f of %zu\n", texts,
              share(tables_agree, tables), tables, share(functions_agree, functions), functions);
  CHECK(texts == 552);
  CHECK(unreadable_to_us_alone <= 1);  // `$1OR`, which PostgreSQL 15 refuses
  CHECK(share(tables_agree, tables) > 0.99);
  CHECK(functions_agree == functions);
}

}  // namespace clawpatrol::sql
