#include "policy/cel/lower.h"

#include <fmt/format.h>

#include <algorithm>

namespace clawpatrol::cel {

namespace {

// Folding is work at load; what costs more than this is left to each evaluation and its own limit.
constexpr std::uint64_t fold_cost_limit = 200'000;

// A copy that lives as long as the arena.
Value keep(Value value, Arena& arena) {
  switch (value.kind) {
    case Kind::string:
    case Kind::bytes:
    case Kind::type: value.chars = arena.keep(value.text()).data(); return value;
    case Kind::list: {
      std::size_t count = list_size(value);
      Value* items = arena.make<Value>(count);
      for (std::size_t i = 0; i < count; ++i) items[i] = keep(list_at(value, i), arena);
      return Value::of_list(new (arena.allocate(sizeof(ListData))) ListData{items, count});
    }
    case Kind::map: {
      std::size_t count = value.map->count;
      Entry* entries = arena.make<Entry>(count);
      for (std::size_t i = 0; i < count; ++i)
        entries[i] = {keep(value.map->entries[i].key, arena), keep(value.map->entries[i].value, arena)};
      return Value::of_map(new (arena.allocate(sizeof(MapData))) MapData{entries, count});
    }
    default: return value;
  }
}

bool all_constant(const std::vector<NodePtr>& nodes) {
  return std::all_of(nodes.begin(), nodes.end(),
                     [](const NodePtr& node) { return node->constant() != nullptr; });
}

bool is_list_of_strings(Value value) {
  if (value.kind != Kind::list || is_open(value)) return false;
  for (std::size_t i = 0; i < list_size(value); ++i)
    if (list_at(value, i).kind != Kind::string) return false;
  return true;
}

class Lowering {
 public:
  explicit Lowering(Arena& constants) : constants_(constants) {}

  Lowered run(const Ast& root) {
    Lowered lowered;
    lowered.root = node(root);
    std::sort(facets_.begin(), facets_.end());
    facets_.erase(std::unique(facets_.begin(), facets_.end()), facets_.end());
    lowered.facets = std::move(facets_);
    lowered.problems = std::move(problems_);
    return lowered;
  }

 private:
  NodePtr node(const Ast& ast) {
    switch (ast.kind) {
      case AstKind::literal: return constant_node(ast.literal);
      case AstKind::name: return name(ast);
      case AstKind::select: return select_node(node(*ast.children[0]), constants_.keep(ast.name));
      case AstKind::present: return present_node(node(*ast.children[0]), constants_.keep(ast.name));
      case AstKind::call: return call(ast);
      case AstKind::list: return sequence(ast, list_node);
      case AstKind::map: return sequence(ast, map_node);
      case AstKind::message: return constant_node(Value::error(ErrorCode::undeclared));
      case AstKind::all_of: return logical(ast, false);
      case AstKind::any_of: return logical(ast, true);
      case AstKind::conditional: return conditional(ast);
      case AstKind::macro: return macro(ast);
    }
    __builtin_unreachable();
  }

  std::vector<NodePtr> nodes(const Ast& ast, std::size_t from) {
    std::vector<NodePtr> made;
    for (std::size_t i = from; i < ast.children.size(); ++i) made.push_back(node(*ast.children[i]));
    return made;
  }

  // The value of `made` instead of it, where its parts are constants and the value is worth keeping.
  NodePtr folded(NodePtr made, bool constant) {
    if (!constant) return made;
    Frame frame(nullptr, {}, fold_cost_limit);
    Value value = made->eval(frame);
    return value.undecided() ? std::move(made) : constant_node(keep(value, constants_));
  }

  NodePtr sequence(const Ast& ast, NodePtr (*make)(std::vector<NodePtr>)) {
    std::vector<NodePtr> parts = nodes(ast, 0);
    bool constant = all_constant(parts);
    return folded(make(std::move(parts)), constant);
  }

