#include "daemon/gateway/http/http2_connection.h"

#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

namespace clawpatrol::http {

using namespace std::chrono_literals;
using http2::StreamId;

namespace {

constexpr std::size_t received_at_once = 16 << 10;
constexpr std::size_t written_at_once = 64 << 10;
constexpr std::size_t longest_part = 64 << 10;
constexpr auto write_limit = 60s;  // for one write to be taken
constexpr auto linger_limit = 2s;  // for the other side to end, once we have
// For an agent to end the body of a request that has been answered.
constexpr auto remainder_limit = 5s;

Error too_late() {
  return os_error(ETIMEDOUT, "HTTP/2 stream");
}

}  // namespace

Http2Connection::Http2Connection(Ring& ring, Stream& stream, http2::Role role)
    : ring_(ring),
      session_(role, stream.encrypted() ? http2::Scheme::https : http2::Scheme::http, http2::Limits{}),
      stream_(stream),
      to_write_(ring),
      done_(ring) {}

Http2Connection::~Http2Connection() = default;

void Http2Connection::begin(std::string_view already_received) {
  reader_.emplace(read_all(std::string(already_received)));
  writer_.emplace(write_all());
}

Task<void> Http2Connection::read_all(std::string already_received) {
  if (!already_received.empty()) {
    session_.receive(already_received, ring_.now());
    tell();
    already_received = {};
  }
  std::vector<char> space(received_at_once);
  while (!session_.over()) {
    const std::int32_t count = co_await stream_.recv(space, Deadline::never());
    if (count <= 0) break;
    session_.receive({space.data(), static_cast<std::size_t>(count)}, ring_.now());
    tell();
    wake_writer();
  }
  lose();
}

Task<void> Http2Connection::write_all() {
  std::string out;
  while (true) {
    session_.take_output(out, written_at_once);
    tell();
    if (out.empty()) {
      if (lost_ || closing_ || session_.over()) break;
      (void)co_await to_write_.wait(Deadline::never());
      continue;
    }
    auto sent = co_await stream_.send_all(out, Deadline::after(write_limit));
    explicit_bzero(out.data(), out.size());  // an upstream's heads hold secrets
    out.clear();
    if (!sent) break;
    if (waiting_to_send_ > 0)
      for (auto& [id, place] : places_) place.changed.notify();
  }
  stream_.shut_down(SHUT_WR);
  if (!closing_) stream_.shut_down(SHUT_RD);  // the reader may be waiting
  lose();
}

// Nothing more goes either way. Whoever waits sees it.
void Http2Connection::lose() {
  if (!std::exchange(lost_, true)) ended();
  for (auto& [id, place] : places_) {
    place.changed.notify();
    tell_broken_off(place);
  }
  to_write_.notify();
  done_.notify();
}

void Http2Connection::tell_broken_off(Place& place) {
  if (place.has_exchange && place.broken_off) place.broken_off();
}

void Http2Connection::go_away() {
  session_.go_away();
  wake_writer();
}

Task<void> Http2Connection::close() {
  session_.go_away();
  closing_ = true;
  wake_writer();
  co_await *writer_;
  const Deadline deadline = Deadline::after(linger_limit);
  while (!reader_->done())
    if (!co_await done_.wait(deadline)) break;
  stream_.shut_down(SHUT_RDWR);
  co_await *reader_;
}

void Http2Connection::tell() {
  for (http2::Event& event : session_.take_events()) tell(event);
}

void Http2Connection::tell(http2::Event& event) {
  const StreamId id = std::visit([](const auto& each) { return each.stream; }, event);
  auto found = places_.find(id);
  if (found == places_.end()) {
    if (auto* data = std::get_if<http2::DataCame>(&event)) session_.consumed(id, data->bytes.size());
    return arrived(event);
  }
  Place& place = found->second;
  if (auto* data = std::get_if<http2::DataCame>(&event)) {
    if (place.has_exchange)
      place.arrived.append(data->bytes);
    else
      session_.consumed(id, data->bytes.size());
  } else if (auto* end = std::get_if<http2::BodyEnded>(&event)) {
    place.ended = true;
    place.trailers = std::move(end->trailers);
  } else if (auto* head = std::get_if<http2::ResponseCame>(&event)) {
    place.heads.push_back(std::move(head->head));
  } else if (auto* closed = std::get_if<http2::Closed>(&event)) {
    place.closed = closed->code;
    if (!place.has_exchange) {
      places_.erase(found);
      return;
    }
    if (is_broken_off(place)) tell_broken_off(place);
  }
  place.changed.notify();
}

Http2Connection::Place& Http2Connection::place_for(StreamId id) {
  ++exchanges_;
  return places_.try_emplace(id, ring_).first->second;
}

void Http2Connection::let_go(StreamId id) {
  --exchanges_;
  auto found = places_.find(id);
  Place& place = found->second;
  session_.consumed(id, place.owed + place.arrived.size() + place.reading.size() - place.read);
  if (place.closed || !session_.is_open(id)) {
    places_.erase(found);
  } else {
    place.has_exchange = false;
    place.let_go = ring_.now();
    place.arrived = {};
    place.reading = {};
    if (!armed()) ring_.timers().arm(*this, Deadline::at(place.let_go + remainder_limit));
  }
  wake_writer();
}

// Streams that are over for us and not for the other side.
void Http2Connection::expire() {
  auto next = Clock::time_point::max();
  for (auto& [id, place] : places_) {
    if (place.has_exchange) continue;
    const auto end = place.let_go + remainder_limit;
    if (end <= ring_.now())
      session_.break_off_request(id);
    else
      next = std::min(next, end);
  }
  wake_writer();
  ring_.timers().arm(*this, Deadline::at(next));
}

Error Http2Connection::why_closed(const Place& place) const {
  if (lost_ || !place.closed) return Error{ECONNRESET, "HTTP/2 connection ended"};
  if (*place.closed == NGHTTP2_REFUSED_STREAM && place.heads.empty())
    return Error{not_processed, "HTTP/2 stream refused before it was processed"};
  return Error{ECONNRESET, std::string("HTTP/2 stream broken off: ") + nghttp2_http2_strerror(*place.closed)};
}

Task<std::expected<BodyPart, Error>> Http2Connection::read(StreamId id, Deadline deadline) {
  Place& place = places_.find(id)->second;  // stays where it is while the exchange lives
  session_.consumed(id, std::exchange(place.owed, 0));
  wake_writer();
  while (place.read == place.reading.size() && place.arrived.empty()) {
    if (place.ended) co_return BodyPart{.bytes = {}, .end = true, .trailers = std::move(place.trailers)};
    if (lost_ || place.closed) co_return std::unexpected(why_closed(place));
    if (!co_await place.changed.wait(deadline)) co_return std::unexpected(too_late());
  }
  if (place.read == place.reading.size()) {
    place.reading.clear();
    place.read = 0;
    std::swap(place.reading, place.arrived);
  }
  BodyPart part;
  part.bytes = std::string_view(place.reading).substr(place.read, longest_part);
  place.read += part.bytes.size();
  place.owed = part.bytes.size();
  part.end = place.ended && place.arrived.empty() && place.read == place.reading.size();
  if (part.end) part.trailers = std::move(place.trailers);
  co_return part;
}

Task<std::expected<void, Error>> Http2Connection::wait_sent(StreamId id, std::size_t may_wait,
                                                            Deadline deadline) {
  Place& place = places_.find(id)->second;
  while (session_.unsent(id) > may_wait) {
    if (lost_ || place.closed) break;
    ++waiting_to_send_;
    const bool in_time = co_await place.changed.wait(deadline);
    --waiting_to_send_;
    if (!in_time) co_return std::unexpected(too_late());
  }
  // A stream that is closed in good order has been sent.
  if (is_broken_off(place)) co_return std::unexpected(why_closed(place));
  co_return std::expected<void, Error>{};
}

Task<std::expected<void, Error>> Http2Connection::send(StreamId id, std::string_view bytes,
                                                       Deadline deadline) {
  if (lost_ || !session_.is_open(id)) co_return std::unexpected(why_closed(places_.find(id)->second));
  session_.write(id, bytes);
  wake_writer();
  co_return co_await wait_sent(id, most_unsent, deadline);
}

Task<std::expected<void, Error>> Http2Connection::finish(StreamId id, const Fields& trailers,
                                                         Deadline deadline) {
  session_.finish(id, trailers);
  wake_writer();
  co_return co_await wait_sent(id, 0, deadline);
}

void Http2Connection::break_off_answer(StreamId id) {
  if (!session_.is_finished(id) || session_.unsent(id) > 0) return break_off(id, NGHTTP2_INTERNAL_ERROR);
  Place& place = places_.find(id)->second;
  session_.break_off_request(id);
  wake_writer();
  if (!place.closed) place.closed = NGHTTP2_NO_ERROR;
  place.changed.notify();
}

void Http2Connection::break_off(StreamId id, std::uint32_t code) {
  session_.break_off(id, code);
  wake_writer();
  Place& place = places_.find(id)->second;
  if (!place.closed) place.closed = code;
  place.changed.notify();
}

}  // namespace clawpatrol::http
