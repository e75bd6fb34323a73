#include "parsers/tls/client_hello.h"

#include <algorithm>
#include <optional>
#include <set>
#include <span>

namespace clawpatrol::tls {

namespace {

constexpr std::uint8_t record_handshake = 22;
constexpr std::uint8_t message_client_hello = 1;
constexpr std::uint8_t kind_host_name = 0;

enum : std::uint16_t {
  extension_server_name = 0,
  extension_groups = 10,
  extension_signatures = 13,
  extension_protocols = 16,
  extension_versions = 43,
  extension_encrypted_hello = 0xfe0d,
};
enum : std::uint16_t { tls12 = 0x0303, tls13 = 0x0304 };
constexpr std::uint16_t group_p256 = 23;
constexpr std::uint16_t ecdsa_p256_sha256 = 0x0403;
// AES-GCM and ChaCha20-Poly1305, of TLS 1.3 and of TLS 1.2 with ECDHE and ECDSA.
constexpr std::uint16_t suites_tls13[] = {0x1301, 0x1302, 0x1303};
constexpr std::uint16_t suites_ecdsa[] = {0xc02b, 0xc02c, 0xcca9};
constexpr std::size_t record_head = 5, message_head = 4;

bool reads_as_address(std::string_view name) {
  std::string_view last = name.substr(name.find_last_of('.') + 1);
  return last.starts_with("0x") || std::ranges::all_of(last, [](char c) { return c >= '0' && c <= '9'; });
}

// Letters, digits, '-', '_' and dots between non-empty labels, in lower case; nothing: no host has this name.
// A literal address is no name (RFC 6066, 3).
std::optional<std::string> host_name(std::string_view raw) {
  if (raw.ends_with('.')) raw.remove_suffix(1);
  if (raw.empty() || raw.size() > 253) return std::nullopt;
  std::string name;
  for (char c : raw) {
    bool upper = c >= 'A' && c <= 'Z';
    bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    bool between = c == '.' && !name.empty() && name.back() != '.';
    if (!upper && !plain && !between) return std::nullopt;
    name.push_back(upper ? static_cast<char>(c + 32) : c);
  }
  if (name.back() == '.' || reads_as_address(name)) return std::nullopt;
  return name;
}

std::optional<std::string> read_server_name(std::string_view data) {
  Reader outer(data);
  Reader list(outer.bytes(outer.u16()));
  std::uint8_t kind = list.u8();
  std::string_view name = list.bytes(list.u16());
  if (!outer.complete() || !list.complete() || kind != kind_host_name) return std::nullopt;
  return host_name(name);
}

std::optional<std::vector<std::string>> read_protocols(std::string_view data) {
  Reader outer(data);
  Reader list(outer.bytes(outer.u16()));
  std::vector<std::string> protocols;
  while (list.ok() && list.left() > 0) {
    std::string_view name = list.bytes(list.u8());
    if (name.empty()) return std::nullopt;
    protocols.emplace_back(name);
  }
  if (!outer.complete() || !list.complete() || protocols.empty()) return std::nullopt;
  return protocols;
}

using Numbers = std::vector<std::uint16_t>;

std::optional<Numbers> read_numbers(std::string_view bytes) {
  Reader list(bytes);
  Numbers numbers;
  while (list.ok() && list.left() > 0) numbers.push_back(list.u16());
  if (!list.complete() || numbers.empty()) return std::nullopt;
  return numbers;
}

enum class Length : std::uint8_t { one_byte, two_bytes };

std::optional<Numbers> read_list(std::string_view data, Length length) {
  Reader outer(data);
  std::string_view list = outer.bytes(length == Length::one_byte ? outer.u8() : outer.u16());
  if (!outer.complete()) return std::nullopt;
  return read_numbers(list);
}

// What the extensions and the head say, from which it follows what the client can.
struct Offers {
  Numbers suites{}, versions{}, groups{}, signatures{};
};

bool has(const Numbers& numbers, std::uint16_t wanted) {
  return std::ranges::find(numbers, wanted) != numbers.end();
}

bool has_any(const Numbers& numbers, std::span<const std::uint16_t> wanted) {
  return std::ranges::any_of(wanted, [&](std::uint16_t number) { return has(numbers, number); });
}

// Null: all is well.
const char* read_extension(std::uint16_t type, std::string_view data, ClientHello& hello, Offers& offers) {
  const auto into = [](auto& place, auto read) {
    if (read) place = std::move(*read);
    return read.has_value();
  };
  switch (type) {
    case extension_server_name:
      return into(hello.server_name, read_server_name(data)) ? nullptr
                                                             : "a server name that cannot be read in one way";
    case extension_protocols:
      return into(hello.protocols, read_protocols(data)) ? nullptr
                                                         : "a list of protocols that does not add up";
    case extension_versions:
      return into(offers.versions, read_list(data, Length::one_byte))
                 ? nullptr
                 : "a list of versions that does not add up";
    case extension_groups:
      return into(offers.groups, read_list(data, Length::two_bytes))
                 ? nullptr
                 : "a list of groups that does not add up";
    case extension_signatures:
      return into(offers.signatures, read_list(data, Length::two_bytes))
                 ? nullptr
                 : "a list of signature algorithms that does not add up";
    case extension_encrypted_hello: hello.has_encrypted_hello = true; return nullptr;
    default: return nullptr;
  }
}

const char* read_extensions(std::string_view bytes, ClientHello& hello, Offers& offers) {
  Reader extensions(bytes);
  std::set<std::uint16_t> seen;
  while (extensions.ok() && extensions.left() > 0) {
    std::uint16_t type = extensions.u16();
    std::string_view data = extensions.bytes(extensions.u16());
    if (!extensions.ok()) break;
    if (!seen.insert(type).second) return "an extension that is there twice";
    if (const char* why = read_extension(type, data, hello, offers)) return why;
  }
  return extensions.complete() ? nullptr : "an extension that is cut off";
}

// RFC 8446, 4.2.1: where supported_versions is there, it alone counts.
void conclude(std::uint16_t legacy_version, const Offers& offers, ClientHello& hello) {
  const bool lists = !offers.versions.empty();
  hello.offers_tls12 = lists ? has(offers.versions, tls12) : legacy_version >= tls12;
  hello.offers_tls13 = lists && has(offers.versions, tls13);
  const bool suite = (hello.offers_tls13 && has_any(offers.suites, suites_tls13)) ||
                     (hello.offers_tls12 && has_any(offers.suites, suites_ecdsa));
  hello.takes_ecdsa = suite && has(offers.groups, group_p256) && has(offers.signatures, ecdsa_p256_sha256);
}

std::variant<ClientHello, Malformed> read_body(std::string_view body) {
  Reader reader(body);
  const std::uint16_t legacy_version = reader.u16();
  reader.bytes(32);
  reader.bytes(reader.u8());
  std::string_view suites = reader.bytes(reader.u16());
  reader.bytes(reader.u8());
  ClientHello hello;
  Offers offers;
  std::string_view extensions;
  const bool bare = reader.ok() && reader.left() == 0;  // no extensions at all
  if (!bare) extensions = reader.bytes(reader.u16());
  if (!reader.complete()) return Malformed{"a ClientHello whose lengths do not agree"};
  auto read = read_numbers(suites);
  if (!read) return Malformed{"a list of cipher suites that does not add up"};
  offers.suites = std::move(*read);
  if (const char* why = read_extensions(extensions, hello, offers)) return Malformed{why};
  conclude(legacy_version, offers, hello);
  return hello;
}

}  // namespace

bool may_be_tls(std::string_view first_bytes) {
  return static_cast<std::uint8_t>(first_bytes[0]) == record_handshake &&
         (first_bytes.size() < 2 || first_bytes[1] == 3);
}

bool may_be_sslv2(std::string_view first_bytes) {
  auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(first_bytes[at]); };
  return byte(0) >= 0x80 && (first_bytes.size() < 3 || byte(2) == message_client_hello) &&
         (first_bytes.size() < 4 || byte(3) == 3);
}

