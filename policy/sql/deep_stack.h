// A stack that hostile text cannot exhaust. libpg_query's own guard is compiled out, and a parse of
// `1+1+1+...` recurses once a token.
#pragma once

#include <cstddef>

namespace clawpatrol::sql {

// One for each thread, of address space only until it is used. tests/policy/sql/stack_test.cpp measures how
// much the worst texts use of it at the limit on tokens.
inline constexpr std::size_t deep_stack_bytes = std::size_t{64} * 1024 * 1024;
// Texts up to this long are parsed on the caller's stack (the parser itself does not recurse), and the walk
// over their tree moves to the deep stack once it has used shallow_stack_bytes.
inline constexpr std::size_t shallow_text_bytes = std::size_t{8} * 1024;
inline constexpr std::size_t shallow_stack_bytes = std::size_t{128} * 1024;

// Calls `function(argument)` on this thread's deep stack and returns when it does. Does not nest: within, it
// calls directly. Switches stacks in under a microsecond; no other thread is involved. The function must not
// throw. Pages beyond the first MiB are given back when they were touched.
void on_deep_stack(void (*function)(void*), void* argument);

// Bytes of this thread's deep stack that were ever touched since it was last trimmed; for the tests.
std::size_t deep_stack_touched();

}  // namespace clawpatrol::sql
