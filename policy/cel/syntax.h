// A checked syntax tree with all that it refers to: for who looks at a condition rather than runs it.
#pragma once

#include <expected>
#include <memory>
#include <string_view>
#include <vector>

#include "policy/cel/ast.h"
#include "policy/cel/scope.h"
#include "policy/cel/type.h"

namespace clawpatrol::cel {

struct Syntax {
  std::unique_ptr<AstPool> pool = std::make_unique<AstPool>();
  std::unique_ptr<Arena> constants = std::make_unique<Arena>();
  std::unique_ptr<TypePool> types = std::make_unique<TypePool>();
  const Ast* root = nullptr;
  const Type* type = nullptr;
  std::size_t locals = 0;  // slots that the variables of macros need
};

// The same problems as compiling it has.
std::expected<Syntax, std::vector<Problem>> read_syntax(std::string_view text,
                                                        const Environment& environment);

// Every family that there is.
std::vector<FacetFamily> all_families();

}  // namespace clawpatrol::cel
