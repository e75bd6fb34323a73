// An action for the tests of conditions, and what they say of it.
#pragma once

#include <catch2/catch.hpp>
#include <string>

#include "policy/cel/program.h"

namespace {

using namespace clawpatrol;
using cel::Condition;
using cel::Outcome;
using cel::Truth;

// An action with everything known: DELETE from public.users.
struct Example {
  PeerFacets peer{"builder-1", "data", "10.86.0.2", {{"team", "platform"}, {"empty", ""}}};
  EndpointFacets endpoint{"pg-prod", "postgres"};
  DestFacets dest{"pg.internal", 5432};
  SqlFacets sql;
  SqlParams params = SqlParams::Value{"7", std::nullopt};
  Action action;

  Example() {
    sql.statement = std::string("DELETE FROM public.users WHERE id = $1");
    sql.verb = std::string("delete");
    sql.verbs = NameList{{"explain", "delete"}};
    sql.tables = NameList{{"public.users", "users"}};
    sql.reads = NameList{};
    sql.writes = NameList{{"public.users", "users"}};
    sql.functions = NameList{{"lower", "pg_catalog.lower"}};
    sql.unbounded = false;
    sql.copy = CopyFacet{"to", "program"};
    sql.statements = std::int64_t{1};
    action.type = ActionType::statement;
    action.kind = ActionKind::write;
    action.peer = &peer;
    action.endpoint = &endpoint;
    action.dest = &dest;
    action.credential = "pg-reader";
    action.now_unix_ns = 1'700'000'000'500'000'000;  // 2023-11-14T22:13:20.5Z
    action.sql = &sql;
    action.sql_params = &params;
  }
  Example(const Example&) = delete;
  Example& operator=(const Example&) = delete;
};

inline Condition compiled(std::string_view text) {
  auto condition = Condition::compile(text, {});
  if (!condition) FAIL(text << ": " << condition.error()[0].message);
  return std::move(*condition);
}

inline Outcome outcome(const Example& example, std::string_view text) {
  return compiled(text).evaluate(example.action);
}
inline bool yes(const Example& example, std::string_view text) {
  return outcome(example, text).truth == Truth::yes;
}
inline bool no(const Example& example, std::string_view text) {
  return outcome(example, text).truth == Truth::no;
}
// The cause, or the answer where there was one.
inline std::string cause(const Example& example, std::string_view text) {
  Outcome found = outcome(example, text);
  return found.truth == Truth::unevaluable ? found.cause : found.truth == Truth::yes ? "yes" : "no";
}

}  // namespace
