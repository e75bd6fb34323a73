// After a right 101: bytes of another protocol between the two sides, until either ends.
#pragma once

#include <cstdint>

#include "daemon/gateway/flows.h"
#include "daemon/gateway/http/exchange.h"

namespace clawpatrol::http {

struct Upgraded {
  Flow& flow;
  AgentExchange& agent;
  UpstreamExchange& server;
  Clock::duration stall;  // zero: no limit
  std::uint64_t bytes_up = 0, bytes_down = 0;
};

// Returns when both directions are over; whether both ended of themselves.
Task<bool> serve_upgraded(Upgraded& upgraded);

}  // namespace clawpatrol::http
