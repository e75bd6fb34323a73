#include "daemon/gateway/command_views.h"

#include <unistd.h>

#include <algorithm>

#include "daemon/credentials/process_secrets.h"
#include "daemon/gateway/audit_line.h"

namespace clawpatrol {
namespace {

using control::JsonObject;
using control::message_of_type;

std::string peer_name(const Shared& shared, std::uint32_t id) {
  auto peer = shared.peers.by_id(id);
  return peer ? peer->name : "";
}

std::string refusals_json(const Shared& shared) {
  std::vector<std::string> rows;
  for (const Refusals::Row& row : shared.refusals.rows()) {
    rows.push_back(JsonObject()
                       .add("reason", row.reason)
                       .add("peer", peer_name(shared, row.peer_id))
                       .add("count", row.count)
                       .text());
  }
  return control::json_array(rows);
}

std::string drops_json(const Shared& shared, const std::vector<DropCount>& drops) {
  std::vector<std::string> rows;
  for (const DropCount& drop : drops) {
    rows.push_back(JsonObject()
                       .add("reason", drop.reason)
                       .add("peer", peer_name(shared, drop.peer_id))
                       .add("packets", drop.packets)
                       .add("bytes", drop.bytes)
                       .text());
  }
  return control::json_array(rows);
}

std::string_view text_of(audit::Pressure pressure) {
  switch (pressure) {
    case audit::Pressure::none: return "none";
    case audit::Pressure::crowded: return "crowded";
    case audit::Pressure::full: return "full";
  }
  return "";
}

std::string audit_json(const Shared& shared, const Policy* policy) {
  JsonObject audit;
  if (!shared.audit) return audit.add("healthy", false).text();
  std::uint64_t free = shared.audit->free_bytes();
  audit.add("healthy", shared.audit->healthy()).add("seq", shared.audit->head().seq).add("free_bytes", free);
  audit.add("low_space", policy && free < policy->audit.reserve);
  audit.add("kept_bytes", shared.audit->kept_bytes()).add("oldest_seq", shared.audit->oldest_seq());
  if (std::string why = shared.audit->failure(); !why.empty()) audit.add("failure", why);
  return audit.add("pressure", text_of(shared.audit->pressure())).text();
}

}  // namespace

std::string time_text(std::int64_t unix_ns) {
  std::string quoted;
  audit::append_json_time(quoted, unix_ns);
  return quoted.substr(1, quoted.size() - 2);
}

std::string_view verdict_text(const Rule& rule) {
  if (!rule.verdict) return "approve";
  return *rule.verdict == Verdict::allow ? "allow" : "deny";
}

JsonObject action_object(const ActionRecord& record, std::string_view type) {
  JsonObject object = message_of_type(type);
  object.add("id", action_id_text(record.id)).add("time", time_text(record.time_unix_ns));
  object.add("flow", record.flow).add("peer", record.peer()).add("endpoint", record.endpoint());
  object.add("action_type", name_of(record.type)).add("kind", name_of(record.kind));
  object.add("verdict", name_of(record.verdict)).add("rule", record.rule_name());
  object.add("reason", record.reason).add("guard", record.guard).add("generation", record.generation());
  object.add("parent", record.parent ? action_id_text(record.parent) : "");
  object.add("text", cut_text(record.statement()));
  return object;
}

std::string flow_line(const FlowSnapshot& flow, std::int64_t now_unix_ns) {
  JsonObject line = message_of_type("flow");
  line.add("id", flow.id).add("peer", flow.peer).add("endpoint", flow.endpoint).add("state", flow.state);
  line.add("destination", flow.destination).add("upstream", flow.upstream).add("protocol", flow.protocol);
  line.add("opened", time_text(flow.opened_unix_ns));
  line.add("age_s", std::max<std::int64_t>(0, now_unix_ns - flow.opened_unix_ns) / 1'000'000'000);
  line.add("bytes_up", flow.bytes_up).add("bytes_down", flow.bytes_down);
  line.add("actions", flow.actions).add("denied", flow.denied).add("waits_at", flow.waits_at);
  if (flow.last) line.add_json("last", action_object(*flow.last, "action").text());
  return line.text();
}

std::string status_line(const Shared& shared, const StatusFacts& facts) {
  std::shared_ptr<const Policy> policy = shared.policy.current();
  JsonObject line = message_of_type("status");
  line.add("version", CLAWPATROL_VERSION).add("pid", getpid()).add("uptime_s", facts.uptime_s);
  line.add("workers", facts.workers);
  line.add("generation", policy ? policy->generation : 0).add("digest", policy ? policy->digest : "");
  line.add("ca_sha256", shared.authority ? sha256_hex(shared.authority->certificate_pem()) : "");
  line.add("ca_ends_unix", shared.authority ? shared.authority->ends_unix() : 0);
  line.add("memory_locked", credentials::secrets_are_locked());
  line.add("newest_generation", facts.newest_generation);
  line.add("mode", policy && policy->gateway.mode == Mode::observe ? "observe" : "enforce");
  line.add("flows", shared.flows.size()).add("flow_limit", policy ? policy->limits.connections : 0);
  line.add("flows_refused", shared.flows.refused());
  line.add_json("audit", audit_json(shared, policy.get()));
  line.add_json(
      "netd",
      JsonObject().add("connected", facts.netd_connected).add("peers", shared.peers.all().size()).text());
  line.add_json("refusals", refusals_json(shared)).add_json("drops", drops_json(shared, facts.drops));
  return line.text();
}

}  // namespace clawpatrol
