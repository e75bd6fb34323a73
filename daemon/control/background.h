// One thread for what would hold the control thread up, such as looking through a gigabyte of audit log.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace clawpatrol::control {

class Background {
 public:
  explicit Background(std::size_t max_waiting = 8);
  ~Background();  // what has begun is finished, what waits is dropped
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // Runs jobs in turn. False: too many wait already.
  [[nodiscard]] bool run(std::function<void()> job);

 private:
  void loop();

  const std::size_t max_waiting_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace clawpatrol::control
