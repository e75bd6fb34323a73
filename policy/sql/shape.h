// What the form of an expression says of its value, whatever the row: that it is no null, that it is a number
// within bounds, that it is no empty text. As far as it can be read: what is not known here says nothing.
//
// Functions and operators are those of pg_catalog by their names. One of the same name in another schema may
// be meant; who writes a condition by it says nothing about rows either.
#pragma once

#include <optional>

#include "policy/sql/tree.h"

namespace clawpatrol::sql {

// Of a numeric value, where it is no null.
struct Bounds {
  double low;
  double high;
};

// Which of a relation's columns every row has, by a name that no table can give to a column of its own.
bool is_system_column(const tree::ColumnRef& column);

bool is_never_null(const tree::Node* node, int depth);
std::optional<Bounds> bounds_of(const tree::Node* node, int depth);
bool is_never_empty(const tree::Node* node, int depth);

// `base` and what is added to it: `id + 1`, `id - 1`.
struct Offset {
  const tree::Node* base;
  double added;
};
Offset offset_of(const tree::Node* node);

// The expression that a subquery of no rows but one stands for: `(SELECT id)`. Null: it is none.
const tree::Node* only_value(const tree::Node* subselect);

// A subquery of one column of one relation, of all its rows: `(SELECT id FROM t)`. Nulls: it is none.
struct WholeColumn {
  const tree::RangeVar* relation = nullptr;
  const tree::ColumnRef* column = nullptr;
};
WholeColumn whole_column(const tree::Node* subselect);

}  // namespace clawpatrol::sql
