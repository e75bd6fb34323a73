#include "policy/sql/statements.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

namespace clawpatrol::sql {
namespace {

// The kinds of node in the grammar, from the library's own description: `Foo foo = 12 [json_name="Foo"];`
// between `message Node {` and its end.
std::set<std::string> kinds_of_grammar() {
  std::ifstream file("/usr/include/pg_query/pg_query.proto");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::size_t start = text.find("message Node {");
  std::string body = text.substr(start, text.find("\n}", start) - start);
  std::set<std::string> kinds;
  const std::string mark = "json_name=\"";
  for (std::size_t at = body.find(mark); at != std::string::npos; at = body.find(mark, at + 1)) {
    std::size_t from = at + mark.size();
    kinds.insert(body.substr(from, body.find('"', from) - from));
  }
  return kinds;
}

}  // namespace

TEST_CASE("every node kind of the grammar has a decision, and no other has") {
  std::set<std::string> grammar = kinds_of_grammar();
  REQUIRE(grammar.size() == 238);
  std::set<std::string> decided;
  for (const NodeDecision& decision : node_decisions()) {
    const tree::NodeKind* kind = tree::find_kind(decision.tag);
    REQUIRE(kind != nullptr);
    CHECK(decided.insert(kind->name).second);
  }
  CHECK(decided == grammar);
}

TEST_CASE("a statement kind has a verb, a clause has fields to walk, and what is never parsed has neither") {
  for (const NodeDecision& decision : node_decisions()) {
    const tree::NodeKind* kind = tree::find_kind(decision.tag);
    INFO(kind->name);
    CHECK(decision.verb.empty() == (decision.part != Part::statement));
    bool list = decision.tag == tree::Tag::List || decision.tag == tree::Tag::IntList;
    if (decision.part != Part::never && !list) CHECK(kind->fields != nullptr);
    // `Stmt` in a name that is not a statement of its own.
    std::string name = kind->name;
    bool statement_name = name.ends_with("Stmt") && name != "RawStmt" && name != "ReplicaIdentityStmt";
    if (statement_name && decision.part == Part::clause) FAIL(name);
  }
}

TEST_CASE(
    "what the server's functions are is settled: every one that is not safe is classified or unknown code") {
  CHECK(is_safe_function("count"));
  CHECK(is_safe_function("now"));
  for (const char* name :
       {"pg_read_file", "lo_import", "dblink", "pg_terminate_backend", "query_to_xml", "set_config",
        "table_to_xml", "ts_stat", "ts_rewrite", "nextval", "pg_logical_slot_get_changes"}) {
    INFO(name);
    CHECK_FALSE(is_safe_function(name));
    CHECK(find_function_class(name) != nullptr);
  }
  // Each runs what its argument names.
  for (const char* name : {"domain_in", "record_in", "array_in", "range_in", "fmgr_sql_validator"}) {
    INFO(name);
    CHECK_FALSE(is_safe_function(name));
  }
}

}  // namespace clawpatrol::sql
