// The gateway as the TLS server of an agent: under a certificate for the very name that the agent's flow is
// claimed by, and no other.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "daemon/gateway/gateway.h"
#include "daemon/gateway/opening.h"
#include "daemon/gateway/stream.h"

namespace clawpatrol {

// What was agreed on.
struct AgentTls {
  std::string name;      // the server name that the agent sent; "": none, to a literal address
  std::string protocol;  // ALPN; "": the agent offered none
};

// Why TLS is not set up: `what` is a literal to count by, `detail` for an operator.
struct TlsRefusal {
  const char* what;
  std::string detail;
};

// `opening` is what the agent has sent, with its ClientHello; `protocols` are ours, best first. The server
// name must be that of the claim, or absent where the claim is of a literal address, and one of the protocols
// must be offered where any is; else the agent is told by the alert for it. On an error the stream is of no
// use.
Task<std::expected<AgentTls, TlsRefusal>> accept_tls(Worker& worker, Stream& agent,
                                                     const ClaimedFlow& claimed, Opening opening,
                                                     std::span<const std::string_view> protocols,
                                                     Deadline deadline);

}  // namespace clawpatrol
