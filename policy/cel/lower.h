// Checked syntax tree to executable tree: constants folded, patterns compiled, lists of constants made
// searchable.
#pragma once

#include "policy/cel/node.h"
#include "policy/cel/scope.h"

namespace clawpatrol::cel {

struct Lowered {
  NodePtr root;
  std::vector<FacetId> facets;    // that it reads, in the order of the table
  std::vector<Problem> problems;  // what only the values of constants show, such as a bad pattern
};

struct LoweringOptions {
  std::size_t locals = 0;  // slots that the variables of macros need: Checked::locals
  Folding folding = Folding::on;
};

// `constants` outlives the nodes; so does the text of the literals.
Lowered lower(const Ast& root, LoweringOptions options, Arena& constants);

}  // namespace clawpatrol::cel
