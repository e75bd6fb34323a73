// The command line: what is asked for, and its reference.
#pragma once

#include <string>
#include <vector>

#include "cpctl/console.h"

namespace clawpatrol::cpctl {

// Parses and does it. `arguments` are without the program's name. The value is the exit status.
int run(const std::vector<std::string>& arguments, Streams streams);

// docs/cpctl.md, made from the same table that run() parses by.
std::string reference();

}  // namespace clawpatrol::cpctl
