// The agent's login, judged before anything goes upstream (attacks.md, 1 and 8).
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/gateway/postgres/judge.h"
#include "parsers/postgres/startup.h"

namespace clawpatrol::postgres {

struct LoginPlan {
  std::vector<std::pair<std::string, std::string>> parameters;  // for the server
  bool replication = false;
  std::uint16_t minor = 0;  // spoken with the agent
  bool negotiate = false;   // the agent must be told what is not spoken
  std::vector<std::string> unknown_options;
  std::uint64_t action = 0;
};

// What startup says, judged by the generation that `judge` has taken; it becomes that identity. An error is
// what the agent is told, FATAL. Lines stand in judge.lines() either way.
std::expected<LoginPlan, Denial> judge_login(Judge& judge, const Startup& startup, std::string_view profile,
                                             std::string_view endpoint);

// A cancellation of what a connection of this peer to this endpoint runs. Its line stands in judge.lines().
struct CancelRuling {
  Opinion opinion;
  std::uint64_t action = 0;
  bool allowed = false;
};
CancelRuling judge_cancel(Judge& judge, std::string_view text);

}  // namespace clawpatrol::postgres
