#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "policy/cel/function.h"
#include "policy/cel/time.h"
#include "policy/cel/utf8.h"

namespace clawpatrol::cel {

namespace {

Value wrong_type() {
  return Value::error(ErrorCode::wrong_type);
}
Value bad_text() {
  return Value::error(ErrorCode::bad_conversion);
}
Value out_of_range() {
  return Value::error(ErrorCode::out_of_range);
}

// Numbers in text are short; what is longer is not looked at.
constexpr std::size_t longest_number = 512;

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  // from_chars takes a minus but no plus.
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  if (text.empty() || text.size() > longest_number) return std::nullopt;
  Number number{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Value to_int(Frame&, Arguments arguments) {
  Value value = arguments[0];
  switch (value.kind) {
    case Kind::integer: return value;
    case Kind::uinteger:
      return value.uinteger >> 63 ? out_of_range() : Value::of_int(static_cast<std::int64_t>(value.uinteger));
    case Kind::real:
      // Open at both ends, as in cel-go: -2^63 itself could be a rounded smaller number.
      if (!(value.real > -0x1p63 && value.real < 0x1p63)) return out_of_range();
      return Value::of_int(static_cast<std::int64_t>(value.real));
    case Kind::string: {
      auto number = parse_number<std::int64_t>(value.text());
      return number ? Value::of_int(*number) : bad_text();
    }
    case Kind::timestamp: return Value::of_int(value.integer);
    default: return wrong_type();
  }
}

Value to_uint(Frame&, Arguments arguments) {
  Value value = arguments[0];
  switch (value.kind) {
    case Kind::uinteger: return value;
    case Kind::integer:
      return value.integer < 0 ? out_of_range() : Value::of_uint(static_cast<std::uint64_t>(value.integer));
    case Kind::real:
      if (!(value.real >= 0 && value.real < 0x1p64)) return out_of_range();
      return Value::of_uint(static_cast<std::uint64_t>(value.real));
    case Kind::string: {
      auto number = parse_number<std::uint64_t>(value.text());
      return number ? Value::of_uint(*number) : bad_text();
    }
    default: return wrong_type();
  }
}

Value to_double(Frame&, Arguments arguments) {
  Value value = arguments[0];
  switch (value.kind) {
    case Kind::real: return value;
    case Kind::integer: return Value::of_double(static_cast<double>(value.integer));
    case Kind::uinteger: return Value::of_double(static_cast<double>(value.uinteger));
    case Kind::string: {
      auto number = parse_number<double>(value.text());
      return number ? Value::of_double(*number) : bad_text();
    }
    default: return wrong_type();
  }
}

std::string format_double(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

Value to_string(Frame& frame, Arguments arguments) {
  Value value = arguments[0];
  switch (value.kind) {
    case Kind::string: return value;
    case Kind::boolean: return Value::of_string(value.boolean ? "true" : "false");
    case Kind::integer: return frame.string(std::to_string(value.integer));
    case Kind::uinteger: return frame.string(std::to_string(value.uinteger));
    case Kind::real: return frame.string(format_double(value.real));
    case Kind::bytes:
      if (!frame.charge_text(value.size)) return out_of_budget();
      return utf8::valid(value.text()) ? Value::of_string(value.text()) : Value::error(ErrorCode::not_text);
    case Kind::timestamp: return frame.string(format_timestamp(value));
    case Kind::duration: return frame.string(format_duration(value));
    case Kind::ip:
    case Kind::cidr: return frame.string(format_network(value));
    default: return wrong_type();
  }
}

Value to_bytes(Frame&, Arguments arguments) {
  if (arguments[0].kind == Kind::bytes) return arguments[0];
  return arguments[0].kind == Kind::string ? Value::of_bytes(arguments[0].text()) : wrong_type();
}

Value to_bool(Frame&, Arguments arguments) {
  if (arguments[0].kind == Kind::boolean) return arguments[0];
  if (arguments[0].kind != Kind::string) return wrong_type();
  std::string_view text = arguments[0].text();
  for (std::string_view word : {"1", "t", "true", "TRUE", "True"})
    if (text == word) return Value::of_bool(true);
  for (std::string_view word : {"0", "f", "false", "FALSE", "False"})
    if (text == word) return Value::of_bool(false);
  return bad_text();
}

Value to_dyn(Frame&, Arguments arguments) {
  return arguments[0];
}

Value to_type(Frame&, Arguments arguments) {
  return Value::of_type(type_name(arguments[0]));
}

Value to_timestamp(Frame& frame, Arguments arguments) {
  Value value = arguments[0];
  if (value.kind == Kind::timestamp) return value;
  if (value.kind == Kind::integer) return timestamp_of(value.integer, 0);
  if (value.kind != Kind::string) return wrong_type();
  if (!frame.charge_text(value.size)) return out_of_budget();
  return parse_timestamp(value.text()).value_or(bad_text());
}

Value to_duration(Frame& frame, Arguments arguments) {
  Value value = arguments[0];
  if (value.kind == Kind::duration) return value;
  if (value.kind != Kind::string) return wrong_type();
  if (!frame.charge(value.size)) return out_of_budget();
  return parse_duration(value.text()).value_or(bad_text());
}

constexpr Function functions[] = {
    {"int",
     to_int,
     {global(Param::integer, {Param::integer}), global(Param::integer, {Param::uinteger}),
      global(Param::integer, {Param::real}), global(Param::integer, {Param::string}),
      global(Param::integer, {Param::timestamp})}},
    {"uint",
     to_uint,
     {global(Param::uinteger, {Param::uinteger}), global(Param::uinteger, {Param::integer}),
      global(Param::uinteger, {Param::real}), global(Param::uinteger, {Param::string})}},
    {"double",
     to_double,
     {global(Param::real, {Param::real}), global(Param::real, {Param::integer}),
      global(Param::real, {Param::uinteger}), global(Param::real, {Param::string})}},
    {"string",
     to_string,
     {global(Param::string, {Param::string}), global(Param::string, {Param::boolean}),
      global(Param::string, {Param::integer}), global(Param::string, {Param::uinteger}),
      global(Param::string, {Param::real}), global(Param::string, {Param::bytes}),
      global(Param::string, {Param::timestamp}), global(Param::string, {Param::duration}),
      global(Param::string, {Param::ip}), global(Param::string, {Param::cidr})}},
    {"bytes", to_bytes, {global(Param::bytes, {Param::bytes}), global(Param::bytes, {Param::string})}},
    {"bool", to_bool, {global(Param::boolean, {Param::boolean}), global(Param::boolean, {Param::string})}},
    {"dyn", to_dyn, {global(Param::dyn, {Param::a})}},
    {"type", to_type, {global(Param::type, {Param::a})}},
    {"timestamp",
     to_timestamp,
     {global(Param::timestamp, {Param::timestamp}), global(Param::timestamp, {Param::integer}),
      global(Param::timestamp, {Param::string})}},
    {"duration",
     to_duration,
     {global(Param::duration, {Param::duration}), global(Param::duration, {Param::string})}},
};

}  // namespace

std::span<const Function> conversion_functions() {
  return functions;
}

}  // namespace clawpatrol::cel
