// Conditions that look at the row and hold for every one all the same, but for rows of which they ask about
// a null: `id = id`, `id < 5 OR id >= 5`, `name LIKE '%'`.
#pragma once

#include <vector>

#include "policy/sql/same.h"
#include "policy/sql/tree.h"

namespace clawpatrol::sql {

enum class Sign : std::uint8_t { plain, negated };
inline Sign opposite(Sign sign) {
  return sign == Sign::plain ? Sign::negated : Sign::plain;
}

// A part of a condition, or its negation.
struct Literal {
  const tree::Node* node;
  Sign sign = Sign::plain;
};

class Tautologies {
 public:
  explicit Tautologies(Columns columns) : columns_(columns) {}
  // Alone: what compares something with itself, and patterns that everything fits.
  bool holds(const Literal& literal);
  bool holds(const tree::FuncCall& call);
  // `x IN (SELECT x)`, and `x IN (SELECT x FROM t)` of the `target` t.
  bool holds_among(const tree::SubLink& query, const tree::RangeVar* target);
  // That no row can fulfil: a column that differs from itself.
  bool fails(const Literal& literal);
  // A comparison with NULL.
  static bool is_null(const tree::A_Expr& expression);
  // One of these, whatever the row.
  bool one_holds(const std::vector<Literal>& alternatives);
  // There was more to compare than is done for one condition, so that a no means nothing.
  bool gave_up() const { return work_ < 0; }

 private:
  struct Comparison;
  static Comparison read(const Literal& literal);
  bool same(const tree::Node* a, const tree::Node* b) { return sql::same(a, b, columns_, work_); }
  bool holds_among(const Comparison& comparison);
  bool holds_by_form(const Comparison& comparison);
  static Sign sign_of(const Literal& literal);
  bool contradict(const Literal& a, const Literal& b);
  bool have_opposites(const std::vector<Literal>& alternatives);
  bool cover_numbers(const std::vector<Literal>& alternatives);

  Columns columns_;
  int work_ = 300'000;
};

}  // namespace clawpatrol::sql
