#include "daemon/gateway/worker_thread.h"

#include <fcntl.h>
#include <poll.h>

#include "daemon/gateway/dispatch.h"

namespace clawpatrol {

std::expected<std::unique_ptr<WorkerThread>, Error> WorkerThread::create(Shared& shared, std::size_t index) {
  auto ring = Ring::create({});
  if (!ring) return std::unexpected(ring.error());
  return std::unique_ptr<WorkerThread>(
      new WorkerThread(std::make_unique<Worker>(shared, std::move(*ring), index)));
}

WorkerThread::WorkerThread(std::unique_ptr<Worker> worker)
    : worker_(std::move(worker)), listeners_(worker_->ring()), ending_(worker_->ring()) {}

WorkerThread::~WorkerThread() {
  if (thread_.joinable()) thread_.join();
}

void WorkerThread::start() {
  thread_ = std::thread([this] {
    worker_->ring().run();
    ended_ = true;
  });
}

void WorkerThread::listen(Fd listener) {
  auto shared = std::make_shared<Fd>(std::move(listener));
  worker_->ring().post([this, shared] {
    if (listening_) listeners_.spawn(retire(std::move(listening_)));
    listening_ = std::make_unique<Listening>();
    listening_->socket = std::move(*shared);
    listening_->acceptor = std::make_unique<Ring::Acceptor>(
        worker_->ring(), listening_->socket.get(),
        [worker = worker_.get()](Fd socket) { dispatch(*worker, std::move(socket)); });
    // A non-blocking listener would answer the ring's accept with EAGAIN instead of waiting.
    int flags = fcntl(listening_->socket.get(), F_GETFL);
    fcntl(listening_->socket.get(), F_SETFL, flags & ~O_NONBLOCK);
    listening_->acceptor->start();
  });
}

Task<void> WorkerThread::retire(std::unique_ptr<Listening> listening) {
  co_await listening->acceptor->close();
}

void WorkerThread::stop_accepting() {
  worker_->ring().post([this] {
    if (listening_) listeners_.spawn(retire(std::move(listening_)));
  });
}

Task<void> WorkerThread::stop_when_idle(Worker& worker, TaskGroup& listeners) {
  co_await listeners.join();
  co_await worker.flows().join();
  worker.ring().stop();
}

bool WorkerThread::finish(Clock::time_point deadline) {
  worker_->ring().post([this] { ending_.spawn(stop_when_idle(*worker_, listeners_)); });
  while (!ended_ && Clock::now() < deadline) ::poll(nullptr, 0, 10);
  if (!ended_) return false;
  thread_.join();
  return true;
}

}  // namespace clawpatrol
