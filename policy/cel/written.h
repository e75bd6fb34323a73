// A value as one would write it in a condition, for people.
#pragma once

#include <cstddef>
#include <string>

#include "policy/cel/value.h"

namespace clawpatrol::cel {

inline constexpr std::size_t no_cut = ~std::size_t{0};

// At most about `longest` bytes; what is left out is told by `...`. An open list ends in `...?`, what is
// undecided is `unknown (why)` or `error (why)`. Text keeps whatever characters it has, so that this is not
// yet fit for a terminal.
std::string written(Value value, std::size_t longest = no_cut);

// What stands in the way of a value that is undecided, as an agent may see it: `sql.tables: runs code that
// was not read`, `no such key`.
std::string cause_of(Value value);

}  // namespace clawpatrol::cel
