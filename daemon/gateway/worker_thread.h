// A worker on a thread of its own: accepts from one listener at a time and serves what it accepts.
#pragma once

#include <memory>
#include <thread>

#include "daemon/gateway/gateway.h"

namespace clawpatrol {

class WorkerThread {
 public:
  static std::expected<std::unique_ptr<WorkerThread>, Error> create(Shared& shared, std::size_t index);
  ~WorkerThread();  // after finish()
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;

  void start();
  Worker& worker() { return *worker_; }

  // From the control thread. Accepts from this listener; the one before it is closed once nothing waits in
  // it.
  void listen(Fd listener);
  // Accepts nothing more. Flows go on.
  void stop_accepting();
  // Ends the loop once no flow runs (they have been asked to close), and joins. False: some flow did not end
  // by the deadline, and the thread still runs.
  bool finish(Clock::time_point deadline);

 private:
  struct Listening {
    Fd socket;
    std::unique_ptr<Ring::Acceptor> acceptor;
  };
  explicit WorkerThread(std::unique_ptr<Worker> worker);
  static Task<void> retire(std::unique_ptr<Listening> listening);
  static Task<void> stop_when_idle(Worker& worker, TaskGroup& listeners);

  std::unique_ptr<Worker> worker_;
  TaskGroup listeners_;
  TaskGroup ending_;
  std::unique_ptr<Listening> listening_;
  std::thread thread_;
  std::atomic<bool> ended_{false};
};

}  // namespace clawpatrol
