#include "cpctl/printable.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace clawpatrol::cpctl {
namespace {

struct Range {
  std::uint32_t first, last;
};

// Control, format and separator characters (Unicode 15, general categories Cc, Cf, Zl, Zp), blanks that pass
// for nothing, and what has no meaning between programs: surrogates, private use, noncharacters. Sorted.
constexpr Range unprintable[] = {
    {0x00, 0x1f},        {0x7f, 0x9f},       {0xad, 0xad},       {0x34f, 0x34f},     {0x600, 0x605},
    {0x61c, 0x61c},      {0x6dd, 0x6dd},     {0x70f, 0x70f},     {0x890, 0x891},     {0x8e2, 0x8e2},
    {0x115f, 0x1160},    {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e},
    {0x2060, 0x206f},    {0x2800, 0x2800},   {0x3164, 0x3164},   {0xd800, 0xf8ff},   {0xfdd0, 0xfdef},
    {0xfe00, 0xfe0f},    {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xffff},   {0x110bd, 0x110bd},
    {0x110cd, 0x110cd},  {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0x1fffe, 0x1ffff},
    {0xe0000, 0x10ffff},
};

// Two columns wide (Unicode's East Asian Width W and F, in coarse blocks).
constexpr Range wide[] = {
    {0x1100, 0x115e},   {0x231a, 0x231b},   {0x2329, 0x232a},   {0x23e9, 0x23ec},   {0x25fd, 0x25fe},
    {0x2614, 0x2615},   {0x2648, 0x2653},   {0x26a1, 0x26a1},   {0x2705, 0x2705},   {0x2728, 0x2728},
    {0x274c, 0x274c},   {0x2753, 0x2757},   {0x2795, 0x2797},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},
    {0xa960, 0xa97f},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},
    {0xffe0, 0xffe6},   {0x16fe0, 0x18aff}, {0x1b000, 0x1b2ff}, {0x1f004, 0x1f004}, {0x1f0cf, 0x1f0cf},
    {0x1f18e, 0x1f1ff}, {0x1f200, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f7e0, 0x1f7eb}, {0x1f900, 0x1faff},
    {0x20000, 0x3fffd},
};

// No column of their own (the common combining marks).
constexpr Range combining[] = {
    {0x300, 0x36f}, {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},   {0x64b, 0x65f},
    {0x900, 0x902}, {0x93a, 0x93a},   {0x941, 0x948},   {0xe31, 0xe31},   {0xe34, 0xe3a},
    {0xe47, 0xe4e}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe20, 0xfe2f},
};

template <std::size_t Size>
bool within(const Range (&ranges)[Size], std::uint32_t value) {
  const Range* after = std::upper_bound(std::begin(ranges), std::end(ranges), value,
                                        [](std::uint32_t v, const Range& range) { return v < range.first; });
  return after != std::begin(ranges) && value <= std::prev(after)->last;
}

struct Character {
  std::uint32_t value = 0;
  std::size_t size = 0;  // 0: not UTF-8
};

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
Character decode(std::string_view text) {
  auto byte = [&](std::size_t at) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at]));
  };
  std::uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  std::size_t size = lead >= 0xf0 && lead <= 0xf4   ? 4
                     : lead >= 0xe0 && lead <= 0xef ? 3
                     : lead >= 0xc2 && lead <= 0xdf ? 2
                                                    : 0;
  if (size == 0 || text.size() < size) return {};
  std::uint32_t value = lead & (0x7fu >> size);
  for (std::size_t at = 1; at < size; ++at) {
    if ((byte(at) & 0xc0) != 0x80) return {};
    value = value << 6 | (byte(at) & 0x3f);
  }
  if (size == 3 && (value < 0x800 || (value >= 0xd800 && value <= 0xdfff))) return {};
  if (size == 4 && (value < 0x10000 || value > 0x10ffff)) return {};
  return {value, size};
}

std::size_t width_of(std::uint32_t value) {
  return within(combining, value) ? 0 : within(wide, value) ? 2 : 1;
}

std::string escaped(std::uint32_t value) {
  if (value == '\n') return "\\n";
  if (value == '\r') return "\\r";
  if (value == '\t') return "\\t";
  return fmt::format("\\u{{{:x}}}", value);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::size_t marks = 0;  // stacked on one character: more than a script needs would leave its line
  while (!text.empty()) {
    Character character = decode(text);
    if (character.size == 0) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
      text.remove_prefix(1);
      continue;
    }
    marks = within(combining, character.value) ? marks + 1 : 0;
    if (within(unprintable, character.value) || marks > 4)
      out += escaped(character.value);
    else
      out += text.substr(0, character.size);
    text.remove_prefix(character.size);
  }
  return out;
}

std::string printable_in_toml(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const Character character = decode(text);
    const std::string_view raw = text.substr(0, std::max<std::size_t>(character.size, 1));
    text.remove_prefix(raw.size());
    if (raw == "\"" || raw == "\\")
      out.append("\\").append(raw);
    else if (character.size == 0)
      out += "\\uFFFD";
    else if (within(unprintable, character.value) || within(combining, character.value))
      out += fmt::format("\\U{:08X}", character.value);
    else
      out += raw;
  }
  return out + "\"";
}

std::size_t display_width(std::string_view printable_text) {
  std::size_t width = 0;
  while (!printable_text.empty()) {
    Character character = decode(printable_text);
    width += character.size == 0 ? 1 : width_of(character.value);
    printable_text.remove_prefix(std::max<std::size_t>(1, character.size));
  }
  return width;
}

std::string clipped(std::string_view printable_text, std::size_t columns) {
  if (display_width(printable_text) <= columns) return std::string(printable_text);
  if (columns == 0) return "";
  std::size_t width = 0, end = 0;
  while (end < printable_text.size()) {
    Character character = decode(printable_text.substr(end));
    width += character.size == 0 ? 1 : width_of(character.value);
    if (width > columns - 1) break;
    end += std::max<std::size_t>(1, character.size);
  }
  return std::string(printable_text.substr(0, end)) + "…";
}

std::string clipped_to_end(std::string_view printable_text, std::size_t columns) {
  std::size_t width = display_width(printable_text);
  if (width <= columns) return std::string(printable_text);
  if (columns == 0) return "";
  while (width > columns - 1) {
    const Character character = decode(printable_text);
    width -= character.size == 0 ? 1 : width_of(character.value);
    printable_text.remove_prefix(std::max<std::size_t>(1, character.size));
  }
  return "…" + std::string(printable_text);
}

std::string printable_lines(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out += printable(text.substr(0, end)) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace clawpatrol::cpctl
