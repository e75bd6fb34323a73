// The `optional` extension: the functions. `.?`, `[?]`, or(), orValue() and the macros are nodes.
#include "policy/cel/function.h"

namespace clawpatrol::cel {

namespace {

Value wrong_type() {
  return Value::error(ErrorCode::wrong_type);
}

Value of(Frame& frame, Arguments arguments) {
  return frame.optional(arguments[0]);
}

Value none(Frame&, Arguments) {
  return Value::of_optional(nullptr);
}

// Whether it is what a value of its type is when nobody has set it.
Value is_zero(Value value) {
  switch (value.kind) {
    case Kind::null: return Value::of_bool(true);
    case Kind::boolean: return Value::of_bool(!value.boolean);
    case Kind::integer:
    case Kind::uinteger:
    case Kind::duration: return Value::of_bool(value.uinteger == 0);
    case Kind::real: return Value::of_bool(value.real == 0);
    case Kind::string:
    case Kind::bytes: return Value::of_bool(value.size == 0);
    case Kind::timestamp: return Value::of_bool(value.integer == 0 && value.size == 0);
    case Kind::list:
      if (list_size(value) == 0 && is_open(value)) return unknown_members(value);
      return Value::of_bool(list_size(value) == 0);
    case Kind::map: return Value::of_bool(map_size(value) == 0);
    case Kind::optional: return Value::of_bool(value.held == nullptr);
    default: return Value::of_bool(false);
  }
}

Value of_non_zero(Frame& frame, Arguments arguments) {
  Value zero = is_zero(arguments[0]);
  if (zero.undecided()) return zero;
  return zero.boolean ? Value::of_optional(nullptr) : frame.optional(arguments[0]);
}

Value has_value(Frame&, Arguments arguments) {
  return arguments[0].kind == Kind::optional ? Value::of_bool(arguments[0].held != nullptr) : wrong_type();
}

Value value(Frame&, Arguments arguments) {
  if (arguments[0].kind != Kind::optional) return wrong_type();
  return arguments[0].held ? *arguments[0].held : Value::error(ErrorCode::no_value);
}

// For the checker, and where lowering makes no node of them.
Value either(Frame&, Arguments arguments) {
  if (arguments[0].kind != Kind::optional || arguments[1].kind != Kind::optional) return wrong_type();
  return arguments[0].held ? arguments[0] : arguments[1];
}

Value or_value(Frame&, Arguments arguments) {
  if (arguments[0].kind != Kind::optional) return wrong_type();
  return arguments[0].held ? *arguments[0].held : arguments[1];
}

// What the optionals of a list hold.
Value unwrap(Frame& frame, Arguments arguments) {
  Value list = arguments[0];
  if (list.kind != Kind::list) return wrong_type();
  if (is_open(list)) return unknown_members(list);
  Growing<Value> out(frame);
  for (std::size_t i = 0; i < list_size(list); ++i) {
    Value member = list_at(list, i);
    if (member.kind != Kind::optional) return wrong_type();
    if (!frame.charge(1) || (member.held && !out.push(*member.held))) return out_of_budget();
  }
  return frame.list_of(out.items());
}

constexpr Param maybe = Param::optional_a;

constexpr Function functions[] = {
    {"optional.of", of, {global(maybe, {Param::a})}},
    {"optional.none", none, {global(maybe, {})}},
    {"optional.ofNonZeroValue", of_non_zero, {global(maybe, {Param::a})}},
    {"hasValue", has_value, {method(Param::boolean, {maybe})}},
    {"value", value, {method(Param::a, {maybe})}},
    {"or", either, {method(maybe, {maybe, maybe})}},
    {"orValue", or_value, {method(Param::a, {maybe, Param::a})}},
    {"optional.unwrap", unwrap, {global(Param::list_a, {Param::list_optional_a})}},
    {"unwrapOpt", unwrap, {method(Param::list_a, {Param::list_optional_a})}},
};

}  // namespace

std::span<const Function> optional_functions() {
  return functions;
}

}  // namespace clawpatrol::cel
