#include "policy/cel/keys.h"

#include <algorithm>

namespace clawpatrol::cel {

namespace {

using Keys = std::optional<std::vector<Key>>;
struct Wanted {
  Key::Test test = Key::Test::equals;
  std::string text;
};
using Texts = std::optional<std::vector<Wanted>>;

// A variable of cel.bind() and what it stands for, which sees only those around it: a slot is used again.
struct Bound {
  std::size_t slot;
  const Ast* value;
  const Bound* outer;
};

// A part of the condition, where it is seen.
struct Part {
  const Ast* ast;
  const Bound* bound;
  const Ast& operator*() const { return *ast; }
  const Ast* operator->() const { return ast; }
  Part child(std::size_t index) const { return {ast->children[index], bound}; }
};

// What a variable stands for, or else the part itself.
Part meant_by(Part part) {
  while (part->kind == AstKind::name && part->target == Target::local) {
    const Bound* found = part.bound;
    while (found != nullptr && found->slot != part->index) found = found->outer;
    if (found == nullptr) return part;
    part = {found->value, found->outer};
  }
  return part;
}

const FacetInfo* facet_of_type(Part part, FacetType type) {
  const Part meant = meant_by(part);
  if (meant->kind != AstKind::name || meant->target != Target::facet) return nullptr;
  const FacetInfo* facet = &facet_table[meant->index];
  return facet->type == type ? facet : nullptr;
}

bool is_text(const Ast& ast) {
  return ast.kind == AstKind::literal && ast.literal.kind == Kind::string;
}

Texts texts_of_list(const Ast& ast) {
  if (ast.kind != AstKind::list || ast.children.empty()) return std::nullopt;
  std::vector<Wanted> texts;
  for (const Ast* child : ast.children) {
    if (!is_text(*child)) return std::nullopt;
    texts.push_back({Key::Test::equals, std::string(child->literal.text())});
  }
  return texts;
}

Texts one_text(Key::Test test, const Ast& literal) {
  return std::vector{Wanted{test, std::string(literal.literal.text())}};
}

// The texts of which `subject` must be one, or begin with it: `subject == 'a'`, `subject in ['a', 'b']`,
// `subject.startsWith('a')`.
template <class IsSubject>
Texts texts_for(const Ast& test, IsSubject is_subject) {
  if (test.kind != AstKind::call || test.children.size() != 2) return std::nullopt;
  const Ast& left = *test.children[0];
  const Ast& right = *test.children[1];
  if (test.name == "@in") return is_subject(left) ? texts_of_list(right) : std::nullopt;
  const bool begins = test.name == "startsWith";
  if (!begins && test.name != "_==_") return std::nullopt;
  if (is_subject(left) && is_text(right))
    return one_text(begins ? Key::Test::begins_with : Key::Test::equals, right);
  if (!begins && is_subject(right) && is_text(left)) return one_text(Key::Test::equals, left);
  return std::nullopt;
}

Keys with_values(FacetId facet, std::string_view field, const std::vector<Wanted>& values) {
  std::vector<Key> keys;
  for (const Wanted& value : values) keys.push_back({facet, std::string(field), value.test, value.text});
  return keys;
}

// What is true of one of the values where the predicate is.
Texts values_of(const Ast& predicate, std::size_t slot) {
  auto is_variable = [slot](const Ast& ast) {
    return ast.kind == AstKind::name && ast.target == Target::local && ast.index == slot;
  };
  if (predicate.kind != AstKind::any_of) return texts_for(predicate, is_variable);
  std::vector<Wanted> all;
  for (const Ast* child : predicate.children) {
    Texts texts = texts_for(*child, is_variable);
    if (!texts) return std::nullopt;
    all.insert(all.end(), texts->begin(), texts->end());
  }
  return all;
}

// How many actions the keys let through, roughly: equality is the narrowest test.
std::size_t breadth(const std::vector<Key>& keys) {
  std::size_t sum = 0;
  for (const Key& key : keys)
    sum += key.test == Key::Test::equals ? 1 : key.test == Key::Test::begins_with ? 2 : 16;
  return sum;
}

class KeyFinder {
 public:
  Keys of(Part part);

