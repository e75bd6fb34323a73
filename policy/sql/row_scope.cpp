#include "policy/sql/row_scope.h"

namespace clawpatrol::sql {

using namespace tree;

namespace {

// A function without an alias has its own name.
void add_function(const RangeFunction& function, Scope& aliases) {
  if (function.alias != nullptr) return aliases.push_back(view(function.alias->aliasname));
  const auto* only = length(function.functions) == 1 ? *cells(function.functions).begin() : nullptr;
  const auto* pair =
      only != nullptr && only->type == Tag::List ? reinterpret_cast<const List*>(only) : nullptr;
  const auto* call = length(pair) == 0 ? nullptr : as<FuncCall>(*cells(pair).begin());
  aliases.push_back(call == nullptr ? Scope::made_up : qualified(call->funcname).leaf);
}

}  // namespace

void add_aliases(const Node* member, Scope& aliases) {
  const Alias* alias = nullptr;
  if (const auto* relation = as<RangeVar>(member)) {
    if (relation->alias == nullptr) aliases.push_back(view(relation->relname));
    alias = relation->alias;
  } else if (const auto* join = as<JoinExpr>(member)) {
    add_aliases(join->larg, aliases);
    add_aliases(join->rarg, aliases);
    alias = join->alias;
    if (join->join_using_alias != nullptr) aliases.push_back(view(join->join_using_alias->aliasname));
  } else if (const auto* subquery = as<RangeSubselect>(member)) {
    alias = subquery->alias;
  } else if (const auto* function = as<RangeFunction>(member)) {
    add_function(*function, aliases);
  } else if (const auto* table = as<RangeTableFunc>(member)) {
    alias = table->alias;
    if (alias == nullptr) aliases.push_back("xmltable");
  } else if (const auto* sample = as<RangeTableSample>(member)) {
    add_aliases(sample->relation, aliases);
  }
  if (alias != nullptr) aliases.push_back(view(alias->aliasname));
}

namespace {

bool is_of_target(const ColumnRef& column, const Scope& scope) {
  std::string_view qualifier, last;
  bool starred = false;
  for (const Node* part : cells(column.fields)) {
    starred = part != nullptr && part->type == Tag::A_Star;
    if (starred) break;
    qualifier = last;
    last = string_of(part);
  }
  if (starred) qualifier = last;
  if (!starred && last == "tableoid") return false;  // which table it is, and not which row
  if (!qualifier.empty()) return !scope.has_other(qualifier);
  return scope.subqueries == 0 && scope.size() == 0;
}

bool field_looks_at_row(const Node* node, const Field& field, Scope& scope, int depth) {
  const char* at = reinterpret_cast<const char*>(node) + field.offset;
  if (field.kind == FieldKind::node || field.kind == FieldKind::typed_node) {
    return looks_at_row(*reinterpret_cast<const Node* const*>(at), scope, depth);
  }
  if (field.kind != FieldKind::list) return false;
  for (const Node* cell : cells(*reinterpret_cast<const List* const*>(at))) {
    if (looks_at_row(cell, scope, depth)) return true;
  }
  return false;
}

bool fields_look_at_row(const Node* node, Scope& scope, int depth) {
  const NodeKind* kind = find_kind(node->type);
  if (kind == nullptr || kind->fields == nullptr) return false;
  for (const Field* field = kind->fields; field->kind != FieldKind::end; ++field) {
    if (field_looks_at_row(node, *field, scope, depth + 1)) return true;
  }
  return false;
}

bool subquery_looks_at_row(const SelectStmt& select, Scope& scope, int depth) {
  const std::size_t outer = scope.size();
  for (const Node* member : cells(select.fromClause)) add_aliases(member, scope);
  ++scope.subqueries;
  const bool looks = fields_look_at_row(reinterpret_cast<const Node*>(&select), scope, depth);
  --scope.subqueries;
  scope.cut(outer);
  return looks;
}

}  // namespace

bool looks_at_row(const Node* node, Scope& scope, int depth) {
  if (node == nullptr || depth > deepest_condition) return false;
  if (node->type == Tag::CurrentOfExpr) return true;
  if (const auto* column = as<ColumnRef>(node)) return is_of_target(*column, scope);
  if (const auto* select = as<SelectStmt>(node)) return subquery_looks_at_row(*select, scope, depth);
  if (node->type == Tag::List) {
    for (const Node* cell : cells(reinterpret_cast<const List*>(node))) {
      if (looks_at_row(cell, scope, depth + 1)) return true;
    }
    return false;
  }
  return fields_look_at_row(node, scope, depth);
}

}  // namespace clawpatrol::sql
