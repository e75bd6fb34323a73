// Regular expressions (RE2), with bounded memory and a cost that follows the work.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "policy/cel/frame.h"

namespace re2 {
class RE2;
}

namespace clawpatrol::cel {

// Where the pattern is written in the policy it is compiled once and may be large; where it is computed from
// an action it is compiled at each evaluation, small and dear.
enum class PatternSource : std::uint8_t { policy, action };

class Pattern {
 public:
  // The error says what RE2 found wrong.
  static std::expected<Pattern, std::string> compile(std::string_view pattern, PatternSource source);
  Pattern(Pattern&&) noexcept;
  ~Pattern();

  // Whether some part of the text matches. Where the pattern and the text together need an automaton beyond
  // its memory, that is the cost limit. Text that is not UTF-8 is an error: `.` would not match its bytes,
  // and a rule could be dodged with one.
  Value match(Frame& frame, std::string_view text) const;

 private:
  explicit Pattern(std::unique_ptr<re2::RE2> pattern);
  std::unique_ptr<re2::RE2> pattern_;
};

}  // namespace clawpatrol::cel
