#include "parsers/tls/client_hello.h"

#include <algorithm>
#include <optional>
#include <set>

namespace clawpatrol::tls {

namespace {

constexpr std::uint8_t record_handshake = 22;
constexpr std::uint8_t message_client_hello = 1;
constexpr std::uint16_t extension_server_name = 0;
constexpr std::uint8_t kind_host_name = 0;
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

std::variant<ClientHello, Malformed> read_body(std::string_view body) {
  Reader reader(body);
  reader.u16();
  reader.bytes(32);
  reader.bytes(reader.u8());
  reader.bytes(reader.u16());
  reader.bytes(reader.u8());
  ClientHello hello;
  if (reader.ok() && reader.left() == 0) return hello;  // no extensions at all
  Reader extensions(reader.bytes(reader.u16()));
  if (!reader.complete()) return Malformed{"a ClientHello whose lengths do not agree"};
  std::set<std::uint16_t> seen;
  while (extensions.ok() && extensions.left() > 0) {
    std::uint16_t type = extensions.u16();
    std::string_view data = extensions.bytes(extensions.u16());
    if (!seen.insert(type).second) return Malformed{"an extension that is there twice"};
    if (!extensions.ok() || type != extension_server_name) continue;
    auto name = read_server_name(data);
    if (!name) return Malformed{"a server name that cannot be read in one way"};
    hello.server_name = std::move(*name);
  }
  if (!extensions.complete()) return Malformed{"an extension that is cut off"};
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
