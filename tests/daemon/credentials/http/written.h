// Ways to write a text that a reader takes for the text itself.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clawpatrol::tests {

inline std::string percent(std::string_view text, const char* format = "%{:02X}", std::size_t every = 1) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i)
    out += i % every == 0 || std::string_view("\\\"%&").contains(text[i])
               ? fmt::format(fmt::runtime(format), static_cast<unsigned char>(text[i]))
               : std::string(1, text[i]);
  return out;
}

inline std::string base64(std::string_view text, bool url = false) {
  const std::string_view digits = url ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                                      : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (unsigned char c : text) {
    bits = bits << 8 | c;
    for (count += 8; count >= 6; count -= 6) out += digits[bits >> (count - 6) & 63];
  }
  if (count > 0) out += digits[bits << (6 - count) & 63];
  while (!url && out.size() % 4 != 0) out += '=';
  return out;
}

inline std::string folded(std::string_view text, std::size_t width, std::string_view end) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += width) out.append(text.substr(i, width)).append(end);
  return out;
}

// Name and text, of a secret that stands within other things.
inline std::vector<std::pair<std::string, std::string>> ways_to_write(const std::string& secret) {
  std::vector<std::pair<std::string, std::string>> ways = {
      {"plain", secret},
      {"percent", percent(secret)},
      {"percent, lower case", percent(secret, "%{:02x}")},
      {"percent, every third", percent(secret, "%{:02x}", 3)},
      {"percent, twice", percent(percent(secret), "%{:02X}", 3)},
      {"JSON", percent(secret, "\\u{:04x}")},
      {"JSON, upper case", percent(secret, "\\u{:04X}", 2)},
      {"JSON of JSON", percent(secret, "\\\\u{:04x}", 2)},
      {"JSON of percent", percent(percent(secret), "\\u{:04x}", 3)},
      {"backslash x", percent(secret, "\\x{:02x}")},
      {"HTML", percent(secret, "&#{};")},
      {"HTML, hexadecimal", percent(secret, "&#x{:x};", 2)},
      {"hexadecimal", percent(secret, "{:02x}")},
      {"hexadecimal, upper case", percent(secret, "{:02X}")},
  };
  // In part, as encoders do that leave alone what they may.
  for (std::size_t plain : {2, 3}) {
    const std::string first = secret.substr(0, plain), rest = secret.substr(plain);
    ways.emplace_back("percent behind " + first, first + percent(rest));
    ways.emplace_back("JSON behind " + first, first + percent(rest, "\\u{:04x}"));
    ways.emplace_back("HTML behind " + first, first + percent(rest, "&#{};"));
  }
  for (const std::string before : {"", "u", "u:", "us:", "user:"}) {
    for (const std::string after : {"", "z", "zz"}) {
      const std::string all = before + secret + after;
      ways.emplace_back("base64 " + before + after, base64(all));
      ways.emplace_back("base64url " + before + after, base64(all, true));
      ways.emplace_back("base64 folded " + before + after, folded(base64(all), 20, "\r\n"));
      ways.emplace_back("base64 in JSON " + before + after, folded(base64(all), 17, "\\n"));
      ways.emplace_back("base64, percent " + before + after, percent(base64(all), "%{:02x}", 4));
    }
  }
  return ways;
}

}  // namespace clawpatrol::tests
