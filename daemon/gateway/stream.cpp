#include "daemon/gateway/stream.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "daemon/gateway/spare_text.h"

namespace clawpatrol {

using tls::Session;

namespace {

constexpr std::size_t most_at_once = 32 << 10;   // two records
constexpr unsigned most_in_a_row = 4;            // receives that do not go through the ring
constexpr unsigned most_reads_in_a_row = 16;     // of what has been received
constexpr std::size_t longest_write = 64 << 10;  // what is held encrypted at a time
constexpr std::size_t most_answers = 64 << 10;   // to who asks for new keys and never lets us write

Error failure_of(const Session& session) {
  return Error{0, session.failure()};
}

}  // namespace

Stream::Stream(Ring& ring, Fd socket) : ring_(ring), socket_(std::move(socket)) {}
Stream::~Stream() = default;

Task<std::expected<void, Error>> Stream::encrypt(std::shared_ptr<const tls::ClientContext> context,
                                                 tls::Wish wish, Deadline deadline) {
  tls_ = Session::client(*context, std::move(wish));
  context_ = std::move(context);
  co_return co_await shake_hands(deadline);
}

Task<std::expected<void, Error>> Stream::accept(std::shared_ptr<const tls::ServerContext> context,
                                                tls::Serving serving, std::string peeked, Deadline deadline) {
  tls_ = Session::server(*context, std::move(serving));
  context_ = std::move(context);
  tls_->received(peeked);
  co_return co_await shake_hands(deadline);
}

Task<std::expected<void, Error>> Stream::shake_hands(Deadline deadline) {
  while (true) {
    const Session::Result result = tls_->handshake();
    auto flushed = co_await flush(deadline);  // an alert too
    if (result == Session::Result::done) co_return flushed;
    if (result == Session::Result::failed) co_return std::unexpected(failure_of(*tls_));
    if (!flushed) co_return flushed;
    const std::int32_t count = co_await receive_some(deadline);
    if (count <= 0)
      co_return std::unexpected(count == 0 ? Error{ECONNRESET, "the other side ended the TLS handshake"}
                                           : os_error(-count, "TLS handshake"));
  }
}

// What has come. The buffer is the thread's: valid until the next call, of any stream, and so not over a
// wait.
std::int32_t Stream::receive_at_once(std::string_view& came) {
  thread_local std::array<char, most_at_once> lent;
  ssize_t count = 0;
  do count = ::recv(fd(), lent.data(), lent.size(), MSG_DONTWAIT);
  while (count < 0 && errno == EINTR);
  came = {lent.data(), count > 0 ? static_cast<std::size_t>(count) : 0};
  // Where there was less than there is room for, nothing is left: to ask again would be in vain.
  if (came.size() < lent.size()) at_once_ = most_in_a_row;
  return static_cast<std::int32_t>(count < 0 ? -errno : count);
}

// A connection that rests holds no buffer, so it waits for its bytes and not in a receive. The ring's other
// connections have their turn while this one waits.
Task<std::int32_t> Stream::receive_some(Deadline deadline) {
  while (true) {
    if (at_once_++ >= most_in_a_row) {
      at_once_ = 0;
      const std::int32_t ready = co_await ring_.poll(fd(), POLLIN, deadline);
      if (ready < 0) co_return ready;
    }
    std::string_view came;
    const std::int32_t count = receive_at_once(came);
    tls_->received(came);
    if (count != -EAGAIN) co_return count;
  }
}

namespace {

// When the ring's others have had theirs; a timer would be milliseconds late.
struct NextTurn {
  Ring& ring;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    ring.post([&ring = ring, waiter] { ring.resume_soon(waiter); });
  }
  void await_resume() const {}
};

}  // namespace

