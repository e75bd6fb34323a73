// The members of the FROM clauses around a place in a statement, by the names that columns use. What is asked
// of them takes time in proportion to the answer, and each `table.*` is answered once: a text has thousands
// of columns and of tables.
#pragma once

#include <cstddef>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace clawpatrol::sql {

class Ranges {
 public:
  std::size_t size() const { return ranges_.size(); }

  // `relation` is a leaf name, "" for what is no relation.
  void add(std::string_view alias, std::string_view relation) {
    auto [latest, fresh] = latest_.try_emplace(alias, ranges_.size());
    ranges_.push_back({alias, relation, fresh ? none : latest->second});
    latest->second = ranges_.size() - 1;
  }

  // Forgets the members that came last.
  void cut(std::size_t size) {
    while (ranges_.size() > size) {
      const Range& last = ranges_.back();
      if (last.namesake == none) {
        latest_.erase(last.alias);
      } else {
        latest_[last.alias] = last.namesake;
      }
      ranges_.pop_back();
    }
  }

  // Calls `tell` with what `alias` can mean: the relations of all members of that name, for which of them it
  // is LATERAL, ON and the aliases of joins decide; or else the alias itself. False: there are more members
  // than are looked at.
  template <class Tell>
  bool relations_of(std::string_view alias, Tell tell) const {
    auto found = latest_.find(alias);
    ++looked_at_;
    if (found == latest_.end()) tell(alias);
    std::size_t at = found == latest_.end() ? none : found->second;
    for (std::size_t left = most_namesakes; at != none; at = ranges_[at].namesake) {
      if (left-- == 0) return false;
      tell(ranges_[at].relation.empty() ? alias : ranges_[at].relation);
    }
    return true;
  }

  bool contains(std::string_view alias) const { return latest_.contains(alias); }

  // Whether `alias` can be a member that is no relation: a subquery, a CTE, a function, a join.
  bool is_no_relation(std::string_view alias) const {
    auto found = latest_.find(alias);
    std::size_t at = found == latest_.end() ? none : found->second;
    for (std::size_t left = most_namesakes; at != none; at = ranges_[at].namesake) {
      if (ranges_[at].relation.empty() || left-- == 0) return true;
    }
    return false;
  }

  // Calls `tell` with each relation whose alias is not `name`. False: there are too many to look at.
  template <class Tell>
  bool each_but(std::string_view name, Tell tell) const {
    constexpr std::size_t most = 8;
    if (ranges_.size() > most) return false;
    for (const auto& range : ranges_)
      if (range.alias != name && !range.relation.empty()) tell(range.relation);
    return true;
  }

  // Calls `tell` with the relations that have this alias, once for each member.
  template <class Tell>
  void rows_of(std::string_view alias, Tell tell) {
    auto found = latest_.find(alias);
    for (std::size_t at = found == latest_.end() ? none : found->second; at != none;
         at = ranges_[at].namesake) {
      ++looked_at_;
      if (ranges_[at].row_told) return;  // and so are its older namesakes
      ranges_[at].row_told = true;
      if (!ranges_[at].relation.empty()) tell(ranges_[at].relation);
    }
  }

  // The same with all relations from the member `first` on, which begins a query.
  template <class Tell>
  void all_rows(std::size_t first, Tell tell) {
    std::size_t at = ranges_.size();
    while (at > first && !ranges_[at - 1].all_told) ranges_[--at].all_told = true;
    for (++looked_at_; at < ranges_.size(); ++at, ++looked_at_) {
      if (!ranges_[at].relation.empty()) tell(ranges_[at].relation);
    }
  }

  // Calls `tell` with the relations of the members from `first` on, once for each member.
  template <class Tell>
  void relations_since(std::size_t first, Tell tell) {
    for (std::size_t at = first; at < ranges_.size(); ++at) {
      if (!std::exchange(ranges_[at].star_told, true) && !ranges_[at].relation.empty())
        tell(ranges_[at].relation);
    }
  }

  // Calls `tell` with each relation of the members from `first` on. False: there are too many to look at.
  template <class Tell>
  bool each_since(std::size_t first, Tell tell) const {
    constexpr std::size_t most = 64;
    if (ranges_.size() - first > most) return false;
    for (std::size_t at = first; at < ranges_.size(); ++at)
      if (!ranges_[at].relation.empty()) tell(ranges_[at].relation);
    return true;
  }

  std::size_t looked_at() const { return looked_at_; }  // members, so far

 private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  static constexpr std::size_t most_namesakes = 8;
  struct Range {
    std::string_view alias;
    std::string_view relation;
    std::size_t namesake;  // the one of this alias before it
    bool row_told = false;
    bool all_told = false;  // and all before it in its query
    bool star_told = false;
  };
  std::vector<Range> ranges_;
  std::unordered_map<std::string_view, std::size_t> latest_;  // by alias
  mutable std::size_t looked_at_ = 0;
};

}  // namespace clawpatrol::sql
