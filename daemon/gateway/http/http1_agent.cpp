#include "daemon/gateway/http/http1_agent.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <utility>

#include "daemon/gateway/sockets.h"
#include "daemon/gateway/spare_text.h"

namespace clawpatrol::http {
namespace {

using Sent = std::expected<void, Error>;
using Part = std::expected<BodyPart, Error>;

constexpr std::size_t most_buffered = http1::max_head + (8 << 10);
// Of a request that is not wanted, so that its connection can be used again.
constexpr std::size_t most_drained = 256 << 10;
// After the last answer, so that what the agent still sends does not have the kernel reset the connection and
// the answer with it.
constexpr auto lingering_time = std::chrono::seconds(30);
constexpr std::size_t most_lingered = 64 << 20;
// How often a connection whose agent sends no more is looked at.
constexpr auto reset_check = std::chrono::milliseconds(200);

// For what is sent: a connection that rests holds none of it.
thread_local SpareText spare;

std::unexpected<Error> ended() {
  return std::unexpected(Error{ECONNRESET, "the agent closed the connection"});
}

std::unexpected<Error> receive_error(int result) {
  if (result == 0) return ended();
  return std::unexpected(os_error(-result, "receive from the agent"));
}

}  // namespace

Http1Agent::Http1Agent(Ring& ring, Stream& stream, Times times)
    : ring_(ring),
      stream_(stream),
      times_(times),
      buffer_(most_buffered),
      closing_(ring),
      watching_(watch()) {}

// For the agent's end, as long as the connection: one poll, that costs a request nothing.
Task<void> Http1Agent::watch() {
  const std::int32_t came = co_await ring_.poll(stream_.fd(), POLLRDHUP, Deadline::never());
  if (closed_ || broken_ || came < 0) co_return;
  sends_no_more_ = !reading_ended_;
  note_end(static_cast<unsigned>(came));
  // A reset may follow. io_uring reports an end of sending whether one asks for it or not: a second poll
  // would not wait.
  while (!gone_) {
    co_await closing_.wait(Deadline::after(reset_check));
    if (closed_ || broken_) co_return;
    pollfd reset{.fd = stream_.fd(), .events = 0, .revents = 0};
    if (::poll(&reset, 1, 0) == 1) note_end(static_cast<unsigned>(reset.revents));
  }
}

void Http1Agent::note_end(unsigned events) {
  reset_ = (events & POLLERR) != 0;
  gone_ = (events & (POLLHUP | POLLERR)) != 0;
  look_for_end();
}

void Http1Agent::look_for_end() {
  if (!broken_off_ || broken_ || !has_left()) return;
  gone_ = last_ = true;
  broken_off_();
}

// Only while nothing reads: who does sees it, or reads on until the end of what had come before it. After a
// change of protocol both directions are read, but not what comes behind the end of this one.
bool Http1Agent::has_left() {
  if (changed_) return reset_;
  return body_over_ && (gone_ || (sends_no_more_ && !may_still_read()));
}

// An agent that sends no more may still read, as of `printf ... | nc`. Not where TLS has ended without a
// word, as with a process that was killed, nor where TLS before 1.3 has ended at all. A socket that is still
// read and one that no process holds look alike until they are sent something: a ticket, where there is TLS;
// else our kernel asks, and the other answers with a reset once it has forgotten the socket (a minute, in
// Linux).
bool Http1Agent::may_still_read() {
  std::int32_t count = 1;
  while (count > 0 && stream_.encrypted()) {
    const std::span<char> space = buffer_.space();
    if (space.empty()) return true;  // there are requests before the end
    count = stream_.recv_at_once(space);
    if (count > 0) buffer_.received(static_cast<std::size_t>(count));
  }
  if (count < 0 || (count == 0 && !stream_.tls()->ends_by_halves())) return false;
  const int probe_s = 10;
  ::setsockopt(stream_.fd(), IPPROTO_TCP, TCP_KEEPIDLE, &probe_s, sizeof probe_s);
  ::setsockopt(stream_.fd(), IPPROTO_TCP, TCP_KEEPINTVL, &probe_s, sizeof probe_s);
  stream_.knock();
  return true;
}

void Http1Agent::on_broken_off(std::function<void()> told) {
  broken_off_ = std::move(told);
  look_for_end();
}

// As Ring::recv; 0 too where nothing is to be read any more.
Task<int> Http1Agent::receive(Deadline deadline) {
  if (reading_ended_ || broken_) co_return 0;
  std::span<char> space = buffer_.space();
  if (space.empty()) co_return -EMSGSIZE;
  const int count = co_await stream_.recv(space, deadline);
  if (count > 0) buffer_.received(static_cast<std::size_t>(count));
  co_return reading_ended_&& count > 0 ? 0 : count;
}

Task<Http1Agent::Next> Http1Agent::next() {
  if (buffer_.view().empty()) buffer_.release();
  Deadline deadline = Deadline::after(buffer_.view().empty() ? times_.idle : times_.head);
  bool begun = !buffer_.view().empty();
  between_ = !begun && finished_;  // a first request may be on its way
  while (true) {
    auto step = reader_.next(buffer_.view());
    if (auto* wrong = std::get_if<Malformed>(&step)) {
      why_ = wrong->why;
      begin({.method = "GET", .target = "/"});
      last_ = body_over_ = true;
      co_return Next::malformed;
    }
    if (auto* parsed = std::get_if<Parsed<http1::Event>>(&step)) {
      const auto& head = std::get<http1::Head>(parsed->event);
      begin(request_head(head));
      minor_version_ = head.minor_version;
      last_ = leaving_ || !head.keep_alive || !head.upgrade.empty();
      buffer_.consume(parsed->size);
      if (body_over_) (void)reader_.next("");  // the end of a body that is none covers no byte
      co_return Next::request;
    }
    if (!begun && stream_.encrypted()) {  // a connection that rests holds no buffer
      const std::int32_t arrived = co_await stream_.arrival(deadline);
      if (arrived < 0) co_return Next::ended;
    }
    const int count = co_await receive(deadline);
    if (count <= 0) co_return Next::ended;
    if (!begun) deadline = Deadline::after(times_.head);
    begun = true;
    between_ = false;
  }
}

void Http1Agent::begin(RequestHead head) {
  head_ = std::move(head);
  minor_version_ = 1;
  part_ = 0;
  body_over_ = !head_.has_body;
  body_begun_ = last_ = answered_ = finished_ = changed_ = head_waits_ = false;
  body_end_ = http1::BodyEnd::none;
}

void Http1Agent::drop_part() {
  buffer_.consume(std::exchange(part_, 0));
}

Task<Part> Http1Agent::read(Deadline deadline) {
  drop_part();
  if (changed_) {
    Part part = co_await read_changed(deadline);
    co_return part;
  }
  body_begun_ = true;
  while (!body_over_) {
    auto step = reader_.next(buffer_.view());
    if (auto* wrong = std::get_if<Malformed>(&step)) {
      why_ = wrong->why;
      last_ = true;
      co_return std::unexpected(Error{EPROTO, std::string(wrong->why)});
    }
    if (auto* parsed = std::get_if<Parsed<http1::Event>>(&step)) {
      if (auto* data = std::get_if<http1::Data>(&parsed->event)) {
        part_ = parsed->size;
        co_return BodyPart{.bytes = data->bytes};
      }
      body_over_ = true;
      BodyPart part{.end = true, .trailers = trailers_of(std::get<http1::End>(parsed->event))};
      buffer_.consume(parsed->size);
      look_for_end();
      co_return part;
    }
    const int count = co_await receive(deadline);
    if (count <= 0) {
      last_ = true;
      co_return receive_error(count);
    }
  }
  co_return BodyPart{.end = true};
}

Task<Part> Http1Agent::read_changed(Deadline deadline) {
  if (buffer_.view().empty()) {
    const int count = co_await receive(deadline);
    if (count == 0) co_return BodyPart{.end = true};
    if (count < 0) co_return receive_error(count);
  }
  part_ = buffer_.view().size();
  co_return BodyPart{.bytes = buffer_.view()};
}

Task<Sent> Http1Agent::send_all(std::string_view bytes, Deadline deadline) {
  if (broken_) co_return ended();
  Sent sent = co_await stream_.send_all(bytes, deadline);
  if (!sent) last_ = true;
  co_return sent;
}

http1::ResponseForm Http1Agent::form_of(const ResponseHead& head) {
  using http1::BodyEnd;
  http1::ResponseForm form;
  form.asked = head_.method == "HEAD" ? http1::Asked::head : http1::Asked::ordinary;
  if (head.has_body)
    form.end = head.content_length ? BodyEnd::length : minor_version_ ? BodyEnd::chunked : BodyEnd::by_close;
  else if (http1::may_have_body(head.status, form.asked))
    form.end = BodyEnd::length;  // HTTP/2 can end a response with its head
  // Whether an agent that was not told to continue sends its body all the same cannot be known.
  const bool unknown_rest = head_.expects_continue && !body_begun_ && !body_over_;
  if (form.end == BodyEnd::by_close || unknown_rest) last_ = true;
  form.connection = last_ ? "close" : minor_version_ == 0 ? "keep-alive" : "";
  return form;
}

Task<Sent> Http1Agent::send_head(const ResponseHead& head, Deadline deadline) {
  const bool changes = head.status == 101;
  if (head.status < 200 && minor_version_ == 0) co_return Sent{};  // it would take it for the last
  http1::ResponseForm form;
  if (changes) form.connection = "Upgrade";
  if (head.status >= 200) form = form_of(head);
  if (out_.empty()) spare.lend(out_);
  out_.clear();
  auto written = http1::append_response(out_, head, form);
  if (!written) co_return std::unexpected(Error{EPROTO, std::string(written.error())});
  if (changes) changed_ = last_ = true;
  if (changes || head.status >= 200) answered_ = true;
  body_end_ = form.end;
  length_left_ = form.end == http1::BodyEnd::length ? head.content_length.value_or(0) : 0;
  head_waits_ = form.end != http1::BodyEnd::none;
  if (head_waits_) co_return Sent{};
  Sent sent = co_await send_all(out_, deadline);
  co_return sent;
}

Task<Sent> Http1Agent::flush(Deadline deadline) {
  if (!std::exchange(head_waits_, false)) co_return Sent{};
  Sent sent = co_await send_all(out_, deadline);
  co_return sent;
}

// For what is to be sent with it.
void Http1Agent::keep_waiting_head() {
  if (!std::exchange(head_waits_, false)) out_.clear();
}

Task<Sent> Http1Agent::send(std::string_view bytes, Deadline deadline) {
  if (bytes.empty()) co_return Sent{};
  const bool behind_head = head_waits_;
  if (body_end_ == http1::BodyEnd::chunked) {
    keep_waiting_head();
    http1::append_chunk_size(out_, bytes.size());
    out_.append(bytes).append("\r\n");
    bytes = out_;
  } else if (body_end_ == http1::BodyEnd::length) {
    if (bytes.size() > length_left_)
      co_return std::unexpected(Error{EPROTO, "the body is longer than its head said"});
    length_left_ -= bytes.size();
  } else if (!changed_ && body_end_ == http1::BodyEnd::none) {
    co_return std::unexpected(Error{EPROTO, "a body where there is none"});
  }
  if (behind_head && body_end_ != http1::BodyEnd::chunked) {
    keep_waiting_head();
    bytes = out_.append(bytes);
  }
  Sent sent = co_await send_all(bytes, deadline);
  co_return sent;
}

Task<Sent> Http1Agent::finish(const Fields& trailers, Deadline deadline) {
  if (length_left_ > 0) co_return std::unexpected(Error{EPROTO, "the body is shorter than its head said"});
  finished_ = true;
  if (changed_) stream_.shut_down(SHUT_WR);
  keep_waiting_head();
  if (body_end_ == http1::BodyEnd::chunked) http1::append_last_chunk(out_, trailers);
  if (out_.empty()) co_return Sent{};
  Sent sent = co_await send_all(out_, deadline);
  co_return sent;
}

// A reset: neither the end of the connection nor of TLS may be taken for the body's.
void Http1Agent::break_off() {
  last_ = true;
  if (finished_) return stop_reading();
  broken_ = true;
  disconnect(stream_.fd());
}

void Http1Agent::go_away() {
  stop_reading();
}

void Http1Agent::leave() {
  leaving_ = last_ = true;
  if (between_) stop_reading();
}

void Http1Agent::stop_reading() {
  reading_ended_ = last_ = true;
  ::shutdown(stream_.fd(), SHUT_RD);
}

Task<bool> Http1Agent::finish() {
  if (broken_) co_return false;
  if (!finished_) break_off();
  const Deadline deadline = Deadline::after(times_.farewell);
  std::size_t drained = 0;
  while (!last_ && !body_over_) {
    auto part = co_await read(deadline);
    if (!part) co_return false;
    drained += part->bytes.size();
    if (drained > most_drained) last_ = true;
  }
  drop_part();
  spare.give_back(out_);
  head_ = {};
  co_return !last_;
}

Task<void> Http1Agent::close() {
  if (!broken_) co_await say_goodbye();
  closed_ = true;
  ::shutdown(stream_.fd(), SHUT_RDWR);
  closing_.notify();
  co_await watching_;
}

Task<void> Http1Agent::say_goodbye() {
  stream_.shut_down(SHUT_WR);
  const auto end = Clock::now() + lingering_time;
  std::size_t lingered = 0;
  while (!reading_ended_ && lingered < most_lingered && Clock::now() < end) {
    buffer_.consume(buffer_.view().size());
    const int count = co_await receive(Deadline::after(times_.farewell));
    if (count <= 0) break;
    lingered += static_cast<std::size_t>(count);
  }
}

}  // namespace clawpatrol::http
