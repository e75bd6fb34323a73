// Base64 of RFC 4648, 4, read strictly: no white space, no other alphabet.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace clawpatrol {

enum class Base64Padding : std::uint8_t {
  required,
  optional,  // may be left out, as some clients of HTTP's Basic do; and bits behind the last byte may be set
};

// None where `text` is not Base64 to the last character.
std::optional<std::string> base64_decoded(std::string_view text, Base64Padding padding);

}  // namespace clawpatrol
