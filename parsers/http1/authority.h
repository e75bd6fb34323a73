// host[:port] of RFC 3986, 3.2, in its strict part: no user, no percent-encoding, no empty port.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace clawpatrol::http1 {

inline constexpr std::size_t max_host = 253;

struct Authority {
  std::string host;  // lower case, one trailing dot dropped, an IPv6 address without its brackets
  std::optional<std::uint16_t> port;
  bool operator==(const Authority&) const = default;
};

// None: not an authority that has one reading.
std::optional<Authority> read_authority(std::string_view text);

}  // namespace clawpatrol::http1
