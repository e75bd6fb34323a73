#include "policy/cel/checker.h"

#include <fmt/format.h>

#include "policy/cel/function.h"
#include "policy/cel/overloads.h"

namespace clawpatrol::cel {

namespace {

// The dotted path that a tree of names spells, or "" when it is something else.
std::string path_of(const Ast& node) {
  if (node.kind == AstKind::name) return node.name;
  if (node.kind != AstKind::select || node.optional_field) return {};
  std::string before = path_of(*node.children[0]);
  return before.empty() ? before : fmt::format("{}.{}", before, node.name);
}

const Ast& base_of(const Ast& node) {
  return node.kind == AstKind::select && !node.optional_field ? base_of(*node.children[0]) : node;
}

class Checker {
 public:
  Checker(const Environment& environment, TypePool& types)
      : strict_(environment.strictness == Strictness::strict), scope_(environment), types_(types) {}

  Checked run(Ast& root) {
    Checked checked;
    checked.type = check(root);
    checked.locals = scope_.most_locals();
    checked.problems = std::move(problems_);
    return checked;
  }

 private:
  const Type* fail(Problem problem) {
    constexpr std::size_t enough = 20;
    if (strict_ && problems_.size() < enough) problems_.push_back(std::move(problem));
    return &dyn_type;
  }

  const Type* check(Ast& node) { return node.type = type_of_node(node); }

  const Type* type_of_node(Ast& node) {
    switch (node.kind) {
      case AstKind::literal: return literal_type(node.literal.kind);
      case AstKind::name:
      case AstKind::select: return path(node);
      case AstKind::present: return present(node);
      case AstKind::call: return call(node);
      case AstKind::list: return list(node);
      case AstKind::map: return map(node);
      case AstKind::message: return message(node);
      case AstKind::all_of: return logical(node, "&&");
      case AstKind::any_of: return logical(node, "||");
      case AstKind::conditional: return conditional(node);
      case AstKind::macro: return macro(node);
      case AstKind::bind: return bind(node);
    }
    __builtin_unreachable();
  }

  static const Type* literal_type(Kind kind) {
    switch (kind) {
      case Kind::null: return &null_type;
      case Kind::boolean: return &bool_type;
      case Kind::integer: return &int_type;
      case Kind::uinteger: return &uint_type;
      case Kind::real: return &double_type;
      case Kind::string: return &string_type;
      case Kind::bytes: return &bytes_type;
      default: return &dyn_type;
    }
  }

  void resolve(Ast& node, const Resolved& found) {
    node.kind = AstKind::name;
    node.target = found.target;
    node.index = found.index;
    node.type = found.type;
  }

  std::optional<Resolved> local(const Ast& base) const {
    return base.kind == AstKind::name && !base.absolute ? scope_.local(base.name) : std::nullopt;
  }

  // The longest part of a path that is declared is the variable; what follows are fields of it.
  const Type* path(Ast& node) {
    std::string whole = path_of(node);
    const Ast& base = base_of(node);
    if (std::optional<Resolved> found = local(base)) {
      if (node.kind == AstKind::name) {
        resolve(node, *found);
        return found->type;
      }
      return field(node, check(*node.children[0]));
    }
    if (!whole.empty() && !node.optional_field) {
      if (auto found = scope_.global(whole, base.absolute)) {
        node.name = whole;
        resolve(node, *found);
        return found->type;
      }
      if (!some_prefix_is_declared(node, base.absolute)) return fail(scope_.unknown_name(whole, node.span));
    }
    return field(node, check(*node.children[0]));
  }

  bool some_prefix_is_declared(const Ast& node, bool absolute) const {
    for (const Ast* part = &node; part->kind == AstKind::select;) {
      part = part->children[0];
      if (scope_.global(path_of(*part), absolute)) return true;
    }
    return false;
  }

  // Of an optional every field is optional.
  const Type* field(const Ast& node, const Type* of) {
    bool of_optional = of->kind == TypeKind::optional;
    const Type* found = plain_field(node, of_optional ? of->first : of);
    return of_optional || node.optional_field ? as_optional(found) : found;
  }

  const Type* as_optional(const Type* type) {
    return type->kind == TypeKind::optional ? type : types_.optional(type);
  }

