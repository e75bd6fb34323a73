#include "daemon/gateway/unclaimed.h"

#include <fmt/format.h>

#include "daemon/gateway/audit_line.h"
#include "daemon/gateway/unix_time.h"

namespace clawpatrol {

namespace {

Action action_of(const Unclaimed& unclaimed, std::int64_t now) {
  Action action;
  action.type = unclaimed.type;
  action.kind = unclaimed.kind;
  action.peer = &unclaimed.peer;
  if (unclaimed.dest) action.dest = &*unclaimed.dest;
  if (unclaimed.dns) action.dns = &*unclaimed.dns;
  action.now_unix_ns = now;
  return action;
}

std::string summary_of(const Unclaimed& unclaimed) {
  if (unclaimed.dns) return unclaimed.dns->type + " " + unclaimed.dns->name;
  return fmt::format("{} port {}", unclaimed.dest->host, unclaimed.dest->port);
}

ActionRecord record_of(const Unclaimed& unclaimed, const Decision& decision,
                       std::shared_ptr<const Policy> policy, std::int64_t now, std::uint64_t id) {
  ActionRecord record;
  record.id = id;
  record.flow = unclaimed.flow ? unclaimed.flow->id : 0;
  record.time_unix_ns = now;
  record.type = unclaimed.type;
  record.kind = unclaimed.kind;
  record.verdict =
      decision.verdict == Verdict::allow && !unclaimed.guard ? ActionVerdict::allow : ActionVerdict::deny;
  record.policy = std::move(policy);
  record.facets = std::make_shared<const FlowFacets>(
      FlowFacets{unclaimed.peer, {}, unclaimed.dest.value_or(DestFacets{}), {}, std::nullopt});
  if (unclaimed.dns) record.dns = std::make_shared<const DnsFacets>(*unclaimed.dns);
  record.rule = unclaimed.guard ? nullptr : decision.rule;
  record.reason = unclaimed.guard ? unclaimed.guard : decision.reason;
  record.guard = unclaimed.guard ? unclaimed.guard : "";
  record.text = summary_of(unclaimed);
  return record;
}

std::string json_of(std::initializer_list<std::pair<std::string_view, std::string_view>> texts) {
  std::string json;
  for (const auto& [key, value] : texts) {
    if (!json.empty()) json += ',';
    audit::append_json_string(json, key);
    json += ':';
    audit::append_json_string(json, value);
  }
  return json;
}

std::string line_of(const ActionRecord& record, const Unclaimed& unclaimed) {
  std::string facets;
  if (unclaimed.dns) facets = json_of({{"dns.name", unclaimed.dns->name}, {"dns.type", unclaimed.dns->type}});
  return AuditLines(*record.facets, record.flow).action(record, facets, "");
}

audit::Durability durability_of(const Policy& policy, const Unclaimed& unclaimed) {
  bool changes = unclaimed.kind >= ActionKind::write;
  bool synced = policy.audit.sync == AuditSync::all || (policy.audit.sync == AuditSync::changes && changes);
  return synced ? audit::Durability::synced : audit::Durability::handed;
}

}  // namespace

Decision decide_unclaimed(const Policy& policy, const Unclaimed& unclaimed) {
  return decide(policy, action_of(unclaimed, now_unix_ns()));
}

Task<Judged> judge_unclaimed(Worker& worker, std::shared_ptr<const Policy> policy, Unclaimed unclaimed) {
  Shared& shared = worker.shared();
  std::int64_t now = now_unix_ns();
  Action action = action_of(unclaimed, now);
  Decision decision;
  if (!unclaimed.guard) decision = decide(*policy, action);
  ActionRecord record = record_of(unclaimed, decision, policy, now, shared.next_action_id());
  Judged judged{.allowed = record.verdict == ActionVerdict::allow, .id = record.id, .reason = record.reason};
  if (!unclaimed.guard)
    shared.rule_counts.of(*policy, now)->count(*policy, decision, judged.allowed, judged.id, now);
  std::string line = line_of(record, unclaimed);
  auto recorded = shared.actions.add(std::move(record));
  if (unclaimed.flow) {
    unclaimed.flow->actions.fetch_add(1, std::memory_order_relaxed);
    if (!judged.allowed) unclaimed.flow->denied.fetch_add(1, std::memory_order_relaxed);
    unclaimed.flow->set_last(std::move(recorded));
  }
  judged.recorded = co_await worker.audit().commit(std::span(&line, 1), durability_of(*policy, unclaimed),
                                                   unclaimed.peer_id);
  if (!judged.recorded) {
    judged.allowed = false;
    judged.reason = "the action could not be recorded";
  }
  co_return judged;
}

std::string outcome_line(std::uint64_t action_id, bool ok, const Flow* flow, std::string_view code) {
  return AuditLines::outcome({.id = action_id,
                              .ok = ok,
                              .bytes_up = flow ? flow->bytes_up.load() : 0,
                              .bytes_down = flow ? flow->bytes_down.load() : 0,
                              .code = code,
                              .time_unix_ns = now_unix_ns()});
}

}  // namespace clawpatrol
