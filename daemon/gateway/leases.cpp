// The half of VirtualNames that an agent can drive: addresses leased to names that only a wildcard covers.
#include <algorithm>

#include "daemon/gateway/names.h"

namespace clawpatrol {

namespace {

constexpr std::size_t reservation = 64;  // leases that one write of the file pays for

}  // namespace

// What was leased when we stopped may still be in a cache or have a flow: all of it begins its time again.
// What was only reserved may have been leased to somebody: nobody gets it until that would have ended.
void VirtualNames::restore_leases(const Exact& exact, const NamesFile& file) {
  for (const NamesFile::Lease& lease : file.leases) {
    if (!leases_.contains(lease.index)) add_lease(lease.index, lease.name, lease.peer_id);
    cursor_ = std::max(cursor_, lease.index + 1);
  }
  Clock::time_point until = options_.now() + ttl + options_.hold;
  for (Index index : file.reserved) {
    resting_[index] = until;
    cursor_ = std::max(cursor_, index + 1);
  }
  if (cursor_ + 1 >= exact.size) cursor_ = 0;
}

void VirtualNames::add_lease(Index index, std::string name, std::uint32_t peer_id) {
  lease_of_.emplace(std::pair(peer_id, name), index);
  ++leases_of_peer_[peer_id];
  leases_.emplace(index,
                  std::make_shared<Lease>(std::move(name), peer_id, options_.now() + ttl + options_.hold, 0));
}

void VirtualNames::end_leases() {
  Clock::time_point now = options_.now();
  // A peer that has used up its quota asks for this with every query.
  if (now - swept_ < std::chrono::seconds(1)) return;
  swept_ = now;
  for (auto lease = leases_.begin(); lease != leases_.end();) {
    const Lease& entry = *lease->second;
    if (entry.flows > 0 || entry.until > now) {
      ++lease;
      continue;
    }
    lease_of_.erase({entry.peer_id, entry.name});
    if (--leases_of_peer_[entry.peer_id] == 0) leases_of_peer_.erase(entry.peer_id);
    lease = leases_.erase(lease);
  }
  std::erase_if(resting_, [now](const auto& entry) { return entry.second <= now; });
}

NamesFile VirtualNames::with_leases(NamesFile file, const std::vector<Index>& reserved) const {
  file.leases.clear();
  for (const auto& [index, lease] : leases_) file.leases.push_back({lease->name, lease->peer_id, index});
  file.reserved = reserved;
  for (const auto& [index, _] : resting_) file.reserved.push_back(index);
  return file;
}

// Leases go round the upper half of the range, so that an address rests as long as it can.
std::optional<VirtualNames::Index> VirtualNames::next_free_index(const std::vector<Index>& taken) {
  auto exact = exact_.load();
  Index first = exact->size / 2, count = exact->size - 1 > first ? exact->size - 1 - first : 0;
  for (Index step = 0; step < count; ++step) {
    if (cursor_ < first || cursor_ >= first + count) cursor_ = first;
    Index index = cursor_++;
    if (leases_.contains(index) || resting_.contains(index) || was_given(*exact, file_, index)) continue;
    if (std::ranges::find(taken, index) == taken.end()) return index;
  }
  return std::nullopt;
}

// Records the next addresses to be leased before any is: after a crash none of them means another name.
bool VirtualNames::reserve() {
  std::vector<Index> next;
  while (next.size() < reservation) {
    auto index = next_free_index(next);
    if (!index) break;
    next.push_back(*index);
  }
  if (next.empty()) return false;
  NamesFile file = with_leases(file_, next);
  if (!directory_.replace(file_name, file.text())) return false;
  file_ = std::move(file);
  std::ranges::reverse(next);  // taken from the back
  reserved_ = std::move(next);
  return true;
}

std::optional<Address> VirtualNames::lease(std::string_view name, Family family, std::uint32_t peer_id) {
  std::lock_guard lock(mutex_);
  auto exact = exact_.load();
  if (auto found = lease_of_.find({peer_id, std::string(name)}); found != lease_of_.end()) {
    leases_.at(found->second)->until = options_.now() + ttl + options_.hold;
    return address_at(*exact, found->second, family);
  }
  if (leases_of_peer_[peer_id] >= options_.leases_per_peer) end_leases();
  if (leases_of_peer_[peer_id] >= options_.leases_per_peer) return std::nullopt;
  if (reserved_.empty()) {
    end_leases();
    if (!reserve()) return std::nullopt;
  }
  Index index = reserved_.back();
  reserved_.pop_back();
  add_lease(index, std::string(name), peer_id);
  return address_at(*exact, index, family);
}

std::optional<VirtualNames::Dialled> VirtualNames::dialled(const Address& address, std::uint32_t peer_id) {
  auto exact = exact_.load();
  auto index = index_of(*exact, address);
  if (!index) return std::nullopt;
  if (auto found = exact->by_index.find(*index); found != exact->by_index.end())
    return Dialled(found->second, *this, nullptr);
  std::lock_guard lock(mutex_);
  auto found = leases_.find(*index);
  if (found == leases_.end()) return std::nullopt;
  Lease& lease = *found->second;
  if (lease.peer_id != peer_id || (lease.flows == 0 && lease.until <= options_.now())) return std::nullopt;
  ++lease.flows;
  return Dialled(lease.name, *this, found->second);
}

std::optional<std::string> VirtualNames::name_of(const Address& address, std::uint32_t peer_id) {
  auto found = dialled(address, peer_id);
  if (!found) return std::nullopt;
  return found->name;
}

void VirtualNames::release(Lease& lease) {
  std::lock_guard lock(mutex_);
  if (--lease.flows == 0) lease.until = std::max(lease.until, options_.now() + options_.hold);
}

}  // namespace clawpatrol
