// Bounds on a TOML text that hold before a parser sees it: toml++ recurses once a dot and once a bracket, and
// the stack ends before a megabyte of them does.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace clawpatrol::config {

inline constexpr std::size_t max_key_dots = 16;
inline constexpr std::size_t max_brackets = 16;

// The first byte that nests deeper than the limits above, outside strings and comments.
std::optional<std::size_t> find_excessive_nesting(std::string_view toml);

}  // namespace clawpatrol::config
