// Which values a facet can have at all, where that is known before any action.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.h"

namespace clawpatrol::lints {

enum class Case : std::uint8_t { any, lower, upper };

struct Vocabulary {
  std::vector<std::string> words;  // all that there are; empty: there are others
  Case letters = Case::any;
  std::string_view code;                  // of what is not among them
  std::string of_what;                    // "verb"
  std::vector<std::string> plurals = {};  // of which the singular is never meant
};

// Null where any text is possible. `names` are those of the policy, `rule` says what the rule sees.
std::optional<Vocabulary> vocabulary_of(std::string_view subject, const Policy& names, const Rule& rule);

}  // namespace clawpatrol::lints
