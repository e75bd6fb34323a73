// What `cpctl status` shows: every live flow, and the last actions that were decided. Workers write, the control
// thread reads; all of it is behind one mutex per table, held for microseconds.
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
#include <unordered_map>
#include <vector>

#include "policy/policy.h"

namespace clawpatrol {

// One action that was decided, as `cpctl explain` shows it. Everything in it is a copy.
struct ActionRecord {
  std::string id;  // a-...
  std::uint64_t flow = 0;
  std::int64_t time_unix_ns = 0;
  std::string peer, endpoint, type, kind;
  std::string verdict;  // allow, deny, denied-with
  std::string rule;     // "" where none decided
  std::string reason;
  std::string guard;    // what refused it where no rule did: "reading settings", "limit", ...
  std::uint64_t generation = 0;
  std::string text;     // the statement or a summary, cut at 1 KiB
};

struct FlowSnapshot {
  std::uint64_t id = 0;
  std::string peer, endpoint, destination, upstream, protocol, state;
  std::int64_t opened_unix_ns = 0;
  std::uint64_t bytes_up = 0, bytes_down = 0, actions = 0, denied = 0;
  std::optional<ActionRecord> last;
  std::string waits_at;  // file:line of the wait, for `cpctl flows show`
};

// One live flow. Counters are written by its worker and read by anyone.
class Flow {
 public:
  explicit Flow(std::uint64_t number) : id(number) {}
  const std::uint64_t id;
  std::string peer, endpoint, destination, protocol;  // set before it is listed, then constant
  std::uint32_t peer_id = 0;
  std::int64_t opened_unix_ns = 0;
  std::atomic<std::uint64_t> bytes_up{0}, bytes_down{0}, actions{0}, denied{0};

  void set_state(const char* literal) { state_.store(literal, std::memory_order_relaxed); }
  void set_upstream(std::string address);
  void set_last(ActionRecord record);
  FlowSnapshot snapshot() const;

  // Asks the flow's worker to close it: with the protocol's own farewell that says `why`. Any thread.
  void ask_to_close(std::string why);
  // Set by the connection: posts to its worker. Cleared, under the same mutex, before the connection dies.
  void on_close_request(std::function<void(std::string)> handler);

 private:
  mutable std::mutex mutex_;
  std::atomic<const char*> state_{"opening"};
  std::string upstream_;
  std::optional<ActionRecord> last_;
  std::function<void(std::string)> close_handler_;
};

class FlowTable {
 public:
  // Null past the limits; the caller resets the connection and it is counted.
  std::shared_ptr<Flow> open(std::uint32_t peer_id, const LimitsConfig& limits);
  void close(const Flow& flow);
  std::vector<std::shared_ptr<Flow>> all() const;
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

// The last actions, a ring of fixed size, for `cpctl explain` and `cpctl flows -f`. What has fallen out is in the
// audit log.
class RecentActions {
 public:
  explicit RecentActions(std::size_t capacity = 4096) : capacity_(capacity) {}
  void add(ActionRecord record);
  // Records after `cursor`; moves the cursor.
  std::vector<ActionRecord> since(std::uint64_t& cursor) const;
  std::optional<ActionRecord> find(std::string_view id) const;

 private:
  mutable std::mutex mutex_;
  std::size_t capacity_;
  std::deque<ActionRecord> records_;
  std::uint64_t first_ = 0;  // number of records_.front()
};

}  // namespace clawpatrol
