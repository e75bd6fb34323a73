// A connected socket, encrypted or not: who reads and writes it need not know. Of one ring.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "daemon/ring/ring.h"
#include "daemon/tls/session.h"

namespace clawpatrol {

class Stream {
 public:
  explicit Stream(Ring& ring, Fd socket = Fd());
  ~Stream();  // after whatever reads or writes it has ended
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Fd& socket() { return socket_; }
  int fd() const { return socket_.get(); }

  // From here on everything is encrypted, once the server has proved that it is who is wished for. Call it
  // when nothing else reads or writes. The error is for an operator.
  Task<std::expected<void, Error>> encrypt(std::shared_ptr<const tls::ClientContext> context, tls::Wish wish,
                                           Deadline deadline);
  // The same as the server. `peeked`: what the client has sent already.
  Task<std::expected<void, Error>> accept(std::shared_ptr<const tls::ServerContext> context,
                                          tls::Serving serving, std::string peeked, Deadline deadline);
  bool encrypted() const { return tls_ != nullptr; }
  // Whether something has been taken from the socket that recv() has not given.
  bool has_unread() const { return tls_ && tls_->has_unread(); }
  // Of a stream that is encrypted; null of another.
  const tls::Session* tls() const { return tls_.get(); }

  // As Ring::recv: 0 is the end. An encrypted end that the other side has not announced, or bytes that fail,
  // are -ECONNRESET and -EPROTO. One at a time.
  class Recv;
  Recv recv(std::span<char> space, Deadline deadline);
  // Waits until recv() need not: for who has no buffer before that. Negative: as recv().
  class Arrival;
  Arrival arrival(Deadline deadline);
  // The same of what is here, without a wait, while no recv() goes on: -EAGAIN where nothing is.
  std::int32_t recv_at_once(std::span<char> space);
  // All of it or an error. One at a time.
  class SendAll;
  SendAll send_all(std::string_view bytes, Deadline deadline);
  // Of a TLS server whose client has said that it sends no more: a word that nobody needs. Where no process
  // holds the client's socket any more, its kernel answers with a reset.
  void knock();
  // shutdown(2); says first, as far as the socket takes it at once, that nothing follows.
  void shut_down(int how);

 private:
  Task<std::int32_t> recv_encrypted(std::span<char> space, Deadline deadline);
  Task<std::expected<void, Error>> send_encrypted(std::string_view bytes, Deadline deadline);
  Task<std::expected<void, Error>> shake_hands(Deadline deadline);
  Task<std::expected<void, Error>> flush(Deadline deadline);
  bool send_at_once(std::string_view& bytes);
  bool flush_at_once();
  Task<std::int32_t> receive_some(Deadline deadline);
  std::int32_t receive_at_once(std::string_view& came);

  Ring& ring_;
  Fd socket_;
  std::shared_ptr<const void> context_;  // the session's, whose generation may be gone
  std::unique_ptr<tls::Session> tls_;
  std::string sending_;    // encrypted, and on its way
  std::size_t sent_ = 0;   // of it
  bool flushing_ = false;  // who has begun to, waits for the socket to take it
  unsigned at_once_ = 0;   // bytes taken without a wait, so many times in a row
  unsigned reads_ = 0;     // of encrypted bytes, likewise
};

class [[nodiscard]] Stream::Recv {
 public:
  Recv(Stream& stream, std::span<char> space, Deadline deadline)
      : stream_(stream),
        space_(space),
        deadline_(deadline),
        plain_(stream.ring_.recv(stream.fd(), space, deadline)) {}
  bool await_ready() {
    if (!stream_.tls_) return false;
    encrypted_.emplace(stream_.recv_encrypted(space_, deadline_));
    return encrypted_->done();
  }
  void await_suspend(std::coroutine_handle<> waiter) {
    if (encrypted_)
      (*encrypted_).operator co_await().await_suspend(waiter);
    else
      plain_.await_suspend(waiter);
  }
  std::int32_t await_resume() {
    return encrypted_ ? (*encrypted_).operator co_await().await_resume() : plain_.await_resume();
  }

 private:
  Stream& stream_;
  std::span<char> space_;
  Deadline deadline_;
  Operation plain_;  // not begun where the stream is encrypted
  std::optional<Task<std::int32_t>> encrypted_;
};

class [[nodiscard]] Stream::Arrival {
 public:
  Arrival(Stream& stream, Deadline deadline);
  bool await_ready() { return stream_.tls_ && !stream_.tls_->rests(); }
  void await_suspend(std::coroutine_handle<> waiter) {
    waited_ = true;
    readable_.await_suspend(waiter);
  }
  std::int32_t await_resume() {
    if (!waited_) return 1;
    stream_.at_once_ = 0;  // the ring's others have had their turn
    return readable_.await_resume();
  }

 private:
  Stream& stream_;
  Operation readable_;
  bool waited_ = false;
};

class [[nodiscard]] Stream::SendAll {
 public:
  SendAll(Stream& stream, std::string_view bytes, Deadline deadline)
      : stream_(stream),
        bytes_(bytes),
        deadline_(deadline),
        plain_(stream.ring_.send_all(stream.fd(), bytes, deadline)) {}
  bool await_ready() {
    if (!stream_.tls_) return plain_.await_ready();
    if (stream_.send_at_once(bytes_)) return true;
    encrypted_.emplace(stream_.send_encrypted(bytes_, deadline_));
    return encrypted_->done();
  }
  void await_suspend(std::coroutine_handle<> waiter) {
    if (encrypted_)
      (*encrypted_).operator co_await().await_suspend(waiter);
    else
      plain_.await_suspend(waiter);
  }
  std::expected<void, Error> await_resume() {
    if (encrypted_) return (*encrypted_).operator co_await().await_resume();
    return stream_.tls_ ? std::expected<void, Error>{} : plain_.await_resume();
  }

 private:
  Stream& stream_;
  std::string_view bytes_;
  Deadline deadline_;
  Ring::SendAll plain_;  // not begun where the stream is encrypted
  std::optional<Task<std::expected<void, Error>>> encrypted_;
};

inline Stream::Recv Stream::recv(std::span<char> space, Deadline deadline) {
  return {*this, space, deadline};
}
inline Stream::SendAll Stream::send_all(std::string_view bytes, Deadline deadline) {
  return {*this, bytes, deadline};
}

}  // namespace clawpatrol
