// Writes Base64 of RFC 4648, 4; parsers/base64.h reads it.
#pragma once

#include <string>
#include <string_view>

namespace clawpatrol::credentials {

std::string base64_encoded(std::string_view bytes);
std::string base64url_encoded(std::string_view bytes);  // 5, without padding

}  // namespace clawpatrol::credentials
