// Threads that analyse the texts that are too long for a ring's own thread. Peers are served in turn, and
// each may have so many waiting (attacks.md, 28).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "policy/sql/analysis.h"

namespace clawpatrol {

class Analysts {
 public:
  // A text of up to this is analysed where it is met: at most about 0.2 ms.
  static constexpr std::size_t longest_at_once = 4 << 10;
  static constexpr std::size_t waiting_per_peer = 16 << 20;  // bytes of text
  using Done = std::function<void(std::shared_ptr<const sql::Analysis>)>;

  explicit Analysts(std::size_t threads = 2);
  ~Analysts();  // what waits is dropped, and its `done` not called
  Analysts(const Analysts&) = delete;
  Analysts& operator=(const Analysts&) = delete;

  // `done` is called on one of the threads. False: the peer has too many waiting, and nothing will come.
  bool analyse(std::uint32_t peer_id, std::string text, sql::Options options, Done done);

 private:
  struct Job {
    std::string text;
    sql::Options options;
    Done done;
  };
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
