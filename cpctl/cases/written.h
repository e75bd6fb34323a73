// A case as text that read_cases() reads back.
#pragma once

#include <expected>
#include <string>

#include "cpctl/cases/cases.h"

namespace clawpatrol::cpctl {

// A [[case]] table. The error: it holds bytes that TOML cannot (they are not UTF-8), and JSON lines can.
std::expected<std::string, std::string> case_toml(const Case& wanted);
std::string case_json(const Case& wanted);  // one line

}  // namespace clawpatrol::cpctl
