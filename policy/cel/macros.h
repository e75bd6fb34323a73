// Which calls are macros: google/cel-spec, doc/langdef.md, "Macros", and the two-variable comprehensions.
#pragma once

#include <optional>

#include "policy/cel/ast.h"

namespace clawpatrol::cel {

// Turns a call that is a macro into AstKind::macro or AstKind::present, in place; leaves others alone.
std::optional<Problem> expand_macro(Ast& call, AstPool& pool);

}  // namespace clawpatrol::cel
