// What `check` found, in the forms that other tools read.
#pragma once

#include <string>

#include "policy/config/diagnostics.h"

namespace clawpatrol::cpctl {

// GitHub's workflow commands, one a line: annotations in a pull request.
std::string github_report(const Diagnostics& diagnostics);

// SARIF 2.1.0 (OASIS), one document: for code scanning.
std::string sarif_report(const Diagnostics& diagnostics);

}  // namespace clawpatrol::cpctl
