// What a peer is to the generation in force.
#pragma once

#include <optional>

#include "daemon/gateway/gateway.h"

namespace clawpatrol {

// By its [peer.NAME] table, or, where there is none, by the profile that it was added with. Nothing where
// neither says a profile that exists: it reaches nothing.
std::optional<PeerConfig> admitted_as(const Policy& policy, const Peer& peer);

}  // namespace clawpatrol