 private:
  Keys of_macro(Part part);
  Keys of_call(Part part);
  Keys of_any(Part part);
  Keys of_all(Part part);
  Keys of_bind(Part part);
  Keys of_body(Part part, std::size_t variable, const Bound* bound);

  int work_ = 10'000;  // what a variable stands for is looked at wherever it stands
};

Keys KeyFinder::of_macro(Part part) {
  const bool needs_one = part->macro == Macro::exists || part->macro == Macro::exists_one;
  if (!needs_one || !part->second_variable.empty() || part->children.size() != 2) return std::nullopt;
  const FacetInfo* list = facet_of_type(part.child(0), FacetType::string_list);
  if (!list) return std::nullopt;
  if (Texts values = values_of(*part->children[1], part->index)) return with_values(list->id, "", *values);
  return std::vector{Key{list->id, "", Key::Test::has_members, ""}};
}

Keys KeyFinder::of_call(Part part) {
  if (part->name == "@in" && part->children.size() == 2 && is_text(*part->children[0]))
    if (const FacetInfo* list = facet_of_type(part.child(1), FacetType::string_list))
      return with_values(list->id, "", *one_text(Key::Test::equals, *part->children[0]));
  for (std::size_t i = 0; i < part->children.size(); ++i) {
    auto is_side = [side = part->children[i]](const Ast& other) { return &other == side; };
    if (const FacetInfo* text = facet_of_type(part.child(i), FacetType::string))
      if (Texts values = texts_for(*part, is_side)) return with_values(text->id, "", *values);
    const Part side = meant_by(part.child(i));
    if (side->kind != AstKind::select) continue;
    if (const FacetInfo* object = facet_of_type(side.child(0), FacetType::copy_object))
      if (Texts values = texts_for(*part, is_side)) return with_values(object->id, side->name, *values);
  }
  return std::nullopt;
}

// All of them are needed: any of them may be what is true.
Keys KeyFinder::of_any(Part part) {
  std::vector<Key> all;
  for (std::size_t i = 0; i < part->children.size(); ++i) {
    Keys keys = of(part.child(i));
    if (!keys) return std::nullopt;
    std::ranges::move(*keys, std::back_inserter(all));
  }
  return all;
}

// One will do: the narrowest.
Keys KeyFinder::of_all(Part part) {
  Keys best;
  for (std::size_t i = 0; i < part->children.size(); ++i) {
    Keys keys = of(part.child(i));
    if (keys && (!best || breadth(*keys) < breadth(*best))) best = std::move(keys);
  }
  return best;
}

// Its values decide nothing but by what the body makes of them: an error in one that is not used is none.
Keys KeyFinder::of_bind(Part part) {
  return of_body(part, 0, part.bound);
}

Keys KeyFinder::of_body(Part part, std::size_t variable, const Bound* bound) {
  if (--work_ < 0) return std::nullopt;
  if (variable + 1 == part->children.size()) return of({part->children.back(), bound});
  const Bound own{part->index + variable, part->children[variable], bound};
  return of_body(part, variable + 1, &own);
}

Keys KeyFinder::of(Part part) {
  if (--work_ < 0) return std::nullopt;
  part = meant_by(part);
  switch (part->kind) {
    case AstKind::name:
      if (const FacetInfo* flag = facet_of_type(part, FacetType::boolean))
        return std::vector{Key{flag->id, "", Key::Test::equals, "true"}};
      return std::nullopt;
    case AstKind::call: return of_call(part);
    case AstKind::macro: return of_macro(part);
    case AstKind::any_of: return of_any(part);
    case AstKind::all_of: return of_all(part);
    case AstKind::bind: return of_bind(part);
    default: return std::nullopt;
  }
}

}  // namespace

std::optional<std::vector<Key>> keys_of(const Ast& condition) {
  return KeyFinder().of({&condition, nullptr});
}

}  // namespace clawpatrol::cel
