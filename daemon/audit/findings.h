// What is wrong with an audit log, and where.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace clawpatrol::audit {

enum class FindingKind : std::uint8_t {
  changed,      // a line, or its place in the chain, is not what was written
  removed,      // lines or whole segments are missing, others come after them
  reordered,    // lines are there, elsewhere
  inserted,     // a line that was never written, or written only once
  cut_tail,     // lines that were committed are missing at the end
  torn_tail,    // the end of the newest segment was never committed: a crash, not yet recovered from
  foreign_key,  // a segment was written under another key
};

struct Finding {
  FindingKind kind = FindingKind::changed;
  std::string file;
  std::uint64_t line = 0;  // in that file, from 1; 0: the file as a whole
  std::uint64_t seq = 0;   // 0: not known
  std::string what;        // in words
};

std::string_view name_of(FindingKind kind);  // "changed", "cut tail", ...

}  // namespace clawpatrol::audit
