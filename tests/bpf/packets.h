// Packets as the filter sees them: Ethernet, IP, and what the test puts behind.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace clawpatrol::packets {

struct Ip {
  std::string source, destination;  // both of one family
  std::uint8_t protocol = 6;
  std::string payload;
  std::uint16_t fragment = 0;     // IPv4: flags and offset
  std::uint8_t header_words = 5;  // IPv4
  std::uint8_t hop_limit = 64;
};

enum : std::uint8_t { syn = 0x02, rst = 0x04, ack = 0x10 };

std::string big16(unsigned value);
std::string tcp(std::uint16_t port, std::uint8_t flags = syn);
std::string udp(std::uint16_t port);
std::string icmp(std::uint8_t type, std::uint8_t code = 0, std::string_view behind = {});

std::string ip(const Ip& packet);  // without the Ethernet header
std::string frame(std::uint16_t ethertype, std::string_view payload);
std::string frame(const Ip& packet);

}  // namespace clawpatrol::packets
