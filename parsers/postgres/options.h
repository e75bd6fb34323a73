// The `options` startup parameter: a command line for the server (documentation, "Protocol", StartupMessage).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clawpatrol::postgres {

// Splits as the server does (blanks part words, a backslash takes the next character literally) and reads
// `-c name=value`, `-cname=value` and `--name=value`. Anything else, such as the server's one-letter
// switches, is nothing that we can judge: nullopt. A `-` in a name stands for `_`, as in the server.
std::optional<std::vector<std::pair<std::string, std::string>>> parse_options(std::string_view options);

}  // namespace clawpatrol::postgres
