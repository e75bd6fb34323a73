// What a shell offers while a command of cpctl is typed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cpctl/commands.h"

namespace CLI {
class App;
}

namespace clawpatrol::cpctl {

// For the words behind `cpctl`, the last of which is being typed (and may be ""): commands, options and the
// names that the daemons know there, each beginning with it. None where a file may stand.
std::vector<std::string> complete(CLI::App& app, const std::vector<std::string>& words, const Paths& paths);

// The script for bash, zsh or fish; each asks `cpctl --complete`.
std::optional<std::string> completion_script(std::string_view shell);

}  // namespace clawpatrol::cpctl
