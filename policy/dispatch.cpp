#include "policy/dispatch.h"

#include <algorithm>

#include "policy/policy.h"

namespace clawpatrol {

namespace {

void mark_all(const std::vector<std::size_t>& positions, RuleSet& set) {
  for (std::size_t position : positions) set.add(position);
}

// A field of an object and its value as one text: field names hold no "=".
std::string field_value(std::string_view field, std::string_view value) {
  return std::string(field).append("=").append(value);
}

}  // namespace

RuleSet::RuleSet(std::size_t size)
    : count_((size + 63) / 64), words_(count_ <= std::size(few_) ? few_ : new std::uint64_t[count_]()) {}

RuleSet::RuleSet(const RuleSet& other) : RuleSet(other.count_ * 64) {
  add_all(other);
}

RuleSet::~RuleSet() {
  if (words_ != few_) delete[] words_;
}

RuleDispatch::RuleDispatch(std::vector<const Rule*> rules) : rules_(std::move(rules)) {
  for (std::size_t position = 0; position < rules_.size(); ++position) {
    const auto& condition = rules_[position]->condition;
    const auto* keys = condition ? condition->keys() : nullptr;
    if (!keys) {
      always_.push_back(position);
      continue;
    }
    for (const cel::Key& key : *keys) tests_of(key.facet).add(key, position);
  }
}

RuleDispatch::Tests& RuleDispatch::tests_of(FacetId facet) {
  auto found = std::ranges::find(tests_, facet, &Tests::facet);
  if (found != tests_.end()) return *found;
  tests_.push_back({facet, cel::facet_reader(facet), {}, {}, {}, {}, {}});
  return tests_.back();
}

void RuleDispatch::Texts::add(const cel::Key& key, std::size_t position) {
  all.push_back(position);
  for (const cel::Key::Text& wanted : key.texts) {
    const std::string text = key.field.empty() ? wanted.text : field_value(key.field, wanted.text);
    if (wanted.test == cel::Key::Test::equals) {
      by_value[text].push_back(position);
      continue;
    }
    by_beginning[text].push_back(position);
    auto place = std::ranges::lower_bound(beginning_sizes, text.size());
    if (place == beginning_sizes.end() || *place != text.size()) beginning_sizes.insert(place, text.size());
  }
}

void RuleDispatch::Texts::mark(std::string_view value, RuleSet& set) const {
  auto found = by_value.find(value);
  if (found != by_value.end()) mark_all(found->second, set);
  for (std::size_t size : beginning_sizes) {
    if (size > value.size()) return;
    found = by_beginning.find(value.substr(0, size));
    if (found != by_beginning.end()) mark_all(found->second, set);
  }
}

void RuleDispatch::Tests::add(const cel::Key& key, std::size_t position) {
  if (all.empty() || all.back() != position) all.push_back(position);
  switch (key.holds) {
    case cel::Key::Holds::some: return some.add(key, position);
    case cel::Key::Holds::none: return none.add(key, position);
    case cel::Key::Holds::every: return every.add(key, position);
    case cel::Key::Holds::has_members: return any_member.push_back(position);
  }
}

RuleSet RuleDispatch::candidates(const Action& action) const {
  RuleSet set(rules_.size());
  mark_all(always_, set);
  for (const Tests& tests : tests_) tests.mark(action, set);
  return set;
}

// The rules that name a text which the facet must not be, but those that name the one that it is.
void RuleDispatch::Tests::mark_not(const RuleSet& named, RuleSet& set) const {
  RuleSet others(set.size());
  mark_all(none.all, others);
  others.remove_all(named);
  set.add_all(others);
}

void RuleDispatch::Tests::mark_list(const cel::Value& list, RuleSet& set) const {
  if (cel::is_open(list)) return mark_all(all, set);
  const std::size_t size = cel::list_size(list);
  if (size > 0) mark_all(any_member, set);
  for (std::size_t i = 0; i < size; ++i) some.mark(cel::list_at(list, i).text(), set);
  if (!none.all.empty()) {
    RuleSet named(set.size());
    for (std::size_t i = 0; i < size; ++i) none.mark(cel::list_at(list, i).text(), named);
    mark_not(named, set);
  }
  if (every.all.empty()) return;
  RuleSet named(set.size());
  mark_all(every.all, named);
  for (std::size_t i = 0; i < size; ++i) {
    RuleSet of_member(set.size());
    every.mark(cel::list_at(list, i).text(), of_member);
    named.keep_all(of_member);
  }
  set.add_all(named);
}

// What is not foreseen here makes every rule a candidate.
void RuleDispatch::Tests::mark(const Action& action, RuleSet& set) const {
  const cel::Value value = read(action);
  const auto mark_values = [&](std::initializer_list<std::string_view> values) {
    for (std::string_view text : values) some.mark(text, set);
    if (none.all.empty()) return;
    RuleSet named(set.size());
    for (std::string_view text : values) none.mark(text, named);
    mark_not(named, set);
  };
  switch (value.kind) {
    case cel::Kind::string: return mark_values({value.text()});
    case cel::Kind::boolean: return mark_values({value.boolean ? "true" : "false"});
    case cel::Kind::list: return mark_list(value, set);
    case cel::Kind::map:
      if (value.map_form() != cel::MapForm::copy) return mark_all(all, set);
      return mark_values(
          {field_value("direction", value.copy->direction), field_value("target", value.copy->target)});
    default: return mark_all(all, set);
  }
}

}  // namespace clawpatrol
