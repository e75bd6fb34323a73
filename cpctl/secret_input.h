// Reads a secret from standard input: without echo from a terminal, and wiped when it is no longer needed.
#pragma once

#include <expected>
#include <string>

#include "cpctl/console.h"
#include "daemon/control/wiped_buffer.h"

namespace clawpatrol::cpctl {

inline constexpr std::size_t max_secret = 64 << 10;

// Without the one newline at its end, if there is one. The error says what is wrong with the input.
std::expected<control::WipedBuffer, std::string> read_secret(Console& console, const std::string& prompt);

}  // namespace clawpatrol::cpctl
