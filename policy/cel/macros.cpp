#include "policy/cel/macros.h"

#include <fmt/format.h>

namespace clawpatrol::cel {

namespace {

struct MacroForm {
  std::string_view name;
  Macro macro;
  std::size_t variables;
  std::size_t expressions;
};

constexpr MacroForm forms[] = {
    {"all", Macro::all, 1, 1},
    {"all", Macro::all, 2, 1},
    {"exists", Macro::exists, 1, 1},
    {"exists", Macro::exists, 2, 1},
    {"exists_one", Macro::exists_one, 1, 1},
    {"exists_one", Macro::exists_one, 2, 1},
    {"existsOne", Macro::exists_one, 1, 1},
    {"existsOne", Macro::exists_one, 2, 1},
    {"map", Macro::map, 1, 1},
    {"map", Macro::map, 1, 2},
    {"filter", Macro::filter, 1, 1},
    {"transformList", Macro::transform_list, 2, 1},
    {"transformList", Macro::transform_list, 2, 2},
    {"transformMap", Macro::transform_map, 2, 1},
    {"transformMap", Macro::transform_map, 2, 2},
    {"transformMapEntry", Macro::transform_map_entry, 2, 1},
    {"transformMapEntry", Macro::transform_map_entry, 2, 2},
    {"sortBy", Macro::sort_by, 1, 1},
    {"optMap", Macro::opt_map, 1, 1},
    {"optFlatMap", Macro::opt_flat_map, 1, 1},
};

std::optional<Problem> expand_has(Ast& call) {
  Ast* argument = call.children[0];
  if (argument->kind != AstKind::select)
    return Problem{argument->span, "`has` needs a field, as in has(a.b)",
                   "A facet is always there; it may be empty."};
  call.kind = AstKind::present;
  call.name = argument->name;
  call.name_span = argument->name_span;
  call.children = argument->children;
  return std::nullopt;
}

bool is_plain_name(const Ast& node) {
  return node.kind == AstKind::name && !node.absolute;
}

std::optional<Problem> expand_comprehension(Ast& call, const MacroForm& form) {
  for (std::size_t i = 1; i <= form.variables; ++i)
    if (!is_plain_name(*call.children[i]))
      return Problem{call.children[i]->span,
                     fmt::format("the variable of `{}` must be a plain name", form.name),
                     fmt::format("As in list.{}(v, v == 'x').", form.name)};
  call.kind = AstKind::macro;
  call.macro = form.macro;
  call.variable = call.children[1]->name;
  if (form.variables == 2) call.second_variable = call.children[2]->name;
  if (call.variable == call.second_variable)
    return Problem{call.children[2]->span, "the two variables have one name", {}};
  auto first = call.children.begin() + 1;
  call.children.erase(first, first + static_cast<std::ptrdiff_t>(form.variables));
  return std::nullopt;
}

bool is_receiver(const Ast& call, std::string_view name) {
  return call.has_receiver && is_plain_name(*call.children[0]) && call.children[0]->name == name;
}

void become_name(Ast& call, std::string name) {
  call.kind = AstKind::name;
  call.name = std::move(name);
  call.has_receiver = false;
  call.children.clear();
  call.height = 1;
}

// cel.bind(name, value, body).
std::optional<Problem> expand_bind(Ast& call) {
  if (call.children.size() != 4)
    return Problem{call.name_span, "`cel.bind` has the wrong number of arguments",
                   "As in cel.bind(name, value, expression)."};
  if (!is_plain_name(*call.children[1]))
    return Problem{call.children[1]->span, "the variable of `cel.bind` must be a plain name",
                   "As in cel.bind(name, value, expression)."};
  call.kind = AstKind::bind;
  call.variables = {call.children[1]->name};
  call.children.erase(call.children.begin(), call.children.begin() + 2);
  return std::nullopt;
}

// cel.block([value, ...], body): cel.index(n) is the value n.
std::optional<Problem> expand_block(Ast& call) {
  if (call.children.size() != 3 || call.children[1]->kind != AstKind::list)
    return Problem{call.span, "`cel.block` needs a list of values and an expression",
                   "As in cel.block([value, ...], expression)."};
  Ast* body = call.children[2];
  call.kind = AstKind::bind;
  call.children = call.children[1]->children;
  for (std::size_t i = 0; i < call.children.size(); ++i) call.variables.push_back(fmt::format("@index{}", i));
  call.children.push_back(body);
  return std::nullopt;
}

// cel.index(n), cel.iterVar(depth, n), cel.accuVar(depth, n): names that cannot be written otherwise.
std::optional<Problem> expand_generated_name(Ast& call) {
  std::string name = call.name == "index" ? "@index" : call.name == "iterVar" ? "@it" : "@ac";
  for (std::size_t i = 1; i < call.children.size(); ++i) {
    const Ast& number = *call.children[i];
    if (number.kind != AstKind::literal || number.literal.kind != Kind::integer || number.literal.integer < 0)
      return Problem{number.span, fmt::format("`cel.{}` needs numbers", call.name), {}};
    name += fmt::format("{}{}", call.name == "index" ? "" : ":", number.literal.integer);
  }
  if (call.children.size() != (call.name == "index" ? 2u : 3u))
    return Problem{call.name_span, fmt::format("`cel.{}` has the wrong number of arguments", call.name), {}};
  become_name(call, std::move(name));
  return std::nullopt;
}

// math.greatest(a, b, ...) takes any number: they become one list.
void gather_arguments(Ast& call, AstPool& pool) {
  if (call.children.size() < 3) return;
  Ast* list = pool.make(AstKind::list, call.span);
  list->children.assign(call.children.begin() + 1, call.children.end());
  list->height = call.height;
  call.height = list->height + 1;
  call.children = {call.children[0], list};
}

}  // namespace

std::optional<Problem> expand_macro(Ast& call, AstPool& pool) {
  if (!call.has_receiver) {
    if (call.name == "has" && call.children.size() == 1) return expand_has(call);
    return std::nullopt;
  }
  if (is_receiver(call, "cel")) {
    if (call.name == "bind") return expand_bind(call);
    if (call.name == "block") return expand_block(call);
    if (call.name == "index" || call.name == "iterVar" || call.name == "accuVar")
      return expand_generated_name(call);
  }
  if (is_receiver(call, "math") && (call.name == "greatest" || call.name == "least")) {
    gather_arguments(call, pool);
    return std::nullopt;
  }
  // exists(v, p) and exists(k, v, p) differ in number; map(v, f) and map(v, p, f) too, so the number decides.
  for (const MacroForm& form : forms)
    if (call.name == form.name && call.children.size() == 1 + form.variables + form.expressions)
      return expand_comprehension(call, form);
  return std::nullopt;
}

}  // namespace clawpatrol::cel
