// The `ip` and `cidr` extension. Addresses are read strictly: no zone, no leading zeros, no octal.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "policy/cel/function.h"

namespace clawpatrol::cel {

namespace {

constexpr std::size_t longest_address = 45;

Value wrong_type() {
  return Value::error(ErrorCode::wrong_type);
}

bool is_mapped(const Network& address) {
  auto zeros = std::count(address.bytes.begin(), address.bytes.begin() + 10, 0);
  return address.size == 16 && zeros == 10 && address.bytes[10] == 0xff && address.bytes[11] == 0xff;
}

std::optional<Network> read_address(std::string_view text) {
  if (text.size() > longest_address || text.find('\0') != text.npos) return std::nullopt;
  char terminated[longest_address + 1] = {};
  text.copy(terminated, text.size());
  Network address;
  bool six = text.find(':') != text.npos;
  address.size = six ? 16 : 4;
  address.prefix = six ? 128 : 32;
  if (inet_pton(six ? AF_INET6 : AF_INET, terminated, address.bytes.data()) != 1) return std::nullopt;
  // Written with dots, an IPv4 address in IPv6's clothes is refused, as the specification has it.
  if (is_mapped(address) && text.find('.') != text.npos) return std::nullopt;
  return address;
}

// An IPv4 address in IPv6's clothes becomes that IPv4 address.
std::optional<Network> unmapped(Network network) {
  if (!is_mapped(network)) return network;
  if (network.prefix < 96) return std::nullopt;
  Network plain;
  std::copy_n(network.bytes.begin() + 12, 4, plain.bytes.begin());
  plain.prefix = static_cast<std::uint8_t>(network.prefix - 96);
  return plain;
}

std::optional<Network> parse_ip(std::string_view text) {
  std::optional<Network> address = read_address(text);
  return address ? unmapped(*address) : std::nullopt;
}

std::optional<Network> parse_cidr(std::string_view text) {
  std::size_t slash = text.rfind('/');
  if (slash == text.npos) return std::nullopt;
  std::optional<Network> network = read_address(text.substr(0, slash));
  std::string_view digits = text.substr(slash + 1);
  if (!network || digits.empty() || digits.size() > 3 || (digits.size() > 1 && digits[0] == '0'))
    return std::nullopt;
  int prefix = 0;
  for (char digit : digits) {
    if (digit < '0' || digit > '9') return std::nullopt;
    prefix = prefix * 10 + (digit - '0');
  }
  if (prefix > network->prefix) return std::nullopt;
  network->prefix = static_cast<std::uint8_t>(prefix);
  return unmapped(*network);
}

// RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups as "::".
std::string text_of_six(const Network& address) {
  std::array<int, 8> groups{};
  for (std::size_t i = 0; i < 8; ++i) groups[i] = address.bytes[2 * i] << 8 | address.bytes[2 * i + 1];
  std::size_t run = 0, length = 1;
  for (std::size_t i = 0; i < 8; ++i) {
    std::size_t end = i;
    while (end < 8 && groups[end] == 0) ++end;
    if (end - i > length) {
      run = i;
      length = end - i;
    }
  }
  std::string text;
  for (std::size_t i = 0; i < 8; ++i) {
    if (length > 1 && i == run) {
      text += "::";
      i += length - 1;
      continue;
    }
    if (!text.empty() && !text.ends_with(':')) text += ':';
    text += fmt::format("{:x}", groups[i]);
  }
  return text;
}

std::string text_of_address(const Network& address) {
  const auto& bytes = address.bytes;
  if (address.size == 4) return fmt::format("{}.{}.{}.{}", bytes[0], bytes[1], bytes[2], bytes[3]);
  return text_of_six(address);
}

Network masked(Network network) {
  for (std::size_t bit = network.prefix; bit < std::size_t{8} * network.size; ++bit)
    network.bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80u >> bit % 8));
  return network;
}

bool covers(const Network& whole, const Network& part) {
  if (whole.size != part.size || whole.prefix > part.prefix) return false;
  Network cut = part;
  cut.prefix = whole.prefix;
  return masked(cut) == masked(whole);
}

Value ip(Frame& frame, Arguments arguments) {
  if (arguments[0].kind == Kind::cidr) {
    Network address = *arguments[0].network;
    address.prefix = static_cast<std::uint8_t>(8 * address.size);
    return frame.network(Kind::ip, address);
  }
  if (arguments[0].kind != Kind::string) return wrong_type();
  std::optional<Network> address = parse_ip(arguments[0].text());
  return address ? frame.network(Kind::ip, *address) : Value::error(ErrorCode::bad_address);
}

Value cidr(Frame& frame, Arguments arguments) {
  if (arguments[0].kind != Kind::string) return wrong_type();
  std::optional<Network> network = parse_cidr(arguments[0].text());
  return network ? frame.network(Kind::cidr, *network) : Value::error(ErrorCode::bad_address);
}

template <std::optional<Network> (*parse)(std::string_view)>
Value is_readable(Frame&, Arguments arguments) {
  return arguments[0].kind == Kind::string ? Value::of_bool(parse(arguments[0].text()).has_value())
                                           : wrong_type();
}