  NodePtr name(const Ast& ast) {
    switch (ast.target) {
      case Target::local: return local_node(ast.index);
      case Target::variable: return variable_node(ast.index);
      case Target::type: return constant_node(Value::of_type(constants_.keep(ast.name)));
      case Target::facet: {
        auto id = static_cast<FacetId>(ast.index);
        facets_.push_back(id);
        return facet_node(id);
      }
      case Target::none: break;
    }
    return constant_node(Value::error(ErrorCode::undeclared));
  }

  NodePtr call(const Ast& ast) {
    if (!ast.function) return constant_node(Value::error(ErrorCode::undeclared));
    std::vector<NodePtr> arguments = nodes(ast, 0);
    bool constant = all_constant(arguments);
    if (ast.name == "matches" && arguments[1]->constant()) return matches(ast, std::move(arguments));
    const Value* list = ast.name == "@in" ? arguments[1]->constant() : nullptr;
    if (list && is_list_of_strings(*list))
      return folded(in_texts_node(std::move(arguments[0]), *list), constant);
    return folded(call_node(*ast.function, std::move(arguments)), constant);
  }

  NodePtr matches(const Ast& ast, std::vector<NodePtr> arguments) {
    Value text = *arguments[1]->constant();
    if (text.kind != Kind::string) return constant_node(Value::error(ErrorCode::wrong_type));
    auto pattern = Pattern::compile(text.text(), PatternSource::policy);
    if (pattern) return matches_node(std::move(arguments[0]), std::move(*pattern));
    problems_.push_back({ast.children[1]->span, fmt::format("invalid pattern: {}", pattern.error()),
                         "Patterns are RE2's: no backreferences, no lookaround."});
    return constant_node(Value::error(ErrorCode::bad_pattern));
  }

  // A constant that decides does so wherever it stands; one that does not changes nothing.
  NodePtr logical(const Ast& ast, bool decisive) {
    std::vector<NodePtr> operands;
    for (NodePtr& operand : nodes(ast, 0)) {
      const Value* constant = operand->constant();
      if (constant && constant->kind == Kind::boolean) {
        if (constant->boolean == decisive) return constant_node(*constant);
        continue;
      }
      operands.push_back(std::move(operand));
    }
    return operands.empty() ? constant_node(Value::of_bool(!decisive))
                            : logical_node(std::move(operands), decisive);
  }

  NodePtr conditional(const Ast& ast) {
    NodePtr condition = node(*ast.children[0]);
    NodePtr yes = node(*ast.children[1]);
    NodePtr no = node(*ast.children[2]);
    const Value* constant = condition->constant();
    if (constant && constant->kind == Kind::boolean)
      return constant->boolean ? std::move(yes) : std::move(no);
    return conditional_node(std::move(condition), std::move(yes), std::move(no));
  }

  NodePtr macro(const Ast& ast) {
    Comprehension over;
    over.range = node(*ast.children[0]);
    over.slot = ast.index;
    over.binding = ast.second_variable.empty() ? Binding::one_variable : Binding::two_variables;
    std::vector<NodePtr> bodies = nodes(ast, 1);
    NodePtr last = std::move(bodies.back());
    NodePtr predicate = bodies.size() == 2 ? std::move(bodies.front()) : nullptr;
    switch (ast.macro) {
      case Macro::all: return quantifier_node(std::move(over), std::move(last), false);
      case Macro::exists: return quantifier_node(std::move(over), std::move(last), true);
      case Macro::exists_one: return exactly_one_node(std::move(over), std::move(last));
      case Macro::filter: return filter_node(std::move(over), std::move(last));
      case Macro::map:
      case Macro::transform_list: return collect_node(std::move(over), std::move(predicate), std::move(last));
      case Macro::transform_map:
        return transform_map_node(std::move(over), std::move(predicate), std::move(last));
    }
    __builtin_unreachable();
  }

  Arena& constants_;
  std::vector<FacetId> facets_;
  std::vector<Problem> problems_;
};

}  // namespace

Lowered lower(const Ast& root, Arena& constants) {
  return Lowering(constants).run(root);
}

}  // namespace clawpatrol::cel