Step<ClientHello> read_client_hello(std::string_view buffer) {
  std::string message;
  std::size_t taken = 0, wanted = message_head, records = 0;
  while (message.size() < wanted) {
    if (records++ == max_client_hello_records) return Malformed{"a ClientHello in too many records"};
    if (buffer.size() < taken + record_head) return NeedMore{taken + record_head};
    Reader head(buffer.substr(taken, record_head));
    std::uint8_t type = head.u8(), major = head.u8();
    head.u8();
    std::size_t length = head.u16();
    if (type != record_handshake || major != 3) return Malformed{"not a handshake record"};
    if (length == 0 || length > max_record) return Malformed{"a record of a length that is not allowed"};
    if (buffer.size() < taken + record_head + length) return NeedMore{taken + record_head + length};
    message.append(buffer.substr(taken + record_head, length));
    taken += record_head + length;
    if (message.size() < message_head) continue;
    if (message[0] != message_client_hello) return Malformed{"not a ClientHello"};
    wanted = message_head + (Reader(message).u32() & 0xffffff);
    if (wanted > max_client_hello) return Malformed{"a ClientHello that is too long"};
  }
  if (message.size() > wanted) return Malformed{"bytes after the ClientHello in its record"};
  auto body = read_body(std::string_view(message).substr(message_head));
  if (auto* bad = std::get_if<Malformed>(&body)) return *bad;
  return Parsed<ClientHello>{std::move(std::get<ClientHello>(body)), taken};
}

}  // namespace clawpatrol::tls
