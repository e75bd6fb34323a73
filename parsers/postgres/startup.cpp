#include "parsers/postgres/startup.h"

#include <algorithm>

namespace clawpatrol::postgres {
namespace {

constexpr std::uint32_t ssl_code = 80877103;
constexpr std::uint32_t gssenc_code = 80877104;
constexpr std::uint32_t cancel_code = 80877102;
constexpr std::size_t shortest_key = 4;
constexpr std::size_t longest_key = 256;

Step<FirstPacket> parsed(FirstPacket packet, std::size_t size) {
  return Parsed<FirstPacket>{std::move(packet), size};
}

Step<FirstPacket> parse_cancel(Reader reader, std::size_t size) {
  CancelRequest request{.process = reader.u32(), .key = reader.rest()};
  if (!reader.ok() || request.key.size() < shortest_key || request.key.size() > longest_key)
    return Malformed{"cancel request with a key of impossible length"};
  return parsed(request, size);
}

Step<FirstPacket> parse_parameters(Reader reader, std::uint16_t minor, std::size_t size) {
  Startup startup{.minor = minor, .parameters = {}};
  while (true) {
    std::string_view name = reader.cstring();
    if (!reader.ok()) return Malformed{"startup packet without its terminator"};
    if (name.empty()) break;
    std::string_view value = reader.cstring();
    if (!reader.ok()) return Malformed{"startup parameter without a value"};
    const auto same = [&](const auto& parameter) { return parameter.first == name; };
    if (std::ranges::any_of(startup.parameters, same)) return Malformed{"startup parameter given twice"};
    if (startup.parameters.size() == most_startup_parameters) return Malformed{"too many startup parameters"};
    startup.parameters.emplace_back(name, value);
  }
  if (!reader.complete()) return Malformed{"bytes behind the startup parameters"};
  return parsed(std::move(startup), size);
}

}  // namespace

Step<FirstPacket> parse_first_packet(std::string_view bytes) {
  if (bytes.size() < 4) return NeedMore{4};
  const std::uint32_t size = Reader(bytes).u32();
  if (size < 8 || size > largest_startup) return Malformed{"startup packet of an impossible length"};
  if (bytes.size() < size) return NeedMore{size};
  Reader reader(bytes.substr(4, size - 4));
  const std::uint32_t code = reader.u32();
  if (code == ssl_code || code == gssenc_code) {
    if (!reader.complete()) return Malformed{"encryption request with trailing bytes"};
    if (code == ssl_code) return parsed(SslRequest{}, size);
    return parsed(GssEncRequest{}, size);
  }
  if (code == cancel_code) return parse_cancel(reader, size);
  if (code >> 16 != 3) return Malformed{unsupported_version};
  return parse_parameters(reader, static_cast<std::uint16_t>(code & 0xffff), size);
}

}  // namespace clawpatrol::postgres
