// Names in the order in which they were first seen, each once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace clawpatrol::sql {

class NameSet {
 public:
  enum class Takes : std::uint8_t { every_name, none };
  explicit NameSet(Takes takes = Takes::every_name) : takes_(takes) {}

  void add(std::string_view name) {
    if (takes_ == Takes::none || contains(name)) return;
    items_.emplace_back(name);
    if (items_.size() > few) index_.emplace(name);
    if (items_.size() == few + 1) index_.insert(items_.begin(), items_.end());
  }
  // "qualifier.name"
  void add(std::string_view qualifier, std::string_view name) {
    if (takes_ == Takes::none) return;
    std::string joined;
    joined.reserve(qualifier.size() + 1 + name.size());
    joined.append(qualifier).append(1, '.').append(name);
    add(joined);
  }
  bool contains(std::string_view name) const {
    if (items_.size() > few) return index_.contains(std::string(name));
    return std::ranges::find(items_, name) != items_.end();
  }
  bool empty() const { return items_.empty(); }
  std::vector<std::string> take() { return std::move(items_); }

 private:
  Takes takes_;
  static constexpr std::size_t few = 16;  // below it looking through them is quicker than an index
  std::vector<std::string> items_;
  std::unordered_set<std::string> index_;
};

}  // namespace clawpatrol::sql
