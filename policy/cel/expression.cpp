#include "policy/cel/expression.h"

#include <algorithm>
#include <iterator>

#include "policy/cel/checker.h"
#include "policy/cel/keys.h"
#include "policy/cel/lower.h"

namespace clawpatrol::cel {

Expression::Expression() = default;
Expression::Expression(Expression&&) noexcept = default;
Expression::~Expression() = default;

std::expected<Expression, std::vector<Problem>> Expression::compile(std::string_view text,
                                                                    const Environment& environment,
                                                                    Macros macros) {
  Expression expression;
  expression.constants_ = std::make_unique<Arena>();
  expression.types_ = std::make_unique<TypePool>();
  AstPool pool;
  auto root = parse(text, pool, *expression.constants_, macros);
  if (!root) return std::unexpected(std::vector<Problem>{root.error()});
  Checked checked = check(**root, environment, *expression.types_);
  Lowered lowered = lower(**root, {checked.locals, environment.folding}, *expression.constants_);
  // Those of both, since all problems are said at once.
  std::vector<Problem> problems = std::move(checked.problems);
  if (environment.strictness == Strictness::strict)
    std::ranges::move(lowered.problems, std::back_inserter(problems));
  std::ranges::sort(problems, {},
                    [](const Problem& problem) { return std::pair(problem.span.begin, problem.span.end); });
  if (!problems.empty()) return std::unexpected(std::move(problems));
  expression.root_ = std::move(lowered.root);
  expression.facets_ = std::move(lowered.facets);
  expression.keys_ = keys_of(**root);
  expression.locals_ = checked.locals;
  expression.type_ = checked.type;
  return expression;
}

Value Expression::evaluate(Frame& frame) const {
  frame.reserve_locals(locals_);
  Value value = root_->eval(frame);
  return frame.exhausted() ? out_of_budget() : value;
}

}  // namespace clawpatrol::cel
