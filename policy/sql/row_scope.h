// Whether a part of a condition looks at the row that is changed, as far as its text tells.
#pragma once

#include <cstddef>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/sql/tree.h"

namespace clawpatrol::sql {

inline constexpr int deepest_condition = 100;

// Whose columns a condition can use, as far as its text tells.
class Scope {
 public:
  static constexpr std::string_view made_up = "";  // an alias that only the server knows: coalesce, text
  // Of the other members of its FROM, and of those of subqueries around.
  bool has_other(std::string_view alias) const {
    return others_.contains(made_up) || others_.contains(alias);
  }
  std::size_t size() const { return order_.size(); }
  void push_back(std::string_view alias) {
    order_.push_back(alias);
    ++others_[alias];
  }
  void cut(std::size_t size) {
    for (; order_.size() > size; order_.pop_back()) {
      auto found = others_.find(order_.back());
      if (--found->second == 0) others_.erase(found);
    }
  }
  std::size_t subqueries = 0;  // around

 private:
  std::unordered_map<std::string_view, std::size_t> others_;
  std::vector<std::string_view> order_;
};

// What one more member of FROM or USING adds to it.
void add_aliases(const tree::Node* member, Scope& aliases);

// What does not say whose column it is counts only where it can be nobody else's. Too deep: false, so that
// the condition counts as unbounded. `scope` is as it was when it returns.
bool looks_at_row(const tree::Node* node, Scope& scope, int depth);

}  // namespace clawpatrol::sql
