// Between the workers and the audit log.
#pragma once

#include <chrono>
#include <coroutine>
#include <span>
#include <string>
#include <vector>

#include "daemon/audit/budget.h"
#include "daemon/audit/log.h"
#include "daemon/gateway/latencies.h"
#include "daemon/ring/ring.h"

namespace clawpatrol {

// A worker's share of the audit log: lines of one turn of the ring are written as one group, before anything
// that waited for them is submitted.
class AuditQueue final : Timer {
 public:
  // `until_synced` counts how long those waited that had to be synced.
  AuditQueue(Ring& ring, audit::Log& log, audit::PeerBudget& budget, Histogram& until_synced);
  ~AuditQueue() { write_group(); }  // the notes of the ring's last turn

  // Lines whose actions may go on once they are durable. False: they could not be recorded (the log failed,
  // or the peer has used up its budget), and must be denied. The strings are taken at once.
  class [[nodiscard]] Commit {
   public:
    Commit(AuditQueue& queue, std::span<std::string> lines, audit::Durability durability,
           std::uint32_t peer_id)
        : queue_(queue), lines_(lines), durability_(durability), peer_id_(peer_id) {}
    bool await_ready() const noexcept { return lines_.empty(); }
    void await_suspend(std::coroutine_handle<> waiter);
    bool await_resume() const noexcept { return recorded_ || lines_.empty(); }

   private:
    friend class AuditQueue;
    AuditQueue& queue_;
    std::span<std::string> lines_;
    audit::Durability durability_;
    std::uint32_t peer_id_;
    std::coroutine_handle<> waiter_;
    Clock::time_point asked_;  // of one that must be synced
    bool recorded_ = false;
  };
  Commit commit(std::span<std::string> lines, audit::Durability durability, std::uint32_t peer_id) {
    return Commit(*this, lines, durability, peer_id);
  }
  // A line that nothing waits for by itself, such as an outcome. It is written when there is nothing else to
  // do, in the group of the next commit, or within note_delay, whichever is first: so note, note, commit
  // records three lines before the task goes on.
  void note(std::string line);
  static constexpr auto note_delay = std::chrono::milliseconds(100);

 private:
  friend class Commit;
  void end_turn();
  void write_group();
  void finish(std::vector<Commit*>& commits, bool recorded);
  void expire() override { write_group(); }
  Ring& ring_;
  audit::Log& log_;
  audit::PeerBudget& budget_;
  Histogram& until_synced_;
  std::vector<std::string> lines_;
  std::vector<Commit*> handed_;
  std::vector<Commit*> synced_;
};

}  // namespace clawpatrol
