#include "daemon/gateway/analysts.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <limits>

namespace clawpatrol {

Analysts::Analysts(std::size_t threads) {
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { serve(); });
}

Analysts::~Analysts() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool Analysts::start(std::uint32_t peer_id, std::size_t bytes, Work work) {
  return add(peer_id, {bytes, std::move(work)}, waiting_per_peer);
}

Task<void> Analysts::run(Ring& ring, std::uint32_t peer_id, Work work) {
  Event changed(ring);
  bool done = false;
  auto work_and_tell = [&] {
    work();
    ring.post([&] {
      done = true;
      changed.notify();
    });
  };
  add(peer_id, {0, work_and_tell}, std::numeric_limits<std::size_t>::max());
  while (!done) co_await changed.wait(Deadline::never());  // work ends by itself
}

bool Analysts::add(std::uint32_t peer_id, Job job, std::size_t most) {
  {
    std::lock_guard lock(mutex_);
    Queue& queue = waiting_[peer_id];
    // The first is always taken, so that no queue is left empty.
    if (!queue.jobs.empty() && queue.bytes + job.bytes > most) return false;
    queue.bytes += job.bytes;
    queue.jobs.push_back(std::move(job));
  }
  wake_.notify_one();
  return true;
}

void Analysts::serve() {
  // Of this thread alone: the rings go first where cores are few. Under systemd the unit forbids it, and does
  // it itself, by this name (ExecStartPost).
  ::prctl(PR_SET_NAME, "cp-analyst", 0, 0, 0);
  ::setpriority(PRIO_PROCESS, 0, 10);
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    auto next = waiting_.upper_bound(served_last_);
    if (next == waiting_.end()) next = waiting_.begin();
    served_last_ = next->first;
    Queue& queue = next->second;
    Job job = std::move(queue.jobs.front());
    queue.jobs.pop_front();
    queue.bytes -= job.bytes;
    if (queue.jobs.empty()) waiting_.erase(next);
    lock.unlock();
    job.work();
    job = {};
    lock.lock();
  }
}

}  // namespace clawpatrol
