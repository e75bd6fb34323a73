#include "daemon/gateway/http/http1_upstream.h"

#include <openssl/crypto.h>
#include <sys/socket.h>

#include "daemon/credentials/wiped_frees.h"
#include "daemon/gateway/sockets.h"
#include "parsers/http1/write.h"

namespace clawpatrol::http {
namespace {

using Sent = std::expected<void, Error>;
using Part = std::expected<BodyPart, Error>;

constexpr std::size_t most_buffered = http1::max_head;

std::unexpected<Error> malformed(std::string_view why) {
  return std::unexpected(Error{EPROTO, "the server's response is malformed: " + std::string(why)});
}

// What was sent may have held a secret, and a connection can be idle for long.
void forget(std::string& sent) {
  OPENSSL_cleanse(sent.data(), sent.size());
  sent.clear();
}

}  // namespace

Http1Upstream::Http1Upstream(std::unique_ptr<Stream> stream, std::uint16_t default_port, std::string address)
    : stream_(std::move(stream)),
      default_port_(default_port),
      address_(std::move(address)),
      buffer_(most_buffered) {}

bool Http1Upstream::reusable() const {
  return all_sent_ && keep_alive_ && !changed_ && !broken_ && reader_.at_rest() && buffer_.view().empty() &&
         !stream_->has_unread();
}

bool Http1Upstream::quiet() const {
  char byte = 0;
  return reusable() && ::recv(stream_->fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

Task<Sent> Http1Upstream::send_head(const RequestHead& head, Deadline deadline) {
  ++exchanges_;
  all_sent_ = answered_ = changed_ = false;
  part_ = 0;
  asked_ = head.method == "HEAD" ? http1::Asked::head : http1::Asked::ordinary;
  chunked_ = head.has_body && !head.content_length;
  length_left_ = head.content_length.value_or(0);
  out_.clear();
  std::expected<void, std::string_view> written;
  {
    const credentials::WipedFrees wiped;
    written = http1::append_request(out_, head, default_port_);
  }
  if (!written) {
    broken_ = true;
    co_return std::unexpected(Error{EINVAL, std::string(written.error())});
  }
  reader_.expect(asked_);
  Sent sent = co_await stream_->send_all(out_, deadline);
  forget(out_);
  co_return sent;
}

Task<Sent> Http1Upstream::send(std::string_view bytes, Deadline deadline) {
  if (broken_) co_return std::unexpected(Error{ECONNABORTED, "broken off"});
  if (bytes.empty()) co_return Sent{};
  if (chunked_) {
    out_.clear();
    http1::append_chunk_size(out_, bytes.size());
    out_.append(bytes).append("\r\n");
    bytes = out_;
  } else if (!changed_) {
    if (bytes.size() > length_left_)
      co_return std::unexpected(Error{EPROTO, "the body is longer than its head said"});
    length_left_ -= bytes.size();
  }
  Sent sent = co_await stream_->send_all(bytes, deadline);
  if (chunked_) forget(out_);
  co_return sent;
}

Task<Sent> Http1Upstream::finish(const Fields& trailers, Deadline deadline) {
  if (changed_) {
    stream_->shut_down(SHUT_WR);
    co_return Sent{};
  }
  if (length_left_ > 0 || broken_)
    co_return std::unexpected(Error{EPROTO, "the body is shorter than its head said"});
  Sent sent;
  if (chunked_) {
    out_.clear();
    http1::append_last_chunk(out_, trailers);
    sent = co_await stream_->send_all(out_, deadline);
  }
  all_sent_ = sent.has_value();
  co_return sent;
}

// False: the connection has ended.
Task<std::expected<bool, Error>> Http1Upstream::receive(Deadline deadline) {
  std::span<char> space = buffer_.space();
  if (space.empty()) co_return malformed("more than is buffered belongs together");
  const int count = co_await stream_->recv(space, deadline);
  if (count < 0) co_return std::unexpected(os_error(-count, "receive from the server"));
  if (count == 0) co_return false;
  answered_ = true;
  buffer_.received(static_cast<std::size_t>(count));
  co_return true;
}

void Http1Upstream::drop_part() {
  buffer_.consume(std::exchange(part_, 0));
}

Task<std::expected<ResponseHead, Error>> Http1Upstream::read_head(Deadline deadline) {
  drop_part();
  while (true) {
    auto step = reader_.next(buffer_.view());
    if (auto* wrong = std::get_if<Malformed>(&step)) co_return malformed(wrong->why);
    if (auto* parsed = std::get_if<Parsed<http1::ResponseEvent>>(&step)) {
      const auto& start = std::get<http1::ResponseStart>(parsed->event);
      ResponseHead head = response_head(start, asked_);
      if (start.status >= 200) keep_alive_ = start.keep_alive;
      changed_ = start.status == 101;
      if (start.framing == http1::Framing::until_close) keep_alive_ = false;
      buffer_.consume(parsed->size);
      co_return head;
    }
    auto received = co_await receive(deadline);
    if (!received) co_return std::unexpected(received.error());
    if (!*received)
      co_return std::unexpected(Error{ECONNRESET, "the server closed the connection without a response"});
  }
}

Task<Part> Http1Upstream::read(Deadline deadline) {
  drop_part();
  if (changed_) {
    Part part = co_await read_changed(deadline);
    co_return part;
  }
  while (true) {
    auto step = reader_.next(buffer_.view());
    if (auto* wrong = std::get_if<Malformed>(&step)) co_return malformed(wrong->why);
    if (auto* parsed = std::get_if<Parsed<http1::ResponseEvent>>(&step)) {
      if (auto* data = std::get_if<http1::Data>(&parsed->event)) {
        part_ = parsed->size;
        co_return BodyPart{.bytes = data->bytes};
      }
      BodyPart part{.end = true, .trailers = trailers_of(std::get<http1::End>(parsed->event))};
      buffer_.consume(parsed->size);
      co_return part;
    }
    auto received = co_await receive(deadline);
    if (!received) co_return std::unexpected(received.error());
    if (*received) continue;
    if (reader_.ends_here()) co_return BodyPart{.end = true};
    co_return std::unexpected(Error{ECONNRESET, "the server closed the connection within a response"});
  }
}

Task<Part> Http1Upstream::read_changed(Deadline deadline) {
  if (buffer_.view().empty()) {
    auto received = co_await receive(deadline);
    if (!received) co_return std::unexpected(received.error());
    if (!*received) co_return BodyPart{.end = true};
  }
  part_ = buffer_.view().size();
  co_return BodyPart{.bytes = buffer_.view()};
}

void Http1Upstream::break_off() {
  broken_ = true;
  disconnect(stream_->fd());
}

}  // namespace clawpatrol::http
