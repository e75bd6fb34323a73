// Base64 of RFC 4648, 4, with its padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace clawpatrol::cpctl {

// None where `text` is not Base64 to the last character.
std::optional<std::string> base64_decoded(std::string_view text);

}  // namespace clawpatrol::cpctl
