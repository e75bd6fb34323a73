// One request of an agent, from its head to the end of its response: judged, recorded, and handed on or
// refused.
#pragma once

#include "daemon/gateway/http/served_flow.h"

namespace clawpatrol::http {

// Returns once the exchange is over or broken off. Several of one connection may be served at once.
Task<void> serve_exchange(ServedFlow& flow, AgentExchange& agent);

// Refuses what is no request, with 400 and the end of the connection.
Task<void> refuse_malformed(ServedFlow& flow, AgentExchange& agent, std::string_view why);

}  // namespace clawpatrol::http
