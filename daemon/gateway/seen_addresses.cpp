#include "daemon/gateway/seen_addresses.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace clawpatrol {

bool SeenAddresses::resolved(std::string_view host, const std::vector<Address>& addresses,
                             Clock::time_point now) {
  std::lock_guard lock(mutex_);
  forget(now);
  bool any_new = false;
  for (const Address& address : addresses) {
    const bool fresh = !last_seen_.contains(effective(address));
    // Past the limit the host counts as not known: the guard then refuses everything.
    if (fresh && last_seen_.size() >= max_addresses) return any_new;
    last_seen_[effective(address)] = now;
    any_new |= fresh;
  }
  is_new_ |= any_new;
  last_resolved_[std::string(host)] = now;
  return any_new;
}

bool SeenAddresses::contains(const Address& address, Clock::time_point now) const {
  std::lock_guard lock(mutex_);
  auto found = last_seen_.find(effective(address));
  return found != last_seen_.end() && now - found->second < memory;
}

bool SeenAddresses::know(const std::vector<std::string>& hosts, Clock::time_point now) const {
  std::lock_guard lock(mutex_);
  return std::ranges::all_of(hosts, [&](const std::string& host) {
    auto found = last_resolved_.find(host);
    return found != last_resolved_.end() && now - found->second < memory;
  });
}

void SeenAddresses::forget(Clock::time_point now) {
  if (now - swept_ < std::chrono::minutes(10)) return;
  swept_ = now;
  auto old = [now](const auto& entry) { return now - entry.second >= memory; };
  std::erase_if(last_seen_, old);
  std::erase_if(last_resolved_, old);
}

std::optional<std::string> SeenAddresses::take_unsaved(Clock::time_point now, std::int64_t unix_s) {
  std::lock_guard lock(mutex_);
  if (last_seen_.empty() || (!is_new_ && now - saved_ < save_interval)) return std::nullopt;
  saved_ = now;
  is_new_ = false;
  nlohmann::json addresses = nlohmann::json::object();
  for (const auto& [address, when] : last_seen_) {
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - when).count();
    if (now - when < memory) addresses[address.text()] = unix_s - age;
  }
  return nlohmann::json{{"version", 1}, {"addresses", std::move(addresses)}}.dump(1) + "\n";
}

std::expected<void, Error> SeenAddresses::restore(std::string_view text, Clock::time_point now,
                                                  std::int64_t unix_s) {
  // The library speaks in exceptions; they end here.
  try {
    const nlohmann::json root = nlohmann::json::parse(text);
    if (root.at("version") != 1) throw std::invalid_argument("an unknown version");
    std::lock_guard lock(mutex_);
    for (const auto& [name, when] : root.at("addresses").items()) {
      auto address = Address::parse(name);
      if (!address) throw std::invalid_argument("not an address");
      const std::chrono::seconds age(std::max<std::int64_t>(unix_s - when.get<std::int64_t>(), 0));
      if (age < memory && last_seen_.size() < max_addresses) last_seen_.try_emplace(*address, now - age);
    }
    return {};
  } catch (const std::exception& problem) {
    return std::unexpected(Error{0, std::string("reading seen.json failed: ") + problem.what()});
  }
}

}  // namespace clawpatrol