  const Type* plain_field(const Ast& node, const Type* of) {
    switch (of->kind) {
      case TypeKind::dyn:
      case TypeKind::open: return &dyn_type;
      case TypeKind::map:
        if (compatible(*of->first, string_type)) return of->second;
        break;
      case TypeKind::copy:
        if (node.name == "direction" || node.name == "target") return &string_type;
        return fail({node.name_span, fmt::format("`sql.copy` has no field `{}`", node.name),
                     "Its fields are `direction` and `target`."});
      default: break;
    }
    std::string hint;
    if (of->kind == TypeKind::list) hint = "A list's members are reached with exists, all or an index.";
    return fail({node.name_span, fmt::format("{} has no field `{}`", describe(*of), node.name), hint});
  }

  const Type* present(Ast& node) {
    std::string whole = path_of(*node.children[0]);
    if (!whole.empty() && !local(base_of(*node.children[0]))) {
      std::string facet = fmt::format("{}.{}", whole, node.name);
      if (scope_.is_facet(facet))
        return fail({node.span, fmt::format("`has` cannot ask for the facet `{}`", facet),
                     "A facet is always there; compare it instead."});
    }
    field(node, check(*node.children[0]));
    return &bool_type;
  }

  // `sets.contains(a, b)`: what stands before the dot is part of the function's name.
  static void qualify(Ast& node, const Function* function) {
    node.name = function->name;
    node.has_receiver = false;
    node.children.erase(node.children.begin());
  }

  const Type* call(Ast& node) {
    if (node.has_receiver && !local(base_of(*node.children[0]))) {
      std::string prefix = path_of(*node.children[0]);
      const Function* qualified =
          prefix.empty() ? nullptr : find_function(fmt::format("{}.{}", prefix, node.name));
      if (qualified) qualify(node, qualified);
    }
    std::vector<const Type*> arguments;
    for (Ast* child : node.children) arguments.push_back(check(*child));
    const Function* function = find_function(node.name);
    if (!function) return fail(unknown_function(node));
    bool fits = false;
    for (const Signature& signature : function->signatures())
      fits |= signature.receiver == node.has_receiver && signature.count() == node.children.size();
    if (!fits) return fail(wrong_use(node, *function));
    node.function = function;
    if (!strict_) return &dyn_type;
    if (node.name == "_[_]" || node.name == "_[?_]") return index(node, *function, arguments);
    const Type* result = result_type(*function, node.has_receiver, arguments, types_);
    return result ? result : fail(wrong_operands(node, *function, arguments));
  }

  // Of an optional every element is optional.
  const Type* index(const Ast& node, const Function& function, std::vector<const Type*> arguments) {
    bool of_optional = arguments[0]->kind == TypeKind::optional;
    if (of_optional) arguments[0] = arguments[0]->first;
    const Type* result = result_type(function, false, arguments, types_);
    if (!result) return fail(wrong_operands(node, function, arguments));
    return of_optional || node.name == "_[?_]" ? as_optional(result) : result;
  }

  // Only the messages that stand for plain values can be made; then it is a call that checks the value.
  const Type* message(Ast& node) {
    std::string path = path_of(*node.children[0]);
    const Problem refused{node.span, "protobuf messages are not supported",
                          "Conditions know plain values, lists and maps: write {'field': value}."};
    for (const std::string& name : scope_.meanings(path, base_of(*node.children[0]).absolute)) {
      bool one = node.fields.size() == 1;
      const Function* maker = find_function(fmt::format("@{}.{}", name, one ? node.fields[0] : "value"));
      if (!maker || !one) continue;
      node.kind = AstKind::call;
      node.name = maker->name;
      node.children.erase(node.children.begin());
      return call(node);
    }
    for (std::size_t i = 1; i < node.children.size(); ++i) check(*node.children[i]);
    return fail(refused);
  }

  const Type* bind(Ast& node) {
    std::size_t count = node.variables.size();
    node.index = scope_.next_slot();
    for (std::size_t i = 0; i < count; ++i) {
      const Type* type = check(*node.children[i]);
      scope_.push(node.variables[i], type);
    }
    const Type* type = check(*node.children.back());
    for (std::size_t i = 0; i < count; ++i) scope_.pop();
    return type;
  }

