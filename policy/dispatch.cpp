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

void RuleDispatch::Tests::add(const cel::Key& key, std::size_t position) {
  if (all.empty() || all.back() != position) all.push_back(position);
  if (key.test == cel::Key::Test::has_members) return any_member.push_back(position);
  const std::string text = key.field.empty() ? key.text : field_value(key.field, key.text);
  if (key.test == cel::Key::Test::equals) return by_value[text].push_back(position);
  by_beginning[text].push_back(position);
  auto place = std::ranges::lower_bound(beginning_sizes, text.size());
  if (place == beginning_sizes.end() || *place != text.size()) beginning_sizes.insert(place, text.size());
}

RuleSet RuleDispatch::candidates(const Action& action) const {
  RuleSet set(rules_.size());
  mark_all(always_, set);
  for (const Tests& tests : tests_) tests.mark(action, set);
  return set;
}

void RuleDispatch::Tests::mark_value(std::string_view value, RuleSet& set) const {
  auto found = by_value.find(value);
  if (found != by_value.end()) mark_all(found->second, set);
  for (std::size_t size : beginning_sizes) {
    if (size > value.size()) return;
    found = by_beginning.find(value.substr(0, size));
    if (found != by_beginning.end()) mark_all(found->second, set);
  }
}

// What is not foreseen here makes every rule a candidate.
void RuleDispatch::Tests::mark(const Action& action, RuleSet& set) const {
  const cel::Value value = read(action);
  switch (value.kind) {
    case cel::Kind::string: return mark_value(value.text(), set);
    case cel::Kind::boolean: return value.boolean ? mark_value("true", set) : void();
    case cel::Kind::list:
      if (cel::is_open(value)) return mark_all(all, set);
      if (cel::list_size(value) > 0) mark_all(any_member, set);
      for (std::size_t i = 0; i < cel::list_size(value); ++i) mark_value(cel::list_at(value, i).text(), set);
      return;
    case cel::Kind::map:
      if (value.map_form() != cel::MapForm::copy) return mark_all(all, set);
      mark_value(field_value("direction", value.copy->direction), set);
      return mark_value(field_value("target", value.copy->target), set);
    default: return mark_all(all, set);
  }
}

}  // namespace clawpatrol
