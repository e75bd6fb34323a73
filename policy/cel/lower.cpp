#include "policy/cel/lower.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "policy/cel/time.h"

namespace clawpatrol::cel {

namespace {

// Folding is work at load, and its results are kept: for all of a condition, not more than this. What is
// beyond is left to each evaluation and its own limits.
constexpr Limits folding_limits{.cost = 200'000, .memory = 1 << 20};

// A copy that lives as long as the arena.
Value keep(Value value, Arena& arena) {
  switch (value.kind) {
    case Kind::string:
    case Kind::bytes:
    case Kind::type: value.chars = arena.keep(value.text()).data(); return value;
    case Kind::optional: {
      if (!value.held) return value;
      return Value::of_optional(new (arena.allocate(sizeof(Value))) Value(keep(*value.held, arena)));
    }
    case Kind::ip:
    case Kind::cidr:
      value.network = new (arena.allocate(sizeof(Network))) Network(*value.network);
      return value;
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

// Whether a copy takes no more than `room`, which shrinks. A value can be far larger than what made it: its
// members may be one and the same list.
bool fits(Value value, std::size_t& room) {
  std::size_t bytes = sizeof(Value);
  const bool text = value.kind == Kind::string || value.kind == Kind::bytes || value.kind == Kind::type;
  if (text) bytes += value.text().size();
  if (bytes > room) return false;
  room -= bytes;
  if (value.kind == Kind::optional) return !value.held || fits(*value.held, room);
  if (value.kind == Kind::list)
    for (std::size_t i = 0; i < list_size(value); ++i)
      if (!fits(list_at(value, i), room)) return false;
  if (value.kind == Kind::map)
    for (std::size_t i = 0; i < value.map->count; ++i)
      if (!fits(value.map->entries[i].key, room) || !fits(value.map->entries[i].value, room)) return false;
  return true;
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
  Lowering(Arena& constants, LoweringOptions options) : constants_(constants), options_(options) {}

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
      case AstKind::select: return select(ast);
      case AstKind::present: return present_node(node(*ast.children[0]), constants_.keep(ast.name));
      case AstKind::call: return call(ast);
      case AstKind::list: return list(ast);
      case AstKind::map: return map(ast);
      case AstKind::message: return constant_node(Value::error(ErrorCode::undeclared));
      case AstKind::all_of: return logical(ast, false);
      case AstKind::any_of: return logical(ast, true);
      case AstKind::conditional: return conditional(ast);
      case AstKind::macro: return closed([&] { return macro(ast); }, ast.index);
      case AstKind::bind: return closed([&] { return bind(ast); }, ast.index);
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
    if (!constant || options_.folding == Folding::off) return made;
    Frame frame(nullptr, {}, left_);
    frame.reserve_locals(options_.locals);
    Value value = made->eval(frame);
    left_.cost -= std::min(left_.cost, frame.cost());
    if (value.undecided() || frame.exhausted()) return made;
    std::size_t room = left_.memory;
    if (!fits(value, room)) return made;
    std::size_t before = constants_.used();
    Value kept = keep(value, constants_);
    left_.memory -= std::min(left_.memory, constants_.used() - before);
    return constant_node(kept);
  }

  // A macro is constant when it reads nothing but its own variables, which have slots from `own` on.
  template <class Make>
  NodePtr closed(Make make, std::size_t own) {
    std::size_t reads_before = std::exchange(reads_, 0);
    std::size_t lowest_before = std::exchange(lowest_local_, npos);
    NodePtr made = make();
    bool constant = reads_ == 0 && lowest_local_ >= own;
    reads_ += reads_before;
    lowest_local_ = std::min(lowest_local_ >= own ? npos : lowest_local_, lowest_before);
    return folded(std::move(made), constant);
  }

  NodePtr select(const Ast& ast) {
    std::string_view field = constants_.keep(ast.name);
    NodePtr of = node(*ast.children[0]);
    bool constant = of->constant() != nullptr;
    return folded(
        ast.optional_field ? optional_select_node(std::move(of), field) : select_node(std::move(of), field),
        constant);
  }

  static Piece::Presence presence(const Ast& ast) {
    return ast.optional_entry ? Piece::Presence::optional : Piece::Presence::always;
  }

  NodePtr list(const Ast& ast) {
    std::vector<Piece> parts;
    bool constant = true;
    for (const Ast* child : ast.children) {
      parts.push_back({presence(*child), nullptr, node(*child)});
      constant = constant && parts.back().value->constant();
    }
    return folded(list_node(std::move(parts)), constant);
  }

  NodePtr map(const Ast& ast) {
    std::vector<Piece> parts;
    bool constant = true;
    for (std::size_t i = 0; i < ast.children.size(); i += 2) {
      parts.push_back({presence(*ast.children[i]), node(*ast.children[i]), node(*ast.children[i + 1])});
      constant = constant && parts.back().key->constant() && parts.back().value->constant();
    }
    return folded(map_node(std::move(parts)), constant);
  }

  NodePtr name(const Ast& ast) {
    switch (ast.target) {
      case Target::local: lowest_local_ = std::min(lowest_local_, ast.index); return local_node(ast.index);
      case Target::variable: ++reads_; return variable_node(ast.index);
      case Target::type: return constant_node(Value::of_type(type_name_at(ast.index)));
      case Target::null_value: return constant_node(Value::of_int(0));
      case Target::facet: {
        ++reads_;
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
    if (ast.has_receiver && (ast.name == "or" || ast.name == "orValue")) {
      auto kind = ast.name == "or" ? Alternative::optional : Alternative::value;
      return folded(or_node(std::move(arguments[0]), std::move(arguments[1]), kind), constant);
    }
    if (constant) refuse_unreadable(ast, arguments);
    if (!constant && (ast.name == "_==_" || ast.name == "_!=_"))
      if (NodePtr made = compared_with_text(ast, arguments)) return made;
    if (takes_zone(*ast.function) && arguments.size() == 2) return in_zone(ast, std::move(arguments));
    if (ast.name == "matches" && arguments[1]->constant()) return matches(ast, std::move(arguments));
    const Value* list = ast.name == "@in" ? arguments[1]->constant() : nullptr;
    if (list && is_list_of_strings(*list))
      return folded(in_texts_node(std::move(arguments[0]), *list), constant);
    return folded(call_node(*ast.function, std::move(arguments)), constant);
  }

  // A constant that its function cannot read would make the condition unevaluable for every action.
  void refuse_unreadable(const Ast& ast, const std::vector<NodePtr>& arguments) {
    constexpr std::string_view readers[] = {"ip", "cidr", "timestamp", "duration"};
    if (arguments.size() != 1 || std::ranges::find(readers, ast.name) == std::end(readers)) return;
    const Value constant = *arguments[0]->constant();
    Frame frame(nullptr, {}, folding_limits);
    const Value value = ast.function->call(frame, {&constant, 1});
    if (value.kind != Kind::error || value.code() == ErrorCode::wrong_type) return;
    problems_.push_back({ast.children[0]->span,
                         fmt::format("`{}` cannot take this: {}", ast.name, text_of(value.code())),
                         {}});
  }

  // Null where neither side is a constant text.
  static NodePtr compared_with_text(const Ast& ast, std::vector<NodePtr>& sides) {
    auto comparison = ast.name == "_==_" ? Comparison::equal : Comparison::unequal;
    for (std::size_t i : {0, 1}) {
      const Value* text = sides[i]->constant();
      if (text && text->kind == Kind::string)
        return text_node(std::move(sides[1 - i]), text->text(), comparison);
    }
    return nullptr;
  }

  // A zone that is written in the policy is looked up here; for others all are read.
  NodePtr in_zone(const Ast& ast, std::vector<NodePtr> arguments) {
    const Value* name = arguments[1]->constant();
    if (!name || name->kind != Kind::string) {
      preload_zones();
      return call_node(*ast.function, std::move(arguments));
    }
    std::optional<Zone> zone = load_zone(name->text());
    bool constant = arguments[0]->constant() != nullptr;
    if (zone) return folded(zone_node(*ast.function, std::move(arguments[0]), std::move(*zone)), constant);
    problems_.push_back(
        {ast.children[1]->span, fmt::format("unknown time zone `{}`", name->text()),
         "Zones are IANA's, as 'Europe/Berlin', or offsets, as '+02:00'; this machine's are in "
         "/usr/share/zoneinfo."});
    return constant_node(Value::error(ErrorCode::bad_argument));
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
      if (constant && constant->kind == Kind::boolean && options_.folding == Folding::on) {
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
    if (constant && constant->kind == Kind::boolean && options_.folding == Folding::on)
      return constant->boolean ? std::move(yes) : std::move(no);
    return conditional_node(std::move(condition), std::move(yes), std::move(no));
  }

  NodePtr bind(const Ast& ast) {
    std::vector<NodePtr> inits = nodes(ast, 0);
    NodePtr body = std::move(inits.back());
    inits.pop_back();
    return bind_node(ast.index, std::move(inits), std::move(body));
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
      case Macro::transform_map_entry:
        return transform_entries_node(std::move(over), std::move(predicate), std::move(last));
      case Macro::sort_by: return sort_by_node(std::move(over), std::move(last));
      case Macro::opt_map:
        return optional_map_node(std::move(over.range), over.slot, std::move(last), Mapping::to_value);
      case Macro::opt_flat_map:
        return optional_map_node(std::move(over.range), over.slot, std::move(last), Mapping::to_optional);
    }
    __builtin_unreachable();
  }

  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  Arena& constants_;
  LoweringOptions options_;
  Limits left_ = folding_limits;
  std::size_t reads_ = 0;            // of facets and variables, by the macro that is being lowered
  std::size_t lowest_local_ = npos;  // of the slots that it reads
  std::vector<FacetId> facets_;
  std::vector<Problem> problems_;
};

}  // namespace

Lowered lower(const Ast& root, LoweringOptions options, Arena& constants) {
  return Lowering(constants, options).run(root);
}

}  // namespace clawpatrol::cel
