#include "daemon/ring/ring.h"

#include <fmt/format.h>
#include <liburing.h>
#include <sched.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "daemon/ring/restrictions.h"

namespace clawpatrol {

namespace {

// About what it takes a server to answer a small query, and less than to wake a few threads whose cores have
// gone to sleep.
constexpr auto longest_look = std::chrono::microseconds(100);
// Completions of a turn behind which the next one does not have to be looked for: so many are on their way
// that others have better use for the core.
constexpr unsigned busy_turn = 3;
// Completions of one turn. What a turn decides leaves at its end, behind one write of the audit log: with
// more, servers lie idle meanwhile and then are all woken at once; with fewer, that write is for too few.
constexpr unsigned most_in_a_turn = 8;
constexpr std::uint8_t no_opcode = 0xff;  // a wait without an operation

}  // namespace

// ---- operations
// -------------------------------------------------------------------------------------------------

void Operation::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  if (request_.opcode != no_opcode) ring_.submit(request_, *this);
  ring_.timers_.arm(*this, deadline_);
}

void Operation::complete(std::int32_t result, std::uint32_t) {
  ring_.timers_.disarm(*this);
  result_ = expired_ && result == -ECANCELED ? -ETIMEDOUT : result;
  waiter_.resume();
}

void Operation::expire() {
  expired_ = true;
  if (request_.opcode != no_opcode) return ring_.cancel(*this);
  result_ = -ETIMEDOUT;
  waiter_.resume();
}

// ---- events
// -----------------------------------------------------------------------------------------------------

Event::~Event() {
  assert(waiting_.empty());
}

void Event::notify() {
  for (Wait* wait : waiting_) {
    ring_.timers().disarm(*wait);
    ring_.resume_soon(wait->waiter_);
  }
  waiting_.clear();
}

void Event::Wait::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  event_.waiting_.push_back(this);
  event_.ring_.timers().arm(*this, deadline_);
}

void Event::Wait::expire() {
  expired_ = true;
  std::erase(event_.waiting_, this);
  event_.ring_.resume_soon(waiter_);
}

// ---- waking from another thread
// ---------------------------------------------------------------------------------

class Ring::Waker final : public Completion {
 public:
  explicit Waker(Ring& ring) : ring_(ring) {}
  void arm() {
    ring_.submit(
        {.opcode = IORING_OP_READ, .fd = ring_.wake_.get(), .address = &counter_, .length = sizeof counter_},
        *this);
  }
  void complete(std::int32_t, std::uint32_t) override {
    ring_.drain_posts();
    arm();
  }

 private:
  Ring& ring_;
  std::uint64_t counter_ = 0;
};

// ---- the ring
// ---------------------------------------------------------------------------------------------------

std::expected<std::unique_ptr<Ring>, Error> Ring::create(const Options& options) {
  std::unique_ptr<Ring> made(new Ring);
  made->ring_ = std::make_unique<io_uring>();
  io_uring_params params{};
  // The thread that enables the ring, in run(), becomes the one that may submit.
  params.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  params.cq_entries = options.completions;
  int result = io_uring_queue_init_params(options.entries, made->ring_.get(), &params);
  if (result < 0) {
    made->ring_.reset();
    Error error = os_error(-result, "io_uring_setup failed");
    if (result == -EPERM) error.what += "\nhint: allow it: sysctl kernel.io_uring_disabled=0";
    if (result == -EINVAL) error.what += "\nhint: Linux 6.1 or newer is needed";
    return std::unexpected(error);
  }
  if (result = restrict_operations(*made->ring_); result < 0)
    return std::unexpected(os_error(-result, "io_uring_register_restrictions failed"));
  made->wake_ = Fd(eventfd(0, EFD_CLOEXEC));
  if (!made->wake_) return std::unexpected(os_error(errno, "eventfd failed"));
  made->waker_ = std::make_unique<Waker>(*made);
  made->waker_->arm();
  return made;
}

Ring::~Ring() {
  if (ring_) io_uring_queue_exit(ring_.get());
}

void Ring::run() {
  if (!enabled_) {
    if (int result = io_uring_enable_rings(ring_.get()); result < 0) {
      fmt::print(stderr, "io_uring_enable_rings failed: {}\n", std::strerror(-result));
      std::abort();
    }
    enabled_ = true;
  }
  stopping_ = false;
  while (true) {
    finish_turn();
    if (stopping_) return;
    wait();
    now_ = Clock::now();
    for (auto& action : turn_begin_) action();
    take_completions();
    timers_.advance(now_);
  }
}

// Runs what is ready and the end-of-turn work until neither makes more of the other.
void Ring::finish_turn() {
  do {
    run_ready();
    for (auto& action : turn_end_) action();
  } while (!ready_.empty());
}

