// What names mean: facets, declared variables, the variables of macros, and types.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/cel/ast.h"
#include "policy/cel/type.h"

namespace clawpatrol::cel {

struct Variable {
  std::string name;  // may hold dots
  const Type* type = nullptr;
};

enum class Folding : std::uint8_t { on, off };  // of constants; off: for tests, which compare the two

enum class Strictness : std::uint8_t {
  strict,   // what does not type-check is a problem
  lenient,  // it is an error when it is evaluated: cel-spec's cases with disable_check
};

struct Environment {
  std::optional<std::vector<FacetFamily>> families;  // none: no facets at all
  std::vector<Variable> variables;
  std::string container;  // of names, as in cel-spec; conditions have none
  Strictness strictness = Strictness::strict;
  Folding folding = Folding::on;
};

struct Resolved {
  Target target = Target::none;
  std::size_t index = 0;
  const Type* type = nullptr;
};

class Scope {
 public:
  explicit Scope(const Environment& environment) : environment_(environment) {}

  // The variable of a macro, the innermost first; none when there is none of this name.
  std::optional<Resolved> local(std::string_view name) const;
  std::size_t next_slot() const { return locals_.size(); }
  std::size_t push(std::string_view name, const Type* type);  // its slot
  void pop() { locals_.pop_back(); }
  std::size_t most_locals() const { return most_locals_; }

  // What a dotted path could be the name of, by the container's rules, the likeliest first.
  std::vector<std::string> meanings(std::string_view path, bool absolute) const;
  // The first of them that is declared.
  std::optional<Resolved> global(std::string_view path, bool absolute) const;
  // Why a path is nothing.
  Problem unknown_name(std::string_view path, Span span) const;
  bool is_facet(std::string_view path) const;

 private:
  struct Local {
    std::string name;
    const Type* type;
  };

  std::optional<Resolved> declared(std::string_view path) const;
  bool available(const FacetInfo& facet) const;
  std::string nearest_facet(std::string_view path) const;

  const Environment& environment_;
  std::vector<Local> locals_;
  std::size_t most_locals_ = 0;
};

const Type* type_of(FacetType type);
std::string_view type_name_at(std::size_t index);  // of a name whose target is a type
// The candidate that differs least from `word`, or "" when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace clawpatrol::cel
