// What a name is to a peer, by the policy alone.
#pragma once

#include <string_view>

#include "policy/policy.h"

namespace clawpatrol {

enum class Standing : std::uint8_t {
  exact,      // a host of an endpoint that the profile reaches
  wildcard,   // covered by a wildcard host of such an endpoint
  elsewhere,  // a host of an endpoint, but of none that the profile reaches: unknown to this peer
  parent,     // not a host, but one that the profile reaches lies below it: it exists and has no records
  unclaimed,
};

// `name` is in lower case without a trailing dot.
Standing standing_of(const Policy& policy, std::string_view profile, std::string_view name);

}  // namespace clawpatrol
