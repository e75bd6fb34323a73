// What a condition says in so many words: tests of facets for constants, and what follows from them.
// Everything here is certain or is not said.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policy/cel/ast.h"

namespace clawpatrol::lints {

enum class Form : std::uint8_t {
  one_of,       // f == 'a', f in ['a', 'b']
  none_of,      // f != 'a', !(f in ['a', 'b'])
  begins_with,  // f.startsWith('a'): one value
  has_one_of,   // 'a' in f, f.exists(v, v in ['a', 'b'])
};

struct FacetTest {
  std::string subject;  // "sql.verb", "sql.copy.target"
  Form form = Form::one_of;
  std::vector<const cel::Ast*> constants;  // string literals
  bool has(std::string_view value) const;
};

// The test that an expression is, as a whole.
std::optional<FacetTest> test_of(const cel::Ast& expression);

// Every test in an expression, wherever it stands.
std::vector<FacetTest> tests_in(const cel::Ast& expression);

// Whether two expressions are written alike, but for white space and parentheses.
bool same(const cel::Ast& left, const cel::Ast& right);

// Whether `second` is `no` of every action of which `first` is, so that whatever `second` would match or be
// unevaluable of, `first` matches or is unevaluable of before it. `work` is what may be spent; where it is
// used up the answer is false.
bool covers(const cel::Ast& first, const cel::Ast& second, std::size_t& work);

// Two tests that all of `expression` needs and that cannot both hold; null: none such.
struct Contradiction {
  const cel::Ast* first = nullptr;
  const cel::Ast* second = nullptr;
};
Contradiction contradiction_in(const cel::Ast& expression);

}  // namespace clawpatrol::lints