// Never sends: the other side may be sending too, and take nothing before that has been read. What it must be
// answered (a key update) goes before what is written next (RFC 8446, 4.6.3).
Task<std::int32_t> Stream::recv_encrypted(std::span<char> space, Deadline deadline) {
  // Records may hold a byte each, and thousands of them have come at once.
  if (tls_->rests()) {
    reads_ = 0;
  } else if (reads_++ >= most_reads_in_a_row) {
    reads_ = 0;
    co_await NextTurn{ring_};
  }
  std::size_t count = 0;
  Session::Result result = tls_->rests() ? Session::Result::needs_bytes : tls_->read(space, count);
  while (result == Session::Result::needs_bytes && tls_->to_send() <= most_answers) {
    if (at_once_++ >= most_in_a_row) {
      at_once_ = reads_ = 0;
      const std::int32_t ready = co_await ring_.poll(fd(), POLLIN, deadline);
      if (ready < 0) co_return ready;
    }
    std::string_view came;
    const std::int32_t received = receive_at_once(came);
    if (received == -EAGAIN) continue;
    if (received <= 0) co_return received == 0 ? -ECONNRESET : received;
    result = tls_->read_of(came, space, count);
  }
  if (result == Session::Result::done) co_return static_cast<std::int32_t>(count);
  if (result == Session::Result::closed) co_return 0;
  (void)flush_at_once();  // an alert
  co_return -EPROTO;
}

Stream::Arrival::Arrival(Stream& stream, Deadline deadline)
    : stream_(stream), readable_(stream.ring_.poll(stream.fd(), POLLIN, deadline)) {}

Stream::Arrival Stream::arrival(Deadline deadline) {
  return {*this, deadline};
}

std::int32_t Stream::recv_at_once(std::span<char> space) {
  if (!tls_) {
    const ssize_t count = ::recv(fd(), space.data(), space.size(), MSG_DONTWAIT);
    return static_cast<std::int32_t>(count < 0 ? -errno : count);
  }
  std::size_t count = 0;
  Session::Result result = tls_->read(space, count);
  while (result == Session::Result::needs_bytes) {
    std::string_view came;
    const std::int32_t received = receive_at_once(came);
    if (received <= 0) return received == 0 ? -ECONNRESET : received;
    result = tls_->read_of(came, space, count);
  }
  if (result == Session::Result::done) return static_cast<std::int32_t>(count);
  return result == Session::Result::closed ? 0 : -EPROTO;
}

namespace {

// Most connections have nothing on its way.
thread_local SpareText spare;

}  // namespace

// Nearly always the socket takes all of it. False: some of it is on its way, or it has failed, which
// send_encrypted() finds out with what is left of the bytes.
bool Stream::send_at_once(std::string_view& bytes) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, longest_write);
    std::string space;
    spare.lend(space);
    tls_->lend(std::move(space));
    if (tls_->write(piece) != Session::Result::done) return false;
    bytes.remove_prefix(piece.size());
    if (!flush_at_once()) return false;
  }
  return true;
}

Task<std::expected<void, Error>> Stream::send_encrypted(std::string_view bytes, Deadline deadline) {
  auto flushed = co_await flush(deadline);
  while (flushed && !bytes.empty()) {
    const std::string_view piece = bytes.substr(0, longest_write);
    bytes.remove_prefix(piece.size());
    if (tls_->write(piece) != Session::Result::done) co_return std::unexpected(failure_of(*tls_));
    flushed = co_await flush(deadline);
  }
  co_return flushed;
}

Task<std::expected<void, Error>> Stream::flush(Deadline deadline) {
  std::expected<void, Error> sent;
  while (sent && !flush_at_once()) {
    flushing_ = true;
    sent = co_await ring_.send_all(fd(), std::string_view(sending_).substr(sent_), deadline);
    flushing_ = false;
    sent_ = sending_.size();
  }
  co_return sent;
}

// As far as the socket takes it, and not in the midst of another write. True: nothing is left.
bool Stream::flush_at_once() {
  if (flushing_) return false;
  while (true) {
    if (sent_ == sending_.size()) {
      spare.give_back(sending_);
      sent_ = 0;
      tls_->take_to_send(sending_);
    }
    if (sending_.empty()) return true;
    const std::string_view rest = std::string_view(sending_).substr(sent_);
    const ssize_t count = ::send(fd(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) sent_ += static_cast<std::size_t>(count);
    if (sent_ < sending_.size()) return false;
  }
}

void Stream::knock() {
  if (!tls_) return;
  tls_->knock();
  (void)flush_at_once();
}

void Stream::shut_down(int how) {
  if (tls_ && how != SHUT_RD) {
    tls_->close();
    (void)flush_at_once();
  }
  ::shutdown(fd(), how);
}

}  // namespace clawpatrol
