// Resolves names and functions and checks types, before anything is evaluated.
#pragma once

#include "policy/cel/ast.h"
#include "policy/cel/scope.h"

namespace clawpatrol::cel {

struct Checked {
  std::vector<Problem> problems;  // empty when lenient
  std::size_t locals = 0;         // slots that the variables of macros need
  const Type* type = nullptr;
};

// Fills in what the tree leaves to the checker. `types` owns the types that it refers to.
Checked check(Ast& root, const Environment& environment, TypePool& types);

}  // namespace clawpatrol::cel
