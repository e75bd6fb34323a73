#include "daemon/gateway/gateway.h"

#include <fmt/format.h>

#include "daemon/gateway/analysts.h"
#include "daemon/gateway/dns/service.h"
#include "daemon/gateway/http/worker_state.h"
#include "daemon/gateway/leaves.h"
#include "daemon/gateway/names.h"
#include "daemon/gateway/postgres/cancel_keys.h"
#include "daemon/gateway/postgres/salted_passwords.h"
#include "daemon/gateway/tokens.h"

namespace clawpatrol {

void Peers::replace(std::vector<Peer> peers) {
  auto next = std::make_shared<Snapshot>();
  for (Peer& peer : peers) {
    auto shared = std::make_shared<const Peer>(std::move(peer));
    next->by_id.emplace(shared->id, shared);
    for (const Address& address : shared->addresses) next->by_address.emplace(address, shared);
  }
  snapshot_.store(std::move(next));
}

std::shared_ptr<const Peer> Peers::by_address(const Address& address) const {
  auto snapshot = snapshot_.load();
  if (!snapshot) return nullptr;
  auto found = snapshot->by_address.find(address);
  return found == snapshot->by_address.end() ? nullptr : found->second;
}

std::shared_ptr<const Peer> Peers::by_id(std::uint32_t id) const {
  auto snapshot = snapshot_.load();
  if (!snapshot) return nullptr;
  auto found = snapshot->by_id.find(id);
  return found == snapshot->by_id.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<const Peer>> Peers::all() const {
  std::vector<std::shared_ptr<const Peer>> peers;
  if (auto snapshot = snapshot_.load())
    for (const auto& [id, peer] : snapshot->by_id) peers.push_back(peer);
  return peers;
}

void Refusals::count(const char* reason, std::uint32_t peer_id) {
  std::lock_guard lock(mutex_);
  ++counts_[reason][peer_id];
}

std::vector<Refusals::Row> Refusals::rows() const {
  std::lock_guard lock(mutex_);
  std::vector<Row> rows;
  for (const auto& [reason, by_peer] : counts_)
    for (const auto& [peer, count] : by_peer) rows.push_back({reason, peer, count});
  return rows;
}

// Begins at the clock, so that an id is not given twice over restarts; one action a nanosecond will not
// happen.
Shared::Shared()
    : salted_passwords(std::make_unique<postgres::SaltedPasswords>()),
      action_id_(static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch() /
                                            std::chrono::nanoseconds(1))) {}
Shared::~Shared() = default;

std::uint64_t Shared::next_action_id() {
  return action_id_.fetch_add(1, std::memory_order_relaxed);
}

Worker::Worker(Shared& shared, std::unique_ptr<Ring> ring, std::size_t index,
               std::size_t analysis_cache_bytes)
    : shared_(shared),
      ring_(std::move(ring)),
      audit_(*ring_, *shared.audit, *shared.audit_budget, shared.latencies.audit_sync),
      analyses_(analysis_cache_bytes),
      turns_(*ring_),
      http_(std::make_unique<http::WorkerState>(*ring_)),
      flows_(*ring_),
      index_(index) {}

Worker::~Worker() = default;

}  // namespace clawpatrol
