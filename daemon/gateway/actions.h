// Actions that were decided, as `cpctl explain` and `cpctl flows -f` show them.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.h"

namespace clawpatrol {

class Flow;

// What is constant for a connection and that rules may read. Made once, shared by the records of its actions.
struct FlowFacets {
  PeerFacets peer;
  EndpointFacets endpoint;
  DestFacets dest;
  std::string credential;
  std::optional<SqlSessionFacets> sql;  // once a SQL login has been judged
};

enum class ActionVerdict : std::uint8_t {
  allow,
  deny,
  denied_with,  // allowed by itself, in one message with what was denied
};
std::string_view name_of(ActionVerdict verdict);  // allow, deny, denied-with

std::string action_id_text(std::uint64_t id);  // a-...
std::optional<std::uint64_t> parse_action_id(std::string_view text);

// One action that was decided, with all that it needs to be decided again. Constant; what it names is shared
// and not copied, so that keeping one costs the hot path a few reference counts. The pointers are shared
// because the generation may be replaced and the connection gone by the time somebody asks.
struct ActionRecord {
  std::uint64_t id = 0;
  std::uint64_t flow = 0;    // 0: none
  std::uint64_t parent = 0;  // the action that this one is a part of (the Parse of an Execute), or 0
  std::int64_t time_unix_ns = 0;
  ActionType type = ActionType::connect;
  ActionKind kind = ActionKind::exec;
  ActionVerdict verdict = ActionVerdict::deny;
  std::shared_ptr<const Policy> policy;      // the generation that decided
  std::shared_ptr<const FlowFacets> facets;  // null: none
  const Rule* rule = nullptr;                // of `policy`; null where none decided
  std::string reason;
  std::string guard;  // what refused it where no rule did: "reading settings", "limit", ...
  std::string text;   // instead of the statement: a summary, or the statement itself, as `evidence` says
  std::shared_ptr<const SqlFacets> sql;
  std::shared_ptr<const SqlParams> sql_params;
  std::shared_ptr<const DnsFacets> dns;
  std::shared_ptr<const HttpFacets> http;
  std::shared_ptr<const K8sFacets> k8s;
  std::shared_ptr<const WsFacets> ws;
  enum class Evidence : std::uint8_t {
    kept,     // what the pointers say is all there was
    in_text,  // `sql` is not kept: it is the analysis of `text`
    dropped,  // too large; the audit log has what it says
  } evidence = Evidence::kept;

  std::string_view peer() const { return facets ? std::string_view(facets->peer.name) : ""; }
  std::string_view endpoint() const { return facets ? std::string_view(facets->endpoint.name) : ""; }
  std::string_view rule_name() const { return rule ? std::string_view(rule->name) : ""; }
  std::uint64_t generation() const { return policy ? policy->generation : 0; }
  std::string_view statement() const;  // or the summary; whole
  // For decide(). Valid as long as this record and, where the evidence is in the text, `analysed`.
  Action action(std::shared_ptr<const SqlFacets>& analysed) const;
};

// As it is shown: at most 1 KiB, cut between characters.
std::string_view cut_text(std::string_view text);

// The last actions, bounded in number and bytes. What has fallen out is in the audit log.
class RecentActions {
 public:
  using Record = std::shared_ptr<const ActionRecord>;  // shared with the flow that it is the last action of
  // Evidence of more than this is not kept: the audit log has what it says.
  static constexpr std::size_t max_evidence = 64 << 10;

  explicit RecentActions(std::size_t capacity = 4096, std::size_t max_bytes = 32 << 20)
      : capacity_(capacity), max_bytes_(max_bytes) {}
  Record add(ActionRecord record);

  // At most `most` records after `cursor`; moves the cursor, past what has fallen out too.
  std::vector<Record> since(std::uint64_t& cursor, std::size_t most = 256) const;
  Record find(std::uint64_t id) const;  // null: not here
  // How many there were of each, those that have fallen out too.
  struct Count {
    std::string endpoint;
    ActionKind kind;
    ActionVerdict verdict;
    std::uint64_t count = 0;
  };
  std::vector<Count> counts() const;
  std::uint64_t end() const;  // the cursor that sees only what comes after now

 private:
  struct Entry {
    Record record;
    std::size_t bytes;
  };

  void count_one(const ActionRecord& record);

  mutable std::mutex mutex_;
  std::vector<Count> counts_;  // few: endpoints are an operator's
  const std::size_t capacity_;
  const std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  std::deque<Entry> records_;
  std::uint64_t first_ = 0;  // number of records_.front()
};

}  // namespace clawpatrol
