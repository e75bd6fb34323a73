// UTF-8 by code points. Functions that count or index want text that valid() has accepted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace clawpatrol::cel::utf8 {

// Shortest forms only, no surrogates, nothing above U+10FFFF.
bool valid(std::string_view text);
std::size_t count(std::string_view text);
// The byte offset of code point `index`; the size of the text when it has exactly that many, npos when fewer.
std::size_t offset_of(std::string_view text, std::size_t index);
void append(std::string& out, std::uint32_t code_point);
// Bytes of the code point at `at`; 0 when there is none.
std::size_t decode_length(std::string_view text, std::size_t at);
std::size_t length_of(char lead);  // bytes of the code point that begins so

}  // namespace clawpatrol::cel::utf8
