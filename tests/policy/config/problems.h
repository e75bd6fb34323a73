// What the loader says of a text, as lines that a test can name.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "policy/policy.h"

namespace clawpatrol::tests {

// "LINE:COLUMN: MESSAGE" of each error; warnings begin with "warning ".
inline std::vector<std::string> lines_of(const Diagnostics& diagnostics) {
  std::vector<std::string> lines;
  for (const Diagnostic& item : diagnostics.items) {
    lines.push_back(std::string(item.severity == Severity::warning ? "warning " : "") +
                    std::to_string(item.place.line) + ":" + std::to_string(item.place.column) + ": " +
                    item.message);
  }
  return lines;
}

inline std::vector<std::string> problems(const std::string& text) {
  LoadResult loaded = load_policy_text(text);
  CHECK((loaded.policy == nullptr) == loaded.diagnostics.has_errors());
  return lines_of(loaded.diagnostics);
}

inline bool says(const std::vector<std::string>& lines, const std::string& line) {
  return std::ranges::find(lines, line) != lines.end();
}

// The hint of the first problem with this message.
inline std::string hint_for(const std::string& text, const std::string& message) {
  for (const Diagnostic& item : load_policy_text(text).diagnostics.items) {
    if (item.message == message) return item.hint;
  }
  return "(no such problem)";
}

}  // namespace clawpatrol::tests
