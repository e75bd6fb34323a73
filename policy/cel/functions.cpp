#include <fmt/format.h>

#include "policy/cel/function.h"

namespace clawpatrol::cel {

namespace {

std::string_view name_of(Param param) {
  switch (param) {
    case Param::none: return "";
    case Param::dyn:
    case Param::a:
    case Param::b: return "any";
    case Param::null: return "null";
    case Param::boolean: return "bool";
    case Param::integer: return "int";
    case Param::uinteger: return "uint";
    case Param::real: return "double";
    case Param::string: return "string";
    case Param::bytes: return "bytes";
    case Param::timestamp: return "timestamp";
    case Param::duration: return "duration";
    case Param::type: return "type";
    case Param::ip: return "ip";
    case Param::cidr: return "cidr";
    case Param::list_list_a: return "list(list)";
    case Param::list_optional_a: return "list(optional)";
    case Param::optional_a: return "optional";
    case Param::list_a:
    case Param::list_ordered:
    case Param::list_dyn: return "list";
    case Param::list_integer: return "list(int)";
    case Param::list_uinteger: return "list(uint)";
    case Param::list_real: return "list(double)";
    case Param::list_string: return "list(string)";
    case Param::map_ab: return "map";
  }
  __builtin_unreachable();
}

}  // namespace

std::array<std::span<const Function>, 13> all_functions() {
  return {comparison_functions(), arithmetic_functions(), string_functions(),  conversion_functions(),
          time_functions(),       set_functions(),        format_functions(),  list_functions(),
          math_functions(),       optional_functions(),   network_functions(), encoder_functions(),
          wrapper_functions()};
}

const Function* find_function(std::string_view name) {
  for (std::span<const Function> table : all_functions())
    for (const Function& function : table)
      if (function.name == name) return &function;
  return nullptr;
}

std::string operator_sign(std::string_view name) {
  if (name == "@in") return "in";
  if (name == "_[_]") return "[]";
  if (name == "_[?_]") return "[?]";
  std::string sign;
  for (char c : name)
    if (c != '_') sign.push_back(c);
  return sign;
}

std::string describe(std::string_view name, const Signature& signature) {
  std::string text;
  std::size_t first = 0;
  if (signature.receiver) text = fmt::format("{}.", name_of(signature.params[first++]));
  text += fmt::format("{}(", name);
  for (std::size_t i = first; i < signature.count(); ++i)
    text += fmt::format("{}{}", i > first ? ", " : "", name_of(signature.params[i]));
  return text + fmt::format(") -> {}", name_of(signature.result));
}

}  // namespace clawpatrol::cel
