// DNS answers: RFC 1035 section 4, negative ones as in RFC 2308, extended errors of RFC 8914.
//
// Small by construction: an answer over UDP never exceeds what the client can receive nor 1232 bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/dns/query.h"

namespace clawpatrol::dns {

inline constexpr std::size_t max_udp_answer = 1232;
inline constexpr std::size_t max_tcp_answer = 65535;
inline constexpr std::size_t max_addresses = 24;  // of one answer; the rest is left out
inline constexpr std::size_t max_error_text = 120;
inline constexpr std::uint32_t negative_ttl_seconds = 5;

enum class ExtendedError : std::uint16_t { prohibited = 18, no_reachable_authority = 22, network_error = 23 };

struct Answer {
  Rcode rcode = Rcode::no_error;
  std::vector<std::string> addresses{};  // raw, 4 bytes each for type A, 16 for AAAA; others are left out
  std::uint32_t ttl_seconds = 0;
  std::optional<ExtendedError> error{};  // sent only to clients that speak EDNS
  std::string error_text{};
};

// What fits a client over UDP.
std::size_t udp_limit(const std::optional<Edns>& edns);

// An answer of at most `limit` bytes; one that does not fit is empty and marked as truncated, so that the
// client asks again over TCP. No addresses and no_error or name_error: negative, cacheable for
// negative_ttl_seconds.
std::string build_answer(const Query& query, const Answer& answer, std::size_t limit);

std::string build_error(const BadQuery& bad);

// With the length that TCP wants before it.
std::string framed(std::string_view message);

}  // namespace clawpatrol::dns
