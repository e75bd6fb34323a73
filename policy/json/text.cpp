#include "policy/json/text.h"

#include <cstdint>
#include <cstring>

namespace clawpatrol {

namespace {

constexpr char hex[] = "0123456789abcdef";

bool is_plain(unsigned char byte) {
  return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

// How many bytes from the start stand for themselves, eight at a time: almost all text is one such run.
std::size_t plain_run(std::string_view text) {
  constexpr std::uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
  auto has_zero = [](std::uint64_t word) { return (word - ones) & ~word & highs; };
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof word);
    std::uint64_t control = (word - ones * 0x20) & ~word & highs;
    std::uint64_t special = (word & highs) | control | has_zero(word ^ (ones * '"')) |
                            has_zero(word ^ (ones * '\\')) | has_zero(word ^ (ones * 0x7f));
    if (special != 0) break;
  }
  while (at < text.size() && is_plain(static_cast<unsigned char>(text[at]))) ++at;
  return at;
}

void append_unit(std::string& out, std::uint32_t unit) {
  char text[6] = {'\\', 'u', hex[unit >> 12 & 15], hex[unit >> 8 & 15], hex[unit >> 4 & 15], hex[unit & 15]};
  out.append(text, sizeof text);
}

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t size = 0;  // 0: what stands here is not UTF-8
};

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
CodePoint decode(std::string_view text) {
  auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  unsigned char lead = byte(0);
  std::size_t size = lead >= 0xf0 && lead <= 0xf4  ? 4
                     : lead >= 0xe0 && lead < 0xf0 ? 3
                     : lead >= 0xc2 && lead < 0xe0 ? 2
                                                   : 0;
  if (size == 0 || text.size() < size) return {};
  std::uint32_t value = lead & (0x7fu >> size);
  for (std::size_t at = 1; at < size; ++at) {
    if ((byte(at) & 0xc0) != 0x80) return {};
    value = value << 6 | (byte(at) & 0x3f);
  }
  if (size == 3 && (value < 0x800 || (value >= 0xd800 && value < 0xe000))) return {};
  if (size == 4 && (value < 0x10000 || value > 0x10ffff)) return {};
  return {value, size};
}

void append_ascii_escape(std::string& out, char byte) {
  switch (byte) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: append_unit(out, static_cast<unsigned char>(byte)); return;
  }
}

// Appends what stands at the start of `text`, which is not plain; returns its size.
std::size_t append_escaped(std::string& out, std::string_view text) {
  auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) {
    append_ascii_escape(out, text[0]);
    return 1;
  }
  CodePoint point = decode(text);
  if (point.size == 0) {
    append_unit(out, 0xdc00u + lead);
    return 1;
  }
  if (point.value >= 0x10000) {
    append_unit(out, 0xd800 + ((point.value - 0x10000) >> 10));
    append_unit(out, 0xdc00 + ((point.value - 0x10000) & 0x3ff));
  } else {
    append_unit(out, point.value);
  }
  return point.size;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  while (!text.empty()) {
    std::size_t plain = plain_run(text);
    out.append(text.data(), plain);
    text.remove_prefix(plain);
    if (!text.empty()) text.remove_prefix(append_escaped(out, text));
  }
  out.push_back('"');
}

}  // namespace clawpatrol
