// The first bytes of a connection: enough to tell TLS, and whom it is for (attacks.md, 13).
#pragma once

#include <optional>
#include <string>

#include "daemon/ring/ring.h"
#include "parsers/tls/client_hello.h"

namespace clawpatrol {

struct Opening {
  std::string bytes{};                      // taken from the socket, to be sent on first
  std::optional<tls::ClientHello> hello{};  // where it is TLS
  const char* problem = nullptr;            // TLS that may not go on, a literal

  bool empty() const { return bytes.empty() && !problem; }
};

// Waits for the first byte until `first`; none by then: an empty opening, and no problem (the server may
// speak first). What begins like TLS is read to the end of its ClientHello. `already`: what was taken from
// the socket before.
Task<Opening> read_opening(Ring& ring, int socket, Deadline first, std::string already = "");

}  // namespace clawpatrol
