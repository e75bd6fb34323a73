#include <fmt/format.h>

#include "policy/cel/expression.h"
#include "policy/cel/program.h"
#include "policy/cel/written.h"

namespace clawpatrol::cel {

struct Condition::Tree {
  std::string text;
  CompileOptions options;
  Expression expression;
};

Condition::Condition(std::unique_ptr<const Tree> tree) : tree_(std::move(tree)) {}
Condition::Condition(Condition&&) noexcept = default;
Condition& Condition::operator=(Condition&&) noexcept = default;
Condition::~Condition() = default;

std::expected<Condition, std::vector<Problem>> Condition::compile(std::string_view text,
                                                                  const CompileOptions& options) {
  Environment environment;
  environment.families = options.families;
  auto expression = Expression::compile(text, environment);
  if (!expression) return std::unexpected(std::move(expression.error()));
  if (!same(expression->type(), bool_type)) {
    std::string hint = expression->type().kind == TypeKind::dyn
                           ? "Compare it with something, or convert it with bool()."
                           : "Compare it with something.";
    std::string message =
        fmt::format("a condition must be bool, and this is {}", describe(expression->type()));
    return std::unexpected(std::vector<Problem>{{{0, text.size()}, std::move(message), std::move(hint)}});
  }
  return Condition(std::make_unique<const Tree>(std::string(text), options, std::move(*expression)));
}

Outcome Condition::evaluate(const Action& action, std::uint64_t cost_limit) const {
  Frame frame(&action, {}, {.cost = cost_limit});
  Value value = tree_->expression.evaluate(frame);
  Outcome outcome;
  outcome.cost = frame.cost();
  if (value.kind == Kind::boolean) {
    outcome.truth = value.boolean ? Truth::yes : Truth::no;
    return outcome;
  }
  outcome.cause = cause_of(value);
  outcome.pending = value.pending();
  return outcome;
}

std::string_view Condition::text() const {
  return tree_->text;
}
const CompileOptions& Condition::options() const {
  return tree_->options;
}
const std::vector<Key>* Condition::keys() const {
  const auto& keys = tree_->expression.keys();
  return keys ? &*keys : nullptr;
}
const std::vector<FacetId>& Condition::facets() const {
  return tree_->expression.facets();
}

}  // namespace clawpatrol::cel
