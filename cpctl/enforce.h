// The one change that `cpctl enforce` makes to a file.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace clawpatrol::cpctl {

// The text of a configuration's file with `mode` of [gateway] enforcing in place of observing, everything
// else as it is; nothing where it does not say so.
std::optional<std::string> enforcing(std::string_view text);

}  // namespace clawpatrol::cpctl
