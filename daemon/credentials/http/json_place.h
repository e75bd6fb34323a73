// Where in the text of a JSON document the string that a pointer (RFC 6901) names stands.
#pragma once

#include <cstddef>
#include <expected>
#include <string_view>

namespace clawpatrol::credentials {

struct TextRange {
  std::size_t begin = 0, end = 0;  // without the quotes
};

// The error, a literal: the text is no JSON with one reading, or there is no string at that place.
std::expected<TextRange, std::string_view> json_string_at(std::string_view text, std::string_view pointer);

}  // namespace clawpatrol::credentials
