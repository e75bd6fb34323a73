// Durations and sizes as an operator writes them: a whole number and a unit, "90s", "1MiB".
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace clawpatrol::config {

// Nanoseconds, and bytes; neither is ever negative. The error is a sentence for a hint.
std::expected<std::int64_t, std::string> parse_duration(std::string_view text);
std::expected<std::int64_t, std::string> parse_size(std::string_view text);

// The largest unit that divides it: 90s, 10m, 1MiB.
std::string duration_text(std::chrono::nanoseconds duration);
std::string size_text(std::uint64_t bytes);

}  // namespace clawpatrol::config
