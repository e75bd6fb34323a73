#include "daemon/gateway/flows.h"

#include <fmt/format.h>

#include <algorithm>

namespace clawpatrol {
namespace {

constexpr std::size_t max_text = 1024;

std::size_t bytes_of(const Facet<std::string>& facet) {
  return facet ? facet->size() : 0;
}

std::size_t bytes_of(const Facet<NameList>& facet) {
  std::size_t total = 0;
  if (facet) {
    for (const std::string& item : facet->items) total += sizeof item + item.size();
  }
  return total;
}

std::size_t bytes_of(const SqlFacets& sql) {
  std::size_t total = sizeof sql + bytes_of(sql.statement);
  for (const Facet<NameList>* list : {&sql.verbs, &sql.tables, &sql.reads, &sql.writes, &sql.columns,
                                      &sql.functions, &sql.classes, &sql.literals}) {
    total += bytes_of(*list);
  }
  if (sql.params) {
    for (const auto& value : *sql.params) total += sizeof value + (value ? value->size() : 0);
  }
  return total;
}

std::size_t bytes_of(const ActionRecord& record) {
  std::size_t total = sizeof record;
  for (const std::string* text :
       {&record.peer, &record.endpoint, &record.reason, &record.rule, &record.text}) {
    total += text->size();
  }
  return total;
}

// Cuts at a character's first byte, so that a cut text stays UTF-8.
void cut_text(std::string& text) {
  if (text.size() <= max_text) return;
  std::size_t end = max_text;
  while (end > max_text - 4 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
}

}  // namespace

std::size_t Evidence::bytes() const {
  return (sql ? bytes_of(*sql) : 0) + (dns ? sizeof *dns + dns->name.size() : 0);
}

Action Evidence::action(std::int64_t now_unix_ns) const {
  Action action;
  action.type = type;
  action.kind = kind;
  if (flow) {
    action.peer = &flow->peer;
    action.endpoint = &flow->endpoint;
    action.dest = &flow->dest;
    action.credential = flow->credential;
  }
  action.now_unix_ns = now_unix_ns;
  action.sql = sql.get();
  action.dns = dns.get();
  return action;
}

Evidence evidence_of(std::shared_ptr<const Policy> policy, const Action& action) {
  Evidence evidence;
  evidence.policy = std::move(policy);
  evidence.type = action.type;
  evidence.kind = action.kind;
  auto flow = std::make_shared<FlowFacets>();
  if (action.peer) flow->peer = *action.peer;
  if (action.endpoint) flow->endpoint = *action.endpoint;
  if (action.dest) flow->dest = *action.dest;
  flow->credential = action.credential;
  evidence.flow = std::move(flow);
  if (action.sql) evidence.sql = std::make_shared<const SqlFacets>(*action.sql);
  if (action.dns) evidence.dns = std::make_shared<const DnsFacets>(*action.dns);
  return evidence;
}

void Flow::set_upstream(std::string address) {
  std::lock_guard lock(mutex_);
  upstream_ = std::move(address);
}

void Flow::set_last(std::shared_ptr<const ActionRecord> record) {
  // Swapped, so that the old record is freed outside of the lock.
  std::lock_guard lock(mutex_);
  last_.swap(record);
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

void Flow::on_close_request(std::function<void(std::string)> handler) {
  std::lock_guard lock(mutex_);
  close_handler_ = std::move(handler);
  if (close_handler_ && close_asked_) close_handler_(*close_asked_);
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
  flow->opened_unix_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                             std::chrono::system_clock::now().time_since_epoch())
                             .count();
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
  flows_.erase(found);
  auto counted = by_peer_.find(last_owner->peer_id);
  if (counted != by_peer_.end() && --counted->second == 0) by_peer_.erase(counted);
}

std::vector<std::shared_ptr<Flow>> FlowTable::all() const {
  std::vector<std::shared_ptr<Flow>> listed;
  {
    std::lock_guard lock(mutex_);
    listed.reserve(flows_.size());
    for (const auto& [id, flow] : flows_) {
      if (flow->listed()) listed.push_back(flow);
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

RecentActions::Record RecentActions::add_shared(ActionRecord&& record) {
  cut_text(record.text);
  std::size_t of_evidence = record.evidence.bytes();
  if (of_evidence > max_evidence) {
    record.evidence = {};
    of_evidence = 0;
  }
  std::size_t bytes = bytes_of(record) + of_evidence;
  auto shared = std::make_shared<const ActionRecord>(std::move(record));
  std::array<Entry, 8> fallen;  // freed after the lock; more are freed under it, which is rare
  std::size_t count = 0;
  std::lock_guard lock(mutex_);
  records_.push_back({shared, bytes});
  bytes_ += bytes;
  while (records_.size() > capacity_ || (bytes_ > max_bytes_ && records_.size() > 1)) {
    bytes_ -= records_.front().bytes;
    if (count < fallen.size()) fallen[count++] = std::move(records_.front());
    records_.pop_front();
    ++first_;
  }
  return shared;
}

std::vector<RecentActions::Record> RecentActions::since(std::uint64_t& cursor, std::size_t most) const {
  std::vector<Record> found;
  std::lock_guard lock(mutex_);
  std::uint64_t end = first_ + records_.size();
  cursor = std::clamp(cursor, first_, end);
  std::size_t count = std::min<std::size_t>(most, end - cursor);
  found.reserve(count);
  for (; count > 0; --count) found.push_back(records_[cursor++ - first_].record);
  return found;
}

RecentActions::Record RecentActions::find(std::string_view id) const {
  // In steps, newest first, so that workers never wait for a search of the whole ring.
  constexpr std::uint64_t step = 256;
  std::uint64_t before = end();
  while (before > 0) {
    std::lock_guard lock(mutex_);
    std::uint64_t from = std::max(first_, before > step ? before - step : 0);
    for (std::uint64_t number = before; number-- > from;) {
      const Record& record = records_[number - first_].record;
      if (record->id == id) return record;
    }
    if (from <= first_) return nullptr;
    before = from;
  }
  return nullptr;
}

std::uint64_t RecentActions::end() const {
  std::lock_guard lock(mutex_);
  return first_ + records_.size();
}

}  // namespace clawpatrol
