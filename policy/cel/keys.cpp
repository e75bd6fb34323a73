#include "policy/cel/keys.h"

#include <algorithm>

namespace clawpatrol::cel {

namespace {

using Keys = std::optional<std::vector<Key>>;
using Holds = Key::Holds;
using Test = Key::Test;

// What the result of a part must differ from. `!` turns the question round, and so does what is demanded of
// every member instead of one.
enum class Not : std::uint8_t { no, yes };
Not turned(Not result) {
  return result == Not::no ? Not::yes : Not::no;
}

// That a value passes one of the texts, or (`none`) none of them.
struct Wanted {
  Holds holds = Holds::some;
  std::vector<Key::Text> texts;
};

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

std::optional<Wanted> one_of_list(const Ast& ast) {
  if (ast.kind != AstKind::list || ast.children.empty()) return std::nullopt;
  Wanted wanted;
  for (const Ast* child : ast.children) {
    if (!is_text(*child)) return std::nullopt;
    wanted.texts.push_back({Test::equals, std::string(child->literal.text())});
  }
  return wanted;
}

Wanted one_text(Test test, const Ast& literal) {
  return {Holds::some, {{test, std::string(literal.literal.text())}}};
}

// Of `subject == 'a'`, `subject in ['a', 'b']`, `subject.startsWith('a')`: what it says of the subject.
template <class IsSubject>
std::optional<Wanted> said_of(const Ast& test, IsSubject is_subject) {
  if (test.kind != AstKind::call || test.children.size() != 2) return std::nullopt;
  const Ast& left = *test.children[0];
  const Ast& right = *test.children[1];
  if (test.name == "@in") return is_subject(left) ? one_of_list(right) : std::nullopt;
  const bool begins = test.name == "startsWith";
  if (!begins && test.name != "_==_" && test.name != "_!=_") return std::nullopt;
  if (is_subject(left) && is_text(right)) return one_text(begins ? Test::begins_with : Test::equals, right);
  if (!begins && is_subject(right) && is_text(left)) return one_text(Test::equals, left);
  return std::nullopt;
}

// What must be true of the subject where the test's result differs from that.
template <class IsSubject>
std::optional<Wanted> wanted_by(const Ast& test, Not result, IsSubject is_subject) {
  std::optional<Wanted> wanted = said_of(test, is_subject);
  const bool denies = (test.name == "_!=_") != (result == Not::yes);
  if (wanted && denies) wanted->holds = Holds::none;
  return wanted;
}

bool is_negation(const Ast& ast) {
  return ast.kind == AstKind::call && ast.name == "!_" && ast.children.size() == 1;
}

// Whether the parts of an && or || need only one of them to decide: any that is false decides &&.
bool one_decides(const Ast& joined, Not result) {
  return (joined.kind == AstKind::all_of) == (result == Not::no);
}

// Where every one of them must hold. The narrowest will do; what the value must be none of adds up.
std::optional<Wanted> all_wanted(std::vector<std::optional<Wanted>> parts) {
  std::optional<Wanted> best;
  for (std::optional<Wanted>& part : parts) {
    if (!part) continue;
    if (!best)
      best = std::move(part);
    else if (best->holds == Holds::none && part->holds == Holds::none)
      std::ranges::move(part->texts, std::back_inserter(best->texts));
    else if (part->holds == Holds::some &&
             (best->holds == Holds::none || part->texts.size() < best->texts.size()))
      best = std::move(part);
  }
  return best;
}

// Where it is enough that one of them holds.
std::optional<Wanted> any_wanted(std::vector<std::optional<Wanted>> parts) {
  std::optional<Wanted> sum;
  for (std::optional<Wanted>& part : parts) {
    if (!part || part->holds != Holds::some) return parts.size() == 1 ? std::move(part) : std::nullopt;
    if (!sum)
      sum = std::move(part);
    else
      std::ranges::move(part->texts, std::back_inserter(sum->texts));
  }
  return sum;
}

// What must be true of a member of which the predicate's result differs from that.
std::optional<Wanted> wanted_of_member(const Ast& predicate, std::size_t slot, Not result) {
  auto is_variable = [slot](const Ast& ast) {
    return ast.kind == AstKind::name && ast.target == Target::local && ast.index == slot;
  };
  if (is_negation(predicate)) return wanted_of_member(*predicate.children[0], slot, turned(result));
  if (predicate.kind != AstKind::any_of && predicate.kind != AstKind::all_of)
    return wanted_by(predicate, result, is_variable);
  std::vector<std::optional<Wanted>> parts;
  for (const Ast* child : predicate.children) parts.push_back(wanted_of_member(*child, slot, result));
  return one_decides(predicate, result) ? all_wanted(std::move(parts)) : any_wanted(std::move(parts));
}

// How many actions the keys let through, roughly: equality is the narrowest test.
std::size_t breadth(const std::vector<Key>& keys) {
  std::size_t sum = 0;
  for (const Key& key : keys) {
    if (key.holds == Holds::has_members) sum += 16;
    if (key.holds == Holds::every) sum += 32;  // every action that names nothing passes
    if (key.holds == Holds::none) sum += 64;
    if (key.holds != Holds::some) continue;
    for (const Key::Text& text : key.texts) sum += text.test == Test::equals ? 1 : 2;
  }
  return sum;
}

const Key* only_none(const Keys& keys) {
  return keys && keys->size() == 1 && keys->front().holds == Holds::none ? &keys->front() : nullptr;
}

class KeyFinder {
 public:
  Keys of(Part part, Not result);

