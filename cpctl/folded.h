// Printable text in lines that a terminal has room for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace clawpatrol::cpctl {

// `printable_text` in pieces of at most `columns` each, cut at a blank where there is one; at least one
// piece.
std::vector<std::string> folded(std::string_view printable_text, std::size_t columns);

}  // namespace clawpatrol::cpctl
