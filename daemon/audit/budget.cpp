#include "daemon/audit/budget.h"

#include <algorithm>

namespace clawpatrol::audit {

namespace {

constexpr auto between_lines = std::chrono::seconds(1);

}  // namespace

void PeerBudget::fill(Account& account, Clock::time_point now) const {
  if (now <= account.filled) return;  // another worker's clock may be a turn ahead
  double seconds = std::chrono::duration<double>(now - account.filled).count();
  double filled = account.tokens + seconds * static_cast<double>(options_.bytes_per_second);
  account.tokens = std::min(filled, static_cast<double>(options_.burst));
  const auto share = static_cast<double>(options_.share);
  const double window = std::max(std::chrono::duration<double>(options_.share_time).count(), 1.0);
  account.share = std::min(account.share + seconds * share / window, share);
  account.filled = now;
}

void PeerBudget::set_options(Options options) {
  std::lock_guard lock(mutex_);
  options_ = options;
}

bool PeerBudget::spend(std::uint32_t peer_id, std::size_t bytes, Clock::time_point now, Pressure pressure) {
  std::lock_guard lock(mutex_);
  auto [found, fresh] = accounts_.try_emplace(peer_id);
  Account& account = found->second;
  if (fresh) {
    account.tokens = static_cast<double>(options_.burst);
    account.share = static_cast<double>(options_.share);
    account.filled = now;
  }
  fill(account, now);
  auto cost = static_cast<double>(bytes);
  const bool has_room =
      pressure == Pressure::none || (pressure == Pressure::crowded && account.share >= cost);
  if (has_room && account.tokens >= cost) {
    account.tokens -= cost;
    account.share = std::max(account.share - cost, 0.0);
    return true;
  }
  ++account.refused_lines;
  account.refused_bytes += bytes;
  return false;
}

std::vector<PeerBudget::Overrun> PeerBudget::take_overruns(Clock::time_point now) {
  std::vector<Overrun> overruns;
  std::lock_guard lock(mutex_);
  for (auto at = accounts_.begin(); at != accounts_.end();) {
    auto& [peer_id, account] = *at;
    fill(account, now);
    bool untold = account.refused_lines > 0;
    bool recent = account.told != Clock::time_point{} && now - account.told < between_lines;
    if (untold && !recent) {
      overruns.push_back({peer_id, account.refused_lines, account.refused_bytes});
      account.refused_lines = account.refused_bytes = 0;
      account.told = now;
      untold = false;
      recent = true;
    }
    // A full account with nothing to tell is what a peer without one has.
    bool idle = !untold && !recent && account.tokens >= static_cast<double>(options_.burst) &&
                account.share >= static_cast<double>(options_.share);
    at = idle ? accounts_.erase(at) : std::next(at);
  }
  return overruns;
}

}  // namespace clawpatrol::audit
