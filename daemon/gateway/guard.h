// The network guard: what passthrough and wildcard endpoints never reach, whatever a name resolves to
// (docs/config.md, "Matching"; attacks.md, 13 and 14). An address is checked after resolution, and it is the
// one that is dialled.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/ring/timers.h"
#include "policy/address.h"
#include "policy/policy.h"

namespace clawpatrol {

// Whether this machine itself answers at `address` now: asked of the kernel each time (bind succeeds), so
// that an address that was added a moment ago counts. Yes also in doubt. With net.ipv4.ip_nonlocal_bind set
// every address looks local and everything is refused.
bool is_local_address(const Address& address);

// The addresses that the hosts of exact endpoints resolve to, or did within 24 hours. Any thread.
class SeenAddresses {
 public:
  static constexpr std::chrono::hours memory{24};
  static constexpr std::size_t max_addresses = 64 * 1024;

  // `addresses` is a whole answer, perhaps that there are none; never call it for a lookup that failed.
  void resolved(std::string_view host, const std::vector<Address>& addresses, Clock::time_point now);
  bool contains(const Address& address, Clock::time_point now) const;
  // Whether every one of these hosts has been resolved within the memory.
  bool know(const std::vector<std::string>& hosts, Clock::time_point now) const;

 private:
  void forget(Clock::time_point now);
  mutable std::mutex mutex_;
  std::unordered_map<Address, Clock::time_point> last_seen_;
  std::unordered_map<std::string, Clock::time_point> last_resolved_;
  Clock::time_point swept_;
};

// The hosts whose addresses have to be followed for the guard: names of exact endpoints, and the name by
// which agents dial the gateway. Empty where nothing of the policy goes to addresses that the operator did
// not name.
std::vector<std::string> hosts_to_follow(const Policy& policy);

// Why the address may not be dialled for passthrough (`allowed_networks` are passthrough_networks) or for a
// wildcard endpoint (its networks), as a literal; null: it may. The networks lift the special-use ranges and
// nothing else. May block for microseconds in system calls.
const char* dial_refusal(const Policy& policy, const Address& address,
                         const std::vector<Prefix>& allowed_networks, const SeenAddresses& seen);

inline bool may_dial(const Policy& policy, const Address& address,
                     const std::vector<Prefix>& allowed_networks, const SeenAddresses& seen) {
  return dial_refusal(policy, address, allowed_networks, seen) == nullptr;
}

}  // namespace clawpatrol
