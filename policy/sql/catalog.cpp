#include "policy/sql/catalog.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace clawpatrol::sql {
namespace {

#include "policy/sql/generated/catalog.inc"

static_assert(std::ranges::is_sorted(safe_functions) && std::ranges::is_sorted(catalog_functions) &&
              std::ranges::is_sorted(row_functions) && std::ranges::is_sorted(catalog_types) &&
              std::ranges::is_sorted(catalog_operators) && std::ranges::is_sorted(catalog_relations));

constexpr std::array<std::string_view, 10> names = {"file",         "network",     "program", "code",
                                                    "large_object", "admin",       "signal",  "settings",
                                                    "dynamic_sql",  "unknown_code"};

}  // namespace

std::span<const std::string_view> class_names() {
  return names;
}

std::vector<std::string> names_of_classes(Classes classes) {
  std::vector<std::string> listed;
  for (std::size_t bit = 0; bit < names.size(); ++bit) {
    if ((classes >> bit & 1) != 0) listed.emplace_back(names[bit]);
  }
  return listed;
}

ActionKind kind_of_classes(Classes classes) {
  constexpr Classes exec =
      class_network | class_program | class_code | class_dynamic_sql | class_unknown_code;
  if ((classes & exec) != 0) return ActionKind::exec;
  if ((classes & (class_file | class_admin | class_signal)) != 0) return ActionKind::admin;
  if ((classes & class_large_object) != 0) return ActionKind::write;
  return ActionKind::session;  // settings: by the setting's name, see settings.h
}

bool is_safe_function(std::string_view name) {
  return std::ranges::binary_search(safe_functions, name);
}
bool is_catalog_function(std::string_view name) {
  return std::ranges::binary_search(catalog_functions, name);
}
bool is_row_function(std::string_view name) {
  return std::ranges::binary_search(row_functions, name);
}
bool is_catalog_type(std::string_view name) {
  return std::ranges::binary_search(catalog_types, name);
}
bool is_catalog_operator(std::string_view name) {
  return std::ranges::binary_search(catalog_operators, name);
}
bool is_catalog_relation(std::string_view name) {
  return std::ranges::binary_search(catalog_relations, name);
}

bool holds_values_of_tables(std::string_view catalog_relation) {
  return catalog_relation == "pg_stats" || catalog_relation == "pg_statistic" ||
         catalog_relation == "pg_stats_ext" || catalog_relation == "pg_stats_ext_exprs" ||
         catalog_relation == "pg_statistic_ext_data" || catalog_relation == "pg_sequences";
}

// pg_show_all_file_settings(), pg_hba_file_rules(), pg_ident_file_mappings(); the rest of system_views.sql
// calls what is safe.
Classes catalog_relation_classes(std::string_view name) {
  if (name == "pg_file_settings" || name == "pg_hba_file_rules" || name == "pg_ident_file_mappings")
    return class_file;
  return name == "pg_largeobject" ? class_large_object : class_none;
}

}  // namespace clawpatrol::sql
