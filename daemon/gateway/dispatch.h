// From an accepted socket to its handler: who (the tunnel's address), where (the original destination), and
// which endpoint of the peer's profile claims it. What nothing claims is reset and counted.
#pragma once

#include "daemon/gateway/gateway.h"

namespace clawpatrol {

// Takes the connection. Its task belongs to worker.flows().
void dispatch(Worker& worker, Fd socket);

// Asks every flow whose peer, profile or endpoint is not in the generation in force to close. Any thread;
// after a reload or a change of peers.
void close_orphans(Shared& shared);

}  // namespace clawpatrol
