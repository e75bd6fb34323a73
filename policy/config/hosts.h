// Hosts as an operator writes them: name:port, address:port, [v6]:port, *.suffix:port.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "policy/policy.h"

namespace clawpatrol::config {

struct HostProblem {
  std::string message;
  std::string hint;
};

// `default_port` stands in where none is written; without one the port is required.
std::expected<HostPort, HostProblem> parse_host(std::string_view text,
                                                std::optional<std::uint16_t> default_port);

// Whether `wanted`, an exact host, is one that `claimed` stands for.
bool covers(const HostPort& claimed, const HostPort& wanted);

std::string text_of(const HostPort& host);  // *.example.com:443

}  // namespace clawpatrol::config
