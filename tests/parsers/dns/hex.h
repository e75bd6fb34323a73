// Bytes as tests write them: hexadecimal digits, spaces ignored.
#pragma once

#include <string>
#include <string_view>

inline std::string hex(std::string_view digits) {
  std::string bytes;
  int high = -1;
  for (char c : digits) {
    if (c == ' ') continue;
    int value = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    if (high < 0) {
      high = value;
    } else {
      bytes.push_back(static_cast<char>(high << 4 | value));
      high = -1;
    }
  }
  return bytes;
}

inline std::string to_hex(std::string_view bytes) {
  std::string digits;
  for (unsigned char c : bytes) {
    digits.push_back("0123456789abcdef"[c >> 4]);
    digits.push_back("0123456789abcdef"[c & 15]);
  }
  return digits;
}
