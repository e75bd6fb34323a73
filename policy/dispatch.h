// Which rules may be true of an action, without evaluating those that are certainly not.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/cel/facet_values.h"
#include "policy/cel/program.h"

namespace clawpatrol {

struct Rule;

// A set of positions in a list of rules.
class RuleSet {
 public:
  explicit RuleSet(std::size_t size);
  void add(std::size_t position) { words_[position / 64] |= std::uint64_t{1} << (position % 64); }
  bool has(std::size_t position) const { return words_[position / 64] >> (position % 64) & 1; }
  void add_all(const RuleSet& other) {
    for (std::size_t i = 0; i < count_; ++i) words_[i] |= other.words_[i];
  }
  void remove_all(const RuleSet& other) {
    for (std::size_t i = 0; i < count_; ++i) words_[i] &= ~other.words_[i];
  }
  void keep_all(const RuleSet& other) {  // and no others
    for (std::size_t i = 0; i < count_; ++i) words_[i] &= other.words_[i];
  }
  std::size_t size() const { return count_ * 64; }  // that there is room for
  RuleSet(const RuleSet& other);
  RuleSet& operator=(const RuleSet&) = delete;
  ~RuleSet();

  // Calls `stop(position)` in order, until it returns true. Returns whether it did.
  template <class Stop>
  bool each(Stop stop) const {
    for (std::size_t i = 0; i < count_; ++i)
      for (std::uint64_t word = words_[i]; word; word &= word - 1)
        if (stop(i * 64 + static_cast<std::size_t>(std::countr_zero(word)))) return true;
    return false;
  }

 private:
  std::size_t count_;
  std::uint64_t few_[16] = {};  // 1,024 rules without allocating
  std::uint64_t* words_;
};

// Rules in the order in which they are tried, found by the constants that their conditions test facets for.
// Immutable once built; may be asked from any thread.
class RuleDispatch {
 public:
  RuleDispatch() = default;
  explicit RuleDispatch(std::vector<const Rule*> rules);

  const std::vector<const Rule*>& rules() const { return rules_; }
  // Every rule that is not in it has a condition whose outcome is `no`.
  RuleSet candidates(const Action& action) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Positions = std::vector<std::size_t>;
  using ByText = std::unordered_map<std::string, Positions, Hash, std::equal_to<>>;
  // Rules by the texts that their tests name.
  struct Texts {
    Positions all;
    ByText by_value, by_beginning;
    std::vector<std::size_t> beginning_sizes;  // of the keys of `by_beginning`, ascending
    void add(const cel::Key& key, std::size_t position);
    void mark(std::string_view value, RuleSet& set) const;  // those that name it
  };
  // The rules that test one facet.
  struct Tests {
    FacetId facet;
    cel::FacetReader read;
    Positions all;         // candidates where it is not known, or an open list
    Positions any_member;  // candidates where the list is not empty
    Texts some, none, every;
    void add(const cel::Key& key, std::size_t position);
    void mark(const Action& action, RuleSet& set) const;
    void mark_list(const cel::Value& list, RuleSet& set) const;
    void mark_not(const RuleSet& named, RuleSet& set) const;
  };
  Tests& tests_of(FacetId facet);

  std::vector<const Rule*> rules_;
  std::vector<std::size_t> always_;
  std::vector<Tests> tests_;
};

}  // namespace clawpatrol
