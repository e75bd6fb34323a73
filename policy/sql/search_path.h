// Where a name without a schema can be (attacks.md, 7). PostgreSQL 15 does not report search_path, so it is
// followed: what a literal SET says is known, and whatever else may have changed it leaves lists open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace clawpatrol::sql {

struct SearchPath {
  // What an unqualified relation or function can be in, besides the catalogue and the session's own schema.
  std::vector<std::string> schemas;
  // False: there may be others, and lists of relations and functions are open where a name has no schema.
  bool certain = true;
  // The catalogue is searched behind another schema: what seems built in may be somebody's.
  bool hides_catalog = false;
  bool operator==(const SearchPath&) const = default;
};
using SearchPathPointer = std::shared_ptr<const SearchPath>;  // null: as the server has it, `public`
const SearchPath& path_of(const SearchPathPointer& path);

// More of them, which every unqualified name is listed with, make a path uncertain.
inline constexpr std::size_t most_schemas = 16;
inline constexpr std::string_view user_schema = "$user";  // the schema named as the current role

// What a statement does to the path of what comes after it.
struct PathEffect {
  enum class Kind : std::uint8_t {
    none,
    add,        // it may have become `path`
    set,        // it is `path`, if the statement succeeds
    reset,      // it is what it was at login
    uncertain,  // nobody knows
  };
  Kind kind = Kind::none;
  SearchPath path;       // `schemas` can hold user_schema
  bool of_role = false;  // `path` holds schemas that user_schema may mean from now on
  bool operator==(const PathEffect&) const = default;
};

// A value of search_path as set_config() and startup parameters have it: names between commas.
PathEffect path_from_text(std::string_view value);
// The names of SET search_path TO a, b.
SearchPath path_from_names(std::vector<std::string> names);

// Each schema of either, certain where both are.
SearchPath united(const SearchPath& a, const SearchPath& b);
PathEffect united(const PathEffect& a,
                  const PathEffect& b);  // of two, neither of which is certain to be last

// The paths that the statements of one message can have, in their order.
class PathInMessage {
 public:
  explicit PathInMessage(SearchPathPointer before);
  const SearchPathPointer& now() const { return now_; }
  void after(const PathEffect& effect);
  // The end of a transaction, or of a part of it, may take back what was SET in it.
  void after_transaction();

 private:
  SearchPathPointer before_, now_;
  SearchPath seen_;  // all that it has been, or may have been
};

}  // namespace clawpatrol::sql
