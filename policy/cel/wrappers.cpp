// The one kind of message that CEL has no messages for: google.protobuf's wrappers and Value, which are the
// values that they wrap. All other messages are out of scope.
#include <cmath>
#include <limits>

#include "policy/cel/function.h"

namespace clawpatrol::cel {

namespace {

Value wrong_type() {
  return Value::error(ErrorCode::wrong_type);
}

template <Kind kind>
Value wrapped(Frame&, Arguments arguments) {
  return arguments[0].kind == kind ? arguments[0] : wrong_type();
}

Value wrapped_int32(Frame&, Arguments arguments) {
  if (arguments[0].kind != Kind::integer) return wrong_type();
  auto narrow = static_cast<std::int32_t>(arguments[0].integer);
  return narrow == arguments[0].integer ? arguments[0] : Value::error(ErrorCode::out_of_range);
}

Value wrapped_uint32(Frame&, Arguments arguments) {
  if (arguments[0].kind != Kind::uinteger) return wrong_type();
  return arguments[0].uinteger >> 32 ? Value::error(ErrorCode::out_of_range) : arguments[0];
}

Value wrapped_float(Frame&, Arguments arguments) {
  if (arguments[0].kind != Kind::real) return wrong_type();
  double value = arguments[0].real;
  if (std::isfinite(value) && std::fabs(value) > std::numeric_limits<float>::max())
    return Value::of_double(std::copysign(std::numeric_limits<double>::infinity(), value));
  return Value::of_double(static_cast<float>(value));
}

Value null(Frame&, Arguments arguments) {
  return arguments[0].kind == Kind::integer || arguments[0].kind == Kind::null ? Value::null() : wrong_type();
}

constexpr Signature keeps(Param type) {
  return global(type, {type});
}

// Named by message and field; the names cannot be written as calls.
constexpr Function functions[] = {
    {"@google.protobuf.BoolValue.value", wrapped<Kind::boolean>, {keeps(Param::boolean)}},
    {"@google.protobuf.BytesValue.value", wrapped<Kind::bytes>, {keeps(Param::bytes)}},
    {"@google.protobuf.DoubleValue.value", wrapped<Kind::real>, {keeps(Param::real)}},
    {"@google.protobuf.FloatValue.value", wrapped_float, {keeps(Param::real)}},
    {"@google.protobuf.Int32Value.value", wrapped_int32, {keeps(Param::integer)}},
    {"@google.protobuf.Int64Value.value", wrapped<Kind::integer>, {keeps(Param::integer)}},
    {"@google.protobuf.StringValue.value", wrapped<Kind::string>, {keeps(Param::string)}},
    {"@google.protobuf.UInt32Value.value", wrapped_uint32, {keeps(Param::uinteger)}},
    {"@google.protobuf.UInt64Value.value", wrapped<Kind::uinteger>, {keeps(Param::uinteger)}},
    {"@google.protobuf.Value.null_value", null, {global(Param::dyn, {Param::integer})}},
    {"@google.protobuf.Value.number_value", wrapped<Kind::real>, {global(Param::dyn, {Param::real})}},
    {"@google.protobuf.Value.string_value", wrapped<Kind::string>, {global(Param::dyn, {Param::string})}},
    {"@google.protobuf.Value.bool_value", wrapped<Kind::boolean>, {global(Param::dyn, {Param::boolean})}},
    {"@google.protobuf.Value.struct_value", wrapped<Kind::map>, {global(Param::dyn, {Param::map_ab})}},
    {"@google.protobuf.Value.list_value", wrapped<Kind::list>, {global(Param::dyn, {Param::list_dyn})}},
};

}  // namespace

std::span<const Function> wrapper_functions() {
  return functions;
}

}  // namespace clawpatrol::cel
