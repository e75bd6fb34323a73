// A text as a QR code of block characters, for a phone's camera in front of a terminal.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace clawpatrol::cpctl {

// Dark on light whatever the terminal's colours are, with the quiet zone around it. Nothing where the text is
// longer than any code holds.
std::optional<std::string> qr_text(std::string_view text);

}  // namespace clawpatrol::cpctl
