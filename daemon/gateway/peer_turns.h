// A worker's time, divided between peers: what one peer's connections do at once is bounded, so that another
// peer's wait is too, however many connections the first has (attacks.md, 28). Lives on one ring.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <unordered_map>

#include "daemon/gateway/latencies.h"
#include "daemon/ring/ring.h"

namespace clawpatrol {

class PeerTurns {
 public:
  // What a peer may use of one turn of the ring while there are others, before its connections take turns
  // too.
  static constexpr auto share = std::chrono::microseconds(500);
  // Of one that is alone, who still keeps the next to come waiting, and what else the ring does.
  static constexpr auto share_alone = std::chrono::milliseconds(2);
  // A peer that was served within this time is there.
  static constexpr auto presence = std::chrono::milliseconds(200);

  explicit PeerTurns(Ring& ring);

  // Awaited before work for a peer; at once while it has time left in this turn of the ring.
  class [[nodiscard]] Turn {
   public:
    Turn(PeerTurns& turns, std::uint32_t peer_id) : turns_(turns), peer_id_(peer_id) {}
    bool await_ready() const { return turns_.may_go_on(peer_id_); }
    void await_suspend(std::coroutine_handle<> waiter) { turns_.queue(peer_id_, waiter); }
    void await_resume() const {}

   private:
    PeerTurns& turns_;
    std::uint32_t peer_id_;
  };
  Turn turn(std::uint32_t peer_id) { return {*this, peer_id}; }

  // Work that is done later in the turn.
  void charge(std::uint32_t peer_id, Clock::duration expected) { peers_[peer_id].used += expected; }

  // Measures the work that is done while it lives.
  class Work {
   public:
    Work(PeerTurns& turns, std::uint32_t peer_id) : turns_(turns), peer_id_(peer_id), begun_(Clock::now()) {}
    ~Work() {
      const Clock::duration taken = Clock::now() - begun_;
      turns_.worked(peer_id_, taken);
      if (counted_in_) counted_in_->add(taken);
    }
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

    void count_in(Histogram& histogram) { counted_in_ = &histogram; }  // too, when it ends
    Clock::time_point begun() const { return begun_; }

   private:
    PeerTurns& turns_;
    std::uint32_t peer_id_;
    Clock::time_point begun_;
    Histogram* counted_in_ = nullptr;  // null: nowhere
  };

 private:
  struct Peer {
    Clock::duration used{};     // in this turn
    Clock::duration average{};  // of its latest pieces of work
    Clock::time_point last{};
    std::deque<std::coroutine_handle<>> waiting;
  };
  bool may_go_on(std::uint32_t peer_id) const;
  bool is_alone(std::uint32_t peer_id) const;
  void worked(std::uint32_t peer_id, Clock::duration taken);
  void queue(std::uint32_t peer_id, std::coroutine_handle<> waiter);
  void begin_turn();

  Ring& ring_;
  std::unordered_map<std::uint32_t, Peer> peers_;  // who is there, or waits
};

}  // namespace clawpatrol
