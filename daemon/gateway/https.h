// Flows to `https` endpoints: TLS is set up with the agent under the name that the flow is claimed by, and
// what is inside goes to the handler of HTTP.
#pragma once

#include "daemon/gateway/gateway.h"
#include "daemon/gateway/opening.h"

namespace clawpatrol {

// `opening`: what has been read of it already, if anything.
Task<void> serve_https(Worker& worker, Fd socket, ClaimedFlow claimed, Opening opening);

}  // namespace clawpatrol
