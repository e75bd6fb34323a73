#include "parsers/base64.h"

namespace clawpatrol {

std::optional<std::string> base64_decoded(std::string_view text, Base64Padding padding) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::size_t padded = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  if ((padded > 0 || padding == Base64Padding::required) && text.size() % 4 != 0) return std::nullopt;
  text.remove_suffix(padded);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  std::uint32_t bits = 0;
  std::size_t count = 0;
  for (char c : text) {
    const std::size_t digit = digits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(bits >> count & 0xff));
  }
  const bool hides_something = (bits & ((1U << count) - 1)) != 0;
  if (hides_something && padding == Base64Padding::required) return std::nullopt;
  return out;
}

}  // namespace clawpatrol
