#include "policy/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

namespace clawpatrol {
namespace {

constexpr std::array<std::uint8_t, 12> mapped_head = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::uint32_t load_v4(const std::uint8_t* bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 |
         bytes[3];
}

bool begins_with(const Address& address, std::initializer_list<std::uint8_t> head) {
  return std::equal(head.begin(), head.end(), address.bytes.begin());
}

// A bit of the family's own numbering is this many bits into the 16 bytes.
unsigned family_offset(const Prefix& prefix) {
  return prefix.is_v4() ? 96 : 0;
}

bool same_bits(const Address& left, const Address& right, unsigned bits) {
  unsigned whole = bits / 8, rest = bits % 8;
  if (std::memcmp(left.bytes.data(), right.bytes.data(), whole) != 0) return false;
  if (rest == 0) return true;
  unsigned mask = 0xff00u >> rest & 0xff;
  return ((left.bytes[whole] ^ right.bytes[whole]) & mask) == 0;
}

struct Range4 {
  std::uint32_t base;
  unsigned length;
};

// The IANA IPv4 Special-Purpose Address Registry, whole, and multicast. Those that are globally reachable
// (AS112, AMT) are in it too: no endpoint lives there.
constexpr Range4 special_v4[] = {
    {0x00000000, 8},   // 0.0.0.0/8, this network; Linux takes 0.0.0.0 for itself
    {0x0a000000, 8},   // 10.0.0.0/8, private
    {0x64400000, 10},  // 100.64.0.0/10, CGNAT
    {0x7f000000, 8},   // 127.0.0.0/8, loopback
    {0xa9fe0000, 16},  // 169.254.0.0/16, link-local and metadata services
    {0xac100000, 12},  // 172.16.0.0/12, private
    {0xc0000000, 24},  // 192.0.0.0/24, IETF protocol assignments
    {0xc0000200, 24},  // 192.0.2.0/24, documentation
    {0xc01fc400, 24},  // 192.31.196.0/24, AS112
    {0xc034c100, 24},  // 192.52.193.0/24, AMT
    {0xc0586300, 24},  // 192.88.99.0/24, 6to4 relays, deprecated
    {0xc0a80000, 16},  // 192.168.0.0/16, private
    {0xc0af3000, 24},  // 192.175.48.0/24, AS112
    {0xc6120000, 15},  // 198.18.0.0/15, benchmarking
    {0xc6336400, 24},  // 198.51.100.0/24, documentation
    {0xcb007100, 24},  // 203.0.113.0/24, documentation
    {0xe0000000, 4},   // 224.0.0.0/4, multicast
    {0xf0000000, 4},   // 240.0.0.0/4, reserved, and the limited broadcast address
};

bool is_special_v4(std::uint32_t address) {
  return std::ranges::any_of(
      special_v4, [address](Range4 range) { return (address ^ range.base) >> (32 - range.length) == 0; });
}

// Only 2000::/3 has ever been given out as global unicast; these are the registry's entries inside it.
bool is_special_v6(const Address& address) {
  if ((address.bytes[0] & 0xe0) != 0x20) return true;
  bool protocol_assignments =
      begins_with(address, {0x20, 0x01}) && (address.bytes[2] & 0xfe) == 0;  // 2001::/23
  bool documentation = begins_with(address, {0x20, 0x01, 0x0d, 0xb8}) ||     // 2001:db8::/32
                       (begins_with(address, {0x3f, 0xff}) && (address.bytes[2] & 0xf0) == 0);  // 3fff::/20
  bool as112 = begins_with(address, {0x26, 0x20, 0x00, 0x4f, 0x80, 0x00});  // 2620:4f:8000::/48
  bool six_bone = begins_with(address, {0x3f, 0xfe});                       // 3ffe::/16, returned
  return protocol_assignments || documentation || as112 || six_bone;
}

bool is_teredo(const Address& address) {
  return begins_with(address, {0x20, 0x01, 0, 0});
}

// ISATAP: any prefix, then 00-00-5e-fe or 02-00-5e-fe, then the IPv4 address.
bool is_isatap(const Address& address) {
  const auto& b = address.bytes;
  return (b[8] == 0x00 || b[8] == 0x02) && b[9] == 0x00 && b[10] == 0x5e && b[11] == 0xfe;
}

bool is_unspecified_or_loopback(const Address& address) {
  return std::all_of(address.bytes.begin(), address.bytes.end() - 1, [](auto byte) { return byte == 0; }) &&
         address.bytes[15] <= 1;
}

// RFC 5952, 4.2: the longest run of at least two zero groups, the first of equals.
std::pair<std::size_t, std::size_t> longest_zero_run(const std::array<std::uint16_t, 8>& groups) {
  std::size_t best = 0, best_length = 0;
  for (std::size_t begin = 0; begin < 8; ++begin) {
    std::size_t end = begin;
    while (end < 8 && groups[end] == 0) ++end;
    if (end - begin >= 2 && end - begin > best_length) best = begin, best_length = end - begin;
  }
  return {best, best_length};
}

std::string text_v6(const Address& address) {
  std::array<std::uint16_t, 8> groups{};
  for (std::size_t i = 0; i < 8; ++i)
    groups[i] = static_cast<std::uint16_t>(address.bytes[2 * i] << 8 | address.bytes[2 * i + 1]);
  auto [zeros, length] = longest_zero_run(groups);
  std::string out;
  for (std::size_t i = 0; i < 8; ++i) {
    if (length != 0 && i == zeros) {
      out += "::";
      i += length - 1;
      continue;
    }
    if (!out.empty() && !out.ends_with(':')) out += ':';
    fmt::format_to(std::back_inserter(out), "{:x}", groups[i]);
  }
  return out;
}

}  // namespace

bool is_loopback(const Address& address) {
  if (address.is_v4()) return address.v4() >> 24 == 127;
  return is_unspecified_or_loopback(address) && address.bytes[15] == 1;
}

std::optional<Address> Address::parse(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN] = {};
  if (text.size() >= sizeof buffer || text.contains('\0')) return std::nullopt;
  text.copy(buffer, text.size());
  Address address;
  if (inet_pton(AF_INET6, buffer, address.bytes.data()) == 1) return address;
  std::uint8_t v4[4];
  if (inet_pton(AF_INET, buffer, v4) != 1) return std::nullopt;
  return from_v4(load_v4(v4));
}

