#include "policy/config/merge.h"

#include <fmt/format.h>

#include <iterator>
#include <unordered_map>

namespace clawpatrol::config {
namespace {

void report_twice(const std::string& what, const Entry& first, const Entry& second, Report& report) {
  Diagnostic& diagnostic = report.error(second.key_at, fmt::format("defined twice: '{}'", what));
  Report::relate(diagnostic, first.key_at, "first defined here");
}

std::unordered_map<std::string, std::size_t> positions(const Node& table) {
  std::unordered_map<std::string, std::size_t> known;
  for (std::size_t i = 0; i < table.entries.size(); ++i) known.emplace(table.entries[i].key, i);
  return known;
}

// `[endpoint]` of two files: the names in it are united, one that is in both is an error.
void unite(const std::string& section, Node& into, Node from, Report& report) {
  std::unordered_map<std::string, std::size_t> known = positions(into);
  for (Entry& entry : from.entries) {
    auto found = known.find(entry.key);
    if (found != known.end()) {
      report_twice(section + "." + entry.key, into.entries[found->second], entry, report);
    } else {
      into.entries.push_back(std::move(entry));
    }
  }
}

}  // namespace

void merge_document(Node& into, Node from, Report& report) {
  std::unordered_map<std::string, std::size_t> known = positions(into);
  for (Entry& entry : from.entries) {
    auto found = known.find(entry.key);
    Entry* there = found == known.end() ? nullptr : &into.entries[found->second];
    if (!there) {
      into.entries.push_back(std::move(entry));
    } else if (there->value.kind == NodeKind::table && entry.value.kind == NodeKind::table) {
      unite(entry.key, there->value, std::move(entry.value), report);
    } else if (there->value.kind == NodeKind::array && entry.value.kind == NodeKind::array) {
      std::ranges::move(entry.value.items, std::back_inserter(there->value.items));
    } else {
      report_twice(entry.key, *there, entry, report);
    }
  }
}

}  // namespace clawpatrol::config
