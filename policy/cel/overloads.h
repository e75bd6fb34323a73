// Which signature of a function fits the types of a call.
#pragma once

#include <span>
#include <vector>

#include "policy/cel/function.h"
#include "policy/cel/type.h"

namespace clawpatrol::cel {

// The type of the result, dyn when several signatures fit and disagree; null when none fits.
const Type* result_type(const Function& function, bool receiver, std::span<const Type* const> arguments,
                        TypePool& types);
// The least type that has the values of both; dyn when they have nothing in common.
const Type* join(const Type* left, const Type* right, TypePool& types);

}  // namespace clawpatrol::cel
