// The first bytes of a connection that is relayed unread: enough to tell TLS, and whom it is for (attacks.md,
// 13).
#pragma once

#include <optional>
#include <string>

#include "daemon/ring/ring.h"

namespace clawpatrol {

struct Opening {
  std::string bytes{};                // taken from the socket, to be sent on first
  std::optional<std::string> name{};  // of TLS: the server name
  const char* problem = nullptr;      // TLS that may not go on, a literal
};

// Waits for the first byte until `first`; none by then: an empty opening, and no problem (the server may
// speak first). What begins like TLS is read to the end of its ClientHello, which must name a server.
Task<Opening> read_opening(Ring& ring, int socket, Deadline first);

}  // namespace clawpatrol
