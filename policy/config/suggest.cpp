#include "policy/config/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace clawpatrol::config {
namespace {

constexpr std::size_t longest_name = 64;
constexpr std::size_t most_listed = 12;
constexpr std::size_t most_compared = 1000;

char lower(char c) {
  return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

// Edits (a swap of neighbours counts one) between two names, case aside: optimal string alignment.
std::size_t distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> before(right.size() + 1), last(right.size() + 1), row(right.size() + 1);
  for (std::size_t j = 0; j <= right.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= left.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= right.size(); ++j) {
      bool same = lower(left[i - 1]) == lower(right[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      bool swapped = i > 1 && j > 1 && lower(left[i - 1]) == lower(right[j - 2]) &&
                     lower(left[i - 2]) == lower(right[j - 1]);
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[right.size()];
}

}  // namespace

std::string_view nearest(std::string_view written, std::span<const std::string_view> known) {
  if (written.size() < 2 || written.size() > longest_name) return {};
  std::string_view best;
  std::size_t best_distance = std::clamp<std::size_t>(written.size() / 3, 1, 3) + 1;
  for (std::string_view name : known.first(std::min(known.size(), most_compared))) {
    if (name.size() > longest_name) continue;
    std::size_t edits = distance(written, name);
    if (edits < best_distance) best = name, best_distance = edits;
  }
  return best;
}

std::string suggestion(std::string_view written, std::span<const std::string_view> known) {
  std::string_view meant = nearest(written, known);
  if (!meant.empty()) return fmt::format("Did you mean '{}'?", meant);
  if (known.empty()) return "None is defined.";
  return fmt::format("Known: {}.", listed(known));
}

std::string listed(std::span<const std::string_view> names) {
  std::string out;
  std::size_t shown = std::min(names.size(), most_listed);
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) out += i + 1 == shown && shown == names.size() ? " and " : ", ";
    out += fmt::format("'{}'", names[i]);
  }
  if (shown < names.size()) out += fmt::format(" and {} more", names.size() - shown);
  return out;
}

}  // namespace clawpatrol::config
