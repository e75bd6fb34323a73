#include "policy/cel/pattern.h"

#include <re2/re2.h>

#include "policy/cel/utf8.h"

namespace clawpatrol::cel {

namespace {

constexpr std::int64_t policy_pattern_memory = 1 << 20;
constexpr std::int64_t action_pattern_memory = 128 << 10;
constexpr std::size_t max_action_pattern = 1024;
constexpr std::size_t max_policy_pattern = 32 * 1024;

}  // namespace

Pattern::Pattern(std::unique_ptr<re2::RE2> pattern) : pattern_(std::move(pattern)) {}
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

std::expected<Pattern, std::string> Pattern::compile(std::string_view pattern, PatternSource source) {
  bool policy = source == PatternSource::policy;
  if (pattern.size() > (policy ? max_policy_pattern : max_action_pattern)) return std::unexpected("too long");
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(policy ? policy_pattern_memory : action_pattern_memory);
  auto compiled = std::make_unique<re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!compiled->ok()) return std::unexpected(compiled->error());
  return Pattern(std::move(compiled));
}

Value Pattern::match(Frame& frame, std::string_view text) const {
  // The automaton of a small pattern reads a byte in a nanosecond or two. One that has run out of memory is
  // simulated, at some nanoseconds for each byte and instruction.
  std::size_t size = static_cast<std::size_t>(pattern_->ProgramSize());
  if (!frame.charge(4 + text.size() / 8 * (1 + size / 16))) return out_of_budget();
  if (!utf8::valid(text)) return Value::error(ErrorCode::not_text);
  re2::StringPiece piece(text.data(), text.size());
  return Value::of_bool(pattern_->Match(piece, 0, text.size(), re2::RE2::UNANCHORED, nullptr, 0));
}

}  // namespace clawpatrol::cel
