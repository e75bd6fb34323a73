#include "daemon/gateway/flows.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/gateway/unix_time.h"

namespace clawpatrol {

void Flow::set_upstream(std::string address) {
  std::lock_guard lock(mutex_);
  upstream_ = std::move(address);
}

void Flow::set_last(std::shared_ptr<const ActionRecord> record) {
  // Swapped, so that the old record is freed outside of the lock.
  std::lock_guard lock(mutex_);
  last_.swap(record);
}

void Flow::set_grant(std::shared_ptr<const Grant> grant) {
  std::lock_guard lock(mutex_);
  grant_.swap(grant);
}

std::shared_ptr<const Grant> Flow::grant() const {
  std::lock_guard lock(mutex_);
  return grant_;
}

void Flow::set_wait(const std::source_location& where) {
  wait_file_.store(where.file_name(), std::memory_order_relaxed);
  wait_line_.store(where.line(), std::memory_order_relaxed);
}

FlowSnapshot Flow::snapshot() const {
  FlowSnapshot now;
  now.id = id;
  const char* state = state_.load(std::memory_order_acquire);
  now.state = state ? state : "opening";
  now.peer = peer;
  now.endpoint = endpoint;
  now.destination = destination;
  now.protocol = protocol;
  now.opened_unix_ns = opened_unix_ns;
  now.bytes_up = bytes_up.load(std::memory_order_relaxed);
  now.bytes_down = bytes_down.load(std::memory_order_relaxed);
  now.actions = actions.load(std::memory_order_relaxed);
  now.denied = denied.load(std::memory_order_relaxed);
  if (const char* file = wait_file_.load(std::memory_order_relaxed)) {
    now.waits_at = fmt::format("{}:{}", file, wait_line_.load(std::memory_order_relaxed));
  }
  std::lock_guard lock(mutex_);
  now.upstream = upstream_;
  now.last = last_;
  return now;
}

void Flow::ask_to_close(std::string why) {
  std::lock_guard lock(mutex_);
  if (close_asked_) return;
  close_asked_ = std::move(why);
  if (close_handler_) close_handler_(*close_asked_);
}

std::optional<std::string> Flow::close_asked() const {
  std::lock_guard lock(mutex_);
  return close_asked_;
}

void Flow::on_close_request(std::function<void(std::string)> handler) {
  std::lock_guard lock(mutex_);
  close_handler_ = std::move(handler);
  if (close_handler_ && close_asked_) close_handler_(*close_asked_);
}

void Flow::ask_to_leave() {
  std::lock_guard lock(mutex_);
  if (std::exchange(leave_asked_, true)) return;
  if (leave_handler_) leave_handler_();
}

void Flow::on_leave_request(std::function<void()> handler) {
  std::lock_guard lock(mutex_);
  leave_handler_ = std::move(handler);
  if (leave_handler_ && leave_asked_) leave_handler_();
}

std::shared_ptr<Flow> FlowTable::open(std::uint32_t peer_id, const LimitsConfig& limits) {
  std::lock_guard lock(mutex_);
  auto counted = by_peer_.find(peer_id);
  std::size_t of_peer = counted == by_peer_.end() ? 0 : counted->second;
  if (flows_.size() >= limits.connections || of_peer >= limits.connections_per_peer) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return nullptr;
  }
  // Shared by the connection and by whoever looks at the table.
  auto flow = std::make_shared<Flow>(next_++);
  flow->peer_id = peer_id;
  flow->opened_unix_ns = now_unix_ns();
  flows_.emplace(flow->id, flow);
  by_peer_[peer_id] = of_peer + 1;
  return flow;
}

void FlowTable::close(const Flow& flow) {
  std::shared_ptr<Flow> last_owner;
  std::lock_guard lock(mutex_);
  auto found = flows_.find(flow.id);
  if (found == flows_.end()) return;
  last_owner = std::move(found->second);
  of_gone_.up += last_owner->bytes_up.load(std::memory_order_relaxed);
  of_gone_.down += last_owner->bytes_down.load(std::memory_order_relaxed);
  flows_.erase(found);
  auto counted = by_peer_.find(last_owner->peer_id);
  if (counted != by_peer_.end() && --counted->second == 0) by_peer_.erase(counted);
}

FlowTable::Bytes FlowTable::bytes() const {
  std::lock_guard lock(mutex_);
  Bytes all = of_gone_;
  for (const auto& [id, flow] : flows_) {
    all.up += flow->bytes_up.load(std::memory_order_relaxed);
    all.down += flow->bytes_down.load(std::memory_order_relaxed);
  }
  return all;
}

std::vector<std::shared_ptr<Flow>> FlowTable::all(Which which) const {
  std::vector<std::shared_ptr<Flow>> listed;
  {
    std::lock_guard lock(mutex_);
    listed.reserve(flows_.size());
    for (const auto& [id, flow] : flows_) {
      if (which == Which::also_opening || flow->listed()) listed.push_back(flow);
    }
  }
  std::sort(listed.begin(), listed.end(), [](const auto& a, const auto& b) { return a->id < b->id; });
  return listed;
}

std::shared_ptr<Flow> FlowTable::find(std::uint64_t id) const {
  std::lock_guard lock(mutex_);
  auto found = flows_.find(id);
  return found != flows_.end() && found->second->listed() ? found->second : nullptr;
}

std::size_t FlowTable::size() const {
  std::lock_guard lock(mutex_);
  return flows_.size();
}

}  // namespace clawpatrol
