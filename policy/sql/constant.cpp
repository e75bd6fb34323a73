#include "policy/sql/constant.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/sql/row_scope.h"
#include "policy/sql/shape.h"
#include "policy/sql/tautology.h"

namespace clawpatrol::sql {
namespace {

using namespace tree;

// What is known of a condition without looking at any row.
enum class Truth : std::uint8_t {
  never,     // false or null for every row
  always,    // true for every row, or for every one in which what it asks about is not null
  constant,  // the same for every row, but which is not known here
  by_row,    // looks at the row
};

// Of a condition, and of its negation: NOT never is true for false and null for null, so that neither follows
// from the other.
struct Truths {
  Truth plain;
  Truth negated;
  Truths swapped() const { return {negated, plain}; }
};
constexpr Truths always_true = {Truth::always, Truth::never};
constexpr Truths always_false = {Truth::never, Truth::always};
constexpr Truths always_null = {Truth::never, Truth::never};
constexpr Truths of_no_row = {Truth::constant, Truth::constant};
constexpr Truths of_each_row = {Truth::by_row, Truth::by_row};

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

Truths truth_of_constant(const A_Const& constant) {
  if (constant.isnull) return always_null;
  if (constant.val.node.type == Tag::Boolean)
    return constant.val.boolval.boolval ? always_true : always_false;
  if (constant.val.node.type == Tag::String) {
    std::optional<bool> value = boolean_text(view(constant.val.sval.sval));
    return !value ? of_no_row : *value ? always_true : always_false;
  }
  return of_no_row;
}

// Two integer constants compared, as people write it: 1=1, 1=0.
Truths truth_of_numbers(const A_Expr& expression) {
  const auto* left = as<A_Const>(expression.lexpr);
  const auto* right = as<A_Const>(expression.rexpr);
  if (left == nullptr || right == nullptr || left->isnull || right->isnull || length(expression.name) != 1)
    return of_no_row;
  if (left->val.node.type != Tag::Integer || right->val.node.type != Tag::Integer) return of_no_row;
  const std::int32_t a = left->val.ival.ival, b = right->val.ival.ival;
  const std::string_view name = string_of(*cells(expression.name).begin());
  if (name == "=") return a == b ? always_true : always_false;
  if (name == "<>") return a != b ? always_true : always_false;
  if (name == "<") return a < b ? always_true : always_false;
  if (name == ">") return a > b ? always_true : always_false;
  return of_no_row;
}

class Condition {
 public:
  Condition(Scope& scope, Tautologies& tautologies, const RangeVar* target)
      : scope_(scope), tautologies_(tautologies), target_(target) {}
  Truths truth_of(const Node* node, int depth);

 private:
  Truths of_bool(const BoolExpr& expression, int depth);
  std::optional<Truths> of_test(const BooleanTest& test, int depth);
  std::optional<Truths> of_null_test(const NullTest& test, int depth);
  std::optional<Truths> of_case(const CaseExpr& expression, int depth);
  std::optional<Truths> of_coalesce(const CoalesceExpr& expression, int depth);
  std::optional<Truths> of_subquery(const SubLink& query, int depth);
  Truths of_leaf(const Node* node, int depth);
  Truth one_of(const BoolExpr& expression, Sign sign, Truth by_parts);

