// Queries over UDP, to whatever address the agent sent them: the answer leaves from that address and port.
#pragma once

#include <atomic>
#include <memory>

#include "daemon/gateway/gateway.h"
#include "daemon/ring/fd.h"

namespace clawpatrol {

class NameService;

inline constexpr std::size_t max_pending_lookups = 2048;  // of one socket; past it, queries are dropped

// `socket` is bound to the port that is asked; netd has made it transparent where answers must come from
// addresses that are not ours. It is never shut down: netd holds it too. Ends within 300 ms of *stop or
// service.stopping(), when the lookups under way have ended.
Task<void> serve_dns_udp(Worker& worker, NameService& service, Fd socket,
                         std::shared_ptr<std::atomic<bool>> stop);

}  // namespace clawpatrol
