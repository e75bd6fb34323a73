// IP addresses and prefixes as values: one 16-byte form for both families, IPv4 as ::ffff:a.b.c.d.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace clawpatrol {

struct Address {
  std::array<std::uint8_t, 16> bytes{};

  // Literal IPv4 or IPv6 without scope or brackets; v4-mapped text becomes IPv4. Nothing else: no names, no
  // octal, no shortened IPv4.
  static std::optional<Address> parse(std::string_view text);
  static Address from_v4(std::uint32_t host_order);

  bool is_v4() const;        // including every v4-mapped form
  std::uint32_t v4() const;  // host order; only when is_v4()
  std::string text() const;  // canonical (RFC 5952), IPv4 dotted
  auto operator<=>(const Address&) const = default;
};

struct Prefix {
  Address address;          // host bits zero
  std::uint8_t length = 0;  // in bits of its family: 0-32 for IPv4, 0-128 for IPv6

  static std::optional<Prefix> parse(std::string_view text);  // host bits set are refused
  bool is_v4() const { return address.is_v4(); }
  bool contains(const Address& other) const;
  bool overlaps(const Prefix& other) const;
  Address nth(std::uint64_t index) const;  // address + index; index below 2^63
  std::string text() const;
  auto operator<=>(const Prefix&) const = default;
};

// What an address reaches once its spelling is undone (attacks.md, 14): NAT64, 6to4, Teredo, v4-compatible
// and v4-mapped are reduced to the IPv4 address within.
Address effective(const Address& address);

// 127.0.0.0/8 and ::1, as written.
bool is_loopback(const Address& address);

// Loopback, unspecified, link-local, private, CGNAT, multicast, reserved, documentation, benchmarking: what
// passthrough and wildcard endpoints never reach. Checks effective(address).
bool is_special_use(const Address& address);

}  // namespace clawpatrol

template <>
struct std::hash<clawpatrol::Address> {
  std::size_t operator()(const clawpatrol::Address& address) const noexcept;
};
