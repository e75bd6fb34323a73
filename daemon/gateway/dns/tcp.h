// Queries over TCP (RFC 7766), to port 53 of any address.
#pragma once

#include <memory>

#include "daemon/gateway/gateway.h"
#include "daemon/ring/fd.h"

namespace clawpatrol {

// Uses worker.shared().name_service. One query at a time; the next one is due within 10 seconds, whole.
Task<void> serve_dns_tcp(Worker& worker, Fd socket, std::shared_ptr<const Peer> peer);

}  // namespace clawpatrol
