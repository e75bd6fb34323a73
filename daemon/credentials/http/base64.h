// Base64 of RFC 4648, 4, as Basic authentication has it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace clawpatrol::credentials {

std::string base64_encoded(std::string_view bytes);
// Padding may be left out, as some clients do; nothing else may be amiss.
std::optional<std::string> base64_decoded(std::string_view text);
std::string base64url_encoded(std::string_view bytes);  // 5, without padding

}  // namespace clawpatrol::credentials
