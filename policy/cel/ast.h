// The syntax tree. The parser makes it, the checker resolves names and types in place, lowering reads it.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "policy/cel/frame.h"
#include "policy/cel/program.h"
#include "policy/cel/value.h"

namespace clawpatrol::cel {

struct Type;
struct Function;

enum class AstKind : std::uint8_t {
  literal,
  name,     // `name`; a path of names is select(select(name))
  select,   // children[0].name
  present,  // has(children[0].name)
  call,     // name(children...); operators too, by the names that cel-spec gives them, such as `_+_`
  list,
  map,          // children: key, value, key, value, ...
  message,      // name{...}: children[0] is the name, then what `fields` are set to
  all_of,       // children joined by &&
  any_of,       // children joined by ||
  conditional,  // condition, yes, no
  macro,        // children[0] is what it ranges over, then the expressions
  bind,         // children: the values of `variables`, each seen by those behind it, then the body
};

enum class Macro : std::uint8_t {
  all,
  exists,
  exists_one,
  map,
  filter,
  transform_list,
  transform_map,
  transform_map_entry,
  sort_by,
  opt_map,
  opt_flat_map,
};

// What the checker found that a name stands for.
enum class Target : std::uint8_t { none, local, facet, variable, type, null_value };

struct Ast {
  AstKind kind = AstKind::literal;
  Span span;
  Span name_span;  // of the name, field, function or operator
  std::size_t height = 1;
  Value literal;
  std::string name;
  bool has_receiver = false;    // call: children[0] stands before the dot
  bool absolute = false;        // name: written with a leading dot
  bool optional_field = false;  // select: written a.?b
  bool optional_entry = false;  // member of a list, or key of a map: written with a `?` before it
  Macro macro = Macro::all;
  std::string variable;                // of a macro
  std::string second_variable;         // of its two-variable form, else ""
  std::vector<std::string> variables;  // of a bind
  std::vector<std::string> fields;     // of a message
  std::vector<Ast*> children;

  // Filled in by the checker.
  const Type* type = nullptr;
  Target target = Target::none;
  std::size_t index = 0;               // slot, FacetId or variable, as `target` says
  const Function* function = nullptr;  // null for a call that cannot succeed
};

// Owns a tree. Nodes point at each other freely; nothing here recurses to be destroyed.
class AstPool {
 public:
  Ast* make(AstKind kind, Span span) {
    nodes_.push_back({});
    nodes_.back().kind = kind;
    nodes_.back().span = span;
    return &nodes_.back();
  }
  std::size_t size() const { return nodes_.size(); }

 private:
  std::deque<Ast> nodes_;
};

}  // namespace clawpatrol::cel
