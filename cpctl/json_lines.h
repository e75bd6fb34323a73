// Lines of JSON on standard input, answered one by one: what `--jsonl` does, whatever the lines are about.
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <string>

#include "cpctl/commands.h"
#include "daemon/control/message.h"

namespace clawpatrol::cpctl {

inline constexpr std::size_t longest_input = std::size_t{64} * 1024 * 1024;  // a line; or all of a text

// The answer to one line, JSON of one line too; the error is about this line, and the others go on.
using LineAnswer = std::function<std::expected<std::string, std::string>(const control::Message& line)>;

// Prints exactly one line for each line of the input, as soon as it has been read:
// the answer, or {"error": "why"}. exit_no when there was an error.
int answer_lines(Context context, const LineAnswer& answer);

// The whole of standard input. The error says why not.
std::expected<std::string, std::string> read_input(Console& console);

}  // namespace clawpatrol::cpctl
