// The first packet of a PostgreSQL connection (documentation, "Start-up", "Cancelling Requests in Progress").
//
//   | length 4 | 80877103 |                                SSLRequest
//   | length 4 | 80877104 |                                GSSENCRequest
//   | length 4 | 80877102 | process 4 | key 4..256 |       CancelRequest; the key is 4 bytes in protocol 3.0
//   | length 4 | 3 << 16 | minor | name\0 value\0 ... \0 | StartupMessage
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "parsers/bytes.h"

namespace clawpatrol::postgres {

inline constexpr std::uint32_t largest_startup = 10000;  // the server's own limit
inline constexpr std::size_t most_startup_parameters = 128;
inline constexpr std::uint16_t newest_minor = 2;

struct SslRequest {};
struct GssEncRequest {};
struct CancelRequest {
  std::uint32_t process = 0;
  std::string_view key;
};
struct Startup {
  std::uint16_t minor = 0;
  std::vector<std::pair<std::string_view, std::string_view>> parameters;  // no name twice, in the order sent
};
// What a Startup of another major version is malformed for.
inline constexpr std::string_view unsupported_version =
    "unsupported frontend protocol: the gateway supports 3.0 to 3.2";

using FirstPacket = std::variant<SslRequest, GssEncRequest, CancelRequest, Startup>;

Step<FirstPacket> parse_first_packet(std::string_view bytes);

}  // namespace clawpatrol::postgres
