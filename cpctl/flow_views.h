// How flows and actions look, wherever they are shown.
#pragma once

#include <string>
#include <vector>

#include "cpctl/console.h"
#include "cpctl/table.h"
#include "daemon/control/message.h"

namespace clawpatrol::cpctl {

// From the daemon's lines of type "flow".
Table flow_table(const std::vector<control::Message>& flows);
// One line for an action as it happens, from a line of type "action".
std::string action_line(const Console& console, const control::Message& action);

Style style_of_verdict(std::string_view verdict);
std::string shown(const control::Message& message, std::string_view key);  // printable; "" where absent
std::string time_of_day(std::string_view rfc3339);                         // 14:03:59

}  // namespace clawpatrol::cpctl
