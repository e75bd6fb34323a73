// Actions that no endpoint claims, which exist under `unknown_host = "passthrough"` alone: a lookup that
// leaves the gateway, and an opaque connection. Judged by the rules that are for no endpoint, and on disk
// before anything leaves.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "daemon/gateway/gateway.h"

namespace clawpatrol {

struct Unclaimed {
  ActionType type = ActionType::connect;
  ActionKind kind = ActionKind::exec;
  std::uint32_t peer_id = 0;
  PeerFacets peer{};
  std::optional<DestFacets> dest{};
  std::optional<DnsFacets> dns{};
  std::shared_ptr<Flow> flow{};  // null for a lookup over UDP
  const char* guard = nullptr;   // what refuses it whatever the rules say, a literal
};

struct Judged {
  bool allowed = false;
  bool recorded = false;  // false: the audit log failed, which denies
  std::uint64_t id = 0;
  std::string reason{};  // of a denial, for the agent
};

// What the rules say of it now. Not recorded.
Decision decide_unclaimed(const Policy& policy, const Unclaimed& unclaimed);

// By the rules and its guard, and written down.
Task<Judged> judge_unclaimed(Worker& worker, std::shared_ptr<const Policy> policy, Unclaimed unclaimed);

// The line that says how an action ended; bytes are the flow's, where there is one.
std::string outcome_line(std::uint64_t action_id, bool ok, const Flow* flow, std::string_view code);

}  // namespace clawpatrol
