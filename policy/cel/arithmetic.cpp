#include <cmath>
#include <limits>

#include "policy/cel/function.h"
#include "policy/cel/time.h"

namespace clawpatrol::cel {

namespace {

constexpr std::int64_t int_min = std::numeric_limits<std::int64_t>::min();

Value wrong_type() {
  return Value::error(ErrorCode::wrong_type);
}

Value joined(Frame& frame, Value left, Value right) {
  std::size_t size = std::size_t{left.size} + right.size;
  char* chars = frame.make<char>(size);
  if (!chars) return out_of_budget();
  left.text().copy(chars, left.size);
  right.text().copy(chars + left.size, right.size);
  Value made = Value::of_string({chars, size});
  made.kind = left.kind;
  return made;
}

// What is known to be in either list is in the sum; it is open when one of them is.
Value joined_lists(Frame& frame, Value left, Value right) {
  std::size_t size = list_size(left) + list_size(right);
  Value* items = frame.make<Value>(size);
  if (!items) return out_of_budget();
  for (std::size_t i = 0; i < list_size(left); ++i) items[i] = list_at(left, i);
  for (std::size_t i = 0; i < list_size(right); ++i) items[list_size(left) + i] = list_at(right, i);
  if (!is_open(left) && !is_open(right)) return frame.list_of({items, size});
  return frame.open_list_of({items, size}, is_open(left) ? left.facet : right.facet);
}

template <class T>
Value checked(bool overflow, T value) {
  if (overflow) return Value::error(ErrorCode::overflow);
  if constexpr (std::is_signed_v<T>)
    return Value::of_int(value);
  else
    return Value::of_uint(value);
}

Value add(Frame& frame, Arguments arguments) {
  Value left = arguments[0], right = arguments[1];
  if (left.kind == Kind::timestamp && right.kind == Kind::duration) return shifted(left, right.integer);
  if (left.kind == Kind::duration && right.kind == Kind::timestamp) return shifted(right, left.integer);
  if (left.kind != right.kind) return wrong_type();
  std::int64_t sum;
  std::uint64_t unsigned_sum;
  switch (left.kind) {
    case Kind::integer: return checked(__builtin_add_overflow(left.integer, right.integer, &sum), sum);
    case Kind::uinteger:
      return checked(__builtin_add_overflow(left.uinteger, right.uinteger, &unsigned_sum), unsigned_sum);
    case Kind::real: return Value::of_double(left.real + right.real);
    case Kind::string:
    case Kind::bytes: return joined(frame, left, right);
    case Kind::list: return joined_lists(frame, left, right);
    case Kind::duration:
      if (__builtin_add_overflow(left.integer, right.integer, &sum))
        return Value::error(ErrorCode::out_of_range);
      return Value::of_duration(sum);
    default: return wrong_type();
  }
}

Value subtract(Frame&, Arguments arguments) {
  Value left = arguments[0], right = arguments[1];
  if (left.kind == Kind::timestamp && right.kind == Kind::duration) {
    if (right.integer == int_min) return Value::error(ErrorCode::out_of_range);
    return shifted(left, -right.integer);
  }
  if (left.kind != right.kind) return wrong_type();
  std::int64_t rest;
  std::uint64_t unsigned_rest;
  switch (left.kind) {
    case Kind::integer: return checked(__builtin_sub_overflow(left.integer, right.integer, &rest), rest);
    case Kind::uinteger:
      return checked(__builtin_sub_overflow(left.uinteger, right.uinteger, &unsigned_rest), unsigned_rest);
    case Kind::real: return Value::of_double(left.real - right.real);
    case Kind::timestamp: return between(right, left);
    case Kind::duration:
      if (__builtin_sub_overflow(left.integer, right.integer, &rest))
        return Value::error(ErrorCode::out_of_range);
      return Value::of_duration(rest);
    default: return wrong_type();
  }
}

Value multiply(Frame&, Arguments arguments) {
  Value left = arguments[0], right = arguments[1];
  if (left.kind != right.kind) return wrong_type();
  std::int64_t product;
  std::uint64_t unsigned_product;
  switch (left.kind) {
    case Kind::integer:
      return checked(__builtin_mul_overflow(left.integer, right.integer, &product), product);
    case Kind::uinteger:
      return checked(__builtin_mul_overflow(left.uinteger, right.uinteger, &unsigned_product),
                     unsigned_product);
    case Kind::real: return Value::of_double(left.real * right.real);
    default: return wrong_type();
  }
}

// The one quotient of ints that does not fit.
bool overflows(Value left, Value right) {
  return left.integer == int_min && right.integer == -1;
}

Value divide(Frame&, Arguments arguments) {
  Value left = arguments[0], right = arguments[1];
  if (left.kind != right.kind) return wrong_type();
  if (left.kind == Kind::real) return Value::of_double(left.real / right.real);
  if (left.kind != Kind::integer && left.kind != Kind::uinteger) return wrong_type();
  if (right.uinteger == 0) return Value::error(ErrorCode::division_by_zero);
  if (left.kind == Kind::uinteger) return Value::of_uint(left.uinteger / right.uinteger);
  return overflows(left, right) ? Value::error(ErrorCode::overflow)
                                : Value::of_int(left.integer / right.integer);
}

Value remainder(Frame&, Arguments arguments) {
  Value left = arguments[0], right = arguments[1];
  if (left.kind != right.kind || (left.kind != Kind::integer && left.kind != Kind::uinteger))
    return wrong_type();
  if (right.uinteger == 0) return Value::error(ErrorCode::division_by_zero);
  if (left.kind == Kind::uinteger) return Value::of_uint(left.uinteger % right.uinteger);
  return overflows(left, right) ? Value::error(ErrorCode::overflow)
                                : Value::of_int(left.integer % right.integer);
}

Value negate(Frame&, Arguments arguments) {
  Value value = arguments[0];
  if (value.kind == Kind::real) return Value::of_double(-value.real);
  if (value.kind != Kind::integer) return wrong_type();
  return value.integer == int_min ? Value::error(ErrorCode::overflow) : Value::of_int(-value.integer);
}

Value invert(Frame&, Arguments arguments) {
  return arguments[0].kind == Kind::boolean ? Value::of_bool(!arguments[0].boolean) : wrong_type();
}

constexpr Signature same_three(Param type) {
  return global(type, {type, type});
}

constexpr Function functions[] = {
    {"_+_",
     add,
     {same_three(Param::integer), same_three(Param::uinteger), same_three(Param::real),
      same_three(Param::string), same_three(Param::bytes), same_three(Param::list_a),
      same_three(Param::duration), global(Param::timestamp, {Param::timestamp, Param::duration}),
      global(Param::timestamp, {Param::duration, Param::timestamp})}},
    {"_-_",
     subtract,
     {same_three(Param::integer), same_three(Param::uinteger), same_three(Param::real),
      same_three(Param::duration), global(Param::timestamp, {Param::timestamp, Param::duration}),
      global(Param::duration, {Param::timestamp, Param::timestamp})}},
    {"_*_", multiply, {same_three(Param::integer), same_three(Param::uinteger), same_three(Param::real)}},
    {"_/_", divide, {same_three(Param::integer), same_three(Param::uinteger), same_three(Param::real)}},
    {"_%_", remainder, {same_three(Param::integer), same_three(Param::uinteger)}},
    {"-_", negate, {global(Param::integer, {Param::integer}), global(Param::real, {Param::real})}},
    {"!_", invert, {global(Param::boolean, {Param::boolean})}},
};

}  // namespace

std::span<const Function> arithmetic_functions() {
  return functions;
}

}  // namespace clawpatrol::cel
