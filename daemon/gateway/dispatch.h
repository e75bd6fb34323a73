// From an accepted socket to its handler: who (the tunnel's address), where (the original destination), and
// which endpoint of the peer's profile claims it. What nothing claims is reset and counted.
#pragma once

#include "daemon/gateway/gateway.h"

namespace clawpatrol {

// Takes the connection. Its task belongs to worker.flows().
void dispatch(Worker& worker, Fd socket);

}  // namespace clawpatrol
