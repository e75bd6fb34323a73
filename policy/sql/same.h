// Whether two parts of a tree say the same.
#pragma once

#include "policy/sql/tree.h"

namespace clawpatrol::sql {

// Whose columns those without a qualifier are.
enum class Columns : std::uint8_t {
  of_one_relation,  // `t.id` is `id`
  of_several,       // a column is the same as one that is written alike
};

// Two trees, wherever in the text they stand. `work` counts down what was compared; where none is left, they
// are not the same.
bool same(const tree::Node* a, const tree::Node* b, Columns columns, int& work);

}  // namespace clawpatrol::sql
