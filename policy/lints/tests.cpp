#include "policy/lints/tests.h"

#include <algorithm>

#include "parsers/facets.h"

namespace clawpatrol::lints {

using cel::Ast;
using cel::AstKind;

namespace {

using Constants = std::vector<const Ast*>;

bool is_text(const Ast& ast) {
  return ast.kind == AstKind::literal && ast.literal.kind == cel::Kind::string;
}

bool is_bool(const Ast& ast, bool value) {
  return ast.kind == AstKind::literal && ast.literal.kind == cel::Kind::boolean &&
         ast.literal.boolean == value;
}

// A facet, or a field of one, as it is written; "" for anything else.
std::string subject_of(const Ast& ast) {
  if (ast.kind == AstKind::name && ast.target == cel::Target::facet)
    return std::string(facet_table[ast.index].path);
  if (ast.kind != AstKind::select || ast.optional_field) return {};
  std::string of = subject_of(*ast.children[0]);
  return of.empty() ? of : of + "." + ast.name;
}

std::optional<Constants> texts_of(const Ast& list) {
  if (list.kind != AstKind::list || list.children.empty()) return std::nullopt;
  Constants texts;
  for (const Ast* child : list.children) {
    if (!is_text(*child)) return std::nullopt;
    texts.push_back(child);
  }
  return texts;
}

// What `subject` is compared with, by == or !=: the other side, where it is a text.
template <class IsSubject>
const Ast* compared_with(const Ast& call, IsSubject is_subject) {
  const Ast& left = *call.children[0];
  const Ast& right = *call.children[1];
  if (is_subject(left) && is_text(right)) return &right;
  if (is_subject(right) && is_text(left)) return &left;
  return nullptr;
}

std::optional<Constants> equal_to(const Ast& test, auto is_subject) {
  if (test.kind == AstKind::any_of) {
    Constants all;
    for (const Ast* child : test.children) {
      auto some = equal_to(*child, is_subject);
      if (!some) return std::nullopt;
      all.insert(all.end(), some->begin(), some->end());
    }
    return all;
  }
  if (test.kind != AstKind::call || test.children.size() != 2) return std::nullopt;
  if (test.name == "@in" && is_subject(*test.children[0])) return texts_of(*test.children[1]);
  const Ast* text = test.name == "_==_" ? compared_with(test, is_subject) : nullptr;
  return text ? std::optional(Constants{text}) : std::nullopt;
}

std::optional<FacetTest> test_of_macro(const Ast& macro) {
  if (macro.macro != cel::Macro::exists || !macro.second_variable.empty() || macro.children.size() != 2)
    return std::nullopt;
  std::string subject = subject_of(*macro.children[0]);
  auto is_variable = [&](const Ast& ast) {
    return ast.kind == AstKind::name && ast.target == cel::Target::local && ast.index == macro.index;
  };
  auto constants = subject.empty() ? std::nullopt : equal_to(*macro.children[1], is_variable);
  if (!constants) return std::nullopt;
  return FacetTest{std::move(subject), Form::has_one_of, std::move(*constants)};
}

std::optional<FacetTest> negated(std::optional<FacetTest> test) {
  if (!test || (test->form != Form::one_of && test->form != Form::none_of)) return std::nullopt;
  test->form = test->form == Form::one_of ? Form::none_of : Form::one_of;
  return test;
}

std::optional<FacetTest> test_of_call(const Ast& call) {
  if (call.name == "!_" && call.children.size() == 1) return negated(test_of(*call.children[0]));
  if (call.children.size() != 2) return std::nullopt;
  const Ast& left = *call.children[0];
  const Ast& right = *call.children[1];
  if (call.name == "@in") {
    if (std::string list = subject_of(right); is_text(left) && !list.empty())
      return FacetTest{list, Form::has_one_of, {&left}};
    std::string subject = subject_of(left);
    auto texts = subject.empty() ? std::nullopt : texts_of(right);
    return texts ? std::optional(FacetTest{subject, Form::one_of, *texts}) : std::nullopt;
  }
  if (call.name == "startsWith" && is_text(right) && !subject_of(left).empty())
    return FacetTest{subject_of(left), Form::begins_with, {&right}};
  if (call.name != "_==_" && call.name != "_!=_") return std::nullopt;
  const Ast& subject = is_text(left) ? right : left;
  const Ast& text = is_text(left) ? left : right;
  if (!is_text(text) || subject_of(subject).empty()) return std::nullopt;
  return FacetTest{subject_of(subject), call.name == "_==_" ? Form::one_of : Form::none_of, {&text}};
}

bool all_in(const Constants& constants, const FacetTest& test) {
  return std::ranges::all_of(constants, [&](const Ast* text) { return test.has(text->literal.text()); });
}

bool none_in(const Constants& constants, const FacetTest& test) {
  return std::ranges::none_of(constants, [&](const Ast* text) { return test.has(text->literal.text()); });
}

bool all_begin_with(const Constants& constants, std::string_view prefix) {
  return std::ranges::all_of(constants,
                             [&](const Ast* text) { return text->literal.text().starts_with(prefix); });
}

// Of two tests of one facet: where the first is false, so is the second.
bool test_covers(const FacetTest& first, const FacetTest& second) {
  if (first.subject != second.subject) return false;
  switch (first.form) {
    case Form::one_of: return second.form == Form::one_of && all_in(second.constants, first);
    case Form::none_of:
      return (second.form == Form::none_of && all_in(first.constants, second)) ||
             (second.form == Form::one_of && none_in(second.constants, first)) ||
             // The first is false of its values only, and none of them begins so.
             (second.form == Form::begins_with && std::ranges::none_of(first.constants, [&](const Ast* text) {
                return text->literal.text().starts_with(second.constants[0]->literal.text());
              }));
    case Form::begins_with:
      return (second.form == Form::one_of || second.form == Form::begins_with) &&
             all_begin_with(second.constants, first.constants[0]->literal.text());
    case Form::has_one_of: return second.form == Form::has_one_of && all_in(second.constants, first);
  }
  return false;
}

bool same_literal(const cel::Value& left, const cel::Value& right) {
  if (left.kind != right.kind) return false;
  switch (left.kind) {
    case cel::Kind::null: return true;
    case cel::Kind::boolean: return left.boolean == right.boolean;
    case cel::Kind::integer:
    case cel::Kind::uinteger: return left.integer == right.integer;
    case cel::Kind::real: return left.real == right.real;
    case cel::Kind::string:
    case cel::Kind::bytes: return left.text() == right.text();
    default: return false;
  }
}

bool every(const Ast& junction, auto holds) {
  return std::ranges::all_of(junction.children, [&](const Ast* child) { return holds(*child); });
}
bool some(const Ast& junction, auto holds) {
  return std::ranges::any_of(junction.children, [&](const Ast* child) { return holds(*child); });
}

// `map['key']`: a key that the facet never has.
std::optional<FacetTest> key_of(const Ast& ast) {
  const bool index = ast.kind == AstKind::call && (ast.name == "_[_]" || ast.name == "_[?_]");
  if (!index || ast.children.size() != 2 || !is_text(*ast.children[1])) return std::nullopt;
  std::string subject = subject_of(*ast.children[0]);
  if (subject.empty()) return std::nullopt;
  return FacetTest{std::move(subject), Form::has_one_of, {ast.children[1]}};
}

void collect(const Ast& ast, std::vector<FacetTest>& found) {
  if (auto key = key_of(ast)) found.push_back(std::move(*key));
  if (auto test = test_of(ast)) {
    found.push_back(std::move(*test));
    return;
  }
  for (const Ast* child : ast.children) collect(*child, found);
}

void needed(const Ast& ast, std::vector<std::pair<const Ast*, FacetTest>>& tests) {
  if (ast.kind == AstKind::all_of)
    for (const Ast* child : ast.children) needed(*child, tests);
  else if (auto test = test_of(ast))
    tests.emplace_back(&ast, std::move(*test));
}

// Of two tests of one text: never both true.
bool exclude(const FacetTest& one, const FacetTest& other) {
  if (one.subject != other.subject || one.form != Form::one_of) return false;
  switch (other.form) {
    case Form::one_of: return none_in(one.constants, other);
    case Form::none_of: return all_in(one.constants, other);
    case Form::begins_with:
      return std::ranges::none_of(one.constants, [&](const Ast* text) {
        return text->literal.text().starts_with(other.constants[0]->literal.text());
      });
    case Form::has_one_of: return false;
  }
  return false;
}

}  // namespace

bool FacetTest::has(std::string_view value) const {
  return std::ranges::any_of(constants, [&](const Ast* text) { return text->literal.text() == value; });
}

std::optional<FacetTest> test_of(const Ast& expression) {
  if (expression.kind == AstKind::macro) return test_of_macro(expression);
  return expression.kind == AstKind::call ? test_of_call(expression) : std::nullopt;
}

std::vector<FacetTest> tests_in(const Ast& expression) {
  std::vector<FacetTest> found;
  collect(expression, found);
  return found;
}

bool same(const Ast& left, const Ast& right) {
  bool alike = left.kind == right.kind && left.name == right.name && left.target == right.target &&
               left.index == right.index && left.macro == right.macro &&
               left.has_receiver == right.has_receiver && left.variable == right.variable &&
               left.optional_field == right.optional_field && left.optional_entry == right.optional_entry &&
               left.variables == right.variables && left.fields == right.fields &&
               left.second_variable == right.second_variable && left.children.size() == right.children.size();
  if (!alike || (left.kind == AstKind::literal && !same_literal(left.literal, right.literal))) return false;
  return std::ranges::equal(left.children, right.children,
                            [](const Ast* a, const Ast* b) { return same(*a, *b); });
}

// False is what && and || pass on whatever else is unknown, so that the ordinary rules of logic hold for it.
bool covers(const Ast& first, const Ast& second, std::size_t& work) {
  if (work == 0) return false;
  --work;
  if (is_bool(first, true) || is_bool(second, false)) return true;
  if (first.kind == AstKind::all_of)
    return every(first, [&](const Ast& part) { return covers(part, second, work); });
  if (second.kind == AstKind::any_of)
    return every(second, [&](const Ast& part) { return covers(first, part, work); });
  if (second.kind == AstKind::all_of &&
      some(second, [&](const Ast& part) { return covers(first, part, work); }))
    return true;
  if (first.kind == AstKind::any_of &&
      some(first, [&](const Ast& part) { return covers(part, second, work); }))
    return true;
  auto before = test_of(first), after = test_of(second);
  if (before && after && test_covers(*before, *after)) return true;
  return same(first, second);
}

Contradiction contradiction_in(const Ast& expression) {
  std::vector<std::pair<const Ast*, FacetTest>> tests;
  needed(expression, tests);
  constexpr std::size_t most = 100;  // of which all pairs are looked at
  if (tests.size() > most) return {};
  for (std::size_t i = 0; i < tests.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (exclude(tests[i].second, tests[j].second) || exclude(tests[j].second, tests[i].second))
        return {tests[j].first, tests[i].first};
  return {};
}

}  // namespace clawpatrol::lints
