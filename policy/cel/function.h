// The functions and operators of the language. A new one is a row in a table; the checker, the evaluator, the
// error messages and the suggestions all read the same row.
#pragma once

#include <array>
#include <compare>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "policy/cel/frame.h"

namespace clawpatrol::cel {

// The type of a parameter or result. `a` and `b` are whatever the first argument makes them.
enum class Param : std::uint8_t {
  none,
  dyn,
  null,
  boolean,
  integer,
  uinteger,
  real,
  string,
  bytes,
  timestamp,
  duration,
  type,
  ip,
  cidr,
  a,
  b,
  list_a,
  list_ordered,     // list_a whose members sort() can order
  list_list_a,      // what flatten() takes
  list_dyn,         // of whatever
  list_optional_a,  // of optionals
  optional_a,
  list_string,
  list_integer,
  list_uinteger,
  list_real,
  map_ab,
};

struct Signature {
  bool receiver = false;  // params[0] stands before the dot
  Param result = Param::none;
  std::array<Param, 4> params{};

  constexpr std::size_t count() const {
    std::size_t used = 0;
    while (used < params.size() && params[used] != Param::none) ++used;
    return used;
  }
};

using Arguments = std::span<const Value>;

struct Function {
  std::string_view name;
  // All arguments are decided, and as many as some signature has. Their kinds are for the function to look
  // at: they may have been dyn.
  Value (*call)(Frame& frame, Arguments arguments);
  std::array<Signature, 10> overloads{};  // used up to the first whose result is none

  std::span<const Signature> signatures() const {
    std::size_t used = 0;
    while (used < overloads.size() && overloads[used].result != Param::none) ++used;
    return {overloads.data(), used};
  }
};

// The rows of a table.
constexpr Signature global(Param result, std::array<Param, 4> params) {
  return {false, result, params};
}
constexpr Signature method(Param result, std::array<Param, 4> params) {
  return {true, result, params};
}

std::span<const Function> comparison_functions();
std::span<const Function> arithmetic_functions();
std::span<const Function> string_functions();
std::span<const Function> conversion_functions();
std::span<const Function> time_functions();
std::span<const Function> set_functions();
std::span<const Function> format_functions();
std::span<const Function> list_functions();
std::span<const Function> math_functions();
std::span<const Function> optional_functions();
std::span<const Function> network_functions();
std::span<const Function> encoder_functions();
std::span<const Function> wrapper_functions();
std::array<std::span<const Function>, 13> all_functions();

const Function* find_function(std::string_view name);  // null when there is none
// Functions are called by name; operators have names that cannot be written, such as `_+_`.
inline bool is_operator(std::string_view name) {
  return name.find_first_of("_@") == 0 || name == "!_" || name == "-_";
}
std::string operator_sign(std::string_view name);  // "+"
std::string describe(std::string_view name,
                     const Signature& signature);  // "string.startsWith(string) -> bool"

// --- what other parts of the evaluator need too ---

Value equals(Frame& frame, Value left, Value right);  // bool, or undecided by an open list inside
Value member_of(Frame& frame, Value needle, Value list);
Value lookup(Frame& frame, Value map, Value key);  // error no_such_key when absent
Value has_key(Frame& frame, Value map, Value key);
std::span<const Entry> entries_of(Frame& frame, Value map);  // empty when the cost limit is passed
// For lookups by a name that the policy wrote, which need no cost.
Value field_of(Frame& frame, Value map, std::string_view name);
Value has_field(Frame& frame, Value map, std::string_view name);
Value optional_field_of(Frame& frame, Value map, std::string_view name);

// Which of two values of one kind comes first: for sort, math.greatest and the like. Null where they have no
// order.
std::optional<std::strong_ordering> order_of(Value left, Value right);
Value reversed(Frame& frame, Value list);
// The items in the order of their keys, which are of one kind; equal ones stay as they stood.
Value sorted(Frame& frame, std::span<const Value> items, std::span<const Value> keys);
std::string format_network(Value network);  // an ip or a cidr, in its canonical form

}  // namespace clawpatrol::cel
