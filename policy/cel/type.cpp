#include "policy/cel/type.h"

#include <fmt/format.h>

namespace clawpatrol::cel {

bool same(const Type& left, const Type& right) {
  if (&left == &right) return true;
  if (left.kind != right.kind) return false;
  if (left.first && !same(*left.first, *right.first)) return false;
  return !left.second || same(*left.second, *right.second);
}

namespace {

// As in cel-spec, null can stand for what has no other way to be absent.
bool may_be_null(TypeKind kind) {
  return kind == TypeKind::optional || kind == TypeKind::ip || kind == TypeKind::cidr ||
         kind == TypeKind::timestamp || kind == TypeKind::duration;
}

}  // namespace

bool compatible(const Type& left, const Type& right) {
  if (is_dynamic(left) || is_dynamic(right)) return true;
  if (left.kind == TypeKind::null && may_be_null(right.kind)) return true;
  if (right.kind == TypeKind::null && may_be_null(left.kind)) return true;
  if (left.kind == TypeKind::nullable && right.kind != TypeKind::nullable)
    return right.kind == TypeKind::null || compatible(*left.first, right);
  if (right.kind == TypeKind::nullable && left.kind != TypeKind::nullable) return compatible(right, left);
  if (left.kind != right.kind) return false;
  if (left.first && !compatible(*left.first, *right.first)) return false;
  return !left.second || compatible(*left.second, *right.second);
}

std::string describe(const Type& type) {
  switch (type.kind) {
    case TypeKind::dyn:
    case TypeKind::open: return "dyn";
    case TypeKind::null: return "null";
    case TypeKind::boolean: return "bool";
    case TypeKind::integer: return "int";
    case TypeKind::uinteger: return "uint";
    case TypeKind::real: return "double";
    case TypeKind::string: return "string";
    case TypeKind::bytes: return "bytes";
    case TypeKind::timestamp: return "timestamp";
    case TypeKind::duration: return "duration";
    case TypeKind::type: return "type";
    case TypeKind::list: return fmt::format("list({})", describe(*type.first));
    case TypeKind::map: return fmt::format("map({}, {})", describe(*type.first), describe(*type.second));
    case TypeKind::nullable: return fmt::format("{} or null", describe(*type.first));
    case TypeKind::optional: return fmt::format("optional({})", describe(*type.first));
    case TypeKind::ip: return "ip";
    case TypeKind::cidr: return "cidr";
    case TypeKind::copy: return "object with the fields direction and target";
  }
  __builtin_unreachable();
}

}  // namespace clawpatrol::cel
