#include "daemon/gateway/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>
#include <vector>

#include "daemon/audit/log.h"
#include "daemon/gateway/leaves.h"

namespace clawpatrol {

namespace {

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// Metrics of one name must stand together, under one HELP and TYPE.
class Exposition {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    text_ += fmt::format("# HELP clawpatrol_{} {}\n# TYPE clawpatrol_{} {}\n", name, help, name, type);
  }
  void sample(Labels labels, std::uint64_t value) {
    std::string inside;
    for (const auto& [label, text] : labels)
      inside += fmt::format("{}{}=\"{}\"", inside.empty() ? "" : ",", label, escaped_label(text));
    text_ += "clawpatrol_" + name_ + (inside.empty() ? "" : "{" + inside + "}") + fmt::format(" {}\n", value);
  }
  void histogram(std::string_view name, std::string_view help, const Histogram& of) {
    family(name, "histogram", help);
    const Histogram::Counts counts = of.counts();
    for (std::size_t i = 0; i < of.bounds.size(); ++i)
      text_ +=
          fmt::format("clawpatrol_{}_bucket{{le=\"{}\"}} {}\n", name, seconds(of.bounds[i]), counts.up_to[i]);
    const std::uint64_t all = counts.up_to.back();
    text_ += fmt::format(
        "clawpatrol_{0}_bucket{{le=\"+Inf\"}} {1}\nclawpatrol_{0}_sum {2}\nclawpatrol_{0}_count {1}\n", name,
        all, seconds(counts.sum));
  }
  void one(std::string_view name, std::string_view type, std::string_view help, std::uint64_t value) {
    family(name, type, help);
    sample({}, value);
  }
  std::string take() { return std::move(text_); }

 private:
  static double seconds(std::chrono::nanoseconds span) { return std::chrono::duration<double>(span).count(); }

  std::string name_, text_;
};

void add_gateway(Exposition& out, const Shared& shared, const StatusFacts& facts) {
  const auto policy = shared.policy.current();
  out.family("info", "gauge", "The version that runs.");
  out.sample({{"version", CLAWPATROL_VERSION}}, 1);
  out.one("uptime_seconds", "gauge", "Since the daemon started.", static_cast<std::uint64_t>(facts.uptime_s));
  out.one("policy_generation", "gauge", "The policy in force.", policy ? policy->generation : 0);
  out.one("observing", "gauge", "1: rules are recorded, and deny nothing.",
          policy && policy->gateway.mode == Mode::observe);
  out.one("netd_connected", "gauge", "1: clawpatrol-netd answers.", facts.netd_connected);
  out.one("peers", "gauge", "Peers that are admitted.", shared.peers.all().size());
  out.one("flows", "gauge", "Live flows.", shared.flows.size());
  out.one("flows_refused_total", "counter", "Flows past the limits.", shared.flows.refused());
  out.one("certificates_made_total", "counter", "For names that agents asked for.",
          shared.leaves ? shared.leaves->made() : 0);
  const FlowTable::Bytes bytes = shared.flows.bytes();
  out.family("bytes_total", "counter", "Moved for agents, by direction and mechanism.");
  out.sample({{"direction", "up"}, {"mechanism", "copy"}}, bytes.up);
  out.sample({{"direction", "down"}, {"mechanism", "copy"}}, bytes.down);
}

void add_actions(Exposition& out, const Shared& shared) {
  out.family("actions_total", "counter", "Actions that were decided.");
  for (const auto& row : shared.actions.counts())
    out.sample({{"endpoint", row.endpoint}, {"kind", name_of(row.kind)}, {"verdict", name_of(row.verdict)}},
               row.count);
  auto name_of_peer = [&](std::uint32_t id) {
    auto peer = shared.peers.by_id(id);
    return peer ? peer->name : std::string();
  };
  out.family("refusals_total", "counter", "Connections refused before any action.");
  for (const auto& row : shared.refusals.rows())
    out.sample({{"peer", name_of_peer(row.peer_id)}, {"reason", row.reason}}, row.count);
}

void add_latencies(Exposition& out, const Latencies& latencies) {
  out.histogram("decision_seconds", "What was judged in one go: read, analysed and decided.",
                latencies.decision);
  out.histogram(
      "added_latency_seconds",
      "From when it began to be judged until it was recorded and could go on: waiting for a body too.",
      latencies.added);
  out.histogram("audit_sync_seconds", "How long actions that must be on disk first waited for it.",
                latencies.audit_sync);
}

void add_drops(Exposition& out, const Shared& shared, const StatusFacts& facts) {
  auto each = [&](std::uint64_t DropCount::* number) {
    for (const DropCount& drop : facts.drops) {
      auto peer = shared.peers.by_id(drop.peer_id);
      out.sample({{"peer", peer ? peer->name : ""}, {"reason", drop.reason}}, drop.*number);
    }
  };
  out.family("dropped_packets_total", "counter", "Packets that the kernel's filter dropped.");
  each(&DropCount::packets);
  out.family("dropped_bytes_total", "counter", "Their bytes.");
  each(&DropCount::bytes);
}

void add_audit(Exposition& out, const Shared& shared) {
  if (!shared.audit) return;
  out.one("audit_healthy", "gauge", "0: nothing can be recorded, and everything is denied.",
          shared.audit->healthy());
  out.one("audit_pressure", "gauge", "1: peers over their share are denied; 2: everybody is.",
          static_cast<std::uint64_t>(shared.audit->pressure()));
  out.one("audit_lines_total", "counter", "The newest line's number.", shared.audit->head().seq);
  out.one("audit_unsynced_lines", "gauge", "Written, and not yet synced to the disk.",
          shared.audit->unsynced());
  out.one("audit_kept_bytes", "gauge", "On disk.", shared.audit->kept_bytes());
  out.one("audit_free_bytes", "gauge", "Free on the log's disk.", shared.audit->free_bytes());
  out.one("authority_ends_seconds", "gauge", "When the certificate authority ends, in Unix seconds.",
          shared.authority ? static_cast<std::uint64_t>(shared.authority->ends_unix()) : 0);
}

}  // namespace

std::string escaped_label(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

std::string metrics_text(const Shared& shared, const StatusFacts& facts) {
  Exposition out;
  add_gateway(out, shared, facts);
  add_actions(out, shared);
  add_latencies(out, shared.latencies);
  add_drops(out, shared, facts);
  add_audit(out, shared);
  return out.take();
}

}  // namespace clawpatrol
