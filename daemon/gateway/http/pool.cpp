#include "daemon/gateway/http/pool.h"

#include <algorithm>

namespace clawpatrol::http {

std::unique_ptr<Http1Upstream> UpstreamPool::take(const PoolKey& key) {
  for (std::size_t i = idle_.size(); i-- > 0;) {
    if (idle_[i].key != key) continue;
    auto connection = std::move(idle_[i].connection);
    idle_.erase(idle_.begin() + static_cast<std::ptrdiff_t>(i));
    if (connection->quiet()) return connection;
  }
  return nullptr;
}

void UpstreamPool::put(PoolKey key, std::unique_ptr<Http1Upstream> connection) {
  if (!connection->reusable()) return;  // its socket is asked when it is used again
  // Of another generation nothing will be asked for again.
  std::erase_if(idle_, [&](const Idle& idle) { return idle.key.generation < key.generation; });
  const auto alike = std::ranges::count_if(idle_, [&](const Idle& idle) { return idle.key == key; });
  if (alike >= static_cast<std::ptrdiff_t>(most_alike)) return;
  if (idle_.size() >= most) idle_.erase(idle_.begin());
  idle_.push_back({std::move(key), std::move(connection), ring_.now()});
  if (!armed()) ring_.timers().arm(*this, Deadline::after(idle_time));
}

void UpstreamPool::forget(std::string_view credential) {
  const std::string sought = " " + std::string(credential) + ":";
  std::erase_if(idle_, [&](const Idle& idle) { return (" " + idle.key.credential).contains(sought); });
}

void UpstreamPool::expire() {
  const auto oldest = ring_.now() - idle_time;
  std::erase_if(idle_, [&](const Idle& idle) { return idle.since <= oldest || !idle.connection->quiet(); });
  if (!idle_.empty()) ring_.timers().arm(*this, Deadline::at(idle_.front().since + idle_time));
}

}  // namespace clawpatrol::http
