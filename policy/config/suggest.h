// "did you mean": the known name nearest to one that is not known.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace clawpatrol::config {

// Empty when nothing is near enough to be what was meant.
std::string_view nearest(std::string_view written, std::span<const std::string_view> known);

// A sentence for a hint: what was probably meant, else what there is.
std::string suggestion(std::string_view written, std::span<const std::string_view> known);

// 'a', 'b' and 'c'
std::string listed(std::span<const std::string_view> names);

}  // namespace clawpatrol::config