Value is_canonical(Frame&, Arguments arguments) {
  if (arguments[0].kind != Kind::string) return wrong_type();
  std::optional<Network> address = parse_ip(arguments[0].text());
  if (!address) return Value::error(ErrorCode::bad_address);
  return Value::of_bool(text_of_address(*address) == arguments[0].text());
}

Value family(Frame&, Arguments arguments) {
  if (arguments[0].kind != Kind::ip) return wrong_type();
  return Value::of_int(arguments[0].network->size == 4 ? 4 : 6);
}

bool is_unspecified(const Network& address) {
  return std::count(address.bytes.begin(), address.bytes.end(), 0) == 16;
}

bool is_loopback(const Network& address) {
  if (address.size == 4) return address.bytes[0] == 127;
  return address.bytes[15] == 1 && std::count(address.bytes.begin(), address.bytes.end(), 0) == 15;
}

bool is_multicast(const Network& address) {
  return address.size == 4 ? address.bytes[0] >> 4 == 0xe : address.bytes[0] == 0xff;
}

bool is_link_local_multicast(const Network& address) {
  const auto& bytes = address.bytes;
  if (address.size == 4) return bytes[0] == 224 && bytes[1] == 0 && bytes[2] == 0;
  return bytes[0] == 0xff && (bytes[1] & 0x0f) == 2;
}

bool is_link_local_unicast(const Network& address) {
  const auto& bytes = address.bytes;
  return address.size == 4 ? bytes[0] == 169 && bytes[1] == 254 : bytes[0] == 0xfe && bytes[1] >> 6 == 2;
}

// As in Go's net/netip: private addresses are among them.
bool is_global_unicast(const Network& address) {
  bool broadcast =
      address.size == 4 && std::count(address.bytes.begin(), address.bytes.begin() + 4, 255) == 4;
  return !broadcast && !is_unspecified(address) && !is_loopback(address) && !is_multicast(address) &&
         !is_link_local_unicast(address);
}

template <bool (*test)(const Network&)>
Value tested(Frame&, Arguments arguments) {
  return arguments[0].kind == Kind::ip ? Value::of_bool(test(*arguments[0].network)) : wrong_type();
}

template <Kind kind, std::optional<Network> (*parse)(std::string_view)>
Value contains(Frame&, Arguments arguments) {
  if (arguments[0].kind != Kind::cidr) return wrong_type();
  if (arguments[1].kind == kind) return Value::of_bool(covers(*arguments[0].network, *arguments[1].network));
  if (arguments[1].kind != Kind::string) return wrong_type();
  std::optional<Network> part = parse(arguments[1].text());
  return part ? Value::of_bool(covers(*arguments[0].network, *part)) : Value::error(ErrorCode::bad_address);
}

Value mask(Frame& frame, Arguments arguments) {
  if (arguments[0].kind != Kind::cidr) return wrong_type();
  return frame.network(Kind::cidr, masked(*arguments[0].network));
}

Value prefix_length(Frame&, Arguments arguments) {
  return arguments[0].kind == Kind::cidr ? Value::of_int(arguments[0].network->prefix) : wrong_type();
}

constexpr std::array<Signature, 10> test_overloads = {method(Param::boolean, {Param::ip})};
constexpr std::array<Signature, 10> text_overloads = {global(Param::boolean, {Param::string})};

constexpr Function functions[] = {
    {"ip", ip, {global(Param::ip, {Param::string}), method(Param::ip, {Param::cidr})}},
    {"cidr", cidr, {global(Param::cidr, {Param::string})}},
    {"isIP", is_readable<parse_ip>, text_overloads},
    {"isCIDR", is_readable<parse_cidr>, text_overloads},
    {"ip.isCanonical", is_canonical, text_overloads},
    {"family", family, {method(Param::integer, {Param::ip})}},
    {"isUnspecified", tested<is_unspecified>, test_overloads},
    {"isLoopback", tested<is_loopback>, test_overloads},
    {"isGlobalUnicast", tested<is_global_unicast>, test_overloads},
    {"isLinkLocalMulticast", tested<is_link_local_multicast>, test_overloads},
    {"isLinkLocalUnicast", tested<is_link_local_unicast>, test_overloads},
    {"containsIP",
     contains<Kind::ip, parse_ip>,
     {method(Param::boolean, {Param::cidr, Param::ip}),
      method(Param::boolean, {Param::cidr, Param::string})}},
    {"containsCIDR",
     contains<Kind::cidr, parse_cidr>,
     {method(Param::boolean, {Param::cidr, Param::cidr}),
      method(Param::boolean, {Param::cidr, Param::string})}},
    {"masked", mask, {method(Param::cidr, {Param::cidr})}},
    {"prefixLength", prefix_length, {method(Param::integer, {Param::cidr})}},
};

}  // namespace

std::span<const Function> network_functions() {
  return functions;
}

std::string format_network(Value network) {
  std::string text = text_of_address(*network.network);
  return network.kind == Kind::cidr ? fmt::format("{}/{}", text, network.network->prefix) : text;
}

}  // namespace clawpatrol::cel
