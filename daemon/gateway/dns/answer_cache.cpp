#include "daemon/gateway/dns/answer_cache.h"

namespace clawpatrol {

void AnswerCache::Share::remove(std::list<Entry>::iterator entry) {
  bytes -= entry->bytes;
  by_name.erase(entry->name);
  entries.erase(entry);
}

std::optional<AnswerCache::Hit> AnswerCache::find(std::uint32_t peer_id, const std::string& name,
                                                  Clock::time_point now) {
  std::lock_guard lock(mutex_);
  auto share = shares_.find(peer_id);
  if (share == shares_.end()) return std::nullopt;
  auto found = share->second.by_name.find(name);
  if (found == share->second.by_name.end()) return std::nullopt;
  auto entry = found->second;
  if (entry->until <= now) {
    share->second.remove(entry);
    return std::nullopt;
  }
  share->second.entries.splice(share->second.entries.begin(), share->second.entries, entry);
  return Hit{entry->resolved, std::chrono::ceil<std::chrono::seconds>(entry->until - now)};
}

void AnswerCache::insert(std::uint32_t peer_id, const std::string& name, const Resolved& resolved,
                         Clock::time_point now) {
  if (!resolved.certain()) return;
  // An estimate of what the containers take; the names are there twice.
  std::size_t bytes = 256 + 2 * name.size() + resolved.addresses.size() * sizeof(Address);
  if (bytes > bytes_per_peer) return;
  auto life = resolved.addresses.empty() ? negative_lifetime : lifetime;
  std::lock_guard lock(mutex_);
  Share& share = shares_[peer_id];
  if (auto found = share.by_name.find(name); found != share.by_name.end()) share.remove(found->second);
  while (share.bytes + bytes > bytes_per_peer) share.remove(std::prev(share.entries.end()));
  share.entries.push_front(Entry{name, resolved, now + life, bytes});
  share.by_name.emplace(name, share.entries.begin());
  share.bytes += bytes;
}

std::size_t AnswerCache::bytes(std::uint32_t peer_id) const {
  std::lock_guard lock(mutex_);
  auto share = shares_.find(peer_id);
  return share == shares_.end() ? 0 : share->second.bytes;
}

}  // namespace clawpatrol
