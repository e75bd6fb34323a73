// A connection that no endpoint claims, under `unknown_host = "passthrough"`: guarded, judged and recorded as
// one action of type connect, then relayed as it is.
#pragma once

#include "daemon/gateway/gateway.h"
#include "daemon/gateway/opening.h"
#include "daemon/ring/fd.h"

namespace clawpatrol {

// Goes to the address that the agent dialled. TLS must name a server that is no endpoint's, and goes to what
// that name resolves to; `dest.host` is then that name. Ends of stream are passed on one by one, a reset as a
// reset. Uses worker.shared().name_service. `begun`: what has been read of it already, if anything.
Task<void> serve_passthrough(Worker& worker, Fd socket, ClaimedFlow claimed, Opening begun = {});

}  // namespace clawpatrol
