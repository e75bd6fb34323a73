// Which parts of a policy a case is about: who acts, and where to.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "cpctl/cases/run.h"

namespace clawpatrol::cpctl {

struct Where {
  const PeerConfig* peer = nullptr;
  const EndpointConfig* endpoint = nullptr;  // null: of no endpoint
  DestFacets dest;
};

CaseOutcome unusable(std::string problem, std::string hint = {});
CaseOutcome unknown_credential(const Policy& policy, const std::string& name);
bool is_of_no_endpoint(ActionType type);

// Where the gateway would not even look at what is sent, that is the outcome.
std::expected<Where, CaseOutcome> find_place(const Policy& policy, const Case& wanted);

PeerFacets peer_facets(const Case& wanted, const PeerConfig& peer);

// Whom the agent claims to be: by name or user a credential is selected, where there are several.
std::string declared_user(const Case& wanted);

// Who the action is of, as a login would have made it.
std::expected<std::shared_ptr<const FlowFacets>, CaseOutcome> flow_facets(const Policy& policy,
                                                                          const Case& wanted,
                                                                          const Where& where);

}  // namespace clawpatrol::cpctl
