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

}  // namespace

std::optional<Problem> expand_macro(Ast& call) {
  if (!call.has_receiver) {
    if (call.name == "has" && call.children.size() == 1) return expand_has(call);
    return std::nullopt;
  }
  // exists(v, p) and exists(k, v, p) differ in number; map(v, f) and map(v, p, f) too, so the number decides.
  for (const MacroForm& form : forms)
    if (call.name == form.name && call.children.size() == 1 + form.variables + form.expressions)
      return expand_comprehension(call, form);
  return std::nullopt;
}

}  // namespace clawpatrol::cel
