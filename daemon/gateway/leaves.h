// Certificates for the names that agents ask for, made when they first do, by a thread of their own: for
// claimed names alone, peers in turn, and so many of one peer at a time (attacks.md, 28).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

#include "daemon/ring/timers.h"
#include "daemon/tls/authority.h"

namespace clawpatrol {

// Thread-safe.
class Leaves {
 public:
  using Leaf = std::shared_ptr<const tls::Leaf>;
  using Done = std::function<void(Leaf)>;  // null: it cannot be made

  struct Limits {
    std::size_t kept = 4096;           // then one goes of the peer that has most, which it used longest ago
    std::size_t waiting_of_peer = 64;  // names that are asked for and not made yet
    std::size_t burst_of_peer = 500;   // made at once, and then
    std::size_t per_second_of_peer = 20;  // so many
  };
  explicit Leaves(tls::Authority& authority) : Leaves(authority, Limits()) {}
  Leaves(tls::Authority& authority, Limits limits);
  ~Leaves();  // what waits is dropped, and its `done` not called
  Leaves(const Leaves&) = delete;
  Leaves& operator=(const Leaves&) = delete;

  // One that is not due for renewal; null: ask for it.
  Leaf find(const std::string& name, tls::KeyKind kind, std::int64_t now_unix);
  // `done` is called on the thread. False: the peer has asked for too many, and nothing will come.
  bool ask(std::uint32_t peer_id, std::string name, tls::KeyKind kind, Clock::time_point now, Done done);
  std::size_t size() const;
  std::uint64_t made() const { return made_; }  // ever

 private:
  struct Job {
    std::string name;
    tls::KeyKind kind;
    Done done;
  };
  struct Asking {
    std::deque<Job> jobs;
    Clock::time_point spent_until{};  // a token bucket in one number
  };
  struct Kept {
    std::string key;
    Leaf leaf;
    std::uint32_t peer_id;  // who asked for it first
  };
  bool spend(Asking& asking, Clock::time_point now) const;
  void serve();
  Leaf find_locked(const std::string& key, std::int64_t now_unix);
  Leaf make(const Job& job);
  void keep_locked(const std::string& key, Leaf leaf, std::uint32_t peer_id);
  void drop_locked(std::list<Kept>::iterator kept);
  void make_room_locked();

  tls::Authority& authority_;
  const Limits limits_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::list<Kept> kept_;  // used last first
  std::unordered_map<std::string, std::list<Kept>::iterator> by_key_;
  std::map<std::uint32_t, std::size_t> kept_of_;  // of peers that have any
  std::map<std::uint32_t, Asking> asking_;        // of peers that have asked since their bucket was last full
  std::uint32_t served_last_ = 0;
  std::size_t waiting_ = 0;
  std::atomic<std::uint64_t> made_{0};
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace clawpatrol
