// What the operator gives to an agent, and types for an interface of its own.
#pragma once

#include <string>

#include "daemon/netd/configuration.h"
#include "daemon/netd/keys.h"
#include "daemon/netd/peer_book.h"

namespace clawpatrol::netd {

// Whether the configuration has a `DNS =`, which wg-quick needs resolvconf for; else what brings the tunnel
// up sets the resolver itself.
enum class ResolverLine { written, left_out };

// A complete wg-quick configuration for `peer`. `private_key` is base64, or empty where it never was here.
std::string client_configuration(const PeerEntry& peer, const NetworkConfig& config, const Key& gateway_key,
                                 const std::string& private_key,
                                 ResolverLine resolver = ResolverLine::written);

// The wg(8) line that lets `peer` into the operator's own WireGuard interface. `key_file` holds the gateway's
// key.
std::string wg_set_line(const PeerEntry& peer, const NetworkConfig& config, const std::string& key_file);

}  // namespace clawpatrol::netd
