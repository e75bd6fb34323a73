// What `cpctl status` shows: every live flow, and the last actions that were decided. Workers write, the
// control thread reads; all of it is behind one mutex per table, held for microseconds.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/policy.h"

namespace clawpatrol {

// What is constant for a connection and that rules may read. Made once, shared by the records of its actions.
struct FlowFacets {
  PeerFacets peer;
  EndpointFacets endpoint;
  DestFacets dest;
  std::string credential;
};

// What `cpctl explain` needs to decide an action again and say which rules were tried: shared, not copied, so
// that keeping it costs the hot path reference counts. Pointers are shared because the generation may be
// replaced and the connection gone by the time somebody asks. Null ones mean what null ones in Action mean.
struct Evidence {
  std::shared_ptr<const Policy> policy;
  std::shared_ptr<const FlowFacets> flow;
  std::shared_ptr<const SqlFacets> sql;  // whole, as decided; may alias what owns it
  std::shared_ptr<const DnsFacets> dns;
  ActionType type = ActionType::connect;
  ActionKind kind = ActionKind::exec;

  explicit operator bool() const { return policy != nullptr; }
  std::size_t bytes() const;  // about what it holds, without the policy
  // Valid as long as this evidence.
  Action action(std::int64_t now_unix_ns) const;
};

// Evidence by copying everything that `action` points to: where nothing is shared yet.
Evidence evidence_of(std::shared_ptr<const Policy> policy, const Action& action);

// One action that was decided, as `cpctl explain` shows it. Everything in it is a copy, or shared and
// constant.
struct ActionRecord {
  std::string id;  // a-...
  std::uint64_t flow = 0;
  std::int64_t time_unix_ns = 0;
  std::string peer, endpoint, type, kind;
  std::string verdict;  // allow, deny, denied-with
  std::string rule;     // "" where none decided
  std::string reason;
  std::string guard;  // what refused it where no rule did: "reading settings", "limit", ...
  std::uint64_t generation = 0;
  std::string text;    // the statement or a summary, cut at 1 KiB
  std::string parent;  // the action that this one is a part of (the Parse of an Execute), or ""
  Evidence evidence;   // without it, explain shows this record and what the audit log has
};

struct FlowSnapshot {
  std::uint64_t id = 0;
  std::string peer, endpoint, destination, upstream, protocol, state;
  std::int64_t opened_unix_ns = 0;
  std::uint64_t bytes_up = 0, bytes_down = 0, actions = 0, denied = 0;
  std::shared_ptr<const ActionRecord> last;  // null: none yet
  std::string waits_at;                      // file:line of the wait, for `cpctl flows show`
};

// One live flow. Counters are written by its worker and read by anyone.
class Flow {
 public:
  explicit Flow(std::uint64_t number) : id(number) {}
  const std::uint64_t id;
  // Set before the first set_state(), which lists the flow; constant from then on.
  std::string peer, endpoint, destination, protocol;
  std::uint32_t peer_id = 0;
  std::int64_t opened_unix_ns = 0;
  std::atomic<std::uint64_t> bytes_up{0}, bytes_down{0}, actions{0}, denied{0};

  void set_state(const char* literal) { state_.store(literal, std::memory_order_release); }
  bool listed() const { return state_.load(std::memory_order_acquire) != nullptr; }
  void set_upstream(std::string address);
  void set_last(std::shared_ptr<const ActionRecord> record);
  void set_last(ActionRecord record) { set_last(std::make_shared<const ActionRecord>(std::move(record))); }
  // Where the flow's task waits. Cheap; what a reader sees may be torn between two waits.
  void set_wait(const std::source_location& where = std::source_location::current());
  FlowSnapshot snapshot() const;

  // Asks the flow's worker to close it: with the protocol's own farewell that says `why`. Any thread. Kept
  // until there is a handler; the first reason stands.
  void ask_to_close(std::string why);
  // Set by the connection: posts to its worker. Cleared, under the same mutex, before the connection dies. It
  // is called with that mutex held: it must not call back into this flow.
  void on_close_request(std::function<void(std::string)> handler);

 private:
  mutable std::mutex mutex_;
  std::atomic<const char*> state_{nullptr};
  std::atomic<const char*> wait_file_{nullptr};
  std::atomic<std::uint32_t> wait_line_{0};
  std::string upstream_;
  std::shared_ptr<const ActionRecord> last_;
  std::function<void(std::string)> close_handler_;
  std::optional<std::string> close_asked_;
};

class FlowTable {
 public:
  // Null past the limits; the caller resets the connection and it is counted. The flow counts at once and is
  // listed from its first set_state() on.
  std::shared_ptr<Flow> open(std::uint32_t peer_id, const LimitsConfig& limits);
  void close(const Flow& flow);
  std::vector<std::shared_ptr<Flow>> all() const;  // listed ones, oldest first
  std::shared_ptr<Flow> find(std::uint64_t id) const;
  std::size_t size() const;
  std::uint64_t refused() const { return refused_.load(); }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Flow>> flows_;
  std::unordered_map<std::uint32_t, std::size_t> by_peer_;
  std::uint64_t next_ = 1;
  std::atomic<std::uint64_t> refused_{0};
};

// The last actions, a ring bounded in number and bytes, for `cpctl explain` and `cpctl flows -f`. What has
// fallen out is in the audit log.
class RecentActions {
 public:
  using Record = std::shared_ptr<const ActionRecord>;  // shared with the flow that it is the last action of
  // Evidence of more than this is not kept: the audit log has what it says.
  static constexpr std::size_t max_evidence = 64 << 10;

  explicit RecentActions(std::size_t capacity = 4096, std::size_t max_bytes = 32 << 20)
      : capacity_(capacity), max_bytes_(max_bytes) {}
  void add(ActionRecord record) { add_shared(std::move(record)); }
  // The same, and makes it the flow's last action without a copy.
  void add(ActionRecord record, Flow& flow) { flow.set_last(add_shared(std::move(record))); }

  // At most `most` records after `cursor`; moves the cursor, past what has fallen out too.
  std::vector<Record> since(std::uint64_t& cursor, std::size_t most = 256) const;
  Record find(std::string_view id) const;  // null: not here
  std::uint64_t end() const;               // the cursor that sees only what comes after now

 private:
  struct Entry {
    Record record;
    std::size_t bytes;
  };
  Record add_shared(ActionRecord&& record);

  mutable std::mutex mutex_;
  const std::size_t capacity_;
  const std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  std::deque<Entry> records_;
  std::uint64_t first_ = 0;  // number of records_.front()
};

}  // namespace clawpatrol