// Putting a thread to sleep and waking it costs more than most waits for a server or a busy client last. So
// while waits have lately been that short and few connections are served, looks for a completion for as long
// before it sleeps, and lets others run meanwhile. Returns whether there is one.
bool Ring::look_before_sleeping() {
  if (!waits_are_short_ || taken_ >= busy_turn) return false;
  if (io_uring_sq_ready(ring_.get()) > 0) io_uring_submit(ring_.get());
  if (io_uring_cq_ready(ring_.get()) > 0) return true;
  for (auto& action : idle_) action();
  if (!ready_.empty()) return true;
  const auto end = Clock::now() + longest_look;
  do {
    if (io_uring_cq_ready(ring_.get()) > 0) return true;
    if (kernel_flags() & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW))
      io_uring_get_events(ring_.get());
    else
      sched_yield();
  } while (Clock::now() < end);
  return io_uring_cq_ready(ring_.get()) > 0;
}

unsigned Ring::kernel_flags() const {
  return std::atomic_ref(*ring_->sq.kflags).load(std::memory_order_acquire);
}

void Ring::wait() {
  if (std::exchange(again_, false)) {
    io_uring_submit_and_get_events(ring_.get());
    return;
  }
  if (!look_before_sleeping()) {
    const auto slept = Clock::now();
    sleep();
    waits_are_short_ = Clock::now() - slept < longest_look;
  }
  // What completes as it is submitted ends a wait before the kernel has looked at any other operation: a few
  // connections that always have something would keep all others from their turn.
  if (kernel_flags() & IORING_SQ_TASKRUN) io_uring_get_events(ring_.get());
}

