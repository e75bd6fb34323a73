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

const FacetInfo* facet_of(const Ast& ast) {
  return ast.kind == AstKind::name && ast.target == Target::facet ? &facet_table[ast.index] : nullptr;
}

const FacetInfo* facet_of_type(const Ast& ast, FacetType type) {
  const FacetInfo* facet = facet_of(ast);
  return facet && facet->type == type ? facet : nullptr;
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

Keys keys_of_macro(const Ast& ast) {
  const bool needs_one = ast.macro == Macro::exists || ast.macro == Macro::exists_one;
  if (!needs_one || !ast.second_variable.empty() || ast.children.size() != 2) return std::nullopt;
  const FacetInfo* list = facet_of_type(*ast.children[0], FacetType::string_list);
  if (!list) return std::nullopt;
  if (Texts values = values_of(*ast.children[1], ast.index)) return with_values(list->id, "", *values);
  return std::vector{Key{list->id, "", Key::Test::has_members, ""}};
}

Keys keys_of_call(const Ast& ast) {
  if (ast.name == "@in" && ast.children.size() == 2 && is_text(*ast.children[0]))
    if (const FacetInfo* list = facet_of_type(*ast.children[1], FacetType::string_list))
      return with_values(list->id, "", *one_text(Key::Test::equals, *ast.children[0]));
  for (const Ast* side : ast.children) {
    auto is_side = [side](const Ast& other) { return &other == side; };
    if (const FacetInfo* text = facet_of_type(*side, FacetType::string))
      if (Texts values = texts_for(ast, is_side)) return with_values(text->id, "", *values);
    if (side->kind != AstKind::select) continue;
    if (const FacetInfo* object = facet_of_type(*side->children[0], FacetType::copy_object))
      if (Texts values = texts_for(ast, is_side)) return with_values(object->id, side->name, *values);
  }
  return std::nullopt;
}

// All of them are needed: any of them may be what is true.
Keys keys_of_any(const Ast& ast) {
  std::vector<Key> all;
  for (const Ast* child : ast.children) {
    Keys keys = keys_of(*child);
    if (!keys) return std::nullopt;
    std::ranges::move(*keys, std::back_inserter(all));
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

// One will do: the narrowest.
Keys keys_of_all(const Ast& ast) {
  Keys best;
  for (const Ast* child : ast.children) {
    Keys keys = keys_of(*child);
    if (keys && (!best || breadth(*keys) < breadth(*best))) best = std::move(keys);
  }
  return best;
}

}  // namespace

Keys keys_of(const Ast& condition) {
  switch (condition.kind) {
    case AstKind::name:
      if (const FacetInfo* flag = facet_of_type(condition, FacetType::boolean))
        return std::vector{Key{flag->id, "", Key::Test::equals, "true"}};
      return std::nullopt;
    case AstKind::call: return keys_of_call(condition);
    case AstKind::macro: return keys_of_macro(condition);
    case AstKind::any_of: return keys_of_any(condition);
    case AstKind::all_of: return keys_of_all(condition);
    default: return std::nullopt;
  }
}

}  // namespace clawpatrol::cel
