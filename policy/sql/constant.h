// Whether a condition holds for every row: what makes an UPDATE or DELETE unbounded.
#pragma once

#include "policy/sql/tree.h"

namespace clawpatrol::sql {

// True when `condition` (null: none at all) may hold for every row of what changes, whatever the row: it is
// absent, constantly true, does not look at the row and is not provably false, or leaves out by its form none
// but rows in which what it asks about is null (`id = id`; but `id IS NOT NULL` says which rows it means, and
// is a bound). `target` is what changes (null: not
// known); `others` are the other members of the statement's FROM or USING, and `other` is one more
// (null: none); to look at their rows bounds nothing. A condition too deep or too long to look into is, in
// doubt.
bool holds_for_every_row(const tree::Node* condition, const tree::RangeVar* target, const tree::List* others,
                         const tree::Node* other = nullptr);

}  // namespace clawpatrol::sql
