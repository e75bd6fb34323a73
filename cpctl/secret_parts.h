// Secrets that are files of several lines, as the one line that the store holds: PEM as a JSON object of its
// parts, and JSON without the spaces between its parts.
#pragma once

#include <expected>
#include <string>

#include "daemon/control/wiped_buffer.h"

namespace clawpatrol::cpctl {

// What is neither comes back as it is. PEM: {"certificate": "...", "private_key": "..."}, those that there
// are.
std::expected<control::WipedBuffer, std::string> in_one_line(control::WipedBuffer value);

}  // namespace clawpatrol::cpctl
