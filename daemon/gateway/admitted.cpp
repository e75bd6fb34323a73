#include "daemon/gateway/admitted.h"

namespace clawpatrol {

std::optional<PeerConfig> admitted_as(const Policy& policy, const Peer& peer) {
  auto found = policy.peers.find(peer.name);
  PeerConfig config;
  if (found != policy.peers.end()) {
    config = found->second;
  } else {
    config.name = peer.name;
    config.profile = peer.profile;
  }
  if (!policy.profiles.contains(config.profile)) return std::nullopt;
  return config;
}

}  // namespace clawpatrol
