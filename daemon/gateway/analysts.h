// Threads for what takes too long on a ring's own: a long statement is analysed here, a long body read.
// Peers are served in turn, and each may have so much waiting (attacks.md, 28).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "daemon/ring/ring.h"
#include "daemon/ring/task.h"

namespace clawpatrol {

class Analysts {
 public:
  // A text of up to this is read where it is met: that takes at most about 0.2 ms.
  static constexpr std::size_t longest_at_once = 4 << 10;
  static constexpr std::size_t waiting_per_peer = 16 << 20;  // bytes of text
  using Work = std::function<void()>;

  explicit Analysts(std::size_t threads = 2);
  ~Analysts();  // what has begun is finished, what waits is dropped
  Analysts(const Analysts&) = delete;
  Analysts& operator=(const Analysts&) = delete;

  // `work` on `bytes` of text runs on one of the threads. False: the peer has too much waiting, and it never
  // will.
  bool start(std::uint32_t peer_id, std::size_t bytes, Work work);

  // The same for a task of `ring`, which waits until it is done. How much may wait is for the caller to
  // bound.
  Task<void> run(Ring& ring, std::uint32_t peer_id, Work work);

 private:
  struct Job {
    std::size_t bytes = 0;
    Work work;
  };
  bool add(std::uint32_t peer_id, Job job, std::size_t most);
  void serve();

  std::mutex mutex_;
  std::condition_variable wake_;
  struct Queue {
    std::deque<Job> jobs;
    std::size_t bytes = 0;
  };
  std::map<std::uint32_t, Queue> waiting_;  // of peers with at least one
  std::uint32_t served_last_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace clawpatrol
