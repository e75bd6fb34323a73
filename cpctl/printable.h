// The one door through which data reaches the terminal (attacks.md, 27): no control character, nothing that
// turns the direction of text, nothing invisible.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace clawpatrol::cpctl {

// `text` on one line: control, bidirectional, invisible and unassigned-plane characters become \n, \t,
// \u{1b}, and bytes that are not UTF-8 become \xNN. Everything else stays.
std::string printable(std::string_view text);

// A basic string of TOML that is read as `text`, with its quotes, and in which only printable characters
// stand as they are. Bytes that are not UTF-8, which TOML has no way to write, become U+FFFD.
std::string printable_in_toml(std::string_view text);

// The columns that printable text takes on a terminal.
std::size_t display_width(std::string_view printable_text);

// Its beginning, at most `columns` wide; what is cut is said by an ellipsis.
std::string clipped(std::string_view printable_text, std::size_t columns);
// Its end, likewise: of a path that is what tells.
std::string clipped_to_end(std::string_view printable_text, std::size_t columns);

// Text of several lines, as it is: each through printable().
std::string printable_lines(std::string_view text);

}  // namespace clawpatrol::cpctl
