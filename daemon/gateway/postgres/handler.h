// One agent's PostgreSQL connection, from its first byte to its last.
#pragma once

#include "daemon/gateway/gateway.h"

namespace clawpatrol {

// Serves a connection that the policy's endpoint claims, and closes its flow at the end.
Task<void> serve_postgres(Worker& worker, Fd agent, ClaimedFlow claimed);

}  // namespace clawpatrol
