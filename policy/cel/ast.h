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
  message,      // name{...}: parsed, so that the checker can say what it thinks of it
  all_of,       // children joined by &&
  any_of,       // children joined by ||
  conditional,  // condition, yes, no
  macro,        // children[0] is what it ranges over, then the expressions
};

enum class Macro : std::uint8_t { all, exists, exists_one, map, filter, transform_list, transform_map };

// What the checker found that a name stands for.
enum class Target : std::uint8_t { none, local, facet, variable, type };

struct Ast {
  AstKind kind = AstKind::literal;
  Span span;
  Span name_span;  // of the name, field, function or operator
  std::size_t height = 1;
  Value literal;
  std::string name;
  bool has_receiver = false;  // call: children[0] stands before the dot
  bool absolute = false;      // name: written with a leading dot
  Macro macro = Macro::all;
  std::string variable;         // of a macro
  std::string second_variable;  // of its two-variable form, else ""
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
