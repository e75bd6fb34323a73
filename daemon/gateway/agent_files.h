// What the gateway itself serves to agents over clear HTTP, on its own address and port 80: `/ca.crt`, its
// authority's certificate, and `/env.sh`, the exports with which an agent's tools trust it and hold their
// placeholders. Neither is secret.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/gateway/gateway.h"

namespace clawpatrol {

// One request to a connection; anything but GET and HEAD of the two is refused.
Task<void> serve_agent_files(Worker& worker, Fd socket, std::shared_ptr<const Peer> peer, std::string profile,
                             std::shared_ptr<Flow> flow);

// The script, for `eval` by any POSIX shell. Roots that the agent has stay trusted.
std::string environment_script(std::string_view ca_pem, const std::vector<EnvironmentVariable>& placeholders);

// The answer to what has come so far; empty: more is needed.
struct AgentFiles {
  std::string ca_pem, script;
};
std::string answer_agent(std::string_view request, const AgentFiles& files);

}  // namespace clawpatrol
