// What `cpctl check` can complain of: stable codes, each with what is wrong, and what to write instead. One
// table: `cpctl explain-code`, docs/lints.md and SARIF's rules are made from it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "policy/config/diagnostics.h"

namespace clawpatrol::lints {

struct Code {
  std::string_view code;  // "CP0203": never given to another problem
  Severity severity;
  std::string_view title;    // "a comparison in the wrong case": no full stop
  std::string_view meaning;  // sentences
  std::string_view wrong;    // lines of a configuration; "" where an example would say nothing
  std::string_view right;
};

std::span<const Code> all_codes();             // in order
const Code* find_code(std::string_view code);  // null when there is none; case does not matter

std::string lints_reference_markdown();

}  // namespace clawpatrol::lints
