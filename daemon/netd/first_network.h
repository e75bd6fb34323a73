// What a gateway that nobody has configured yet begins with: a subnet that is free, a port that is free, and
// the address by which the machine is reached. Written once, as a file of the configuration that the operator
// may change.
#pragma once

#include <expected>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/ring/error.h"
#include "policy/address.h"

namespace clawpatrol::netd {

inline constexpr const char* first_network_file = "00-gateway.toml";

// Nothing where the configuration says already which network it is (or cannot be read: the start will say
// why), or the file is there. Else writes conf.d/00-gateway.toml, and says what was chosen. As root: the
// configuration is root's.
std::expected<std::optional<std::string>, std::string> choose_first_network(
    const std::filesystem::path& config);

struct FirstNetwork {
  std::string endpoint;
  std::vector<Prefix> subnet;
};
std::string first_network_text(const FirstNetwork& network);

// The first of 10.86.0.0/24, 10.87.0.0/24 ... and of the rest of the private ranges that overlaps none of
// `taken`.
std::optional<Prefix> free_subnet(std::span<const Prefix> taken);

}  // namespace clawpatrol::netd
