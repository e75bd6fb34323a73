#include "daemon/gateway/peer_turns.h"

#include <algorithm>

namespace clawpatrol {

PeerTurns::PeerTurns(Ring& ring) : ring_(ring) {
  ring_.on_turn_begin([this] { begin_turn(); });
}

bool PeerTurns::may_go_on(std::uint32_t peer_id) const {
  auto found = peers_.find(peer_id);
  if (found == peers_.end()) return true;
  const Peer& peer = found->second;
  return peer.waiting.empty() && (peer.used < share || (peer.used < share_alone && is_alone(peer_id)));
}

bool PeerTurns::is_alone(std::uint32_t peer_id) const {
  const auto since = ring_.now() - presence;
  return std::ranges::none_of(
      peers_, [&](const auto& entry) { return entry.first != peer_id && entry.second.last > since; });
}

void PeerTurns::worked(std::uint32_t peer_id, Clock::duration taken) {
  Peer& peer = peers_[peer_id];
  peer.used += taken;
  peer.average = (peer.average * 7 + taken) / 8;
  peer.last = ring_.now();
}

void PeerTurns::queue(std::uint32_t peer_id, std::coroutine_handle<> waiter) {
  peers_[peer_id].waiting.push_back(waiter);
  ring_.turn_again();
}

// As many connections of each peer that waits as its share is likely to be enough for, and one in any case:
// what one does is bounded by what is judged in one go.
void PeerTurns::begin_turn() {
  for (auto at = peers_.begin(); at != peers_.end();) {
    Peer& peer = at->second;
    peer.used = {};
    if (peer.waiting.empty()) {
      at = peer.last > ring_.now() - presence ? std::next(at) : peers_.erase(at);
      continue;
    }
    const auto its_share = is_alone(at->first) ? share_alone : share;
    const auto fitting = its_share / std::max<Clock::duration>(peer.average, std::chrono::microseconds(1));
    for (auto count = std::max<std::int64_t>(fitting, 1); count > 0 && !peer.waiting.empty(); --count) {
      ring_.resume_soon(peer.waiting.front());
      peer.waiting.pop_front();
    }
    if (!peer.waiting.empty()) ring_.turn_again();
    ++at;
  }
}

}  // namespace clawpatrol