  Scope& scope_;
  Tautologies& tautologies_;
  const RangeVar* target_;
};

// AND: never if any part never is, by_row if any part is (the others narrow it no further than it does).
Truth both(Truth a, Truth b) {
  if (a == Truth::never || b == Truth::never) return Truth::never;
  if (a == Truth::by_row || b == Truth::by_row) return Truth::by_row;
  return a == Truth::constant ? a : b;
}

// OR: one constant part decides for every row.
Truth either(Truth a, Truth b) {
  if (a == Truth::always || b == Truth::always) return Truth::always;
  if (a == Truth::constant || b == Truth::constant) return Truth::constant;
  return a == Truth::by_row ? a : b;
}

// One row finds this, and another that.
Truth whichever(Truth a, Truth b) {
  const bool may_hold = a != Truth::never && a != Truth::by_row && b != Truth::never && b != Truth::by_row;
  return a == b ? a : may_hold ? Truth::constant : Truth::by_row;
}

// The parts of a disjunction: an OR, or an AND that is negated, through those within.
void add_alternatives(const Node* node, Sign sign, int depth, std::vector<Literal>& alternatives) {
  const auto* expression = as<BoolExpr>(node);
  const bool splits =
      expression != nullptr && depth <= deepest_condition &&
      (expression->boolop == NOT_EXPR || (expression->boolop == OR_EXPR) == (sign == Sign::plain));
  if (!splits) {
    if (node != nullptr) alternatives.push_back({node, sign});
    return;
  }
  const Sign within = expression->boolop == NOT_EXPR ? opposite(sign) : sign;
  for (const Node* part : cells(expression->args)) add_alternatives(part, within, depth + 1, alternatives);
}

// A disjunction whose parts say nothing alone may leave no row out together.
Truth Condition::one_of(const BoolExpr& expression, Sign sign, Truth by_parts) {
  if (by_parts != Truth::by_row) return by_parts;
  std::vector<Literal> alternatives;
  add_alternatives(node_of(&expression), sign, 0, alternatives);
  return tautologies_.one_holds(alternatives) ? Truth::always : by_parts;
}

Truths Condition::of_bool(const BoolExpr& expression, int depth) {
  if (expression.boolop == NOT_EXPR) {
    Truths inner = of_no_row;
    for (const Node* part : cells(expression.args)) inner = truth_of(part, depth);
    return inner.swapped();
  }
  const bool is_and = expression.boolop == AND_EXPR;
  Truth all = Truth::always, any = Truth::never;
  for (const Node* part : cells(expression.args)) {
    const Truths truths = truth_of(part, depth);
    all = both(all, is_and ? truths.plain : truths.negated);
    any = either(any, is_and ? truths.negated : truths.plain);
  }
  any = one_of(expression, is_and ? Sign::negated : Sign::plain, any);
  return is_and ? Truths{all, any} : Truths{any, all};
}

// Null counts for these, so they follow only from what leaves no null.
std::optional<Truths> Condition::of_test(const BooleanTest& test, int depth) {
  const Truths inner = truth_of(node_of(test.arg), depth);
  const Truth no = inner.plain == Truth::never ? Truth::always : Truth::by_row;     // false or null
  const Truth yes = inner.negated == Truth::never ? Truth::always : Truth::by_row;  // true or null
  const Truths of_true = {inner.plain, either(inner.negated, no)};
  const Truths of_false = {inner.negated, either(inner.plain, yes)};
  switch (test.booltesttype) {
    case IS_TRUE: return of_true;
    case IS_NOT_TRUE: return of_true.swapped();
    case IS_FALSE: return of_false;
    case IS_NOT_FALSE: return of_false.swapped();
    default: break;
  }
  const bool is_null = inner.plain == Truth::never && inner.negated == Truth::never;
  const bool is_value = inner.plain == Truth::always || inner.negated == Truth::always;
  if (!is_null && !is_value) return std::nullopt;
  const Truths unknown = is_null ? always_true : Truths{Truth::by_row, Truth::always};
  return test.booltesttype == IS_UNKNOWN ? unknown : unknown.swapped();
}

std::optional<Truths> Condition::of_null_test(const NullTest& test, int depth) {
  const bool asks_null = test.nulltesttype == IS_NULL;
  if (is_never_null(test.arg, 0)) return asks_null ? always_false : always_true;
  const Truths inner = truth_of(test.arg, depth);
  if (inner.plain == Truth::never && inner.negated == Truth::never)
    return asks_null ? always_true : always_false;
  return std::nullopt;
}

// Where every row that takes an arm finds the same there.
std::optional<Truths> Condition::of_case(const CaseExpr& expression, int depth) {
  std::optional<Truths> common;
  const auto add = [&](const Node* result) {
    const Truths found = result == nullptr ? always_null : truth_of(result, depth);
    if (!common) common = found;
    common->plain = whichever(common->plain, found.plain);
    common->negated = whichever(common->negated, found.negated);
  };
  for (const Node* arm : cells(expression.args)) {
    const auto& when = *as<CaseWhen>(arm);
    const Truth taken = expression.arg ? Truth::by_row : truth_of(node_of(when.expr), depth).plain;
    if (taken != Truth::never) add(node_of(when.result));
    if (taken == Truth::always) return common;
  }
  add(node_of(expression.defresult));
  return common;
}

std::optional<Truths> Condition::of_coalesce(const CoalesceExpr& expression, int depth) {
  for (const Node* argument : cells(expression.args)) {
    const auto* constant = as<A_Const>(argument);
    if (constant != nullptr && constant->isnull) continue;
    const Truths first = truth_of(argument, depth);
    const bool decides = first.plain == Truth::always || first.negated == Truth::always;
    return decides ? std::optional(first) : std::nullopt;
  }
  return std::nullopt;
}

// One without FROM is of one row, and one of all the table's own values leaves none of them out.
std::optional<Truths> Condition::of_subquery(const SubLink& query, int depth) {
  const Node* value = only_value(query.subselect);
  if (query.subLinkType == EXISTS_SUBLINK && value != nullptr) return always_true;
  if (query.subLinkType == EXPR_SUBLINK && value != nullptr) return truth_of(value, depth);
  if (query.subLinkType == ANY_SUBLINK && tautologies_.holds_among(query, target_))
    return Truths{Truth::always, Truth::by_row};
  return std::nullopt;
}

Truths Condition::of_leaf(const Node* node, int depth) {
  const auto* comparison = as<A_Expr>(node);
  if (!looks_at_row(node, scope_, depth))
    return comparison == nullptr ? of_no_row : truth_of_numbers(*comparison);
  const auto* call = as<FuncCall>(node);
  if (call != nullptr && tautologies_.holds(*call)) return {Truth::always, Truth::by_row};
  if (comparison == nullptr) return of_each_row;
  if (tautologies_.is_null(*comparison)) return always_null;
  Truths truths = of_each_row;
  for (const Sign sign : {Sign::plain, Sign::negated}) {
    Truth& truth = sign == Sign::plain ? truths.plain : truths.negated;
    if (tautologies_.holds({node, sign})) truth = Truth::always;
    if (tautologies_.fails({node, sign})) truth = Truth::never;
  }
  return truths;
}

Truths Condition::truth_of(const Node* node, int depth) {
  if (node == nullptr || depth > deepest_condition) return of_no_row;
  if (const auto* constant = as<A_Const>(node)) return truth_of_constant(*constant);
  if (const auto* cast = as<TypeCast>(node)) {
    if (as<A_Const>(cast->arg) != nullptr && is_boolean(cast->typeName))
      return truth_of_constant(*as<A_Const>(cast->arg));
  }
  if (const auto* expression = as<BoolExpr>(node)) return of_bool(*expression, depth + 1);
  std::optional<Truths> known;
  if (const auto* test = as<BooleanTest>(node)) known = of_test(*test, depth + 1);
  if (const auto* test = as<NullTest>(node)) known = of_null_test(*test, depth + 1);
  if (const auto* choice = as<CaseExpr>(node)) known = of_case(*choice, depth + 1);
  if (const auto* first = as<CoalesceExpr>(node)) known = of_coalesce(*first, depth + 1);
  if (const auto* query = as<SubLink>(node)) known = of_subquery(*query, depth + 1);
  if (!known) return of_leaf(node, depth);
  // What is not known of these parts can be the same for every row all the same.
  const bool undecided = known->plain == Truth::by_row || known->negated == Truth::by_row;
  return undecided && !looks_at_row(node, scope_, depth) ? of_no_row : *known;
}

}  // namespace

bool holds_for_every_row(const Node* condition, const RangeVar* target, const List* others,
                         const Node* other) {
  if (condition == nullptr) return true;
  Scope scope;
  for (const Node* member : cells(others)) add_aliases(member, scope);
  add_aliases(other, scope);
  Tautologies tautologies(scope.size() == 0 ? Columns::of_one_relation : Columns::of_several);
  const Truth truth = Condition(scope, tautologies, target).truth_of(condition, 0).plain;
  return truth == Truth::always || truth == Truth::constant || tautologies.gave_up();
}

}  // namespace clawpatrol::sql
