// The `sets` extension. An open list is known to have what is in it, and nothing more is known.
#include "policy/cel/function.h"

namespace clawpatrol::cel {

namespace {

Value wrong_type() {
  return Value::error(ErrorCode::wrong_type);
}

bool both_lists(Arguments arguments) {
  return arguments[0].kind == Kind::list && arguments[1].kind == Kind::list;
}

// Whether every member of `part` is in `whole`; false as soon as one is certainly not.
Value covers(Frame& frame, Value whole, Value part) {
  Value undecided;
  for (std::size_t i = 0; i < list_size(part); ++i) {
    Value found = member_of(frame, list_at(part, i), whole);
    if (found.is_false()) return found;
    if (found.undecided()) undecided = undecided.undecided() ? undecided_either(undecided, found) : found;
  }
  if (undecided.undecided()) return undecided;
  return is_open(part) ? unknown_members(part) : Value::of_bool(true);
}

Value contains(Frame& frame, Arguments arguments) {
  return both_lists(arguments) ? covers(frame, arguments[0], arguments[1]) : wrong_type();
}

Value equivalent(Frame& frame, Arguments arguments) {
  if (!both_lists(arguments)) return wrong_type();
  Value forth = covers(frame, arguments[0], arguments[1]);
  if (forth.is_false()) return forth;
  Value back = covers(frame, arguments[1], arguments[0]);
  if (back.is_false()) return back;
  if (forth.undecided() && back.undecided()) return undecided_either(forth, back);
  return forth.undecided() ? forth : back;
}

Value intersects(Frame& frame, Arguments arguments) {
  if (!both_lists(arguments)) return wrong_type();
  Value left = arguments[0], right = arguments[1];
  Value undecided;
  for (std::size_t i = 0; i < list_size(left); ++i) {
    Value found = member_of(frame, list_at(left, i), right);
    if (found.is_true()) return found;
    if (found.undecided()) undecided = undecided.undecided() ? undecided_either(undecided, found) : found;
  }
  if (undecided.undecided()) return undecided;
  // An empty list meets nothing, whatever the other may hold.
  if (is_open(left) && (list_size(right) > 0 || is_open(right))) return unknown_members(left);
  if (is_open(right) && list_size(left) > 0) return unknown_members(right);
  return Value::of_bool(false);
}

constexpr Signature two_lists = global(Param::boolean, {Param::list_a, Param::list_a});

constexpr Function functions[] = {
    {"sets.contains", contains, {two_lists}},
    {"sets.equivalent", equivalent, {two_lists}},
    {"sets.intersects", intersects, {two_lists}},
};

}  // namespace

std::span<const Function> set_functions() {
  return functions;
}

}  // namespace clawpatrol::cel
