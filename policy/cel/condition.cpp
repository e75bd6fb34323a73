#include <fmt/format.h>

#include "policy/cel/expression.h"
#include "policy/cel/program.h"

namespace clawpatrol::cel {

struct Condition::Tree {
  std::string text;
  Expression expression;
};

namespace {

std::string cause_of(Value value) {
  if (value.kind == Kind::error) return std::string(text_of(value.code()));
  if (value.kind != Kind::unknown) return std::string(text_of(ErrorCode::wrong_type));
  if (value.facet >= std::size(facet_table)) return std::string(name_of(value.why()));
  return fmt::format("{}: {}", facet_table[value.facet].path, name_of(value.why()));
}

}  // namespace

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
  return Condition(std::make_unique<const Tree>(std::string(text), std::move(*expression)));
}

Outcome Condition::evaluate(const Action& action, std::uint64_t cost_limit) const {
  Frame frame(&action, {}, cost_limit);
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
const std::vector<Key>* Condition::keys() const {
  const auto& keys = tree_->expression.keys();
  return keys ? &*keys : nullptr;
}
const std::vector<FacetId>& Condition::facets() const {
  return tree_->expression.facets();
}

}  // namespace clawpatrol::cel
