#include "daemon/gateway/unclaimed.h"

#include <fmt/format.h>

#include <chrono>

#include "daemon/gateway/audit_line.h"

namespace clawpatrol {

namespace {

std::int64_t now_unix_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

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

ActionRecord record_of(const Unclaimed& unclaimed, const Decision& decision, std::uint64_t generation,
                       std::int64_t now, std::string id) {
  ActionRecord record;
  record.id = std::move(id);
  record.flow = unclaimed.flow ? unclaimed.flow->id : 0;
  record.time_unix_ns = now;
  record.peer = unclaimed.peer.name;
  record.type = name_of(unclaimed.type);
  record.kind = name_of(unclaimed.kind);
  record.verdict = decision.verdict == Verdict::allow && !unclaimed.guard ? "allow" : "deny";
  record.rule = decision.rule && !unclaimed.guard ? decision.rule->name : "";
  record.reason = unclaimed.guard ? unclaimed.guard : decision.reason;
  record.guard = unclaimed.guard ? unclaimed.guard : "";
  record.generation = generation;
  record.text = summary_of(unclaimed);
  return record;
}

std::string json_of(std::initializer_list<std::pair<std::string_view, std::string_view>> texts) {
  std::string json = "{";
  for (const auto& [key, value] : texts) {
    if (json.size() > 1) json += ',';
    audit::append_json_string(json, key);
    json += ':';
    audit::append_json_string(json, value);
  }
  return json + "}";
}

std::string line_of(const ActionRecord& record, const Unclaimed& unclaimed) {
  FlowFacets flow{unclaimed.peer, {}, unclaimed.dest.value_or(DestFacets{}), {}};
  std::string facets;
  if (unclaimed.dns) facets = json_of({{"dns.name", unclaimed.dns->name}, {"dns.type", unclaimed.dns->type}});
  return AuditLines(flow, record.flow).action(record, facets);
}

audit::Durability durability_of(const Policy& policy, const Unclaimed& unclaimed) {
  bool changes = unclaimed.kind >= ActionKind::write;
  bool synced = policy.audit.sync == AuditSync::all || (policy.audit.sync == AuditSync::changes && changes);
  return synced ? audit::Durability::synced : audit::Durability::handed;
}

}  // namespace

Task<Judged> judge_unclaimed(Worker& worker, std::shared_ptr<const Policy> policy, Unclaimed unclaimed) {
  Shared& shared = worker.shared();
  std::int64_t now = now_unix_ns();
  Action action = action_of(unclaimed, now);
  Decision decision;
  if (!unclaimed.guard) decision = decide(*policy, action);
  ActionRecord record =
      record_of(unclaimed, decision, policy->generation, now, action_id_text(shared.next_action_id()));
  Judged judged{.allowed = record.verdict == "allow", .id = record.id, .reason = record.reason};
  std::string line = line_of(record, unclaimed);
  record.evidence = evidence_of(policy, action);
  if (unclaimed.flow) {
    unclaimed.flow->actions.fetch_add(1, std::memory_order_relaxed);
    if (!judged.allowed) unclaimed.flow->denied.fetch_add(1, std::memory_order_relaxed);
    shared.actions.add(std::move(record), *unclaimed.flow);
  } else {
    shared.actions.add(std::move(record));
  }
  judged.recorded = co_await worker.audit().commit(std::span(&line, 1), durability_of(*policy, unclaimed),
                                                   unclaimed.peer_id);
  if (!judged.recorded) {
    judged.allowed = false;
    judged.reason = "the action could not be recorded";
  }
  co_return judged;
}

std::string outcome_line(std::string_view action_id, bool ok, const Flow* flow, std::string_view code) {
  return AuditLines::outcome({.id = action_id,
                              .ok = ok,
                              .bytes_up = flow ? flow->bytes_up.load() : 0,
                              .bytes_down = flow ? flow->bytes_down.load() : 0,
                              .code = code,
                              .time_unix_ns = now_unix_ns()});
}

}  // namespace clawpatrol