 private:
  Keys of_macro(Part part, Not result);
  Keys of_call(Part part, Not result);
  Keys of_joined(Part part, Not result);
  Keys of_any(std::vector<Keys> parts);
  Keys of_all(std::vector<Keys> parts);
  Keys of_body(Part part, Not result, std::size_t variable, const Bound* bound);

  int work_ = 10'000;  // what a variable stands for is looked at wherever it stands
};

// `exists` is false where the predicate is false of every member, and true where it is true of one; `all` the
// other way round.
Keys KeyFinder::of_macro(Part part, Not result) {
  if (!part->second_variable.empty() || part->children.size() != 2) return std::nullopt;
  const bool all = part->macro == Macro::all;
  if (!all && part->macro != Macro::exists && part->macro != Macro::exists_one) return std::nullopt;
  if (part->macro == Macro::exists_one && result == Not::yes) return std::nullopt;
  const FacetInfo* list = facet_of_type(part.child(0), FacetType::string_list);
  if (!list) return std::nullopt;
  std::optional<Wanted> member = wanted_of_member(*part->children[1], part->index, result);
  if (all == (result == Not::yes)) {  // one member will do
    if (!member || member->holds == Holds::none)
      return std::vector{Key{list->id, "", Holds::has_members, {}}};
    return std::vector{Key{list->id, "", Holds::some, std::move(member->texts)}};
  }
  if (!member) return std::nullopt;
  const Holds holds = member->holds == Holds::none ? Holds::none : Holds::every;
  return std::vector{Key{list->id, "", holds, std::move(member->texts)}};
}

Keys KeyFinder::of_call(Part part, Not result) {
  if (is_negation(*part)) return of(part.child(0), turned(result));
  if (part->name == "@in" && part->children.size() == 2 && is_text(*part->children[0]))
    if (const FacetInfo* list = facet_of_type(part.child(1), FacetType::string_list)) {
      const Holds holds = result == Not::no ? Holds::some : Holds::none;
      return std::vector{Key{list->id, "", holds, one_text(Test::equals, *part->children[0]).texts}};
    }
  for (std::size_t i = 0; i < part->children.size(); ++i) {
    auto is_side = [side = part->children[i]](const Ast& other) { return &other == side; };
    if (const FacetInfo* text = facet_of_type(part.child(i), FacetType::string))
      if (auto wanted = wanted_by(*part, result, is_side))
        return std::vector{Key{text->id, "", wanted->holds, std::move(wanted->texts)}};
    const Part side = meant_by(part.child(i));
    if (side->kind != AstKind::select) continue;
    if (const FacetInfo* object = facet_of_type(side.child(0), FacetType::copy_object))
      if (auto wanted = wanted_by(*part, result, is_side))
        return std::vector{Key{object->id, side->name, wanted->holds, std::move(wanted->texts)}};
  }
  return std::nullopt;
}

// Any of them may be what holds: all are needed.
Keys KeyFinder::of_any(std::vector<Keys> parts) {
  std::vector<Key> all;
  for (Keys& keys : parts) {
    if (!keys) return std::nullopt;
    for (Key& key : *keys) {
      const bool again = key.holds == Holds::none && std::ranges::any_of(all, [&](const Key& other) {
                           return other.holds == Holds::none && other.facet == key.facet;
                         });
      if (again) return std::nullopt;  // what is left out is found by the facet, and one of two may hold
      all.push_back(std::move(key));
    }
  }
  return all;
}

// Each of them must hold. One will do, the narrowest; what one facet must be none of adds up.
Keys KeyFinder::of_all(std::vector<Keys> parts) {
  Keys best;
  for (Keys& keys : parts) {
    const Key *excluded = only_none(keys), *before = only_none(best);
    if (excluded && before && excluded->facet == before->facet && excluded->field == before->field)
      best->front().texts.insert(best->front().texts.end(), excluded->texts.begin(), excluded->texts.end());
    else if (keys && (!best || breadth(*keys) < breadth(*best)))
      best = std::move(keys);
  }
  return best;
}

Keys KeyFinder::of_joined(Part part, Not result) {
  std::vector<Keys> parts;
  for (std::size_t i = 0; i < part->children.size(); ++i) parts.push_back(of(part.child(i), result));
  return one_decides(*part, result) ? of_all(std::move(parts)) : of_any(std::move(parts));
}

// The values of a cel.bind() decide nothing but by what the body makes of them: an error in one that is not
// used is none.
Keys KeyFinder::of_body(Part part, Not result, std::size_t variable, const Bound* bound) {
  if (--work_ < 0) return std::nullopt;
  if (variable + 1 == part->children.size()) return of({part->children.back(), bound}, result);
  const Bound own{part->index + variable, part->children[variable], bound};
  return of_body(part, result, variable + 1, &own);
}

Keys KeyFinder::of(Part part, Not result) {
  if (--work_ < 0) return std::nullopt;
  part = meant_by(part);
  switch (part->kind) {
    case AstKind::name:
      if (const FacetInfo* flag = facet_of_type(part, FacetType::boolean)) {
        const std::string wanted = result == Not::no ? "true" : "false";
        return std::vector{Key{flag->id, "", Holds::some, {{Test::equals, wanted}}}};
      }
      return std::nullopt;
    case AstKind::call: return of_call(part, result);
    case AstKind::macro: return of_macro(part, result);
    case AstKind::any_of:
    case AstKind::all_of: return of_joined(part, result);
    case AstKind::bind: return of_body(part, result, 0, part.bound);
    default: return std::nullopt;
  }
}

}  // namespace

std::optional<std::vector<Key>> keys_of(const Ast& condition) {
  return KeyFinder().of({&condition, nullptr}, Not::no);
}

}  // namespace clawpatrol::cel
