// Asks a server for a token, on a connection of the gateway's own: over TLS that is verified in full.
#pragma once

#include <expected>

#include "daemon/credentials/http/token_request.h"
#include "daemon/gateway/gateway.h"

namespace clawpatrol {

// `errand` is no agent's flow: whoever asks it to close ends this early. `config` outlives this. The error is
// for an operator.
Task<std::expected<credentials::ObtainedToken, Error>> fetch_token(Worker& worker, Flow& errand,
                                                                   const CredentialConfig& config,
                                                                   credentials::Secret request,
                                                                   Deadline deadline);

}  // namespace clawpatrol
