// The `lists` extension, and first() and last(). What is known to be in an open list stays known where order
// and number do not matter; everything else about it is unknown.
#include <bit>
#include <cmath>

#include "policy/cel/function.h"

namespace clawpatrol::cel {

namespace {

Value wrong_type() {
  return Value::error(ErrorCode::wrong_type);
}

Value same_openness(Frame& frame, Value list, std::span<const Value> items) {
  return is_open(list) ? frame.open_list_of(items, list.facet) : frame.list_of(items);
}

Value slice(Frame& frame, Arguments arguments) {
  Value list = arguments[0];
  if (list.kind != Kind::list || arguments[1].kind != Kind::integer || arguments[2].kind != Kind::integer)
    return wrong_type();
  if (is_open(list)) return unknown_members(list);
  std::int64_t begin = arguments[1].integer, end = arguments[2].integer;
  if (begin < 0 || begin > end || static_cast<std::uint64_t>(end) > list_size(list))
    return Value::error(ErrorCode::index_out_of_range);
  auto count = static_cast<std::size_t>(end - begin);
  Value* items = frame.make<Value>(count);
  if (!items) return out_of_budget();
  for (std::size_t i = 0; i < count; ++i) items[i] = list_at(list, static_cast<std::size_t>(begin) + i);
  return frame.list_of({items, count});
}

// The members of lists in a list, so many levels deep. `open` is a list that may have others, if any has.
bool flatten_into(Frame& frame, Growing<Value>& out, Value list, std::int64_t levels, Value& open) {
  if (is_open(list)) open = list;
  for (std::size_t i = 0; i < list_size(list); ++i) {
    if (!frame.charge(1)) return false;
    Value member = list_at(list, i);
    bool done = levels > 0 && member.kind == Kind::list ? flatten_into(frame, out, member, levels - 1, open)
                                                        : out.push(member);
    if (!done) return false;
  }
  return true;
}

Value flatten(Frame& frame, Arguments arguments) {
  std::int64_t levels = 1;
  if (arguments.size() == 2) {
    if (arguments[1].kind != Kind::integer) return wrong_type();
    levels = arguments[1].integer;
  }
  if (arguments[0].kind != Kind::list) return wrong_type();
  if (levels < 0) return Value::error(ErrorCode::bad_argument);
  Growing<Value> out(frame);
  Value open;
  if (!flatten_into(frame, out, arguments[0], levels, open)) return out_of_budget();
  return open.kind == Kind::list ? frame.open_list_of(out.items(), open.facet) : frame.list_of(out.items());
}

Value range(Frame& frame, Arguments arguments) {
  if (arguments[0].kind != Kind::integer) return wrong_type();
  if (arguments[0].integer < 0) return Value::error(ErrorCode::bad_argument);
  auto count = static_cast<std::size_t>(arguments[0].integer);
  Value* items = frame.make<Value>(count);
  if (!items) return out_of_budget();
  for (std::size_t i = 0; i < count; ++i) items[i] = Value::of_int(static_cast<std::int64_t>(i));
  return frame.list_of({items, count});
}

Value distinct(Frame& frame, Arguments arguments) {
  Value list = arguments[0];
  if (list.kind != Kind::list) return wrong_type();
  Value* items = frame.make<Value>(list_size(list));
  if (!items) return out_of_budget();
  std::size_t count = 0;
  for (std::size_t i = 0; i < list_size(list); ++i) {
    Value member = list_at(list, i);
    Value seen = Value::of_bool(false);
    for (std::size_t j = 0; j < count && seen.is_false(); ++j) {
      if (!frame.charge(1)) return out_of_budget();
      seen = equals(frame, member, items[j]);
    }
    if (seen.undecided()) return seen;
    if (seen.is_false()) items[count++] = member;
  }
  return same_openness(frame, list, {items, count});
}

Value sort(Frame& frame, Arguments arguments) {
  Value list = arguments[0];
  if (list.kind != Kind::list) return wrong_type();
  if (is_open(list)) return unknown_members(list);  // it may hold what cannot be ordered
  std::size_t count = list_size(list);
  Value* items = frame.make<Value>(count);
  if (!items) return out_of_budget();
  for (std::size_t i = 0; i < count; ++i) items[i] = list_at(list, i);
  return sorted(frame, {items, count}, {items, count});
}

enum class End : std::uint8_t { first, last };

template <End end>
Value member_at(Frame& frame, Arguments arguments) {
  Value list = arguments[0];
  if (list.kind != Kind::list) return wrong_type();
  if (is_open(list)) return unknown_members(list);
  std::size_t count = list_size(list);
  if (count == 0) return Value::of_optional(nullptr);
  return frame.optional(list_at(list, end == End::first ? 0 : count - 1));
}

bool has_order(Kind kind) {
  switch (kind) {
    case Kind::boolean:
    case Kind::integer:
    case Kind::uinteger:
    case Kind::real:
    case Kind::string:
    case Kind::bytes:
    case Kind::timestamp:
    case Kind::duration: return true;
    default: return false;
  }
}

bool before(Value left, Value right) {
  // NaN has no place among numbers; before all of them is one.
  bool left_is_nan = left.kind == Kind::real && std::isnan(left.real);
  bool right_is_nan = right.kind == Kind::real && std::isnan(right.real);
  if (left_is_nan || right_is_nan) return left_is_nan && !right_is_nan;
  auto order = order_of(left, right);
  return order && *order < 0;
}

constexpr Function functions[] = {
    {"slice", slice, {method(Param::list_a, {Param::list_a, Param::integer, Param::integer})}},
    {"flatten",
     flatten,
     {method(Param::list_a, {Param::list_list_a}),
      method(Param::list_dyn, {Param::list_dyn, Param::integer})}},
    {"lists.range", range, {global(Param::list_integer, {Param::integer})}},
    {"distinct", distinct, {method(Param::list_a, {Param::list_a})}},
    {"sort", sort, {method(Param::list_a, {Param::list_ordered})}},
    {"first", member_at<End::first>, {method(Param::optional_a, {Param::list_a})}},
    {"last", member_at<End::last>, {method(Param::optional_a, {Param::list_a})}},
};

}  // namespace

std::span<const Function> list_functions() {
  return functions;
}

Value reversed(Frame& frame, Value list) {
  std::size_t count = list_size(list);
  Value* items = frame.make<Value>(count);
  if (!items) return out_of_budget();
  for (std::size_t i = 0; i < count; ++i) items[i] = list_at(list, count - 1 - i);
  return same_openness(frame, list, {items, count});
}

Value sorted(Frame& frame, std::span<const Value> items, std::span<const Value> keys) {
  std::size_t count = items.size(), longest = 0;
  for (Value key : keys) {
    if (key.kind != keys[0].kind || !has_order(key.kind)) return Value::error(ErrorCode::wrong_type);
    if (key.kind == Kind::string || key.kind == Kind::bytes)
      longest = std::max<std::size_t>(longest, key.size);
  }
  // What the comparisons will cost at most, first: their order must not change on the way.
  if (!frame.charge(count * std::bit_width(count) * (1 + longest / 16))) return out_of_budget();
  auto* places = frame.make<std::size_t>(count);
  Value* out = frame.make<Value>(count);
  if (!places || !out) return out_of_budget();
  for (std::size_t i = 0; i < count; ++i) places[i] = i;
  std::sort(places, places + count, [keys](std::size_t left, std::size_t right) {
    if (before(keys[left], keys[right])) return true;
    return !before(keys[right], keys[left]) && left < right;
  });
  for (std::size_t i = 0; i < count; ++i) out[i] = items[places[i]];
  return frame.list_of({out, count});
}

}  // namespace clawpatrol::cel
