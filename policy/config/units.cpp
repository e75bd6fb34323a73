#include "policy/config/units.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <span>

namespace clawpatrol::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// Largest first.
constexpr Unit size_units[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}};
constexpr std::uint64_t second = 1'000'000'000;
constexpr Unit duration_units[] = {
    {"d", 86400 * second}, {"h", 3600 * second}, {"m", 60 * second}, {"s", second}, {"ms", 1'000'000}};

// The product, where text is digits and one of the units and the product fits in 63 bits.
std::expected<std::int64_t, std::string> parse(std::string_view text, std::span<const Unit> units,
                                               const char* malformed, const char* too_much) {
  std::uint64_t number = 0;
  auto [rest, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure == std::errc::result_out_of_range) return std::unexpected(too_much);
  if (failure != std::errc()) return std::unexpected(malformed);
  std::string_view name(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
  for (const Unit& unit : units) {
    if (unit.name != name) continue;
    if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / unit.factor)
      return std::unexpected(too_much);
    return static_cast<std::int64_t>(number * unit.factor);
  }
  return std::unexpected(malformed);
}

std::string text_of(std::uint64_t value, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.factor == 0) return fmt::format("{}{}", value / unit.factor, unit.name);
  }
  return "0";
}

}  // namespace

std::expected<std::int64_t, std::string> parse_duration(std::string_view text) {
  return parse(text, duration_units, "A duration is a whole number and ms, s, m, h or d, such as \"90s\".",
               "A duration is at most 106751 days.");
}

std::expected<std::int64_t, std::string> parse_size(std::string_view text) {
  return parse(text, size_units, "A size is a whole number and B, KiB, MiB or GiB, such as \"1MiB\".",
               "A size is less than 8 EiB.");
}

std::string duration_text(std::chrono::nanoseconds duration) {
  if (duration.count() == 0) return "0s";
  return text_of(static_cast<std::uint64_t>(duration.count()), duration_units);
}

std::string size_text(std::uint64_t bytes) {
  return bytes == 0 ? "0B" : text_of(bytes, size_units);
}

}  // namespace clawpatrol::config