Address Address::from_v4(std::uint32_t host_order) {
  Address address;
  std::ranges::copy(mapped_head, address.bytes.begin());
  for (unsigned i = 0; i < 4; ++i)
    address.bytes[12 + i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
  return address;
}

bool Address::is_v4() const {
  return std::equal(mapped_head.begin(), mapped_head.end(), bytes.begin());
}

std::uint32_t Address::v4() const {
  return load_v4(bytes.data() + 12);
}

std::string Address::text() const {
  if (!is_v4()) return text_v6(*this);
  return fmt::format("{}.{}.{}.{}", bytes[12], bytes[13], bytes[14], bytes[15]);
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
  std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  std::optional<Address> address = Address::parse(text.substr(0, slash));
  std::string_view digits = text.substr(slash + 1);
  if (!address || digits.empty() || digits.size() > 3 || (digits.size() > 1 && digits[0] == '0'))
    return std::nullopt;
  unsigned length = 0;
  auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (failure != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  if (length > (address->is_v4() ? 32u : 128u)) return std::nullopt;
  Prefix prefix{*address, static_cast<std::uint8_t>(length)};
  for (unsigned bit = family_offset(prefix) + length; bit < 128; ++bit) {
    if (address->bytes[bit / 8] & 0x80 >> bit % 8) return std::nullopt;
  }
  return prefix;
}

bool Prefix::contains(const Address& other) const {
  return is_v4() == other.is_v4() && same_bits(address, other, family_offset(*this) + length);
}

bool Prefix::overlaps(const Prefix& other) const {
  return length <= other.length ? contains(other.address) : other.contains(address);
}

Address Prefix::nth(std::uint64_t index) const {
  Address result = address;
  std::uint64_t carry = index;
  for (std::size_t i = 16; i-- > 0 && carry != 0;) {
    // Split, so that adding a byte to a large index cannot overflow.
    std::uint64_t sum = std::uint64_t{result.bytes[i]} + (carry & 0xff);
    result.bytes[i] = static_cast<std::uint8_t>(sum);
    carry = (carry >> 8) + (sum >> 8);
  }
  return result;
}

std::string Prefix::text() const {
  return fmt::format("{}/{}", address.text(), length);
}

Address effective(const Address& address) {
  const std::uint8_t* bytes = address.bytes.data();
  if (address.is_v4() || is_unspecified_or_loopback(address)) return address;
  bool compatible = begins_with(address, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});  // ::/96
  bool translated =
      begins_with(address, {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0});  // SIIT, ::ffff:0:0:0/96
  bool nat64 = begins_with(address, {0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0});
  if (compatible || translated || nat64) return Address::from_v4(load_v4(bytes + 12));
  if (begins_with(address, {0x20, 0x02})) return Address::from_v4(load_v4(bytes + 2));  // 6to4
  if (is_teredo(address)) return Address::from_v4(~load_v4(bytes + 12));  // the client, stored inverted
  if (is_isatap(address)) return Address::from_v4(load_v4(bytes + 12));
  return address;
}

bool is_special_use(const Address& address) {
  // A Teredo address speaks through the server that it names, so both ends count.
  if (is_teredo(address) && is_special_v4(load_v4(address.bytes.data() + 4))) return true;
  // An ISATAP address outside global unicast is special whatever it embeds.
  if (is_isatap(address) && is_special_v6(address)) return true;
  Address reached = effective(address);
  return reached.is_v4() ? is_special_v4(reached.v4()) : is_special_v6(reached);
}

}  // namespace clawpatrol

std::size_t std::hash<clawpatrol::Address>::operator()(const clawpatrol::Address& address) const noexcept {
  std::uint64_t high, low;
  std::memcpy(&high, address.bytes.data(), 8);
  std::memcpy(&low, address.bytes.data() + 8, 8);
  std::uint64_t mixed = (high ^ std::rotl(low, 32)) * 0x9e3779b97f4a7c15 + low;
  return static_cast<std::size_t>((mixed ^ mixed >> 29) * 0xbf58476d1ce4e5b9);
}
