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

struct Protocols {
  enum class Offer : std::uint8_t { optional, required };
  std::span<const std::string_view> ours;  // best first
  Offer offer = Offer::optional;           // by the agent
};

// `opening` is what the agent has sent, with its ClientHello. A server name must be that of the claim, and
// one of the protocols must be offered where any is; else the agent is told by the alert for it. Without a
// server name the address that was dialled has said which it is. On an error the stream is of no use.
Task<std::expected<AgentTls, TlsRefusal>> accept_tls(Worker& worker, Stream& agent,
                                                     const ClaimedFlow& claimed, Opening opening,
                                                     Protocols protocols, Deadline deadline);

// To a client whose name nobody here has, in place of a handshake.
Task<void> refuse_name(Stream& agent, Deadline deadline);

}  // namespace clawpatrol
