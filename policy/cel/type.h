// Static types, as the checker sees them.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

namespace clawpatrol::cel {

enum class TypeKind : std::uint8_t {
  dyn,
  open,  // not known yet: of the members of `[]`, of what optional.none() would hold
  null,
  boolean,
  integer,
  uinteger,
  real,
  string,
  bytes,
  timestamp,
  duration,
  type,
  list,      // of `first`
  map,       // from `first` to `second`
  nullable,  // `first` or null
  copy,      // the object sql.copy
  optional,  // of `first`
  ip,
  cidr,
};

struct Type {
  TypeKind kind = TypeKind::dyn;
  const Type* first = nullptr;
  const Type* second = nullptr;
};

inline constexpr Type dyn_type{TypeKind::dyn};
inline constexpr Type open_type{TypeKind::open};
inline constexpr Type null_type{TypeKind::null};
inline constexpr Type bool_type{TypeKind::boolean};
inline constexpr Type int_type{TypeKind::integer};
inline constexpr Type uint_type{TypeKind::uinteger};
inline constexpr Type double_type{TypeKind::real};
inline constexpr Type string_type{TypeKind::string};
inline constexpr Type bytes_type{TypeKind::bytes};
inline constexpr Type timestamp_type{TypeKind::timestamp};
inline constexpr Type duration_type{TypeKind::duration};
inline constexpr Type type_type{TypeKind::type};
inline constexpr Type copy_type{TypeKind::copy};
inline constexpr Type ip_type{TypeKind::ip};
inline constexpr Type cidr_type{TypeKind::cidr};
inline constexpr Type string_list_type{TypeKind::list, &string_type};
inline constexpr Type int_list_type{TypeKind::list, &int_type};
inline constexpr Type uint_list_type{TypeKind::list, &uint_type};
inline constexpr Type double_list_type{TypeKind::list, &double_type};
inline constexpr Type nullable_string_type{TypeKind::nullable, &string_type};
inline constexpr Type nullable_string_list_type{TypeKind::list, &nullable_string_type};
inline constexpr Type string_map_type{TypeKind::map, &string_type, &string_type};
inline constexpr Type string_list_map_type{TypeKind::map, &string_type, &string_list_type};
inline constexpr Type dyn_map_type{TypeKind::map, &string_type, &dyn_type};

// Owns the types that an expression makes up.
class TypePool {
 public:
  const Type* list(const Type* member) { return &types_.emplace_back(TypeKind::list, member); }
  const Type* map(const Type* key, const Type* value) {
    return &types_.emplace_back(TypeKind::map, key, value);
  }
  const Type* optional(const Type* held) { return &types_.emplace_back(TypeKind::optional, held); }

 private:
  std::deque<Type> types_;
};

// Nothing is said about it until the action is here.
inline bool is_dynamic(const Type& type) {
  return type.kind == TypeKind::dyn || type.kind == TypeKind::open;
}
bool same(const Type& left, const Type& right);
// Whether a value of one could be a value of the other. dyn is compatible with everything.
bool compatible(const Type& left, const Type& right);
std::string describe(const Type& type);  // "list(string)"

}  // namespace clawpatrol::cel
