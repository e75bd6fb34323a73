// What each kind of node of the grammar is to us: the table behind sql.verb and action.kind, and what
// docs/facets.md is generated from.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "policy/sql/catalog.h"
#include "policy/sql/tree.h"

namespace clawpatrol::sql {

enum class Part : std::uint8_t {
  statement,  // has a verb and a kind of its own
  clause,     // part of a statement, an expression, a name: the walk looks at all of its fields
  never,      // made by analysis, planning or PL/pgSQL; a tree that has one is read as unknown code
};

struct NodeDecision {
  tree::Tag tag;
  Part part;
  std::string_view verb = "";  // where fields decide (GRANT or REVOKE), the commonest
  ActionKind kind = ActionKind::admin;
  Classes classes = class_none;
};

// Null: the kind has no entry. Such a statement is `other` and admin, and its lists are open.
const NodeDecision* find_decision(tree::Tag tag);
std::span<const NodeDecision> node_decisions();
// Every verb that a statement can have, each once.
const std::vector<std::string_view>& verb_names();

}  // namespace clawpatrol::sql
