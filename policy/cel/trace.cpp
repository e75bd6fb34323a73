#include "policy/cel/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "policy/cel/function.h"
#include "policy/cel/lower.h"
#include "policy/cel/syntax.h"
#include "policy/cel/written.h"

namespace clawpatrol::cel {
namespace {

constexpr std::size_t longest_binding = 60;
// Of what a macro ranges over: an agent decides how much that is.
constexpr std::size_t most_members = 1000;

// What the values of a trace live in.
struct Owner {
  Syntax syntax;
  std::vector<Value> variables;
  std::deque<Frame> frames;
  std::vector<NodePtr> nodes;
};

bool is_constant(const Ast& ast) {
  if (ast.kind == AstKind::literal) return true;
  if (ast.kind != AstKind::list && ast.kind != AstKind::map) return false;
  return std::ranges::all_of(ast.children, [](const Ast* child) { return is_constant(*child); });
}

Junction junction_of(const Ast& ast) {
  switch (ast.kind) {
    case AstKind::all_of: return Junction::all_of;
    case AstKind::any_of: return Junction::any_of;
    case AstKind::conditional: return Junction::conditional;
    default: return Junction::none;
  }
}

// Evaluates each sub-expression on its own, which may take its time: the evaluator itself knows nothing of
// it, so that what is explained is what decides.
class Tracer {
 public:
  Tracer(Owner& owner, const Action& action, const TraceOptions& options, Trace& trace)
      : owner_(owner),
        action_(action),
        unstated_(options.unstated),
        limit_(options.cost_limit),
        left_(4 * limit_),
        trace_(trace) {
    locals_.resize(owner.syntax.locals);
  }

  void run() { trace_.value = step(*owner_.syntax.root, no_step, Part::whole); }

 private:
  Value evaluate(const Ast& ast) {
    owner_.nodes.push_back(std::move(lower(ast, {.locals = locals_.size()}, *owner_.syntax.constants).root));
    Frame& frame =
        owner_.frames.emplace_back(&action_, owner_.variables, Limits{.cost = std::min(limit_, left_)});
    frame.reserve_locals(locals_.size());
    for (std::size_t slot = 0; slot < locals_.size(); ++slot) frame.local(slot) = locals_[slot];
    Value value = owner_.nodes.back()->eval(frame);
    left_ -= std::min(left_, frame.cost());
    return frame.exhausted() ? out_of_budget() : value;
  }

  Step* add(const Ast& ast, std::size_t parent, Part part) {
    if (trace_.steps.size() >= most_steps) {
      trace_.cut = true;
      return nullptr;
    }
    Step& step = trace_.steps.emplace_back();
    step.span = ast.span;
    step.parent = parent;
    step.depth = parent == no_step ? 0 : trace_.steps[parent].depth + 1;
    step.part = part;
    step.junction = junction_of(ast);
    if (ast.kind == AstKind::name) step.facet = facet_path(ast);
    return &step;
  }

  std::string_view facet_path(const Ast& name) const {
    if (name.target == Target::facet) return facet_table[name.index].path;
    if (name.target != Target::variable) return {};
    return facet_table[static_cast<std::size_t>(unstated_[name.index])].path;
  }

  // The value of an expression, whose step and those of its parts are added.
  Value step(const Ast& ast, std::size_t parent, Part part, std::string binding = {}) {
    Value value = evaluate(ast);
    if (is_constant(ast) && part != Part::whole) return value;
    Step* made = add(ast, parent, part);
    if (!made) return value;
    made->value = value;
    made->binding = std::move(binding);
    parts(ast, trace_.steps.size() - 1);
    return value;
  }

  void skipped(const Ast& ast, std::size_t parent, Part part) {
    if (Step* made = is_constant(ast) ? nullptr : add(ast, parent, part)) made->skipped = true;
  }

  void parts(const Ast& ast, std::size_t self) {
    switch (ast.kind) {
      case AstKind::all_of: return operands(ast, self, false);
      case AstKind::any_of: return operands(ast, self, true);
      case AstKind::conditional: return conditional(ast, self);
      case AstKind::macro: return macro(ast, self);
      case AstKind::bind: return bind(ast, self);
      case AstKind::call:
      case AstKind::list:
      case AstKind::map:
      case AstKind::select:
      case AstKind::present:
        for (const Ast* child : ast.children) step(*child, self, Part::argument);
        return;
      default: return;
    }
  }

  void operands(const Ast& ast, std::size_t self, bool decisive) {
    bool decided = false;
    for (const Ast* child : ast.children) {
      if (decided) {
        skipped(*child, self, Part::operand);
        continue;
      }
      Value value = step(*child, self, Part::operand);
      decided = value.kind == Kind::boolean && value.boolean == decisive;
    }
  }

  void conditional(const Ast& ast, std::size_t self) {
    Value condition = step(*ast.children[0], self, Part::condition);
    for (std::size_t i : {1, 2}) {
      bool taken = condition.kind == Kind::boolean && condition.boolean == (i == 1);
      if (taken)
        step(*ast.children[i], self, Part::branch);
      else
        skipped(*ast.children[i], self, Part::branch);
    }
  }

  // The values of its variables, then what they are for.
  void bind(const Ast& ast, std::size_t self) {
    const std::vector<Value> before = locals_;
    for (std::size_t i = 0; i < ast.variables.size(); ++i)
      locals_[ast.index + i] = step(*ast.children[i], self, Part::argument);
    step(*ast.children.back(), self, Part::argument);
    locals_ = before;
  }

