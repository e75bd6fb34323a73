#include "policy/sql/constant.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace clawpatrol::sql {
namespace {

using namespace tree;

constexpr int deepest = 100;

// What is known of a condition without looking at any row.
enum class Truth : std::uint8_t {
  never,     // false or null for every row
  always,    // true for every row
  constant,  // the same for every row, but which is not known here
  by_row,    // looks at the row
};

// Whose columns a condition can use, as far as its text tells.
class Scope {
 public:
  static constexpr std::string_view made_up = "";  // an alias that only the server knows: coalesce, text
  // Of the other members of its FROM, and of those of subqueries around.
  bool has_other(std::string_view alias) const {
    return others_.contains(made_up) || others_.contains(alias);
  }
  std::size_t size() const { return order_.size(); }
  void push_back(std::string_view alias) {
    order_.push_back(alias);
    ++others_[alias];
  }
  void cut(std::size_t size) {
    for (; order_.size() > size; order_.pop_back()) {
      auto found = others_.find(order_.back());
      if (--found->second == 0) others_.erase(found);
    }
  }
  std::size_t subqueries = 0;  // around

 private:
  std::unordered_map<std::string_view, std::size_t> others_;
  std::vector<std::string_view> order_;
};

// A function without an alias has its own name.
void add_function(const RangeFunction& function, Scope& aliases) {
  if (function.alias != nullptr) return aliases.push_back(view(function.alias->aliasname));
  const auto* only = length(function.functions) == 1 ? *cells(function.functions).begin() : nullptr;
  const auto* pair =
      only != nullptr && only->type == Tag::List ? reinterpret_cast<const List*>(only) : nullptr;
  const auto* call = length(pair) == 0 ? nullptr : as<FuncCall>(*cells(pair).begin());
  aliases.push_back(call == nullptr ? Scope::made_up : qualified(call->funcname).leaf);
}

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

// What does not say whose it is counts only where it can be nobody else's.
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
  if (!qualifier.empty()) return !scope.has_other(qualifier);
  return scope.subqueries == 0 && scope.size() == 0;
}

bool looks_at_row(const Node* node, Scope& scope, int depth);

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

