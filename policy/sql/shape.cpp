#include "policy/sql/shape.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

#include "policy/sql/row_scope.h"

namespace clawpatrol::sql {

using namespace tree;

namespace {

constexpr double endless = std::numeric_limits<double>::infinity();

template <std::size_t count>
bool is_one_of(std::string_view name, const std::array<std::string_view, count>& names) {
  return std::ranges::find(names, name) != names.end();
}

// The name of what pg_catalog has; "" where another schema is named.
std::string_view built_in(const List* names) {
  const QualifiedName name = qualified(names);
  return name.schema.empty() || name.schema == "pg_catalog" ? name.leaf : std::string_view();
}

// No null comes of these, whatever they are given.
constexpr std::array<std::string_view, 17> total = {"clock_timestamp",
                                                    "concat",
                                                    "concat_ws",
                                                    "current_database",
                                                    "format",
                                                    "json_build_array",
                                                    "json_build_object",
                                                    "jsonb_build_array",
                                                    "jsonb_build_object",
                                                    "now",
                                                    "num_nonnulls",
                                                    "num_nulls",
                                                    "pg_backend_pid",
                                                    "pg_typeof",
                                                    "quote_nullable",
                                                    "random",
                                                    "version"};
// Nor of these, but where they are given one.
constexpr std::array<std::string_view, 24> strict = {
    "abs",          "ascii",       "bit_length",    "btrim",  "ceil",    "char_length", "character_length",
    "floor",        "initcap",     "left",          "length", "lower",   "ltrim",       "md5",
    "octet_length", "quote_ident", "quote_literal", "repeat", "replace", "reverse",     "right",
    "round",        "rtrim",       "upper"};
// These are counts, or never below 0.
constexpr std::array<std::string_view, 13> counts = {
    "abs",    "ascii",        "bit_length", "cardinality",  "char_length",    "character_length",
    "length", "num_nonnulls", "num_nulls",  "octet_length", "pg_column_size", "position",
    "strpos"};
// Of what is no null these operators make no null.
constexpr std::array<std::string_view, 17> operators = {"+", "-",  "*",  "/", "%",  "||", "=",   "<>", "<",
                                                        ">", "<=", ">=", "~", "!~", "~~", "!~~", "^@"};

std::string_view operator_name(const Node* node) {
  const auto* expression = as<A_Expr>(node);
  return expression == nullptr || expression->kind != AEXPR_OP ? std::string_view()
                                                               : built_in(expression->name);
}

bool is_number(const TypeName* type) {
  constexpr std::array<std::string_view, 7> numbers = {"int2",   "int4",   "int8", "numeric",
                                                       "float4", "float8", "oid"};
  return type != nullptr && length(type->arrayBounds) == 0 && is_one_of(built_in(type->names), numbers);
}

template <class Is>
bool all_of(const List* list, Is is) {
  for (const Node* node : cells(list))
    if (!is(node)) return false;
  return true;
}
template <class Is>
bool any_of(const List* list, Is is) {
  return !all_of(list, [&](const Node* node) { return !is(node); });
}

bool call_is_never_null(const FuncCall& call, int depth) {
  const auto is_never = [depth](const Node* node) { return is_never_null(node, depth + 1); };
  const std::string_view name = built_in(call.funcname);
  // The separator, or the text with the places, is what a null comes of.
  if (name == "concat_ws" || name == "format")
    return length(call.args) > 0 && !call.func_variadic && is_never(*cells(call.args).begin());
  if (is_one_of(name, total)) return !call.func_variadic;
  return is_one_of(name, strict) && all_of(call.args, is_never);
}

bool case_is_never_null(const CaseExpr& expression, int depth) {
  return is_never_null(expression.defresult, depth + 1) && all_of(expression.args, [depth](const Node* arm) {
           return is_never_null(reinterpret_cast<const Node*>(as<CaseWhen>(arm)->result), depth + 1);
         });
}

}  // namespace

bool is_system_column(const ColumnRef& column) {
  constexpr std::array<std::string_view, 6> names = {"ctid", "tableoid", "xmin", "xmax", "cmin", "cmax"};
  std::string_view last;
  for (const Node* field : cells(column.fields)) last = string_of(field);
  return is_one_of(last, names);
}

bool is_never_null(const Node* node, int depth) {
  if (node == nullptr || depth > deepest_condition) return false;
  const auto is_never = [depth](const Node* part) { return is_never_null(part, depth + 1); };
  if (const auto* constant = as<A_Const>(node)) return !constant->isnull;
  if (const auto* cast = as<TypeCast>(node)) return is_never(cast->arg);
  if (const auto* column = as<ColumnRef>(node)) return is_system_column(*column);
  if (const auto* query = as<SubLink>(node)) {
    if (query->subLinkType == EXPR_SUBLINK) return is_never(only_value(query->subselect));
    return query->subLinkType == EXISTS_SUBLINK || query->subLinkType == ARRAY_SUBLINK;
  }
  if (const auto* choice = as<CoalesceExpr>(node)) return any_of(choice->args, is_never);
  if (const auto* choice = as<MinMaxExpr>(node))
    return any_of(choice->args, is_never);  // nulls are passed over
  if (const auto* call = as<FuncCall>(node)) return call_is_never_null(*call, depth);
  if (const auto* expression = as<CaseExpr>(node)) return case_is_never_null(*expression, depth);
  if (const auto* collated = as<CollateClause>(node)) return is_never(collated->arg);
  if (const auto* row = as<RowExpr>(node))
    return all_of(row->args, is_never);  // else some test of it sees a null
  if (const auto* expression = as<A_Expr>(node)) {
    if (expression->kind == AEXPR_DISTINCT || expression->kind == AEXPR_NOT_DISTINCT) return true;
    return is_one_of(operator_name(node), operators) && is_never(expression->rexpr) &&
           (expression->lexpr == nullptr || is_never(expression->lexpr));
  }
  return node->type == Tag::NullTest || node->type == Tag::BooleanTest || node->type == Tag::A_ArrayExpr;
}

namespace {

// Of one of several values, or, where it is the greatest or the least, of what is known of any.
std::optional<Bounds> bounds_of_any(const List* values, int depth) {
  std::optional<Bounds> sum;
  for (const Node* value : cells(values)) {
    const auto bounds = bounds_of(value, depth + 1);
    if (!bounds) return std::nullopt;
    sum = sum ? Bounds{std::min(sum->low, bounds->low), std::max(sum->high, bounds->high)} : *bounds;
  }
  return sum;
}

std::optional<Bounds> bounds_of_extreme(const MinMaxExpr& expression, int depth) {
  Bounds sum{-endless, endless};
  for (const Node* value : cells(expression.args)) {
    const auto bounds = bounds_of(value, depth + 1);
    if (bounds && expression.op == IS_GREATEST) sum.low = std::max(sum.low, bounds->low);
    if (bounds && expression.op == IS_LEAST) sum.high = std::min(sum.high, bounds->high);
  }
  return sum;
}

std::optional<Bounds> bounds_of_call(const FuncCall& call) {
  const std::string_view name = built_in(call.funcname);
  if (name == "random" && length(call.args) == 0) return Bounds{0, 1};
  if (is_one_of(name, counts)) return Bounds{0, endless};
  return std::nullopt;
}

std::optional<Bounds> bounds_of_operator(const Node* node, int depth) {
  const std::string_view name = operator_name(node);
  const auto& expression = *as<A_Expr>(node);
  const auto left = bounds_of(expression.lexpr, depth + 1), right = bounds_of(expression.rexpr, depth + 1);
  const auto is_zero = [](const std::optional<Bounds>& side) {
    return side && side->low == 0 && side->high == 0;
  };
  if (name == "*" && (is_zero(left) || is_zero(right))) return Bounds{0, 0};
  const bool constant = right && right->low == right->high && right->low != 0;
  if (name == "%" && constant) {
    const double most = std::max(right->low, -right->low);
    return Bounds{left && left->low >= 0 ? 0 : -most, most};
  }
  if (!left || !right) return std::nullopt;
  if (name == "+") return Bounds{left->low + right->low, left->high + right->high};
  if (name == "-") return Bounds{left->low - right->high, left->high - right->low};
  if (name == "*" && left->low >= 0 && right->low >= 0) return Bounds{left->low * right->low, endless};
  return std::nullopt;
}

}  // namespace

std::optional<Bounds> bounds_of(const Node* node, int depth) {
  if (node == nullptr || depth > deepest_condition) return std::nullopt;
  if (const auto* constant = as<A_Const>(node)) {
    if (constant->isnull || constant->val.node.type != Tag::Integer) return std::nullopt;
    const double value = constant->val.ival.ival;
    return Bounds{value, value};
  }
  if (const auto* column = as<ColumnRef>(node))
    return is_system_column(*column) ? std::optional(Bounds{0, endless}) : std::nullopt;
  if (const auto* cast = as<TypeCast>(node)) {
    const auto* through = as<TypeCast>(cast->arg);  // xmin::text::int8
    if (!is_number(cast->typeName)) return std::nullopt;
    return bounds_of(through != nullptr && !is_number(through->typeName) ? through->arg : cast->arg,
                     depth + 1);
  }
  if (const auto* call = as<FuncCall>(node)) return bounds_of_call(*call);
  if (const auto* choice = as<CoalesceExpr>(node)) return bounds_of_any(choice->args, depth);
  if (const auto* extreme = as<MinMaxExpr>(node)) return bounds_of_extreme(*extreme, depth);
  if (const auto* query = as<SubLink>(node))
    return query->subLinkType == EXPR_SUBLINK ? bounds_of(only_value(query->subselect), depth + 1)
                                              : std::nullopt;
  return operator_name(node).empty() ? std::nullopt : bounds_of_operator(node, depth);
}

bool is_never_empty(const Node* node, int depth) {
  if (node == nullptr || depth > deepest_condition) return false;
  const auto is_never = [depth](const Node* part) { return is_never_empty(part, depth + 1); };
  if (const auto* constant = as<A_Const>(node))
    return !constant->isnull && constant->val.node.type == Tag::String &&
           !view(constant->val.sval.sval).empty();
  if (const auto* column = as<ColumnRef>(node)) return is_system_column(*column);
  if (const auto* cast = as<TypeCast>(node))
    return bounds_of(cast->arg, depth + 1).has_value() || is_never(cast->arg);
  if (const auto* collated = as<CollateClause>(node)) return is_never(collated->arg);
  if (const auto* choice = as<CoalesceExpr>(node)) return all_of(choice->args, is_never);
  if (const auto* call = as<FuncCall>(node)) {
    const std::string_view name = built_in(call->funcname);
    constexpr std::array<std::string_view, 5> quotes = {"md5", "quote_literal", "quote_nullable",
                                                        "quote_ident", "version"};
    constexpr std::array<std::string_view, 4> keeps = {"lower", "upper", "initcap", "reverse"};
    if (is_one_of(name, quotes)) return true;
    if (is_one_of(name, keeps)) return length(call->args) > 0 && all_of(call->args, is_never);
    return name == "concat" && any_of(call->args, is_never);
  }
  const auto* expression = as<A_Expr>(node);
  return expression != nullptr && operator_name(node) == "||" &&
         (is_never(expression->lexpr) || is_never(expression->rexpr));
}

Offset offset_of(const Node* node) {
  const std::string_view name = operator_name(node);
  if (name != "+" && name != "-") return {node, 0};
  const auto& expression = *as<A_Expr>(node);
  const auto right = bounds_of(expression.rexpr, 0), left = bounds_of(expression.lexpr, 0);
  const auto is_constant = [](const std::optional<Bounds>& side) { return side && side->low == side->high; };
  if (expression.lexpr != nullptr && is_constant(right))
    return {expression.lexpr, name == "+" ? right->low : -right->low};
  if (name == "+" && is_constant(left)) return {expression.rexpr, left->low};
  return {node, 0};
}

namespace {

// Without what narrows its rows, makes other ones, or is its own.
bool is_plain(const SelectStmt& select) {
  return select.op == SETOP_NONE && select.whereClause == nullptr && select.havingClause == nullptr &&
         select.limitOffset == nullptr && select.limitCount == nullptr && length(select.groupClause) == 0 &&
         select.withClause == nullptr;
}

const Node* only_target(const SelectStmt& select) {
  if (length(select.targetList) != 1 || length(select.valuesLists) > 0) return nullptr;
  const auto* target = as<ResTarget>(*cells(select.targetList).begin());
  return target == nullptr ? nullptr : target->val;
}

}  // namespace

const Node* only_value(const Node* subselect) {
  const auto* select = as<SelectStmt>(subselect);
  if (select == nullptr || !is_plain(*select) || length(select->fromClause) > 0) return nullptr;
  if (length(select->valuesLists) != 1) return only_target(*select);
  const auto* row = reinterpret_cast<const List*>(*cells(select->valuesLists).begin());
  return length(row) == 1 ? *cells(row).begin() : nullptr;
}

WholeColumn whole_column(const Node* subselect) {
  const auto* select = as<SelectStmt>(subselect);
  if (select == nullptr || !is_plain(*select) || length(select->fromClause) != 1) return {};
  const auto* relation = as<RangeVar>(*cells(select->fromClause).begin());
  const auto* column = as<ColumnRef>(only_target(*select));
  if (relation == nullptr || column == nullptr) return {};
  return {relation, column};
}

}  // namespace clawpatrol::sql
