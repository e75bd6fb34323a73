// What an audit line says happened, as a case: for `audit export --as-case` and `diff --replay`. Only where
// the line holds all that a rule may ask; what is not in it is never guessed.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "cpctl/cases/cases.h"
#include "policy/policy.h"

namespace clawpatrol::cpctl {

struct Recorded {
  std::string id;
  std::string endpoint;
  std::string text;  // the statement, or what was done in words; the beginning of it, where it is long
  Case wanted;       // with the verdict and the rule that were recorded
  std::uint64_t generation = 0;
  // Why it cannot be judged again, in words of which there are few; empty: it can.
  std::string lacking;
};

// Whole texts that action lines name by their digest.
class LongTexts {
 public:
  // False: as much as is kept (256 MiB) is kept already.
  bool add(std::string digest, std::string text);
  const std::string* find(const std::string& digest) const;

 private:
  std::map<std::string, std::string> texts_;
  std::size_t bytes_ = 0;
};

// One line of the log. Nothing: it is no action's (an outcome, an operator's command, a segment's head). A
// line of type `text` is added to `texts`. The error: it is no line of an audit log. A statement is played
// again, by its text, where analysing that text with the options of its endpoint in `policy` gives the facets
// of the line, and nothing but that one was in its message.
std::expected<std::optional<Recorded>, std::string> read_recorded(std::string_view line, LongTexts& texts,
                                                                  const Policy& policy);

// Calls `each` with every line of the log in `path` (its directory, or one segment), oldest first. The error
// says what could not be read.
std::expected<void, std::string> for_each_line(const std::filesystem::path& path,
                                               const std::function<void(std::string_view)>& each);

}  // namespace clawpatrol::cpctl
