// The network guard: what passthrough and wildcard endpoints never reach, whatever a name resolves to
// (docs/config.md, "Matching"; attacks.md, 13 and 14). An address is checked after resolution, and it is the
// one that is dialled.
#pragma once

#include <string>
#include <vector>

#include "daemon/gateway/seen_addresses.h"
#include "policy/address.h"
#include "policy/policy.h"

namespace clawpatrol {

// Whether this machine itself answers at `address` now: asked of the kernel each time (bind succeeds), so
// that an address that was added a moment ago counts. Yes also in doubt. With net.ipv4.ip_nonlocal_bind set
// every address looks local and everything is refused.
bool is_local_address(const Address& address);

// The hosts whose addresses have to be followed for the guard: names of exact endpoints, and the name by
// which agents dial the gateway. Empty where nothing of the policy goes to addresses that the operator did
// not name.
std::vector<std::string> hosts_to_follow(const Policy& policy);

// Why the address may not be dialled for passthrough (`allowed_networks` are passthrough_networks) or for a
// wildcard endpoint (its networks), as a literal; null: it may. The networks lift the special-use ranges and
// nothing else. May block for microseconds in system calls.
const char* dial_refusal(const Policy& policy, const Address& address,
                         const std::vector<Prefix>& allowed_networks, const SeenAddresses& seen);

// The same of an address that is dialled already: what is not known yet does not speak against it.
const char* standing_refusal(const Policy& policy, const Address& address,
                             const std::vector<Prefix>& allowed_networks, const SeenAddresses& seen);

inline bool may_dial(const Policy& policy, const Address& address,
                     const std::vector<Prefix>& allowed_networks, const SeenAddresses& seen) {
  return dial_refusal(policy, address, allowed_networks, seen) == nullptr;
}

}  // namespace clawpatrol
