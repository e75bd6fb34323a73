#include "policy/sql/tree.h"

#include <pg_query.h>

#include <array>
#include <cstdlib>
#include <iterator>

// libpg_query exports these and keeps their header, which needs the server's, to itself. PG_VERSION_NUM and
// tests/policy/sql/tree_test.cpp watch over the layouts.
static_assert(PG_VERSION_NUM / 10000 == 15, "generated/ is PostgreSQL 15's");
extern "C" {
struct PgQueryInternalParsetreeAndError {
  void* tree;
  char* stderr_buffer;
  PgQueryError* error;
};
PgQueryInternalParsetreeAndError pg_query_raw_parse(const char* input);
void* pg_query_enter_memory_context();
void pg_query_exit_memory_context(void* context);
void pg_query_free_error(PgQueryError* error);
}

namespace clawpatrol::sql::tree {
namespace {

#include "policy/sql/generated/reflection.inc"

constexpr std::size_t tag_limit = 1024;

constexpr std::array<const NodeKind*, tag_limit> index_by_tag() {
  std::array<const NodeKind*, tag_limit> index{};
  for (const NodeKind& kind : node_kinds) index.at(static_cast<std::size_t>(kind.tag)) = &kind;
  return index;
}
constexpr std::array<const NodeKind*, tag_limit> kinds_by_tag = index_by_tag();

}  // namespace

Memory::Memory() : context_(pg_query_enter_memory_context()) {}
Memory::~Memory() {
  pg_query_exit_memory_context(context_);
}

Outcome parse(const char* text) {
  Outcome outcome;
  PgQueryInternalParsetreeAndError result = pg_query_raw_parse(text);
  std::free(result.stderr_buffer);
  if (result.error != nullptr) {
    outcome.failed = true;
    outcome.error = result.error->message == nullptr ? "syntax error" : result.error->message;
    outcome.error_position =
        result.error->cursorpos > 0 ? static_cast<std::size_t>(result.error->cursorpos) : 0;
    pg_query_free_error(result.error);
    return outcome;
  }
  outcome.statements = static_cast<const List*>(result.tree);
  return outcome;
}

const NodeKind* find_kind(Tag tag) {
  auto number = static_cast<std::size_t>(tag);
  return number < tag_limit ? kinds_by_tag[number] : nullptr;
}
const NodeKind* begin_kinds() {
  return std::begin(node_kinds);
}
const NodeKind* end_kinds() {
  return std::end(node_kinds);
}

}  // namespace clawpatrol::sql::tree
