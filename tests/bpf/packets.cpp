#include "packets.h"

#include "policy/address.h"

namespace clawpatrol::packets {

std::string big16(unsigned value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string tcp(std::uint16_t port, std::uint8_t flags) {
  std::string header = big16(40000) + big16(port) + std::string(8, '\1');
  header += static_cast<char>(5 << 4);
  header += static_cast<char>(flags);
  return header + std::string(6, '\0');
}

std::string udp(std::uint16_t port) {
  return big16(40000) + big16(port) + big16(8) + big16(0);
}

std::string icmp(std::uint8_t type, std::uint8_t code, std::string_view behind) {
  std::string header{static_cast<char>(type), static_cast<char>(code)};
  return header + std::string(6, '\0') + std::string(behind);
}

namespace {

std::string raw(const std::string& text) {
  Address address = Address::parse(text).value();
  std::string bytes(address.bytes.begin(), address.bytes.end());
  return address.is_v4() ? bytes.substr(12) : bytes;
}

}  // namespace

std::string ip(const Ip& packet) {
  std::string from = raw(packet.source), to = raw(packet.destination);
  if (from.size() == 4) {
    std::string options((packet.header_words - 5u) * 4u, '\1');
    std::string header{static_cast<char>(0x40 | packet.header_words), '\0'};
    header += big16(static_cast<unsigned>(packet.header_words * 4u + packet.payload.size())) + big16(1) +
              big16(packet.fragment);
    header += static_cast<char>(packet.hop_limit);
    header += static_cast<char>(packet.protocol);
    return header + big16(0) + from + to + options + packet.payload;
  }
  std::string header{'\x60', '\0', '\0', '\0'};
  header += big16(static_cast<unsigned>(packet.payload.size()));
  header += static_cast<char>(packet.protocol);
  header += static_cast<char>(packet.hop_limit);
  return header + from + to + packet.payload;
}

std::string frame(std::uint16_t ethertype, std::string_view payload) {
  return std::string(6, '\2') + std::string(6, '\4') + big16(ethertype) + std::string(payload);
}

std::string frame(const Ip& packet) {
  std::string bytes = ip(packet);
  return frame((bytes[0] & 0xf0) == 0x40 ? 0x0800 : 0x86dd, bytes);
}

}  // namespace clawpatrol::packets