// Too deep: false, so that the condition counts as unbounded.
bool looks_at_row(const Node* node, Scope& scope, int depth) {
  if (node == nullptr || depth > deepest) return false;
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

Truth truth_of(const Node* node, Scope& scope, int depth);

// Another type may make something else of the constant.
bool is_boolean(const TypeName* type) {
  if (type == nullptr || length(type->arrayBounds) > 0 || length(type->typmods) > 0) return false;
  std::string_view leaf;
  for (const Node* part : cells(type->names)) leaf = string_of(part);
  bool certain = length(type->names) == 1 || string_of(*cells(type->names).begin()) == "pg_catalog";
  return certain && leaf == "bool";
}

std::optional<bool> boolean_text(std::string_view text) {
  std::string word;
  for (char c : text) {
    if (c == ' ' || c == '\t' || c == '\n') continue;
    word.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  if (word.empty()) return std::nullopt;
  using std::string_view;
  if (word == "on" || word == "1" || string_view("true").starts_with(word) ||
      string_view("yes").starts_with(word))
    return true;
  if (word == "off" || word == "of" || word == "0" || string_view("false").starts_with(word) ||
      string_view("no").starts_with(word))
    return false;
  return std::nullopt;
}

Truth truth_of_constant(const A_Const& constant) {
  if (constant.isnull) return Truth::never;
  if (constant.val.node.type == Tag::Boolean)
    return constant.val.boolval.boolval ? Truth::always : Truth::never;
  if (constant.val.node.type == Tag::String) {
    std::optional<bool> value = boolean_text(view(constant.val.sval.sval));
    return !value ? Truth::constant : *value ? Truth::always : Truth::never;
  }
  return Truth::constant;
}

// AND: never if any part never is, by_row if any part is (the others narrow it no further than it does).
Truth conjunction(const List* parts, Scope& scope, int depth) {
  Truth result = Truth::always;
  for (const Node* part : cells(parts)) {
    Truth truth = truth_of(part, scope, depth);
    if (truth == Truth::never) return Truth::never;
    if (truth == Truth::by_row) result = Truth::by_row;
    if (truth == Truth::constant && result == Truth::always) result = Truth::constant;
  }
  return result;
}

// OR: one constant part decides for every row.
Truth disjunction(const List* parts, Scope& scope, int depth) {
  Truth result = Truth::never;
  for (const Node* part : cells(parts)) {
    Truth truth = truth_of(part, scope, depth);
    if (truth == Truth::always) return Truth::always;
    if (truth == Truth::constant) result = Truth::constant;
    if (truth == Truth::by_row && result == Truth::never) result = Truth::by_row;
  }
  return result;
}

Truth truth_of_bool(const BoolExpr& expression, Scope& scope, int depth) {
  if (expression.boolop == AND_EXPR) return conjunction(expression.args, scope, depth);
  if (expression.boolop == OR_EXPR) return disjunction(expression.args, scope, depth);
  Truth inner = Truth::constant;
  for (const Node* part : cells(expression.args)) inner = truth_of(part, scope, depth);
  if (inner == Truth::always) return Truth::never;
  // NOT of never is true for false and null for null: constant, in doubt.
  return inner == Truth::never ? Truth::constant : inner;
}

// Two integer or string constants compared: the forms that people write (1=1, 1=0, 'a'='b').
Truth truth_of_comparison(const A_Expr& expression) {
  const auto* left = as<A_Const>(expression.lexpr);
  const auto* right = as<A_Const>(expression.rexpr);
  if (left == nullptr || right == nullptr || left->isnull || right->isnull || length(expression.name) != 1) {
    return Truth::constant;
  }
  if (left->val.node.type != Tag::Integer || right->val.node.type != Tag::Integer) return Truth::constant;
  std::int32_t a = left->val.ival.ival;
  std::int32_t b = right->val.ival.ival;
  std::string_view name = string_of(*cells(expression.name).begin());
  if (name == "=") return a == b ? Truth::always : Truth::never;
  if (name == "<>") return a != b ? Truth::always : Truth::never;
  if (name == "<") return a < b ? Truth::always : Truth::never;
  if (name == ">") return a > b ? Truth::always : Truth::never;
  return Truth::constant;
}

// The first arm that every row takes, where the arms before it are taken by none.
std::optional<Truth> truth_of_case(const CaseExpr& expression, Scope& scope, int depth) {
  if (expression.arg != nullptr) return std::nullopt;
  for (const Node* arm : cells(expression.args)) {
    const auto& when = *as<CaseWhen>(arm);
    const Truth taken = truth_of(node_of(when.expr), scope, depth);
    if (taken == Truth::always) return truth_of(node_of(when.result), scope, depth);
    if (taken != Truth::never) return std::nullopt;
  }
  return truth_of(node_of(expression.defresult), scope, depth);
}

Truth truth_of(const Node* node, Scope& scope, int depth) {
  if (node == nullptr || depth > deepest) return Truth::constant;
  if (const auto* constant = as<A_Const>(node)) return truth_of_constant(*constant);
  if (const auto* cast = as<TypeCast>(node)) {
    if (as<A_Const>(cast->arg) != nullptr && is_boolean(cast->typeName))
      return truth_of_constant(*as<A_Const>(cast->arg));
  }
  if (const auto* expression = as<BoolExpr>(node)) return truth_of_bool(*expression, scope, depth + 1);
  if (const auto* test = as<BooleanTest>(node)) {
    Truth inner = truth_of(reinterpret_cast<const Node*>(test->arg), scope, depth + 1);
    if (test->booltesttype == IS_TRUE) return inner;
    const bool of_true = test->booltesttype == IS_NOT_FALSE || test->booltesttype == IS_NOT_UNKNOWN;
    if (of_true && inner == Truth::always) return inner;
  }
  if (const auto* choice = as<CaseExpr>(node))
    if (auto taken = truth_of_case(*choice, scope, depth + 1)) return *taken;
  if (const auto* first = as<CoalesceExpr>(node); first != nullptr && length(first->args) > 0)
    if (truth_of(*cells(first->args).begin(), scope, depth + 1) == Truth::always) return Truth::always;
  if (looks_at_row(node, scope, depth)) return Truth::by_row;
  if (const auto* comparison = as<A_Expr>(node)) return truth_of_comparison(*comparison);
  return Truth::constant;
}

}  // namespace

bool holds_for_every_row(const Node* condition, const List* others, const Node* other) {
  if (condition == nullptr) return true;
  Scope scope;
  for (const Node* member : cells(others)) add_aliases(member, scope);
  add_aliases(other, scope);
  Truth truth = truth_of(condition, scope, 0);
  return truth == Truth::always || truth == Truth::constant;
}

}  // namespace clawpatrol::sql
