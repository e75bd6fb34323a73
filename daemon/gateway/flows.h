// What `cpctl status` shows: every live flow. Workers write, the control thread reads.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/gateway/actions.h"

namespace clawpatrol {

class Grant;  // grant.h

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
  // Where the flow's task waits. Cheap; what a reader sees may be torn between two waits.
  void set_wait(const std::source_location& where = std::source_location::current());
  FlowSnapshot snapshot() const;
  // What the flow rests on; shared, since it is read while the next one is given. Null: not known yet.
  void set_grant(std::shared_ptr<const Grant> grant);
  std::shared_ptr<const Grant> grant() const;

  // Asks the flow's worker to close it: with the protocol's own farewell that says `why`. Any thread. Kept
  // until there is a handler; the first reason stands.
  void ask_to_close(std::string why);
  std::optional<std::string> close_asked() const;  // and why
  // Asks it to take nothing new and to end once what goes on is done. A protocol that has no words for that
  // has no handler, and goes on.
  void ask_to_leave();
  void on_leave_request(std::function<void()> handler);  // as on_close_request()
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
  std::shared_ptr<const Grant> grant_;
  std::function<void(std::string)> close_handler_;
  std::function<void()> leave_handler_;
  bool leave_asked_ = false;
  std::optional<std::string> close_asked_;
};

class FlowTable {
 public:
  // Null past the limits; the caller resets the connection and it is counted. The flow counts at once and is
  // listed from its first set_state() on.
  std::shared_ptr<Flow> open(std::uint32_t peer_id, const LimitsConfig& limits);
  void close(const Flow& flow);
  enum class Which : std::uint8_t { listed, also_opening };
  std::vector<std::shared_ptr<Flow>> all(Which which = Which::listed) const;  // oldest first
  std::shared_ptr<Flow> find(std::uint64_t id) const;
  std::size_t size() const;
  std::uint64_t refused() const { return refused_.load(); }
  // Of all flows, those that are gone too.
  struct Bytes {
    std::uint64_t up = 0, down = 0;
  };
  Bytes bytes() const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Flow>> flows_;
  std::unordered_map<std::uint32_t, std::size_t> by_peer_;
  std::uint64_t next_ = 1;
  std::atomic<std::uint64_t> refused_{0};
  Bytes of_gone_;
};

}  // namespace clawpatrol
