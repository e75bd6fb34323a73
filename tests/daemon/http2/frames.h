// HTTP/2 as an attacker writes it: frames that no library would send.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clawpatrol::tests {

inline const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum FrameType : int {
  data,
  headers,
  priority,
  rst_stream,
  settings,
  push_promise,
  ping,
  goaway,
  window_update,
  continuation
};
inline constexpr int end_stream = 1, end_headers = 4;

inline std::string frame(int type, int flags, int stream, const std::string& payload) {
  std::string out;
  for (int shift : {16, 8, 0}) out.push_back(static_cast<char>(payload.size() >> shift));
  out.push_back(static_cast<char>(type));
  out.push_back(static_cast<char>(flags));
  for (int shift : {24, 16, 8, 0}) out.push_back(static_cast<char>(stream >> shift));
  return out + payload;
}

// An integer with a prefix of 7 bits (RFC 7541, 5.1).
inline std::string hpack_length(std::size_t value) {
  if (value < 127) return {static_cast<char>(value)};
  std::string out{'\x7f'};
  for (value -= 127; value >= 128; value >>= 7) out.push_back(static_cast<char>((value & 127) | 128));
  out.push_back(static_cast<char>(value));
  return out;
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Literals without indexing, new names (RFC 7541, 6.2.2).
inline std::string block(const Pairs& fields) {
  std::string out;
  for (const auto& [name, value] : fields)
    out += std::string(1, '\0') + hpack_length(name.size()) + name + hpack_length(value.size()) + value;
  return out;
}

inline const Pairs get_fields = {
    {":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {":authority", "a"}};
inline const Pairs post_fields = {
    {":method", "POST"}, {":scheme", "https"}, {":path", "/"}, {":authority", "a"}};

inline std::string head(int stream, const Pairs& fields, int flags = end_headers | end_stream) {
  return frame(headers, flags, stream, block(fields));
}

inline std::string with_settings(const std::string& rest) {
  return preface + frame(settings, 0, 0, "") + rest;
}

}  // namespace clawpatrol::tests