  // What it ranges over, and the member that decided, where one did.
  void macro(const Ast& ast, std::size_t self) {
    Value range = step(*ast.children[0], self, Part::argument);
    bool quantifies = ast.macro == Macro::all || ast.macro == Macro::exists;
    if (!quantifies || ast.children.size() != 2 || range.undecided()) return;
    const std::vector<Value> before = locals_;
    std::size_t looked_at = 0;
    for (const Entry& member : members(ast, range)) {
      if (++looked_at > most_members) break;
      locals_[ast.index] = member.key;
      if (!ast.second_variable.empty()) locals_[ast.index + 1] = member.value;
      if (left_ == 0 || show_if_decisive(ast, self)) break;
    }
    locals_ = before;
  }

  // What the variables of a macro are, one after the other; `value` is for the second, if there is one.
  std::vector<Entry> members(const Ast& ast, Value range) {
    Frame& frame = owner_.frames.emplace_back(&action_, owner_.variables, Limits{.cost = limit_});
    std::vector<Entry> made;
    if (range.kind == Kind::map) {
      auto entries = entries_of(frame, range);
      made.assign(entries.begin(), entries.end());
    } else if (range.kind == Kind::list) {
      const bool two = !ast.second_variable.empty();
      for (std::size_t i = 0; i < std::min(list_size(range), most_members); ++i) {
        Value member = list_at(range, i);
        made.push_back({two ? Value::of_int(static_cast<std::int64_t>(i)) : member, member});
      }
    }
    return made;
  }

  bool show_if_decisive(const Ast& ast, std::size_t self) {
    const Value whole = trace_.steps[self].value;
    const Value value = evaluate(*ast.children[1]);
    const bool decides = whole.undecided() ? value.undecided()
                                           : value.kind == Kind::boolean && value.boolean == whole.boolean &&
                                                 value.boolean == (ast.macro == Macro::exists);
    if (!decides) {
      owner_.frames.pop_back();  // nobody will ask for it
      owner_.nodes.pop_back();
      return false;
    }
    std::string binding = bound(ast.variable, ast.index);
    if (!ast.second_variable.empty()) binding += ", " + bound(ast.second_variable, ast.index + 1);
    step(*ast.children[1], self, Part::body, std::move(binding));
    return true;
  }

  std::string bound(const std::string& variable, std::size_t slot) const {
    return fmt::format("{} = {}", variable, written(locals_[slot], longest_binding));
  }

  Owner& owner_;
  const Action& action_;
  const std::vector<FacetId>& unstated_;
  std::uint64_t limit_;
  std::uint64_t left_;
  std::vector<Value> locals_;
  Trace& trace_;
};

Environment environment_of(const TraceOptions& options, std::vector<Value>& variables) {
  Environment environment;
  environment.families = options.families;
  for (FacetId id : options.unstated) {
    const FacetInfo& facet = facet_table[static_cast<std::size_t>(id)];
    environment.variables.push_back({std::string(facet.path), type_of(facet.type)});
    variables.push_back(Value::unknown(Unknown::not_applicable, static_cast<std::uint16_t>(id)));
  }
  return environment;
}

// What a junction is as it is because of: the parts that have its value and would have to change.
std::vector<std::size_t> blamed_parts(const Trace& trace, std::size_t at) {
  const Step& whole = trace.steps[at];
  std::vector<std::size_t> parts;
  auto blame = [&](std::size_t i) {
    const Value& value = trace.steps[i].value;
    return whole.value.undecided() ? value.undecided() : value.kind == Kind::boolean && value.is_false();
  };
  for (std::size_t i = at + 1; i < trace.steps.size(); ++i) {
    const Step& step = trace.steps[i];
    if (step.parent != at || step.skipped || !blame(i)) continue;
    if (whole.junction == Junction::conditional && step.part == Part::condition && !step.value.undecided())
      continue;
    parts.push_back(i);
    if (whole.junction == Junction::all_of && !whole.value.undecided()) break;
  }
  return parts;
}

void blame(const Trace& trace, std::size_t at, std::vector<std::size_t>& found) {
  std::vector<std::size_t> parts;
  if (trace.steps[at].junction != Junction::none) parts = blamed_parts(trace, at);
  if (parts.empty()) return found.push_back(at);
  for (std::size_t part : parts) blame(trace, part, found);
}

}  // namespace

std::expected<Trace, std::vector<Problem>> trace(std::string_view text, const Action& action,
                                                 const TraceOptions& options) {
  auto owner = std::make_shared<Owner>();
  auto syntax = read_syntax(text, environment_of(options, owner->variables));
  if (!syntax) return std::unexpected(std::move(syntax.error()));
  owner->syntax = std::move(*syntax);
  Trace made;
  Tracer(*owner, action, options, made).run();
  bool dynamic = is_dynamic(*owner->syntax.type) && !made.value.undecided();
  made.type = dynamic ? std::string(type_name(made.value)) : describe(*owner->syntax.type);
  made.owner = std::move(owner);
  return made;
}

Trace trace(const Condition& condition, const Action& action) {
  return std::move(trace(condition.text(), action, {condition.options().families}).value());
}

std::vector<std::size_t> culprits(const Trace& trace) {
  std::vector<std::size_t> found;
  if (!trace.steps.empty() && !trace.value.is_true()) blame(trace, 0, found);
  return found;
}

std::vector<std::size_t> facets_of(const Trace& trace, std::size_t step) {
  std::vector<std::size_t> facets;
  for (std::size_t i = step; i < trace.steps.size(); ++i) {
    const Step& part = trace.steps[i];
    if (i > step && part.depth <= trace.steps[step].depth) break;
    auto same = [&](std::size_t other) { return trace.steps[other].facet == part.facet; };
    if (!part.facet.empty() && !part.skipped && std::ranges::none_of(facets, same)) facets.push_back(i);
  }
  return facets;
}

}  // namespace clawpatrol::cel
