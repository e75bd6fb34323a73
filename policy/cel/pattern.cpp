#include "policy/cel/pattern.h"

#include <re2/re2.h>

#include "policy/cel/utf8.h"

namespace clawpatrol::cel {

namespace {

constexpr std::int64_t policy_pattern_memory = 1 << 20;
constexpr std::int64_t action_pattern_memory = 128 << 10;
constexpr std::size_t max_action_pattern = 1024;
constexpr std::size_t max_policy_pattern = 32 * 1024;

// RE2 reads a byte in a nanosecond or two with an automaton that it builds as it goes. When that grows beyond
// its memory too fast, RE2 falls back to simulation, at 25 ns for each byte and instruction: seconds for one
// statement, which an agent could bring about. Its hooks let us stop there instead.
struct AutomatonTooLarge {};
thread_local bool matching = false;
thread_local std::uint64_t rebuilt = 0;
constexpr std::uint64_t rebuild_cost = 200'000;  // milliseconds

void count_rebuild(const re2::hooks::DFAStateCacheReset&) {
  ++rebuilt;
}

// Called between the two searches: no lock is held and nothing is owned that the exception would leak.
void stop_search(const re2::hooks::DFASearchFailure&) {
  if (matching) throw AutomatonTooLarge{};
}

void install_hooks() {
  static const bool installed = [] {
    re2::hooks::SetDFAStateCacheResetHook(count_rebuild);
    re2::hooks::SetDFASearchFailureHook(stop_search);
    return true;
  }();
  (void)installed;
}

}  // namespace

Pattern::Pattern(std::unique_ptr<re2::RE2> pattern) : pattern_(std::move(pattern)) {}
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

std::expected<Pattern, std::string> Pattern::compile(std::string_view pattern, PatternSource source) {
  bool policy = source == PatternSource::policy;
  if (pattern.size() > (policy ? max_policy_pattern : max_action_pattern)) return std::unexpected("too long");
  re2::RE2::Options options;
  install_hooks();
  options.set_log_errors(false);
  options.set_max_mem(policy ? policy_pattern_memory : action_pattern_memory);
  auto compiled = std::make_unique<re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!compiled->ok()) return std::unexpected(compiled->error());
  return Pattern(std::move(compiled));
}

Value Pattern::match(Frame& frame, std::string_view text) const {
  if (!frame.charge(4 + text.size() / 4)) return out_of_budget();
  if (!utf8::valid(text)) return Value::error(ErrorCode::not_text);
  matching = true;
  rebuilt = 0;
  Value found = out_of_budget();
  try {
    re2::StringPiece piece(text.data(), text.size());
    found = Value::of_bool(pattern_->Match(piece, 0, text.size(), re2::RE2::UNANCHORED, nullptr, 0));
  } catch (const AutomatonTooLarge&) {
    ++rebuilt;
  }
  matching = false;
  return frame.charge(rebuilt * rebuild_cost) ? found : out_of_budget();
}

}  // namespace clawpatrol::cel
