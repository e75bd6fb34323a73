#include "policy/cel/overloads.h"

namespace clawpatrol::cel {

namespace {

const Type* plain_type(Param param) {
  switch (param) {
    case Param::null: return &null_type;
    case Param::boolean: return &bool_type;
    case Param::integer: return &int_type;
    case Param::uinteger: return &uint_type;
    case Param::real: return &double_type;
    case Param::string: return &string_type;
    case Param::bytes: return &bytes_type;
    case Param::timestamp: return &timestamp_type;
    case Param::duration: return &duration_type;
    case Param::type: return &type_type;
    case Param::ip: return &ip_type;
    case Param::cidr: return &cidr_type;
    case Param::list_string: return &string_list_type;
    case Param::list_integer: return &int_list_type;
    case Param::list_uinteger: return &uint_list_type;
    case Param::list_real: return &double_list_type;
    default: return &dyn_type;
  }
}

bool has_order(const Type& type) {
  switch (type.kind) {
    case TypeKind::dyn:
    case TypeKind::open:
    case TypeKind::boolean:
    case TypeKind::integer:
    case TypeKind::uinteger:
    case TypeKind::real:
    case TypeKind::string:
    case TypeKind::bytes:
    case TypeKind::timestamp:
    case TypeKind::duration: return true;
    default: return false;
  }
}

// What `a` and `b` of a signature have been found to be.
class Bindings {
 public:
  explicit Bindings(TypePool& types) : types_(types) {}

  bool accepts(Param param, const Type* actual) {
    switch (param) {
      case Param::a: return bind(a_, actual);
      case Param::b: return bind(b_, actual);
      case Param::list_a:
        if (is_dynamic(*actual)) return bind(a_, actual);
        return actual->kind == TypeKind::list && bind(a_, actual->first);
      case Param::list_ordered: return accepts(Param::list_a, actual) && has_order(*a_);
      case Param::list_list_a:
        if (is_dynamic(*actual)) return bind(a_, actual);
        return actual->kind == TypeKind::list && accepts(Param::list_a, actual->first);
      case Param::list_dyn: return is_dynamic(*actual) || actual->kind == TypeKind::list;
      case Param::optional_a:
        if (is_dynamic(*actual)) return bind(a_, actual);
        return actual->kind == TypeKind::optional && bind(a_, actual->first);
      case Param::list_optional_a:
        if (is_dynamic(*actual)) return bind(a_, actual);
        return actual->kind == TypeKind::list && accepts(Param::optional_a, actual->first);
      case Param::map_ab:
        if (is_dynamic(*actual)) return bind(a_, &dyn_type) && bind(b_, &dyn_type);
        return actual->kind == TypeKind::map && bind(a_, actual->first) && bind(b_, actual->second);
      default: return compatible(*plain_type(param), *actual);
    }
  }

  const Type* result(Param param) {
    switch (param) {
      case Param::a: return a_ ? a_ : &open_type;
      case Param::b: return b_ ? b_ : &open_type;
      case Param::list_dyn: return types_.list(&dyn_type);
      case Param::optional_a: return types_.optional(result(Param::a));
      case Param::list_optional_a: return types_.list(result(Param::optional_a));
      case Param::list_a: return types_.list(result(Param::a));
      case Param::map_ab: return types_.map(result(Param::a), result(Param::b));
      default: return plain_type(param);
    }
  }

 private:
  bool bind(const Type*& bound, const Type* actual) {
    if (bound && !compatible(*bound, *actual)) return false;
    bound = bound ? join(bound, actual, types_) : actual;
    return true;
  }

  TypePool& types_;
  const Type* a_ = nullptr;
  const Type* b_ = nullptr;
};

}  // namespace

const Type* join(const Type* left, const Type* right, TypePool& types) {
  if (same(*left, *right)) return left;
  if (!compatible(*left, *right)) return &dyn_type;
  if (left->kind == TypeKind::open) return right;
  if (right->kind == TypeKind::open) return left;
  if (left->kind != right->kind) {
    if (left->kind == TypeKind::nullable) return right->kind == TypeKind::dyn ? right : left;
    if (right->kind == TypeKind::nullable) return left->kind == TypeKind::dyn ? left : right;
    if (left->kind == TypeKind::null && right->kind != TypeKind::dyn) return right;
    return right->kind == TypeKind::null && left->kind != TypeKind::dyn ? left : &dyn_type;
  }
  if (left->kind == TypeKind::list) return types.list(join(left->first, right->first, types));
  if (left->kind == TypeKind::optional) return types.optional(join(left->first, right->first, types));
  if (left->kind == TypeKind::map)
    return types.map(join(left->first, right->first, types), join(left->second, right->second, types));
  return left;
}

const Type* result_type(const Function& function, bool receiver, std::span<const Type* const> arguments,
                        TypePool& types) {
  const Type* found = nullptr;
  for (const Signature& signature : function.signatures()) {
    if (signature.receiver != receiver || signature.count() != arguments.size()) continue;
    Bindings bindings(types);
    bool fits = true;
    for (std::size_t i = 0; i < arguments.size() && fits; ++i)
      fits = bindings.accepts(signature.params[i], arguments[i]);
    if (!fits) continue;
    const Type* result = bindings.result(signature.result);
    found = !found || same(*found, *result) ? result : &dyn_type;
  }
  return found;
}

}  // namespace clawpatrol::cel
