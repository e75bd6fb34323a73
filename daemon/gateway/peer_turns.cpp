#include "daemon/gateway/peer_turns.h"

namespace clawpatrol {

PeerTurns::PeerTurns(Ring& ring) : ring_(ring) {
  ring_.on_turn_begin([this] { begin_turn(); });
}

bool PeerTurns::may_go_on(std::uint32_t peer_id) const {
  auto found = peers_.find(peer_id);
  return found == peers_.end() || (found->second.used < share && found->second.waiting.empty());
}

void PeerTurns::queue(std::uint32_t peer_id, std::coroutine_handle<> waiter) {
  peers_[peer_id].waiting.push_back(waiter);
  ring_.turn_again();
}

// One connection of each peer that waits: what it then does is bounded by what it has received.
void PeerTurns::begin_turn() {
  for (auto at = peers_.begin(); at != peers_.end();) {
    Peer& peer = at->second;
    peer.used = {};
    if (peer.waiting.empty()) {
      at = peers_.erase(at);
      continue;
    }
    ring_.resume_soon(peer.waiting.front());
    peer.waiting.pop_front();
    if (!peer.waiting.empty()) ring_.turn_again();
    ++at;
  }
}

}  // namespace clawpatrol