  static Problem unknown_function(const Ast& node) {
    std::vector<std::string> names;
    for (std::span<const Function> table : all_functions())
      for (const Function& function : table)
        if (!is_operator(function.name)) names.emplace_back(function.name);
    for (std::string_view macro : {"has", "all", "exists", "exists_one", "map", "filter"}) {
      if (node.name == macro)
        return {node.name_span, fmt::format("`{}` has the wrong number of arguments", macro),
                macro == "has" ? "As in has(a.b)." : fmt::format("As in list.{}(v, v == 'x').", macro)};
      names.emplace_back(macro);
    }
    std::string suggestion = nearest(node.name, names);
    return {node.name_span, fmt::format("unknown function `{}`", node.name),
            suggestion.empty() ? "" : fmt::format("Did you mean `{}`?", suggestion)};
  }

  static std::string uses_of(const Function& function) {
    std::string uses;
    for (const Signature& signature : function.signatures())
      uses += fmt::format("{}{}", uses.empty() ? "" : "; ", describe(function.name, signature));
    return fmt::format("It is {}.", uses);
  }

  static Problem wrong_use(const Ast& node, const Function& function) {
    return {node.name_span, fmt::format("`{}` is not called like this", node.name), uses_of(function)};
  }

  static Problem wrong_operands(const Ast& node, const Function& function,
                                const std::vector<const Type*>& types) {
    std::string operands;
    for (std::size_t i = 0; i < types.size(); ++i)
      operands += fmt::format("{}{}",
                              i == 0                  ? ""
                              : i + 1 == types.size() ? " and "
                                                      : ", ",
                              describe(*types[i]));
    if (!is_operator(node.name))
      return {node.span, fmt::format("`{}` cannot take {}", node.name, operands), uses_of(function)};
    std::string sign = operator_sign(node.name);
    bool compares = sign == "==" || sign == "!=";
    std::string hint;
    if (compares && types.size() == 2 &&
        (types[0]->kind == TypeKind::list) != (types[1]->kind == TypeKind::list))
      hint = "To ask whether a list has a member, write `'x' in list`.";
    else if (sign == "in" && types[1]->kind == TypeKind::string)
      hint = "To look for a part of a text, write text.contains('x').";
    return {node.span, fmt::format("`{}` cannot {} {}", sign, compares ? "compare" : "take", operands), hint};
  }

  const Type* list(Ast& node) {
    const Type* member = nullptr;
    for (Ast* child : node.children) {
      const Type* type = entry_type(*child, child->optional_entry);
      member = member ? join(member, type, types_) : type;
    }
    return types_.list(member ? member : &open_type);
  }

  // What a member or value is; of one written with `?`, what its optional holds.
  const Type* entry_type(Ast& node, bool optional) {
    const Type* type = check(node);
    if (!optional || is_dynamic(*type)) return type;
    if (type->kind == TypeKind::optional) return type->first;
    return fail({node.span, fmt::format("`?` needs an optional, and this is {}", describe(*type)),
                 "As in [?optional.of(value)] or {?'key': map.?field}."});
  }

  const Type* map(Ast& node) {
    const Type* key = nullptr;
    const Type* value = nullptr;
    for (std::size_t i = 0; i < node.children.size(); i += 2) {
      const Type* key_type = check(*node.children[i]);
      const Type* value_type = entry_type(*node.children[i + 1], node.children[i]->optional_entry);
      bool allowed = compatible(*key_type, string_type) || compatible(*key_type, int_type) ||
                     compatible(*key_type, uint_type) || compatible(*key_type, bool_type);
      if (!allowed)
        fail({node.children[i]->span, fmt::format("{} cannot be the key of a map", describe(*key_type)),
              "Keys are string, int, uint or bool."});
      key = key ? join(key, key_type, types_) : key_type;
      value = value ? join(value, value_type, types_) : value_type;
    }
    return types_.map(key ? key : &open_type, value ? value : &open_type);
  }

  void want_bool(const Ast& node, std::string_view who) {
    if (!compatible(*node.type, bool_type))
      fail({node.span, fmt::format("{} needs bool, and this is {}", who, describe(*node.type)), {}});
  }

