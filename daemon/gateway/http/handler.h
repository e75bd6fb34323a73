// One agent's connection of HTTP, from its first request to its last.
#pragma once

#include <memory>

#include "daemon/gateway/gateway.h"
#include "daemon/gateway/stream.h"

namespace clawpatrol::http {

enum class Version : std::uint8_t { http1, http2 };

}  // namespace clawpatrol::http

namespace clawpatrol {

// In clear text an agent that was not asked may turn out to speak HTTP/2. `claimed.dest.host` is the one name
// of the flow: every request must be for it.
Task<void> serve_http(Worker& worker, std::unique_ptr<Stream> agent, ClaimedFlow claimed,
                      http::Version version);

}  // namespace clawpatrol
