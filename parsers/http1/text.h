// The characters of RFC 9110, 5.6, and the small readings that HTTP's fields are made of.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace clawpatrol::http1 {

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_token_char(char c) {
  return is_digit(c) || is_letter(c) || std::string_view("!#$%&'*+-.^_`|~").contains(c);
}
constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
constexpr int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  const char low = lower(c);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

inline bool is_token(std::string_view text) {
  for (char c : text)
    if (!is_token_char(c)) return false;
  return !text.empty();
}

inline bool same_name(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;
  for (std::size_t i = 0; i < left.size(); ++i)
    if (lower(left[i]) != lower(right[i])) return false;
  return true;
}

inline std::string lower_case(std::string_view text) {
  std::string low(text);
  for (char& c : low) c = lower(c);
  return low;
}

// Without spaces and tabs at both ends (OWS).
inline std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Calls each(member) for the members of a comma-separated list, trimmed, the empty ones left out; until it
// returns false. Returns whether it never did.
template <class Each>
bool each_member(std::string_view list, Each each) {
  while (true) {
    std::size_t comma = list.find(',');
    std::string_view member = trimmed(list.substr(0, comma));
    if (!member.empty() && !each(member)) return false;
    if (comma == std::string_view::npos) return true;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace clawpatrol::http1
