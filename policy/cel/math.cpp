// The `math` extension.
#include <cmath>
#include <limits>

#include "policy/cel/function.h"

namespace clawpatrol::cel {

namespace {

constexpr std::int64_t int_min = std::numeric_limits<std::int64_t>::min();

Value wrong_type() {
  return Value::error(ErrorCode::wrong_type);
}

// math.greatest(a, b, ...) reaches us with all of them in one list, or with the one number.
template <bool greatest>
Value extreme(Frame& frame, Arguments arguments) {
  if (arguments[0].is_number()) return arguments[0];
  Value list = arguments[0];
  if (list.kind != Kind::list) return wrong_type();
  if (is_open(list)) return unknown_members(list);
  if (list_size(list) == 0) return Value::error(ErrorCode::bad_argument);
  Value best = list_at(list, 0);
  for (std::size_t i = 0; i < list_size(list); ++i) {
    if (!frame.charge(1)) return out_of_budget();
    Value member = list_at(list, i);
    if (!member.is_number()) return wrong_type();
    auto order = order_of(member, best);
    if (order && (greatest ? *order > 0 : *order < 0)) best = member;
  }
  return best;
}

template <double (*function)(double)>
Value of_real(Frame&, Arguments arguments) {
  return arguments[0].kind == Kind::real ? Value::of_double(function(arguments[0].real)) : wrong_type();
}

template <bool (*test)(double)>
Value tested(Frame&, Arguments arguments) {
  return arguments[0].kind == Kind::real ? Value::of_bool(test(arguments[0].real)) : wrong_type();
}

double ceiling(double value) {
  return std::ceil(value);
}
double floored(double value) {
  return std::floor(value);
}
double rounded(double value) {
  return std::round(value);
}
double truncated(double value) {
  return std::trunc(value);
}
bool is_nan(double value) {
  return std::isnan(value);
}
bool is_infinite(double value) {
  return std::isinf(value);
}
bool is_finite(double value) {
  return std::isfinite(value);
}

Value absolute(Frame&, Arguments arguments) {
  Value value = arguments[0];
  switch (value.kind) {
    case Kind::integer:
      if (value.integer == int_min) return Value::error(ErrorCode::overflow);
      return Value::of_int(value.integer < 0 ? -value.integer : value.integer);
    case Kind::uinteger: return value;
    case Kind::real: return Value::of_double(std::fabs(value.real));
    default: return wrong_type();
  }
}

Value sign(Frame&, Arguments arguments) {
  Value value = arguments[0];
  switch (value.kind) {
    case Kind::integer: return Value::of_int((value.integer > 0) - (value.integer < 0));
    case Kind::uinteger: return Value::of_uint(value.uinteger > 0);
    case Kind::real:
      if (std::isnan(value.real)) return value;
      return Value::of_double((value.real > 0) - (value.real < 0));
    default: return wrong_type();
  }
}

Value square_root(Frame&, Arguments arguments) {
  Value value = arguments[0];
  switch (value.kind) {
    case Kind::integer: return Value::of_double(std::sqrt(static_cast<double>(value.integer)));
    case Kind::uinteger: return Value::of_double(std::sqrt(static_cast<double>(value.uinteger)));
    case Kind::real: return Value::of_double(std::sqrt(value.real));
    default: return wrong_type();
  }
}

bool is_whole(Value value) {
  return value.kind == Kind::integer || value.kind == Kind::uinteger;
}

// Bits mean the same in both kinds; the result is of the kind of the operands.
Value of_bits(Kind kind, std::uint64_t bits) {
  return kind == Kind::uinteger ? Value::of_uint(bits) : Value::of_int(static_cast<std::int64_t>(bits));
}

enum class Bits : std::uint8_t { all_of, any_of, one_of };

template <Bits wanted>
Value combined(Frame&, Arguments arguments) {
  Value left = arguments[0], right = arguments[1];
  if (!is_whole(left) || left.kind != right.kind) return wrong_type();
  switch (wanted) {
    case Bits::all_of: return of_bits(left.kind, left.uinteger & right.uinteger);
    case Bits::any_of: return of_bits(left.kind, left.uinteger | right.uinteger);
    case Bits::one_of: return of_bits(left.kind, left.uinteger ^ right.uinteger);
  }
  __builtin_unreachable();
}

Value inverted(Frame&, Arguments arguments) {
  return is_whole(arguments[0]) ? of_bits(arguments[0].kind, ~arguments[0].uinteger) : wrong_type();
}

// To the right, zeros come in from the left for an int too.
template <bool left>
Value shifted_bits(Frame&, Arguments arguments) {
  if (!is_whole(arguments[0]) || arguments[1].kind != Kind::integer) return wrong_type();
  if (arguments[1].integer < 0) return Value::error(ErrorCode::bad_argument);
  if (arguments[1].integer > 63) return of_bits(arguments[0].kind, 0);
  std::uint64_t bits = arguments[0].uinteger;
  return of_bits(arguments[0].kind, left ? bits << arguments[1].integer : bits >> arguments[1].integer);
}

constexpr Signature same_two(Param type) {
  return global(type, {type});
}
constexpr Signature same_three(Param type) {
  return global(type, {type, type});
}
constexpr std::array<Signature, 10> extreme_overloads = {
    same_two(Param::integer),
    same_two(Param::uinteger),
    same_two(Param::real),
    global(Param::integer, {Param::list_integer}),
    global(Param::uinteger, {Param::list_uinteger}),
    global(Param::real, {Param::list_real}),
};
constexpr std::array<Signature, 10> of_real_overloads = {same_two(Param::real)};
constexpr std::array<Signature, 10> tested_overloads = {global(Param::boolean, {Param::real})};
constexpr std::array<Signature, 10> number_overloads = {same_two(Param::integer), same_two(Param::uinteger),
                                                        same_two(Param::real)};
constexpr std::array<Signature, 10> bits_overloads = {same_three(Param::integer),
                                                      same_three(Param::uinteger)};
constexpr std::array<Signature, 10> shift_overloads = {
    global(Param::integer, {Param::integer, Param::integer}),
    global(Param::uinteger, {Param::uinteger, Param::integer}),
};

constexpr Function functions[] = {
    {"math.greatest", extreme<true>, extreme_overloads},
    {"math.least", extreme<false>, extreme_overloads},
    {"math.ceil", of_real<ceiling>, of_real_overloads},
    {"math.floor", of_real<floored>, of_real_overloads},
    {"math.round", of_real<rounded>, of_real_overloads},
    {"math.trunc", of_real<truncated>, of_real_overloads},
    {"math.abs", absolute, number_overloads},
    {"math.sign", sign, number_overloads},
    {"math.sqrt",
     square_root,
     {global(Param::real, {Param::integer}), global(Param::real, {Param::uinteger}),
      global(Param::real, {Param::real})}},
    {"math.isNaN", tested<is_nan>, tested_overloads},
    {"math.isInf", tested<is_infinite>, tested_overloads},
    {"math.isFinite", tested<is_finite>, tested_overloads},
    {"math.bitAnd", combined<Bits::all_of>, bits_overloads},
    {"math.bitOr", combined<Bits::any_of>, bits_overloads},
    {"math.bitXor", combined<Bits::one_of>, bits_overloads},
    {"math.bitNot", inverted, {same_two(Param::integer), same_two(Param::uinteger)}},
    {"math.bitShiftLeft", shifted_bits<true>, shift_overloads},
    {"math.bitShiftRight", shifted_bits<false>, shift_overloads},
};

}  // namespace

std::span<const Function> math_functions() {
  return functions;
}

}  // namespace clawpatrol::cel
