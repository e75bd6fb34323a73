#include "policy/cel/branches.h"

#include <algorithm>

#include "policy/cel/ast.h"
#include "policy/cel/parser.h"

namespace clawpatrol::cel {
namespace {

// The condition has been checked where it stands; here every facet there is will do.
std::vector<FacetFamily> every_family() {
  std::vector<FacetFamily> families;
  for (const FacetInfo& facet : facet_table)
    if (std::ranges::find(families, facet.family) == families.end()) families.push_back(facet.family);
  return families;
}

std::string_view text_of_span(std::string_view text, Span span) {
  return text.substr(span.begin, span.end - span.begin);
}

}  // namespace

Branches::Branches(std::string_view condition) : text_(condition) {
  AstPool pool;
  Arena arena;
  auto root = parse(text_, pool, arena, Macros::expand);
  if (!root) return;
  const std::size_t whole = add_branch({0, text_.size()}, "", "");
  root_ = build(**root, "", "");
  root_.branch = whole;
}

// `before` and `after` are the text of the macros around: `sql.tables.exists(t, ` and `)`.
Branches::Step Branches::build(const Ast& node, const std::string& before, const std::string& after) {
  Step step;
  if (node.kind == AstKind::all_of) step.form = Form::all;
  if (node.kind == AstKind::any_of) step.form = Form::any;
  if (node.kind == AstKind::conditional) step.form = Form::conditional;
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    const Ast& child = *node.children[i];
    std::string inner_before = before, inner_after = after;
    if (node.kind == AstKind::macro && i > 0) {
      inner_before += "(";
      inner_before += text_of_span(text_, node.children[0]->span);
      inner_before += ").exists(" + node.variable;
      if (!node.second_variable.empty()) inner_before += ", " + node.second_variable;
      inner_before += ", ";
      inner_after = ")" + inner_after;
    }
    for (std::size_t j = 0; node.kind == AstKind::bind && j < i && j < node.variables.size(); ++j) {
      inner_before += "cel.bind(" + node.variables[j] + ", (";
      inner_before += text_of_span(text_, node.children[j]->span);
      inner_before += "), ";
      inner_after = ")" + inner_after;
    }
    Step part = build(child, inner_before, inner_after);
    if (step.form != Form::plain) part.branch = add_branch(child.span, before, after);
    const bool says_something = part.form != Form::plain || !part.parts.empty();
    if (step.form != Form::plain || says_something) step.parts.push_back(std::move(part));
  }
  return step;
}

std::size_t Branches::add_branch(Span span, const std::string& before, const std::string& after) {
  const std::string own = "(" + std::string(text_of_span(text_, span)) + ")";
  const CompileOptions options{every_family()};
  auto is = Condition::compile(before + "(" + own + " && true)" + after, options);
  if (!is) return none;  // an arm of ?: that is no bool
  std::optional<Condition> is_not;
  if (!before.empty()) {
    auto other = Condition::compile(before + "!" + own + after, options);
    if (!other) return none;
    is_not = std::move(*other);
  }
  questions_.push_back({std::move(*is), std::move(is_not)});
  branches_.push_back({span});
  return branches_.size() - 1;
}

void Branches::observe(const Action& action) {
  observe(root_, action);
}

Truth Branches::observe(Step& step, const Action& action) {
  Truth truth = Truth::unevaluable;
  bool within_macro = false;
  if (step.branch != none) {
    Branch& branch = branches_[step.branch];
    const Question& question = questions_[step.branch];
    within_macro = question.is_not.has_value();
    truth = question.is.evaluate(action).truth;
    branch.seen_true |= truth == Truth::yes;
    branch.seen_false |=
        within_macro ? question.is_not->evaluate(action).truth == Truth::yes : truth == Truth::no;
  }
  if (step.form == Form::conditional && !within_macro) {
    const Truth test = observe(step.parts[0], action);
    if (test != Truth::unevaluable) observe(step.parts[test == Truth::yes ? 1 : 2], action);
    return truth;
  }
  for (Step& part : step.parts) {
    const Truth decided = observe(part, action);
    const bool stops =
        (step.form == Form::all && decided == Truth::no) || (step.form == Form::any && decided == Truth::yes);
    if (stops && !questions_[part.branch].is_not) break;
  }
  return truth;
}

}  // namespace clawpatrol::cel
