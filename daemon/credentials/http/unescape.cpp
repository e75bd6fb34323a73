#include "daemon/credentials/http/unescape.h"

#include <string_view>

#include "parsers/http1/text.h"

namespace clawpatrol::credentials {

using http1::hex_digit;

Unescape::Reading Unescape::read() const {
  switch (pending_[0].byte) {
    case '%': return percent();
    case '\\': return backslash();
    case '&': return entity();
    default: return literal();
  }
}

// What `digits` hexadecimal digits from pending_[from] on say.
std::expected<std::uint32_t, Unescape::Reading> Unescape::hex(std::size_t from, std::size_t digits) const {
  std::uint32_t code = 0;
  for (std::size_t i = from; i < from + digits; ++i) {
    if (i == size_) return std::unexpected(Reading{});
    const int digit = hex_digit(static_cast<char>(pending_[i].byte));
    if (digit < 0) return std::unexpected(literal());
    code = code << 4 | static_cast<std::uint32_t>(digit);
  }
  return code;
}

Unescape::Reading Unescape::hex_byte(std::size_t from) const {
  const auto code = hex(from, 2);
  return code ? Reading{from + 2, 1, {static_cast<unsigned char>(*code)}} : code.error();
}

Unescape::Reading Unescape::percent() const {
  return hex_byte(1);
}

// What is beyond the basic plane is written as two halves.
Unescape::Reading Unescape::utf16() const {
  constexpr std::size_t half = 6;
  const auto high = hex(2, 4);
  if (!high) return high.error();
  const Reading alone = character(half, *high);
  if (*high < 0xd800 || *high > 0xdbff) return alone;
  for (std::size_t i = half; i < half + 2; ++i) {
    if (i == size_) return {};
    if (pending_[i].byte != pending_[i - half].byte) return alone;
  }
  const auto low = hex(half + 2, 4);
  if (!low) return low.error().used == 0 ? Reading{} : alone;
  if (*low < 0xdc00 || *low > 0xdfff) return alone;
  return character(2 * half, 0x10000 + ((*high - 0xd800) << 10) + (*low - 0xdc00));
}

// Those of JSON, and \x41 and \' beside them.
Unescape::Reading Unescape::backslash() const {
  if (size_ == 1) return {};
  switch (pending_[1].byte) {
    case 'u': return utf16();
    case 'x': return hex_byte(2);
    case 'n': return {2, 1, {'\n'}};
    case 'r': return {2, 1, {'\r'}};
    case '/':
    case '"':
    case '\'':
    case '\\': return {2, 1, {pending_[1].byte}};
    default: return literal();
  }
}

// &#65; &#x41; &amp; &lt; &gt; &quot; &apos;
Unescape::Reading Unescape::entity() const {
  std::array<char, longest_escape + 1> text{};
  for (std::size_t i = 0; i < size_; ++i) text[i] = static_cast<char>(pending_[i].byte);
  const std::string_view written(text.data(), size_);
  constexpr std::pair<std::string_view, unsigned char> named[] = {
      {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
  for (const auto& [name, byte] : named) {
    if (written == name) return {name.size(), 1, {byte}};
    if (name.starts_with(written)) return {};
  }
  if (size_ < 2) return {};
  if (written[1] != '#') return literal();
  const bool sixteen = size_ > 2 && http1::lower(written[2]) == 'x';
  std::uint32_t code = 0;
  for (std::size_t i = sixteen ? 3 : 2; i < size_; ++i) {
    if (written[i] == ';') return character(i + 1, code);
    const int digit = hex_digit(written[i]);
    if (digit < 0 || (!sixteen && digit > 9)) return literal();
    code = code * (sixteen ? 16 : 10) + static_cast<std::uint32_t>(digit);
  }
  return size_ >= longest_entity ? literal() : Reading{};
}

// As UTF-8; no character at all is none of a secret's.
Unescape::Reading Unescape::character(std::size_t used, std::uint32_t code) {
  auto byte = [](std::uint32_t value) { return static_cast<unsigned char>(value); };
  if (code < 0x80) return {used, 1, {byte(code)}};
  if (code < 0x800) return {used, 2, {byte(0xc0 | code >> 6), byte(0x80 | (code & 63))}};
  if (code > 0x10ffff) return {used, 1, {'?'}};
  if (code < 0x10000)
    return {used, 3, {byte(0xe0 | code >> 12), byte(0x80 | (code >> 6 & 63)), byte(0x80 | (code & 63))}};
  return {used,
          4,
          {byte(0xf0 | code >> 18), byte(0x80 | (code >> 12 & 63)), byte(0x80 | (code >> 6 & 63)),
           byte(0x80 | (code & 63))}};
}

}  // namespace clawpatrol::credentials
