#include "daemon/gateway/stream.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace clawpatrol {

using tls::Session;

namespace {

constexpr std::size_t most_at_once = 32 << 10;   // two records
constexpr unsigned most_in_a_row = 4;            // receives that do not go through the ring
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

// What has come goes to the session. The buffer is the thread's and lent for a moment: a connection that
// rests holds none, so it waits for its bytes and not in a receive.
Task<std::int32_t> Stream::receive_some(Deadline deadline) {
  thread_local std::array<char, most_at_once> lent;
  while (true) {
    // The ring's other connections have their turn while this one waits.
    if (at_once_++ == most_in_a_row) {
      at_once_ = 0;
      const std::int32_t ready = co_await ring_.poll(fd(), POLLIN, deadline);
      if (ready < 0) co_return ready;
    }
    const ssize_t count = ::recv(fd(), lent.data(), lent.size(), MSG_DONTWAIT);
    if (count > 0) tls_->received({lent.data(), static_cast<std::size_t>(count)});
    if (count >= 0) co_return static_cast<std::int32_t>(count);
    if (errno == EAGAIN) at_once_ = most_in_a_row;
    if (errno != EAGAIN && errno != EINTR) co_return -errno;
  }
}

// Never sends: the other side may be sending too, and take nothing before that has been read. What it must be
// answered (a key update) goes before what is written next (RFC 8446, 4.6.3).
Task<std::int32_t> Stream::recv_encrypted(std::span<char> space, Deadline deadline) {
  while (true) {
    std::size_t count = 0;
    const Session::Result result = tls_->read(space, count);
    if (result == Session::Result::done) co_return static_cast<std::int32_t>(count);
    if (result == Session::Result::closed) co_return 0;
    if (result == Session::Result::failed || tls_->to_send() > most_answers) {
      flush_at_once();  // an alert
      co_return -EPROTO;
    }
    const std::int32_t received = co_await receive_some(deadline);
    if (received <= 0) co_return received == 0 ? -ECONNRESET : received;
  }
}

Task<std::expected<void, Error>> Stream::send_encrypted(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, longest_write);
    bytes.remove_prefix(piece.size());
    if (tls_->write(piece) != Session::Result::done) co_return std::unexpected(failure_of(*tls_));
    auto flushed = co_await flush(deadline);
    if (!flushed) co_return flushed;
  }
  co_return std::expected<void, Error>{};
}

Task<std::expected<void, Error>> Stream::flush(Deadline deadline) {
  sending_.clear();
  tls_->take_to_send(sending_);
  if (sending_.empty()) co_return std::expected<void, Error>{};
  flushing_ = true;
  auto sent = co_await ring_.send_all(fd(), sending_, deadline);
  flushing_ = false;
  std::string().swap(sending_);
  co_return sent;
}

// As far as the socket takes it, and not in the midst of another record.
void Stream::flush_at_once() {
  if (flushing_) return;
  sending_.clear();
  tls_->take_to_send(sending_);
  if (!sending_.empty()) (void)::send(fd(), sending_.data(), sending_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Stream::shut_down(int how) {
  if (tls_ && how != SHUT_RD) {
    tls_->close();
    flush_at_once();
  }
  ::shutdown(fd(), how);
}

}  // namespace clawpatrol
