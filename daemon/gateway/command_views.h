// The lines that answer commands, as JSON (docs/formats.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/control/message.h"
#include "daemon/gateway/commands.h"
#include "daemon/gateway/flows.h"

namespace clawpatrol {

std::string_view verdict_text(const Rule& rule);  // allow, deny, approve
std::string time_text(std::int64_t unix_ns);      // RFC 3339 in UTC

control::JsonObject action_object(const ActionRecord& record, std::string_view type);
std::string flow_line(const FlowSnapshot& flow, std::int64_t now_unix_ns);

struct StatusFacts {
  std::int64_t uptime_s = 0;
  std::size_t workers = 0;
  std::uint64_t newest_generation = 0;  // 0: not known
  bool netd_connected = false;
  std::vector<DropCount> drops;
};
std::string status_line(const Shared& shared, const StatusFacts& facts);

}  // namespace clawpatrol
