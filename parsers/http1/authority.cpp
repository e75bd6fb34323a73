#include "parsers/http1/authority.h"

#include <algorithm>

#include "parsers/http1/text.h"

namespace clawpatrol::http1 {
namespace {

bool is_name(std::string_view host) {
  if (host.empty() || host.size() > max_host || host.front() == '.') return false;
  if (host.find("..") != std::string_view::npos) return false;
  return std::ranges::all_of(
      host, [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_'; });
}

bool is_v6(std::string_view address) {
  return address.size() >= 2 && address.size() <= 45 && std::ranges::count(address, ':') >= 2 &&
         std::ranges::all_of(address, [](char c) { return hex_digit(c) >= 0 || c == ':' || c == '.'; });
}

// False: not a port.
bool read_port(std::string_view text, std::optional<std::uint16_t>& port) {
  if (text.empty() || text.size() > 5 || !std::ranges::all_of(text, is_digit)) return false;
  std::uint32_t value = 0;
  for (char c : text) value = value * 10 + static_cast<std::uint32_t>(c - '0');
  if (value == 0 || value > 65535) return false;
  port = static_cast<std::uint16_t>(value);
  return true;
}

}  // namespace

std::optional<Authority> read_authority(std::string_view text) {
  Authority read;
  std::string_view host = text, rest;
  const bool bracketed = text.starts_with('[');
  if (bracketed) {
    std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
  } else if (std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    rest = text.substr(colon);
  }
  if (bracketed ? !is_v6(host) : !is_name(host)) return std::nullopt;
  if (!rest.empty() && (rest[0] != ':' || !read_port(rest.substr(1), read.port))) return std::nullopt;
  if (host.ends_with('.')) host.remove_suffix(1);
  read.host = lower_case(host);
  return read;
}

}  // namespace clawpatrol::http1