  const Type* logical(Ast& node, std::string_view sign) {
    for (Ast* child : node.children) {
      check(*child);
      want_bool(*child, fmt::format("`{}`", sign));
    }
    return &bool_type;
  }

  const Type* conditional(Ast& node) {
    check(*node.children[0]);
    want_bool(*node.children[0], "`?`");
    const Type* yes = check(*node.children[1]);
    const Type* no = check(*node.children[2]);
    if (!compatible(*yes, *no))
      return fail(
          {node.span, fmt::format("the two sides of `?` are {} and {}", describe(*yes), describe(*no)), {}});
    return join(yes, no, types_);
  }

  struct Members {
    const Type* first;   // of the one-variable form
    const Type* index;   // first of the two-variable form
    const Type* second;  // second of the two-variable form
  };

  Members members_of(const Ast& node, const Type* range) {
    bool of_optional = node.macro == Macro::opt_map || node.macro == Macro::opt_flat_map;
    if (range->kind == TypeKind::open) return {&open_type, &open_type, &open_type};
    if (of_optional && range->kind == TypeKind::optional) return {range->first, nullptr, nullptr};
    if (of_optional && range->kind != TypeKind::dyn)
      fail({node.name_span,
            fmt::format("`{}` needs an optional, and this is {}", node.name, describe(*range)),
            {}});
    else if (range->kind == TypeKind::list)
      return {range->first, &int_type, range->first};
    else if (range->kind == TypeKind::map && node.macro != Macro::sort_by)
      return {range->first, range->first, range->second};
    else if (range->kind != TypeKind::dyn)
      fail({node.name_span,
            fmt::format("`{}` needs a list or a map, and this is {}", node.name, describe(*range)),
            {}});
    return {&dyn_type, &dyn_type, &dyn_type};
  }

  const Type* macro(Ast& node) {
    const Type* range = check(*node.children[0]);
    Members members = members_of(node, range);
    bool two = !node.second_variable.empty();
    node.index = scope_.push(node.variable, two ? members.index : members.first);
    if (two) scope_.push(node.second_variable, members.second);
    std::vector<const Type*> types;
    for (std::size_t i = 1; i < node.children.size(); ++i) types.push_back(check(*node.children[i]));
    scope_.pop();
    if (two) scope_.pop();
    return macro_result(node, range, members, types);
  }

  const Type* macro_result(const Ast& node, const Type* range, const Members& members,
                           const std::vector<const Type*>& types) {
    bool tests = node.macro == Macro::all || node.macro == Macro::exists || node.macro == Macro::exists_one ||
                 node.macro == Macro::filter;
    if (tests || types.size() == 2) want_bool(*node.children[1], fmt::format("`{}`", node.name));
    switch (node.macro) {
      case Macro::all:
      case Macro::exists:
      case Macro::exists_one: return &bool_type;
      case Macro::filter: return range->kind == TypeKind::list ? range : types_.list(members.first);
      case Macro::map:
      case Macro::transform_list: return types_.list(types.back());
      case Macro::transform_map: return types_.map(members.index, types.back());
      case Macro::transform_map_entry:
        if (types.back()->kind == TypeKind::map || is_dynamic(*types.back())) return types.back();
        return fail({node.children.back()->span,
                     fmt::format("`transformMapEntry` needs a map, and this is {}", describe(*types.back())),
                     "As in transformMapEntry(k, v, {v: k})."});
      case Macro::sort_by: return range;
      case Macro::opt_map: return types_.optional(types.back());
      case Macro::opt_flat_map:
        if (types.back()->kind == TypeKind::optional || is_dynamic(*types.back())) return types.back();
        return fail({node.children.back()->span,
                     fmt::format("`optFlatMap` needs an optional, and this is {}", describe(*types.back())),
                     "`optMap` takes any value."});
    }
    __builtin_unreachable();
  }

  bool strict_;
  Scope scope_;
  TypePool& types_;
  std::vector<Problem> problems_;
};

}  // namespace

Checked check(Ast& root, const Environment& environment, TypePool& types) {
  return Checker(environment, types).run(root);
}

}  // namespace clawpatrol::cel
