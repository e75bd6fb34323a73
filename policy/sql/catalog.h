// What PostgreSQL 15 itself brings: names of pg_catalog, from generated/catalog.inc, and what its dangerous
// functions, and those of well-known extensions, can do (function_classes.cpp).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/facets.h"

namespace clawpatrol::sql {

// What a function or statement can do; bits, in the order in which sql.classes lists them.
enum Class : std::uint16_t {
  class_none = 0,
  class_file = 1U << 0,
  class_network = 1U << 1,
  class_program = 1U << 2,
  class_code = 1U << 3,
  class_large_object = 1U << 4,
  class_admin = 1U << 5,
  class_signal = 1U << 6,
  class_settings = 1U << 7,
  class_dynamic_sql = 1U << 8,
  class_unknown_code = 1U << 9,
};
using Classes = std::uint16_t;

std::span<const std::string_view> class_names();  // by bit
std::vector<std::string> names_of_classes(Classes classes);
// The kind that an action of these classes has at least.
ActionKind kind_of_classes(Classes classes);

// What a call of a known function that is not plainly safe does.
struct FunctionClass {
  std::string_view name;
  Classes classes;
  ActionKind kind;  // at least
  // True: it touches no table, setting or code beyond its classes, so lists stay closed.
  bool closed;
};

bool is_safe_function(std::string_view name);
bool is_catalog_function(std::string_view name);
bool is_row_function(std::string_view name);  // of the catalogue: always returns rows, never one value
bool is_catalog_type(std::string_view name);
bool holds_values_of_tables(std::string_view catalog_relation);  // statistics; the last of sequences
bool is_catalog_operator(std::string_view name);
bool is_catalog_relation(std::string_view name);
// Of the catalogue's views, what the functions behind them can do; of its tables, what they hold.
Classes catalog_relation_classes(std::string_view name);
// By leaf name, whatever the schema: an extension can be in any. Null: not in the list.
const FunctionClass* find_function_class(std::string_view name);

}  // namespace clawpatrol::sql
