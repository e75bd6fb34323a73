// The addresses that the hosts of exact endpoints resolve to, or did within 24 hours, also before a restart
// (attacks.md, 13). Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/ring/error.h"
#include "daemon/ring/timers.h"
#include "policy/address.h"

namespace clawpatrol {

class SeenAddresses {
 public:
  static constexpr std::chrono::hours memory{24};
  static constexpr std::size_t max_addresses = 64 * 1024;

  // `addresses` is a whole answer, perhaps that there are none; never call it for a lookup that failed.
  // Whether one of them had not been seen.
  bool resolved(std::string_view host, const std::vector<Address>& addresses, Clock::time_point now);
  bool contains(const Address& address, Clock::time_point now) const;
  // Whether every one of these hosts has been resolved within the memory, by this process.
  bool know(const std::vector<std::string>& hosts, Clock::time_point now) const;

  // The text of <state>/seen.json where it is due: there is a new address, or what was written is older than
  // `save_interval`. JSON, each address with the time (seconds since 1970) when it was seen last.
  static constexpr std::chrono::minutes save_interval{10};
  std::optional<std::string> take_unsaved(Clock::time_point now, std::int64_t unix_s);
  // Adds what such a text says. Times in the future count as now.
  std::expected<void, Error> restore(std::string_view text, Clock::time_point now, std::int64_t unix_s);

 private:
  void forget(Clock::time_point now);
  mutable std::mutex mutex_;
  std::unordered_map<Address, Clock::time_point> last_seen_;
  std::unordered_map<std::string, Clock::time_point> last_resolved_;
  Clock::time_point swept_;
  Clock::time_point saved_;
  bool is_new_ = false;  // an address that was not saved
};

}  // namespace clawpatrol
