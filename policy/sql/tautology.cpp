#include "policy/sql/tautology.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string_view>

#include "policy/sql/shape.h"

namespace clawpatrol::sql {

using namespace tree;

namespace {

// Operators by what they ask and by whether they ask for its opposite.
enum class Asks : std::uint8_t {
  nothing_known,
  equal,
  less,
  greater,
  like,
  like_any_case,
  regex,
  regex_any_case,
  between,
  between_any_order,
  distinct
};
struct Operator {
  std::string_view name;
  Asks asks;
  Sign sign;
};
constexpr std::array operators = {
    Operator{"=", Asks::equal, Sign::plain},
    Operator{"<>", Asks::equal, Sign::negated},
    Operator{"<", Asks::less, Sign::plain},
    Operator{">=", Asks::less, Sign::negated},
    Operator{">", Asks::greater, Sign::plain},
    Operator{"<=", Asks::greater, Sign::negated},
    Operator{"~~", Asks::like, Sign::plain},
    Operator{"!~~", Asks::like, Sign::negated},
    Operator{"~~*", Asks::like_any_case, Sign::plain},
    Operator{"!~~*", Asks::like_any_case, Sign::negated},
    Operator{"~", Asks::regex, Sign::plain},
    Operator{"!~", Asks::regex, Sign::negated},
    Operator{"~*", Asks::regex_any_case, Sign::plain},
    Operator{"!~*", Asks::regex_any_case, Sign::negated},
};

// The grammar gives some a name, and some a kind of their own.
Operator operator_of(const A_Expr& expression) {
  switch (expression.kind) {
    case AEXPR_BETWEEN: return {"", Asks::between, Sign::plain};
    case AEXPR_NOT_BETWEEN: return {"", Asks::between, Sign::negated};
    case AEXPR_BETWEEN_SYM: return {"", Asks::between_any_order, Sign::plain};
    case AEXPR_NOT_BETWEEN_SYM: return {"", Asks::between_any_order, Sign::negated};
    case AEXPR_DISTINCT: return {"", Asks::distinct, Sign::plain};
    case AEXPR_NOT_DISTINCT: return {"", Asks::distinct, Sign::negated};
    default: break;
  }
  const QualifiedName name = qualified(expression.name);
  if (!name.schema.empty() && name.schema != "pg_catalog") return {"", Asks::nothing_known, Sign::plain};
  const auto* found = std::ranges::find(operators, name.leaf, &Operator::name);
  return found == operators.end() ? Operator{"", Asks::nothing_known, Sign::plain} : *found;
}

std::string_view text_of(const Node* node) {
  if (const auto* cast = as<TypeCast>(node)) node = cast->arg;
  const auto* constant = as<A_Const>(node);
  if (constant == nullptr || constant->isnull || constant->val.node.type != Tag::String) return {};
  return view(constant->val.sval.sval);
}

bool is_text(const Node* node) {
  if (const auto* cast = as<TypeCast>(node)) node = cast->arg;
  const auto* constant = as<A_Const>(node);
  return constant != nullptr && !constant->isnull && constant->val.node.type == Tag::String;
}

bool fits_every_text(Asks asks, const Node* pattern) {
  const auto* similar = as<FuncCall>(pattern);  // what the grammar makes of SIMILAR TO
  if (similar != nullptr && length(similar->args) > 0) {
    if (qualified(similar->funcname).leaf != "similar_to_escape") return false;
    return fits_every_text(Asks::like, *cells(similar->args).begin());
  }
  const std::string_view text = text_of(pattern);
  if (!is_text(pattern)) return false;
  if (asks == Asks::like || asks == Asks::like_any_case)
    return !text.empty() && text.find_first_not_of('%') == text.npos;
  static constexpr std::array<std::string_view, 9> all = {"",    ".*",   "^",    "$",     "^.*",
                                                          ".*$", "^.*$", "(.*)", "^(.*)$"};
  return std::ranges::find(all, text) != all.end();
}

std::optional<double> number_of(const Node* node) {
  const auto* constant = as<A_Const>(node);
  if (constant == nullptr || constant->isnull || constant->val.node.type != Tag::Integer) return std::nullopt;
  return constant->val.ival.ival;
}

// The numbers for which a comparison with one is true.
struct Range {
  const Node* left;
  Asks asks;
  Sign sign;
  double bound;
  bool holds(double value) const {
    const bool yes = asks == Asks::equal  ? value == bound
                     : asks == Asks::less ? value < bound
                                          : value > bound;
    return yes == (sign == Sign::plain);
  }
};

// Between two neighbouring bounds all numbers are alike.
bool cover_everything(const std::vector<Range>& ranges, int& work) {
  std::vector<double> bounds,
      places = {-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  for (const Range& range : ranges) bounds.push_back(range.bound);
  std::ranges::sort(bounds);
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    places.push_back(bounds[i]);
    if (i > 0) places.push_back((bounds[i - 1] + bounds[i]) / 2);
  }
  return std::ranges::all_of(places, [&](double place) {
    return std::ranges::any_of(ranges, [&](const Range& range) { return --work >= 0 && range.holds(place); });
  });
}

const List* list_of(const Node* node) {
  if (const auto* array = as<A_ArrayExpr>(node)) return array->elements;
  return node != nullptr && node->type == Tag::List ? reinterpret_cast<const List*>(node) : nullptr;
}

}  // namespace

struct Tautologies::Comparison {
  Asks asks = Asks::nothing_known;
  Sign sign = Sign::plain;
  A_Expr_Kind kind = AEXPR_OP;
  const Node* left = nullptr;
  const Node* right = nullptr;
  bool holds_of_same() const {
    if (asks == Asks::like || asks == Asks::like_any_case) return sign == Sign::plain;
    if (asks == Asks::equal) return sign == Sign::plain;
    return (asks == Asks::less || asks == Asks::greater || asks == Asks::distinct) && sign == Sign::negated;
  }
};

namespace {

// What a subquery in its place comes to.
const Node* value_of(const Node* side) {
  const auto* query = as<SubLink>(side);
  const Node* value =
      query == nullptr || query->subLinkType != EXPR_SUBLINK ? nullptr : only_value(query->subselect);
  return value == nullptr ? side : value;
}

}  // namespace

// `5 < id` is `id > 5`.
Tautologies::Comparison Tautologies::read(const Literal& literal) {
  const auto* expression = as<A_Expr>(literal.node);
  if (expression == nullptr) return {};
  const Operator found = operator_of(*expression);
  const bool negated = (found.sign == Sign::negated) != (literal.sign == Sign::negated);
  Comparison made{found.asks, negated ? Sign::negated : Sign::plain, expression->kind,
                  value_of(expression->lexpr), value_of(expression->rexpr)};
  const bool turns = made.kind == AEXPR_OP && as<A_Const>(made.left) != nullptr &&
                     (made.asks == Asks::equal || made.asks == Asks::less || made.asks == Asks::greater);
  if (!turns) return made;
  std::swap(made.left, made.right);
  if (made.asks != Asks::equal) made.asks = made.asks == Asks::less ? Asks::greater : Asks::less;
  return made;
}

// IN, ANY, ALL and BETWEEN.
bool Tautologies::holds_among(const Comparison& comparison) {
  const List* others = list_of(comparison.right);
  if (length(others) == 0) return false;
  const auto is_same = [&](const Node* other) { return same(comparison.left, other); };
  const auto any = [&] {
    return std::ranges::any_of(cells(others).first, cells(others).last, is_same, &ListCell::node);
  };
  const auto all = [&] {
    return std::ranges::all_of(cells(others).first, cells(others).last, is_same, &ListCell::node);
  };
  switch (comparison.kind) {
    case AEXPR_IN: return comparison.sign == Sign::plain && any();
    case AEXPR_OP_ANY: return comparison.holds_of_same() && any();
    case AEXPR_OP_ALL: return comparison.holds_of_same() && all();
    case AEXPR_BETWEEN:
    case AEXPR_NOT_BETWEEN: return comparison.sign == Sign::plain && all();
    case AEXPR_BETWEEN_SYM:
    case AEXPR_NOT_BETWEEN_SYM: return comparison.sign == Sign::plain && any();
    default: return false;
  }
}

namespace {

// Whether `left - right`, which is within these bounds, fulfils the comparison.
bool difference_holds(Asks asks, Sign sign, Bounds difference) {
  const bool plain = sign == Sign::plain;
  if (asks == Asks::less) return plain ? difference.high < 0 : difference.low >= 0;
  if (asks == Asks::greater) return plain ? difference.low > 0 : difference.high <= 0;
  if (asks != Asks::equal) return false;
  const bool zero = difference.low == 0 && difference.high == 0;
  return plain ? zero : difference.low > 0 || difference.high < 0;
}

bool is_ctid(const Node* node) {
  const auto* column = as<ColumnRef>(node);
  std::string_view last;
  if (column != nullptr)
    for (const Node* field : cells(column->fields)) last = string_of(field);
  return last == "ctid";
}

}  // namespace

// `length(name) >= 0`, `id + 1 > id`, `name >= ''`, `xmin::text <> ''`, `ctid > '(0,0)'`: no row's value can
// be otherwise.
bool Tautologies::holds_by_form(const Comparison& comparison) {
  const auto& [asks, sign, kind, left, right] = comparison;
  const auto low = bounds_of(left, 0), high = bounds_of(right, 0);
  if (low && high && difference_holds(asks, sign, {low->low - high->high, low->high - high->low}))
    return true;
  const Offset one = offset_of(left), other = offset_of(right);
  if ((one.base != left || other.base != right) && same(one.base, other.base)) {
    const double difference = one.added - other.added;
    return difference_holds(asks, sign, {difference, difference});
  }
  const bool above =
      (asks == Asks::greater && sign == Sign::plain) || (asks == Asks::equal && sign == Sign::negated);
  const bool at_least = asks == Asks::less && sign == Sign::negated;
  if (!is_text(right) || (!above && !at_least)) return false;
  if (is_ctid(left)) return text_of(right) == "(0,0)";  // items are counted from 1
  return text_of(right).empty() && (at_least || is_never_empty(left, 0));
}

namespace {

// Those behind the operators: int4eq, text_le, uuid_ge.
bool is_reflexive(std::string_view name) {
  return name.ends_with("eq") || name.ends_with("le") || name.ends_with("ge");
}

Asks pattern_of(std::string_view function) {
  if (function == "textlike" || function == "like" || function == "bpcharlike") return Asks::like;
  if (function == "texticlike") return Asks::like_any_case;
  const bool regex = function == "textregexeq" || function == "texticregexeq" || function == "regexp_like";
  return regex ? Asks::regex : Asks::nothing_known;
}

}  // namespace

bool Tautologies::holds(const FuncCall& call) {
  if (length(call.args) != 2) return false;
  const QualifiedName name = qualified(call.funcname);
  if (!name.schema.empty() && name.schema != "pg_catalog") return false;
  const Node* first = *cells(call.args).begin();
  const Node* second = first;
  for (const Node* argument : cells(call.args)) second = argument;
  if (is_reflexive(name.leaf)) return same(first, second);
  if (name.leaf == "starts_with") return is_text(second) && text_of(second).empty();
  const Asks asks = pattern_of(name.leaf);
  return asks != Asks::nothing_known && fits_every_text(asks, second);
}

bool Tautologies::holds_among(const SubLink& query, const RangeVar* target) {
  if (length(query.operName) > 0) {
    const QualifiedName name = qualified(query.operName);
    if (name.leaf != "=" || (!name.schema.empty() && name.schema != "pg_catalog")) return false;
  }
  if (const Node* value = only_value(query.subselect)) return same(query.testexpr, value);
  const WholeColumn whole = whole_column(query.subselect);
  const auto* tested = as<ColumnRef>(query.testexpr);
  if (target == nullptr || whole.relation == nullptr || tested == nullptr) return false;
  const std::string_view own_schema = view(target->schemaname), schema = view(whole.relation->schemaname);
  const bool is_target = view(target->relname) == view(whole.relation->relname) &&
                         (own_schema.empty() || schema.empty() || own_schema == schema);
  std::string_view asked, given;
  for (const Node* field : cells(tested->fields)) asked = string_of(field);
  for (const Node* field : cells(whole.column->fields)) given = string_of(field);
  return is_target && !asked.empty() && asked == given;
}

bool Tautologies::holds(const Literal& literal) {
  const Comparison comparison = read(literal);
  switch (comparison.kind) {
    case AEXPR_OP:
    case AEXPR_LIKE:
    case AEXPR_ILIKE:
    case AEXPR_SIMILAR: {
      const bool is_pattern = comparison.asks == Asks::like || comparison.asks == Asks::like_any_case ||
                              comparison.asks == Asks::regex || comparison.asks == Asks::regex_any_case;
      if (is_pattern && comparison.sign == Sign::plain && fits_every_text(comparison.asks, comparison.right))
        return true;
      if (comparison.kind == AEXPR_OP && holds_by_form(comparison)) return true;
      return comparison.holds_of_same() && same(comparison.left, comparison.right);
    }
    case AEXPR_DISTINCT:
    case AEXPR_NOT_DISTINCT: {
      const auto* null = as<A_Const>(comparison.right);
      // A row is no null, whatever is in it.
      const bool is_value = is_never_null(comparison.left, 0) || as<RowExpr>(comparison.left) != nullptr;
      if (null != nullptr && null->isnull && comparison.sign == Sign::plain && is_value) return true;
      return comparison.holds_of_same() && same(comparison.left, comparison.right);
    }
    default: return holds_among(comparison);
  }
}

bool Tautologies::is_null(const A_Expr& expression) {
  const auto null = [](const Node* side) {
    const auto* constant = as<A_Const>(side);
    return constant != nullptr && constant->isnull;
  };
  return expression.kind == AEXPR_OP && operator_of(expression).asks != Asks::nothing_known &&
         (null(expression.lexpr) || null(expression.rexpr));
}

bool Tautologies::fails(const Literal& literal) {
  const Comparison comparison = read(literal);
  const bool orders =
      comparison.asks == Asks::equal || comparison.asks == Asks::less || comparison.asks == Asks::greater;
  return comparison.kind == AEXPR_OP && orders && !comparison.holds_of_same() &&
         as<ColumnRef>(comparison.left) != nullptr && same(comparison.left, comparison.right);
}

namespace {

// As a BooleanTest that is not negated.
BoolTestType test_of(const BooleanTest& test, Sign sign) {
  const auto number = static_cast<std::int32_t>(test.booltesttype);
  return static_cast<BoolTestType>(sign == Sign::plain ? number : number ^ 1);
}

bool tests_contradict(BoolTestType a, BoolTestType b) {
  const bool true_or_false = (a == IS_TRUE && b == IS_FALSE) || (a == IS_FALSE && b == IS_TRUE);
  return true_or_false || static_cast<std::int32_t>(a) == (static_cast<std::int32_t>(b) ^ 1);
}

}  // namespace

// What contradicts another literal has the other one's opposite.
Sign Tautologies::sign_of(const Literal& literal) {
  const Comparison comparison = read(literal);
  if (comparison.asks != Asks::nothing_known) return comparison.sign;
  if (const auto* test = as<NullTest>(literal.node))
    return test->nulltesttype == IS_NULL ? literal.sign : opposite(literal.sign);
  if (const auto* test = as<BooleanTest>(literal.node)) {
    const BoolTestType asked = test_of(*test, literal.sign);
    return asked == IS_TRUE || asked == IS_NOT_FALSE || asked == IS_UNKNOWN ? Sign::plain : Sign::negated;
  }
  return literal.sign;
}

// One of the two holds, whatever the row.
bool Tautologies::contradict(const Literal& a, const Literal& b) {
  if (--work_ < 0 || a.node->type != b.node->type) return false;
  const Comparison first = read(a), second = read(b);
  if (first.asks != Asks::nothing_known) {
    const bool own_kind =
        first.asks == Asks::distinct || first.asks == Asks::between || first.asks == Asks::between_any_order;
    return first.asks == second.asks && (own_kind || first.kind == second.kind) &&
           same(first.left, second.left) && same(first.right, second.right);
  }
  if (const auto* test = as<NullTest>(a.node)) return same(test->arg, as<NullTest>(b.node)->arg);
  if (const auto* test = as<BooleanTest>(a.node)) {
    const auto* other = as<BooleanTest>(b.node);
    return tests_contradict(test_of(*test, a.sign), test_of(*other, b.sign)) && same(test->arg, other->arg);
  }
  return same(a.node, b.node);
}

bool Tautologies::have_opposites(const std::vector<Literal>& alternatives) {
  std::vector<const Literal*> plain, negated;
  for (const Literal& literal : alternatives)
    (sign_of(literal) == Sign::plain ? plain : negated).push_back(&literal);
  for (const Literal* one : plain) {
    for (const Literal* other : negated) {
      if (contradict(*one, *other)) return true;
      if (gave_up()) return false;
    }
  }
  return false;
}

// Comparisons of one thing with numbers, of which one is true of each number: `id < 5 OR id > 3`.
bool Tautologies::cover_numbers(const std::vector<Literal>& alternatives) {
  std::vector<Range> ranges;
  for (const Literal& literal : alternatives) {
    const Comparison comparison = read(literal);
    const auto number = number_of(comparison.right);
    const bool orders =
        comparison.asks == Asks::equal || comparison.asks == Asks::less || comparison.asks == Asks::greater;
    if (comparison.kind == AEXPR_OP && orders && number)
      ranges.push_back({comparison.left, comparison.asks, comparison.sign, *number});
  }
  // One that reaches down without end is part of every such set.
  for (const Range& lowest : ranges) {
    if (!lowest.holds(-std::numeric_limits<double>::infinity())) continue;
    std::vector<Range> of_one;
    for (const Range& range : ranges) {
      if (same(lowest.left, range.left)) of_one.push_back(range);
      if (gave_up()) return false;
    }
    if (cover_everything(of_one, work_)) return true;
  }
  return false;
}

bool Tautologies::one_holds(const std::vector<Literal>& alternatives) {
  return have_opposites(alternatives) || cover_numbers(alternatives);
}

}  // namespace clawpatrol::sql
