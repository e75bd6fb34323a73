// What every worker shares, and what a protocol handler is given. Built by main, outlives every task.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/audit/log.h"
#include "daemon/audit/written_texts.h"
#include "daemon/credentials/http/choose.h"
#include "daemon/credentials/http/value.h"
#include "daemon/credentials/store.h"
#include "daemon/gateway/audit_queue.h"
#include "daemon/gateway/flows.h"
#include "daemon/gateway/latencies.h"
#include "daemon/gateway/peer_turns.h"
#include "daemon/gateway/rule_counts.h"
#include "daemon/gateway/upstream_contexts.h"
#include "daemon/gateway/upstream_places.h"
#include "daemon/ring/ring.h"
#include "daemon/ring/task_group.h"
#include "daemon/tls/authority.h"
#include "daemon/tls/kept_sessions.h"
#include "daemon/tls/server_context.h"
#include "policy/policy.h"
#include "policy/sql/analysis.h"

namespace clawpatrol {

class VirtualNames;  // names.h
class Analysts;      // analysts.h
class Tokens;        // tokens.h
class Leaves;        // leaves.h
class CancelKeys;    // postgres/cancel_keys.h
class NameService;   // dns/service.h
namespace http {
struct WorkerState;  // http/worker_state.h
}
namespace postgres {
class SaltedPasswords;  // postgres/salted_passwords.h
}

// The generation in force. A handler takes current() once per action and holds it while it decides.
class PolicyHolder {
 public:
  std::shared_ptr<const Policy> current() const { return current_.load(); }
  void replace(std::shared_ptr<const Policy> next) { current_.store(std::move(next)); }

 private:
  std::atomic<std::shared_ptr<const Policy>> current_;
};

// A peer as netd knows it: identity comes from the tunnel alone.
struct Peer {
  std::uint32_t id = 0;
  std::string name;
  std::vector<Address> addresses;
  std::uint64_t key_fingerprint = 0;
  std::string profile = {};  // where no [peer.NAME] says one
};

// Peers by inner address. Written by the control thread, read by workers.
class Peers {
 public:
  void replace(std::vector<Peer> peers);
  std::shared_ptr<const Peer> by_address(const Address& address) const;
  std::shared_ptr<const Peer> by_id(std::uint32_t id) const;
  std::vector<std::shared_ptr<const Peer>> all() const;

 private:
  struct Snapshot {
    std::unordered_map<Address, std::shared_ptr<const Peer>> by_address;
    std::unordered_map<std::uint32_t, std::shared_ptr<const Peer>> by_id;
  };
  std::atomic<std::shared_ptr<const Snapshot>> snapshot_;
};

// Counts what was refused before any action, by literal reason, for `cpctl status`.
class Refusals {
 public:
  void count(const char* reason, std::uint32_t peer_id);
  struct Row {
    std::string reason;
    std::uint32_t peer_id;
    std::uint64_t count;
  };
  std::vector<Row> rows() const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::unordered_map<std::uint32_t, std::uint64_t>> counts_;
};

struct Shared {
  Shared();
  ~Shared();
  PolicyHolder policy;
  Peers peers;
  FlowTable flows;
  UpstreamPlaces upstream_places;
  UpstreamContexts upstream_contexts;
  RecentActions actions;
  RuleCounts rule_counts;
  Refusals refusals;
  Latencies latencies;
  std::unique_ptr<audit::Log> audit;
  std::unique_ptr<audit::PeerBudget> audit_budget;
  audit::WrittenTexts written_texts;
  std::unique_ptr<credentials::Store> credentials;
  credentials::Values credential_values;
  credentials::PlaceholdersInForce placeholders;
  std::unique_ptr<Tokens> tokens;
  std::unique_ptr<VirtualNames> names;
  std::unique_ptr<CancelKeys> cancel_keys;
  std::unique_ptr<postgres::SaltedPasswords> salted_passwords;
  std::unique_ptr<Analysts> analysts;
  std::unique_ptr<tls::Authority> authority;
  std::unique_ptr<Leaves> leaves;  // the authority's
  std::shared_ptr<const tls::ServerContext> server_context;
  tls::KeptSessions upstream_sessions;
  std::unique_ptr<NameService> name_service;
  std::uint64_t next_action_id();  // unique over restarts: seeded from the clock at start

 private:
  std::atomic<std::uint64_t> action_id_;
};

// One thread, one ring, its share of the flows.
class Worker {
 public:
  Worker(Shared& shared, std::unique_ptr<Ring> ring, std::size_t index,
         std::size_t analysis_cache_bytes = 32 << 20);
  ~Worker();
  Ring& ring() { return *ring_; }
  Shared& shared() { return shared_; }
  AuditQueue& audit() { return audit_; }
  sql::Cache& analyses() { return analyses_; }
  PeerTurns& turns() { return turns_; }
  http::WorkerState& http() { return *http_; }
  TaskGroup& flows() { return flows_; }
  std::size_t index() const { return index_; }

 private:
  Shared& shared_;
  std::unique_ptr<Ring> ring_;
  AuditQueue audit_;
  sql::Cache analyses_;
  PeerTurns turns_;
  std::unique_ptr<http::WorkerState> http_;
  TaskGroup flows_;
  std::size_t index_;
};

// A connection that has been accepted and claimed, as its handler gets it.
struct ClaimedFlow {
  std::shared_ptr<Flow> flow;
  std::shared_ptr<const Peer> peer;
  PeerFacets peer_facets;
  EndpointFacets endpoint_facets;  // .name finds the EndpointConfig in the generation in force
  DestFacets dest;
  Address source, destination;
  std::shared_ptr<const void> name_hold;  // keeps the virtual address of a wildcard name leased
};

}  // namespace clawpatrol
