// What the operator gives to an agent, and types for an interface of its own.
#pragma once

#include <string>

#include "daemon/netd/configuration.h"
#include "daemon/netd/keys.h"
#include "daemon/netd/peer_book.h"

namespace clawpatrol::netd {

// A complete wg-quick configuration for `peer`. `private_key` is base64, or empty where it never was here.
std::string client_configuration(const PeerEntry& peer, const NetworkConfig& config, const Key& gateway_key,
                                 const std::string& private_key);

// The wg(8) line that lets `peer` into the operator's own WireGuard interface. `key_file` holds the gateway's
// key.
std::string wg_set_line(const PeerEntry& peer, const NetworkConfig& config, const std::string& key_file);

}  // namespace clawpatrol::netd
