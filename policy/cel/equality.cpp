// Equality, order, membership and lookup.
#include <algorithm>
#include <cstring>

#include "policy/cel/function.h"

namespace clawpatrol::cel {

namespace {

// A double beside an integer is compared as doubles, which is what cel-spec's cases ask for.
double as_double(Value value) {
  if (value.kind == Kind::integer) return static_cast<double>(value.integer);
  if (value.kind == Kind::uinteger) return static_cast<double>(value.uinteger);
  return value.real;
}

bool numbers_equal(Value left, Value right) {
  if (left.kind == right.kind && left.kind != Kind::real) return left.uinteger == right.uinteger;
  if (left.kind == Kind::real || right.kind == Kind::real) return as_double(left) == as_double(right);
  // An int and a uint: equal only when the int is not negative and the bits agree.
  return (left.kind == Kind::integer ? left : right).integer >= 0 && left.uinteger == right.uinteger;
}

Value lists_equal(Frame& frame, Value left, Value right) {
  if (is_open(left)) return unknown_members(left);
  if (is_open(right)) return unknown_members(right);
  std::size_t size = list_size(left);
  if (size != list_size(right)) return Value::of_bool(false);
  Value undecided;
  for (std::size_t i = 0; i < size; ++i) {
    if (!frame.charge(1)) return out_of_budget();
    Value equal = equals(frame, list_at(left, i), list_at(right, i));
    if (equal.is_false()) return equal;
    if (equal.undecided()) undecided = undecided.undecided() ? undecided_either(undecided, equal) : equal;
  }
  return undecided.undecided() ? undecided : Value::of_bool(true);
}

Value maps_equal(Frame& frame, Value left, Value right) {
  if (map_size(left) != map_size(right)) return Value::of_bool(false);
  Value undecided;
  for (const Entry& entry : entries_of(frame, left)) {
    Value other = lookup(frame, right, entry.key);
    if (other.kind == Kind::error && other.code() == ErrorCode::no_such_key) return Value::of_bool(false);
    Value equal = other.undecided() ? other : equals(frame, entry.value, other);
    if (equal.is_false()) return equal;
    if (equal.undecided()) undecided = undecided.undecided() ? undecided_either(undecided, equal) : equal;
  }
  if (frame.exhausted()) return out_of_budget();
  return undecided.undecided() ? undecided : Value::of_bool(true);
}

using Order = std::strong_ordering;

std::optional<Order> number_order(Value left, Value right) {
  if (left.kind == Kind::real || right.kind == Kind::real) {
    double first = as_double(left), second = as_double(right);
    if (first != first || second != second) return std::nullopt;
    return first < second ? Order::less : first > second ? Order::greater : Order::equal;
  }
  if (left.kind == right.kind)
    return left.kind == Kind::integer ? left.integer <=> right.integer : left.uinteger <=> right.uinteger;
  if (left.kind == Kind::integer) return left.integer < 0 ? Order::less : left.uinteger <=> right.uinteger;
  return right.integer < 0 ? Order::greater : left.uinteger <=> right.uinteger;
}

enum class Test : std::uint8_t { less, less_equal, greater, greater_equal };

bool holds(Test wanted, Order found) {
  switch (wanted) {
    case Test::less: return found < 0;
    case Test::less_equal: return found <= 0;
    case Test::greater: return found > 0;
    case Test::greater_equal: return found >= 0;
  }
  __builtin_unreachable();
}

template <Test wanted>
Value compare(Frame& frame, Arguments arguments) {
  Value left = arguments[0], right = arguments[1];
  if (left.is_number() && right.is_number()) {
    std::optional<Order> found = number_order(left, right);
    return Value::of_bool(found && holds(wanted, *found));  // NaN is neither more nor less
  }
  if (left.kind != right.kind) return Value::error(ErrorCode::wrong_type);
  if ((left.kind == Kind::string || left.kind == Kind::bytes) &&
      !frame.charge_text(std::min(left.size, right.size)))
    return out_of_budget();
  std::optional<Order> found = order_of(left, right);
  return found ? Value::of_bool(holds(wanted, *found)) : Value::error(ErrorCode::wrong_type);
}

Value equal_operator(Frame& frame, Arguments arguments) {
  return equals(frame, arguments[0], arguments[1]);
}

Value unequal_operator(Frame& frame, Arguments arguments) {
  Value equal = equals(frame, arguments[0], arguments[1]);
  return equal.undecided() ? equal : Value::of_bool(!equal.boolean);
}

Value in_operator(Frame& frame, Arguments arguments) {
  if (arguments[1].kind == Kind::list) return member_of(frame, arguments[0], arguments[1]);
  if (arguments[1].kind == Kind::map) return has_key(frame, arguments[1], arguments[0]);
  return Value::error(ErrorCode::wrong_type);
}

// A list's index may be any number that is whole.
std::optional<std::uint64_t> whole(Value index) {
  if (index.kind == Kind::integer && index.integer >= 0) return index.uinteger;
  if (index.kind == Kind::uinteger) return index.uinteger;
  if (index.kind == Kind::real && index.real >= 0 && index.real < 9e15) {
    auto position = static_cast<std::uint64_t>(index.real);
    if (static_cast<double>(position) == index.real) return position;
  }
  return std::nullopt;
}

Value element_of(Frame& frame, Value container, Value index) {
  if (container.kind == Kind::map) return lookup(frame, container, index);
  if (container.kind != Kind::list) return Value::error(ErrorCode::wrong_type);
  if (is_open(container)) return unknown_members(container);
  if (!index.is_number()) return Value::error(ErrorCode::wrong_type);
  std::optional<std::uint64_t> position = whole(index);
  if (!position || *position >= list_size(container)) return Value::error(ErrorCode::index_out_of_range);
  return list_at(container, *position);
}

// `a[?i]`, and `a[i]` of an optional: the element as an optional, none where it is not there.
Value optional_index(Frame& frame, Arguments arguments) {
  Value container = arguments[0];
  if (container.kind == Kind::optional) {
    if (!container.held) return container;
    container = *container.held;
  }
  Value found = element_of(frame, container, arguments[1]);
  if (found.kind == Kind::error &&
      (found.code() == ErrorCode::no_such_key || found.code() == ErrorCode::index_out_of_range))
    return Value::of_optional(nullptr);
  return found.undecided() ? found : frame.optional(found);
}

Value index_operator(Frame& frame, Arguments arguments) {
  if (arguments[0].kind == Kind::optional) return optional_index(frame, arguments);
  return element_of(frame, arguments[0], arguments[1]);
}

constexpr Signature ordered(Param type) {
  return global(Param::boolean, {type, type});
}
constexpr std::array<Signature, 10> order_overloads = {
    ordered(Param::integer), ordered(Param::uinteger),  ordered(Param::real),     ordered(Param::string),
    ordered(Param::bytes),   ordered(Param::timestamp), ordered(Param::duration), ordered(Param::boolean),
};

constexpr std::array<Signature, 10> index_overloads = {
    global(Param::a, {Param::list_a, Param::integer}),
    global(Param::b, {Param::map_ab, Param::a}),
};

constexpr Function functions[] = {
    {"_==_", equal_operator, {global(Param::boolean, {Param::a, Param::a})}},
    {"_!=_", unequal_operator, {global(Param::boolean, {Param::a, Param::a})}},
    {"_<_", compare<Test::less>, order_overloads},
    {"_<=_", compare<Test::less_equal>, order_overloads},
    {"_>_", compare<Test::greater>, order_overloads},
    {"_>=_", compare<Test::greater_equal>, order_overloads},
    {"@in",
     in_operator,
     {global(Param::boolean, {Param::a, Param::list_a}), global(Param::boolean, {Param::a, Param::map_ab})}},
    {"_[_]", index_operator, index_overloads},
    {"_[?_]", optional_index, index_overloads},  // what the checker makes an optional of
};

}  // namespace

std::span<const Function> comparison_functions() {
  return functions;
}

std::optional<std::strong_ordering> order_of(Value left, Value right) {
  if (left.is_number() && right.is_number()) return number_order(left, right);
  if (left.kind != right.kind) return std::nullopt;
  switch (left.kind) {
    case Kind::string:
    case Kind::bytes: return left.text() <=> right.text();
    case Kind::boolean: return left.boolean <=> right.boolean;
    case Kind::timestamp:
      return left.integer != right.integer ? left.integer <=> right.integer : left.size <=> right.size;
    case Kind::duration: return left.integer <=> right.integer;
    default: return std::nullopt;
  }
}

Value equals(Frame& frame, Value left, Value right) {
  if (left.is_number() && right.is_number()) return Value::of_bool(numbers_equal(left, right));
  if (left.kind != right.kind) return Value::of_bool(false);
  switch (left.kind) {
    case Kind::null: return Value::of_bool(true);
    case Kind::boolean: return Value::of_bool(left.boolean == right.boolean);
    case Kind::string:
    case Kind::bytes:
    case Kind::type:
      if (left.size != right.size) return Value::of_bool(false);
      if (!frame.charge_text(left.size)) return out_of_budget();
      return Value::of_bool(left.size == 0 || std::memcmp(left.chars, right.chars, left.size) == 0);
    case Kind::timestamp: return Value::of_bool(left.integer == right.integer && left.size == right.size);
    case Kind::duration: return Value::of_bool(left.integer == right.integer);
    case Kind::optional:
      if (!left.held || !right.held) return Value::of_bool(left.held == right.held);
      return equals(frame, *left.held, *right.held);
    case Kind::ip:
    case Kind::cidr: return Value::of_bool(*left.network == *right.network);
    case Kind::list: return lists_equal(frame, left, right);
    case Kind::map: return maps_equal(frame, left, right);
    default: return Value::error(ErrorCode::wrong_type);
  }
}

Value member_of(Frame& frame, Value needle, Value list) {
  std::size_t size = list_size(list);
  Value undecided;
  for (std::size_t i = 0; i < size; ++i) {
    if (!frame.charge(1)) return out_of_budget();
    Value equal = equals(frame, needle, list_at(list, i));
    if (equal.is_true()) return equal;
    if (equal.undecided()) undecided = undecided.undecided() ? undecided_either(undecided, equal) : equal;
  }
  if (undecided.undecided()) return undecided;
  return is_open(list) ? unknown_members(list) : Value::of_bool(false);
}

}  // namespace clawpatrol::cel
