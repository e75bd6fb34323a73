#include "daemon/gateway/audit_queue.h"

#include <memory>

namespace clawpatrol {

namespace {

// What the chain adds to a line, and the line of its outcome: paid for beforehand, since an outcome is
// written in any case.
constexpr std::size_t besides_a_line = 320;

}  // namespace

AuditQueue::AuditQueue(Ring& ring, audit::Log& log, audit::PeerBudget& budget, Histogram& until_synced)
    : ring_(ring), log_(log), budget_(budget), until_synced_(until_synced) {
  ring_.on_turn_end([this] { end_turn(); });
  ring_.on_idle([this] { write_group(); });
}

void AuditQueue::Commit::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  std::size_t bytes = 0;
  for (const std::string& line : lines_) bytes += line.size() + besides_a_line;
  if (!queue_.budget_.spend(peer_id_, bytes, queue_.ring_.now(), queue_.log_.pressure()))
    return queue_.ring_.resume_soon(waiter);
  for (std::string& line : lines_) queue_.lines_.push_back(std::move(line));
  if (durability_ == audit::Durability::handed) return queue_.handed_.push_back(this);
  asked_ = Clock::now();
  queue_.synced_.push_back(this);
}

void AuditQueue::note(std::string line) {
  lines_.push_back(std::move(line));
  if (!armed()) ring_.timers().arm(*this, Deadline::after(note_delay));
}

void AuditQueue::end_turn() {
  if (!handed_.empty() || !synced_.empty()) write_group();
}

void AuditQueue::write_group() {
  ring_.timers().disarm(*this);
  if (lines_.empty()) return;
  auto last = log_.append(lines_);
  lines_.clear();
  finish(handed_, last.has_value());
  if (!last) return finish(synced_, false);
  if (synced_.empty()) return;
  // The commits stand in frames of tasks that wait for them, so the pointers hold until they are resumed.
  auto waiting = std::make_shared<std::vector<Commit*>>(std::move(synced_));
  synced_.clear();
  log_.sync(*last, [this, waiting](std::expected<void, Error> result) {
    ring_.post([this, waiting, recorded = result.has_value()] {
      const Clock::time_point now = Clock::now();
      for (const Commit* commit : *waiting) until_synced_.add(now - commit->asked_);
      finish(*waiting, recorded);
    });
  });
}

void AuditQueue::finish(std::vector<Commit*>& commits, bool recorded) {
  for (Commit* commit : commits) {
    commit->recorded_ = recorded;
    ring_.resume_soon(commit->waiter_);
  }
  commits.clear();
}

}  // namespace clawpatrol