void Ring::sleep() {
  io_uring_cqe* first = nullptr;
  std::optional<Clock::time_point> next = timers_.next();
  if (!next) {
    io_uring_submit_and_wait(ring_.get(), 1);
    return;
  }
  auto span = std::max(Clock::duration::zero(), *next - Clock::now());
  auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(span).count();
  __kernel_timespec timeout{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
  io_uring_submit_and_wait_timeout(ring_.get(), &first, 1, &timeout, nullptr);
}

void Ring::take_completions() {
  io_uring_cqe* cqe = nullptr;
  // One at a time, advanced before it is acted on: what it resumes may submit, and so enter the kernel.
  for (taken_ = 0; taken_ < most_in_a_turn; ++taken_) {
    if (io_uring_peek_cqe(ring_.get(), &cqe) != 0 || !cqe) return;
    auto* completion = static_cast<Completion*>(io_uring_cqe_get_data(cqe));
    std::int32_t result = cqe->res;
    std::uint32_t flags = cqe->flags;
    io_uring_cqe_seen(ring_.get(), cqe);
    if (completion) completion->complete(result, flags);
  }
}

void Ring::stop() {
  post([this] { stopping_ = true; });
}

// Under the lock to its end: what is posted may be the last that keeps the ring from being destroyed.
void Ring::post(std::function<void()> action) {
  std::lock_guard lock(posts_mutex_);
  posts_.push_back(std::move(action));
  if (posts_.size() > 1) return;  // somebody has woken it already
  std::uint64_t one = 1;
  [[maybe_unused]] ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

void Ring::drain_posts() {
  std::vector<std::function<void()>> actions;
  {
    std::lock_guard lock(posts_mutex_);
    actions.swap(posts_);
  }
  for (auto& action : actions) action();
}

void Ring::run_ready() {
  while (!ready_.empty()) {
    running_.swap(ready_);
    for (std::coroutine_handle<> task : running_) task.resume();
    running_.clear();
  }
}

void Ring::on_turn_end(std::function<void()> action) {
  turn_end_.push_back(std::move(action));
}

void Ring::on_turn_begin(std::function<void()> action) {
  turn_begin_.push_back(std::move(action));
}

void Ring::on_idle(std::function<void()> action) {
  idle_.push_back(std::move(action));
}

void Ring::resume_soon(std::coroutine_handle<> task) {
  ready_.push_back(task);
}

io_uring_sqe* Ring::entry() {
  io_uring_sqe* sqe = io_uring_get_sqe(ring_.get());
  while (!sqe) {
    io_uring_submit(ring_.get());
    sqe = io_uring_get_sqe(ring_.get());
  }
  return sqe;
}

void Ring::submit(const Operation::Request& request, Completion& completion) {
  io_uring_sqe* sqe = entry();
  io_uring_prep_rw(request.opcode, sqe, request.fd, request.address, request.length, request.offset);
  sqe->msg_flags = request.operation_flags;  // one union of per-operation flags
  sqe->ioprio = request.priority;
  io_uring_sqe_set_data(sqe, &completion);
}

void Ring::cancel(Completion& completion) {
  io_uring_sqe* sqe = entry();
  io_uring_prep_cancel(sqe, &completion, 0);
  io_uring_sqe_set_data(sqe, nullptr);
}

Operation Ring::recv(int fd, std::span<char> buffer, Deadline deadline) {
  // Most often nothing is there yet: arm the poll first and save the failed attempt.
  return {*this,
          {.opcode = IORING_OP_RECV,
           .fd = fd,
           .address = buffer.data(),
           .length = static_cast<std::uint32_t>(buffer.size()),
           .priority = IORING_RECVSEND_POLL_FIRST},
          deadline};
}

Operation Ring::send(int fd, std::string_view bytes, Deadline deadline) {
  return {*this,
          {.opcode = IORING_OP_SEND,
           .fd = fd,
           .address = bytes.data(),
           .length = static_cast<std::uint32_t>(bytes.size()),
           .operation_flags = MSG_NOSIGNAL},
          deadline};
}

Operation Ring::recv_message(int fd, msghdr* message, Deadline deadline) {
  return {*this, {.opcode = IORING_OP_RECVMSG, .fd = fd, .address = message, .length = 1}, deadline};
}

Operation Ring::send_message(int fd, const msghdr* message, Deadline deadline) {
  return {*this,
          {.opcode = IORING_OP_SENDMSG,
           .fd = fd,
           .address = message,
           .length = 1,
           .operation_flags = MSG_NOSIGNAL},
          deadline};
}

Operation Ring::connect(int fd, const sockaddr* address, socklen_t length, Deadline deadline) {
  return {*this, {.opcode = IORING_OP_CONNECT, .fd = fd, .address = address, .offset = length}, deadline};
}

Operation Ring::poll(int fd, std::uint32_t events, Deadline deadline) {
  return {*this, {.opcode = IORING_OP_POLL_ADD, .fd = fd, .operation_flags = events}, deadline};
}

Operation Ring::sleep_until(Deadline deadline) {
  return {*this, {.opcode = no_opcode}, deadline};
}

Ring::SendAll Ring::send_all(int fd, std::string_view bytes, Deadline deadline) {
  return {*this, fd, bytes, deadline};
}

bool Ring::SendAll::await_ready() {
  const ssize_t sent = ::send(fd_, bytes_.data(), bytes_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent > 0) bytes_.remove_prefix(static_cast<std::size_t>(sent));
  if (bytes_.empty()) return true;
  rest_.emplace(ring_.send_rest(fd_, bytes_, deadline_));
  return rest_->done();
}

void Ring::SendAll::await_suspend(std::coroutine_handle<> waiter) {
  (*rest_).operator co_await().await_suspend(waiter);
}

std::expected<void, Error> Ring::SendAll::await_resume() {
  if (!rest_) return {};
  return (*rest_).operator co_await().await_resume();
}

Task<std::expected<void, Error>> Ring::send_rest(int fd, std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    std::int32_t sent = co_await send(fd, bytes, deadline);
    if (sent == -EINTR || sent == -EAGAIN) continue;
    if (sent < 0) co_return std::unexpected(os_error(-sent, "send failed"));
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  co_return std::expected<void, Error>{};
}

// ---- accepting
// --------------------------------------------------------------------------------------------------

Ring::Acceptor::Acceptor(Ring& ring, int listener, std::function<void(Fd)> accepted)
    : ring_(ring), listener_(listener), accepted_(std::move(accepted)), closed_(ring) {}

void Ring::Acceptor::start() {
  armed_ = true;
  ring_.submit({.opcode = IORING_OP_ACCEPT,
                .fd = listener_,
                .operation_flags = SOCK_CLOEXEC,
                .priority = IORING_ACCEPT_MULTISHOT},
               *this);
}

void Ring::Acceptor::complete(std::int32_t result, std::uint32_t flags) {
  armed_ = flags & IORING_CQE_F_MORE;
  if (result >= 0) {
    Fd socket(result);
    if (!closing_) accepted_(std::move(socket));
  } else if (result != -ECANCELED) {
    ++failures_;
  }
  if (armed_) return;
  if (closing_) return closed_.notify();
  // Out of descriptors or memory: accepting again at once would spin.
  if (result < 0)
    ring_.timers_.arm(*this, Deadline::after(std::chrono::milliseconds(100)));
  else
    start();
}

void Ring::Acceptor::expire() {
  if (!closing_) start();
}

Task<void> Ring::Acceptor::close() {
  closing_ = true;
  ring_.timers_.disarm(*this);
  if (armed_) ring_.cancel(*this);
  while (armed_) co_await closed_.wait(Deadline::never());
}

}  // namespace clawpatrol
