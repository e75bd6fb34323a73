#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "policy/cel/lower.h"
#include "policy/cel/syntax.h"
#include "policy/config/suggest.h"
#include "policy/lints/lint.h"
#include "policy/lints/tests.h"
#include "policy/lints/vocabulary.h"
#include "policy/sql/statements.h"

namespace clawpatrol::lints {

using config::Build;
using config::Location;
using config::Named;
using config::Report;

namespace {

constexpr std::size_t most_work =
    2'000'000;  // steps of comparing conditions with each other: tens of milliseconds

// A rule whose condition checks, and its condition to look at.
struct Subject {
  std::size_t index = 0;  // in policy.rules
  const Rule* rule = nullptr;
  const Named* named = nullptr;
  std::optional<cel::Syntax> syntax;  // none: no condition

  const cel::Ast* condition() const { return syntax ? syntax->root : nullptr; }
};

std::optional<Subject> subject_at(Build& build, std::size_t index) {
  Subject subject{index, &build.policy.rules[index], &build.rules[index], std::nullopt};
  if (subject.named->condition.empty()) return subject;
  if (!subject.rule->condition) return std::nullopt;  // it did not check
  cel::Environment environment;
  environment.families = subject.rule->condition->options().families;
  auto syntax = cel::read_syntax(subject.rule->condition->text(), environment);
  if (!syntax) return std::nullopt;
  subject.syntax = std::move(*syntax);
  return subject;
}

Location place_of(const Subject& subject, const cel::Ast& ast) {
  return config::locate(subject.named->condition.front(), ast.span);
}

// --- one test ---

bool has_letters(std::string_view text, char first, char last) {
  return std::ranges::any_of(text, [=](char c) { return c >= first && c <= last; });
}

std::string with_case(std::string_view text, Case letters) {
  std::string made(text);
  for (char& c : made) {
    if (letters == Case::lower && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (letters == Case::upper && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return made;
}

struct Wrong {
  std::string_view code;
  std::string why;
  std::string hint;
};

bool is_word(const Vocabulary& vocabulary, std::string_view text, Form form) {
  auto fits = [&](const std::string& word) {
    return form == Form::begins_with ? word.starts_with(text) : word == text;
  };
  return std::ranges::any_of(vocabulary.words, fits);
}

std::optional<std::string> plural_of(const Vocabulary& vocabulary, std::string_view text) {
  std::string stem(text.substr(0, text.empty() ? 0 : text.size() - 1));
  for (const std::string& plural : {std::string(text) + "s", std::string(text) + "es", stem + "ies"})
    if (!text.empty() && std::ranges::find(vocabulary.plurals, plural) != vocabulary.plurals.end())
      return plural;
  return std::nullopt;
}

std::optional<Wrong> wrong_constant(const Vocabulary& vocabulary, std::string_view text, Form form) {
  bool wrong_case = (vocabulary.letters == Case::lower && has_letters(text, 'A', 'Z')) ||
                    (vocabulary.letters == Case::upper && has_letters(text, 'a', 'z'));
  std::string in_case = with_case(text, vocabulary.letters);
  bool in_words = vocabulary.words.empty() || is_word(vocabulary, in_case, form);
  if (auto plural = plural_of(vocabulary, in_case); plural && form != Form::begins_with)
    return Wrong{vocabulary.code, "resources are plural", fmt::format("Write '{}'.", *plural)};
  if (wrong_case && in_words)
    return Wrong{"CP0203", vocabulary.letters == Case::lower ? "it is lower case" : "it is upper case",
                 fmt::format("Write '{}'.", in_case)};
  if (vocabulary.words.empty() || is_word(vocabulary, text, form)) return std::nullopt;
  std::vector<std::string_view> known;
  for (const std::string& word : vocabulary.words)
    if (!word.empty()) known.push_back(word);
  return Wrong{vocabulary.code, fmt::format("there is no such {}", vocabulary.of_what),
               config::suggestion(text, known)};
}

void lint_test(Build& build, const Subject& subject, const FacetTest& test) {
  auto vocabulary = vocabulary_of(test.subject, build.policy, *subject.rule);
  if (!vocabulary) return;
  for (const cel::Ast* constant : test.constants) {
    auto wrong = wrong_constant(*vocabulary, constant->literal.text(), test.form);
    if (!wrong) continue;
    const char* never = test.form == Form::begins_with  ? "never begins with"
                        : test.form == Form::has_one_of ? "never has"
                                                        : "is never";
    build.report.lint(
        wrong->code, place_of(subject, *constant),
        fmt::format("{} {} '{}': {}", test.subject, never, constant->literal.text(), wrong->why),
        wrong->hint);
  }
}

// --- patterns on raw text ---

bool is_raw_statement(const cel::Ast& ast) {
  if (ast.kind == cel::AstKind::name && ast.target == cel::Target::facet)
    return static_cast<FacetId>(ast.index) == FacetId::sql_statement;
  return ast.kind == cel::AstKind::call && ast.has_receiver && is_raw_statement(*ast.children[0]);
}

// What to write instead of a pattern: its first word that is a verb says.
std::string instead_of(const cel::Ast& pattern) {
  std::string text = pattern.kind == cel::AstKind::literal && pattern.literal.kind == cel::Kind::string
                         ? with_case(pattern.literal.text(), Case::lower)
                         : "";
  std::string_view found;
  std::size_t first = text.npos;
  for (std::string_view verb : sql::verb_names()) {
    std::size_t at = text.find(verb);
    if (verb.size() > 2 && at < first) first = at, found = verb;
  }
  if (!found.empty())
    return fmt::format("To find a statement that does it however it is written: '{}' in sql.verbs.", found);
  return "What a statement does and names is in sql.verbs, sql.tables, sql.columns, sql.functions and "
         "sql.literals.";
}

void lint_patterns(Build& build, const Subject& subject, const cel::Ast& ast) {
  constexpr std::string_view searches[] = {"matches", "contains", "startsWith", "endsWith"};
  bool search = ast.kind == cel::AstKind::call && ast.children.size() == 2 &&
                std::ranges::find(searches, ast.name) != std::end(searches);
  if (search && is_raw_statement(*ast.children[0]))
    build.report.lint(
        "CP0205", place_of(subject, ast),
        fmt::format("`{}` on the raw text of a statement, which can be written in many ways", ast.name),
        instead_of(*ast.children[1]));
  for (const cel::Ast* child : ast.children) lint_patterns(build, subject, *child);
}

// --- one rule ---

void lint_constant(Build& build, const Subject& subject) {
  const cel::Ast& root = *subject.condition();
  cel::Arena constants;
  const cel::Lowered lowered = cel::lower(root, {.locals = subject.syntax->locals}, constants);
  const cel::Value* constant = lowered.root->constant();
  if (constant && constant->is_false()) {
    build.report.lint("CP0211", place_of(subject, root), "this condition is never true",
                      "Remove the rule, or say when it is to match.");
    return;
  }
  auto [first, second] = contradiction_in(root);
  if (!first) return;
  Diagnostic& problem =
      build.report.lint("CP0211", place_of(subject, *second), "this condition is never true",
                        "No value passes both tests: `||` says one or the other.");
  Report::relate(problem, place_of(subject, *first), "this cannot hold at the same time");
}

bool is_always_true(const Subject& subject) {
  if (!subject.condition()) return true;
  cel::Arena constants;
  const cel::Lowered lowered =
      cel::lower(*subject.condition(), {.locals = subject.syntax->locals}, constants);
  return lowered.root->constant() && lowered.root->constant()->is_true();
}

bool has_credential(const Policy& policy, const std::string& endpoint) {
  return std::ranges::any_of(policy.credentials,
                             [&](const auto& named) { return named.second.endpoint == endpoint; });
}

void lint_open_door(Build& build, const Subject& subject) {
  const Rule& rule = *subject.rule;
  auto reads = [&](ActionType type) { return std::ranges::find(rule.on, type) != rule.on.end(); };
  if (rule.shadow || rule.verdict != Verdict::allow) return;
  if (!reads(ActionType::statement) && !reads(ActionType::request)) return;
  auto endpoint = std::ranges::find_if(
      rule.endpoints, [&](const std::string& name) { return has_credential(build.policy, name); });
  if (endpoint == rule.endpoints.end() || !is_always_true(subject)) return;
  build.report.lint(
      "CP0204", subject.named->at,
      fmt::format("rule '{}' allows everything on '{}', which has credentials", rule.name, *endpoint),
      "Say what is allowed, such as condition = \"action.kind == 'read'\".");
}

// --- rules together ---

bool is_of(const Rule& rule, const std::string& endpoint, ActionType type) {
  bool at = endpoint.empty() ? rule.endpoints.empty()
                             : std::ranges::find(rule.endpoints, endpoint) != rule.endpoints.end();
  return at && std::ranges::find(rule.on, type) != rule.on.end();
}

// Statements are sent to servers of SQL only, and requests to all others.
bool can_happen(const Policy& policy, const std::string& endpoint, ActionType type) {
  auto found = policy.endpoints.find(endpoint);
  if (found == policy.endpoints.end()) return true;
  if (type == ActionType::statement) return found->second.type == EndpointType::postgres;
  return type != ActionType::request || found->second.type != EndpointType::postgres;
}

class Order {
 public:
  explicit Order(Build& build) : build_(build) {}

  void add(const Subject& subject) {
    if (const Subject* before = what_covers(subject)) report(subject, *before);
    if (!subject.rule->shadow) tried_.push_back(&subject);
  }

 private:
  // The first rule that decides instead, where there is one for whatever this one is for.
  const Subject* what_covers(const Subject& subject) {
    std::vector<std::string> endpoints = subject.rule->endpoints;
    if (endpoints.empty()) endpoints.emplace_back();
    const Subject* first = nullptr;
    for (const std::string& endpoint : endpoints) {
      for (ActionType type : subject.rule->on) {
        if (!can_happen(build_.policy, endpoint, type)) continue;
        const Subject* before = what_covers(subject, endpoint, type);
        if (!before) return nullptr;
        if (!first) first = before;
      }
    }
    return first;
  }

  const Subject* what_covers(const Subject& subject, const std::string& endpoint, ActionType type) {
    for (const Subject* before : tried_)
      if (is_of(*before->rule, endpoint, type) && is_covered_by(subject, *before)) return before;
    return nullptr;
  }

  bool is_covered_by(const Subject& subject, const Subject& before) {
    if (!before.condition()) return true;
    auto [known, added] = answers_.try_emplace({before.index, subject.index}, false);
    if (added && subject.condition())
      known->second = covers(*before.condition(), *subject.condition(), work_);
    else if (added)
      known->second = is_always_true(before);
    return known->second;
  }

  void report(const Subject& subject, const Subject& before) {
    const Rule& rule = *subject.rule;
    bool denies = rule.verdict == Verdict::deny && before.rule->verdict == Verdict::allow && !rule.shadow;
    std::string_view code = rule.shadow ? "CP0209" : denies ? "CP0210" : "CP0201";
    std::string what = rule.shadow ? "is never tried" : denies ? "never denies" : "can never match";
    Diagnostic& problem = build_.report.lint(
        code, subject.named->at,
        fmt::format("rule '{}' {}: rule '{}' comes first and {} all of it", rule.name, what,
                    before.rule->name, denies ? "allows" : "decides"),
        "Rules are tried by priority, then as they stand: give it a higher priority, or remove it.");
    Report::relate(problem, before.named->at, "this rule decides");
  }

  Build& build_;
  std::vector<const Subject*> tried_;
  std::map<std::pair<std::size_t, std::size_t>, bool> answers_;
  std::size_t work_ = most_work;
};

}  // namespace

void lint_rules(Build& build) {
  std::vector<Subject> subjects;
  for (std::size_t i = 0; i < build.policy.rules.size(); ++i)
    if (auto subject = subject_at(build, i)) subjects.push_back(std::move(*subject));
  for (const Subject& subject : subjects) {
    lint_open_door(build, subject);
    if (!subject.condition()) continue;
    for (const FacetTest& test : tests_in(*subject.condition())) lint_test(build, subject, test);
    lint_patterns(build, subject, *subject.condition());
    lint_constant(build, subject);
  }
  std::ranges::sort(subjects, {}, [](const Subject& subject) {
    return std::pair(-static_cast<__int128>(subject.rule->priority), subject.index);
  });
  Order order(build);
  for (const Subject& subject : subjects) order.add(subject);
}

}  // namespace clawpatrol::lints
