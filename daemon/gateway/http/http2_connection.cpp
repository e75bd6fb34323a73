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
constexpr std::size_t short_part = 4 << 10;  // where the peer's memory is used up
constexpr auto write_limit = 60s;            // for one write to be taken
constexpr auto linger_limit = 2s;            // for the other side to end, once we have
// For an agent to end the body of a request that has been answered.
constexpr auto remainder_limit = 5s;

Error too_late() {
  return os_error(ETIMEDOUT, "HTTP/2 stream");
}

}  // namespace

namespace {

http2::Limits limits_of(const PeerAccount& account) {
  http2::Limits limits;
  limits.response_window = static_cast<std::uint32_t>(account.window);
  limits.request_window = std::min(limits.request_window, limits.response_window);
  return limits;
}

std::size_t memory_of(const ResponseHead& head) {
  std::size_t bytes = sizeof head;
  for (const Field& field : head.fields) bytes += sizeof field + field.name.size() + field.value.size();
  return bytes;
}

}  // namespace

Http2Connection::Http2Connection(Ring& ring, Stream& stream, http2::Role role, const PeerAccount& account)
    : ring_(ring),
      session_(role, stream.encrypted() ? http2::Scheme::https : http2::Scheme::http, limits_of(account)),
      stream_(stream),
      turns_(account.turns),
      peer_id_(account.peer_id),
      share_(account.memory, account.peer_id, PeerMemory::most_on_the_way),
      to_write_(ring),
      done_(ring) {}

Http2Connection::~Http2Connection() = default;

void Http2Connection::begin(std::string_view already_received) {
  reader_.emplace(read_all(std::string(already_received)));
  writer_.emplace(write_all());
}

Task<void> Http2Connection::read_all(std::string already_received) {
  co_await take_in(already_received);
  already_received = {};
  std::vector<char> space(received_at_once);
  while (!session_.over()) {
    const std::int32_t count = co_await stream_.recv(space, Deadline::never());
    if (count <= 0) break;
    co_await take_in({space.data(), static_cast<std::size_t>(count)});
  }
  lose();
}

// When it is the peer's turn: few bytes can be much work (attacks.md, 28).
Task<void> Http2Connection::take_in(std::string_view bytes) {
  for (bool more = !bytes.empty(); more;) {
    co_await turns_.turn(peer_id_);
    {
      PeerTurns::Work work(turns_, peer_id_);
      more = session_.receive(bytes, ring_.now());
    }
    tell();
    wake_writer();
  }
}

Task<void> Http2Connection::write_all() {
  std::string out;
  while (true) {
    session_.take_output(out, written_at_once);
    tell();
    settle();
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
    if (!place.has_exchange) return session_.consumed(id, data->bytes.size());
    place.arrived.append(data->bytes);
    unread_ += data->bytes.size();
    window_taken_ += data->bytes.size();
    settle();
  } else if (auto* end = std::get_if<http2::BodyEnded>(&event)) {
    place.ended = true;
    place.trailers = std::move(end->trailers);
  } else if (auto* head = std::get_if<http2::ResponseCame>(&event)) {
    if (!place.has_exchange) return;
    unread_ += memory_of(head->head);
    place.heads.push_back(std::move(head->head));
    settle();
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

// What waits is the peer's. One stream that nobody reads must not hold up the others, so the connection's
// window is only held back where the peer's memory is used up.
void Http2Connection::settle() {
  is_short_ = !share_.hold(unread_ + session_.unsent());
  const std::size_t held_back = is_short_ ? std::min(window_taken_, unread_) : 0;
  session_.consumed_of_connection(window_taken_ - held_back);
  window_taken_ = held_back;
}

Http2Connection::Place& Http2Connection::place_for(StreamId id) {
  ++exchanges_;
  return places_.try_emplace(id, ring_).first->second;
}

void Http2Connection::let_go(StreamId id) {
  --exchanges_;
  auto found = places_.find(id);
  Place& place = found->second;
  const std::size_t left = place.owed + place.arrived.size() + place.reading.size() - place.read;
  session_.consumed_of_stream(id, left);
  unread_ -= left;
  for (const ResponseHead& head : place.heads) unread_ -= memory_of(head);
  place.heads.clear();
  settle();
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
  // Also where the connection has ended since, as it does behind a GOAWAY.
  if (place.closed == NGHTTP2_REFUSED_STREAM && place.heads.empty())
    return Error{not_processed, "HTTP/2 stream refused before it was processed"};
  if (lost_ || !place.closed) return Error{ECONNRESET, "HTTP/2 connection ended"};
  return Error{ECONNRESET, std::string("HTTP/2 stream broken off: ") + nghttp2_http2_strerror(*place.closed)};
}

Task<std::expected<BodyPart, Error>> Http2Connection::read(StreamId id, Deadline deadline) {
  Place& place = places_.find(id)->second;  // stays where it is while the exchange lives
  session_.consumed_of_stream(id, place.owed);
  unread_ -= std::exchange(place.owed, 0);
  settle();
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
  part.bytes = std::string_view(place.reading).substr(place.read, is_short_ ? short_part : longest_part);
  place.read += part.bytes.size();
  place.owed = part.bytes.size();
  part.end = place.ended && place.arrived.empty() && place.read == place.reading.size();
  if (part.end) part.trailers = std::move(place.trailers);
  co_return part;
}

ResponseHead Http2Connection::take_head(Place& place) {
  ResponseHead head = std::move(place.heads.front());
  place.heads.pop_front();
  unread_ -= memory_of(head);
  settle();
  return head;
}

Task<std::expected<void, Error>> Http2Connection::wait_sent(StreamId id, std::size_t may_wait,
                                                            Deadline deadline) {
  Place& place = places_.find(id)->second;
  settle();
  while (session_.unsent(id) + session_.unsent_heads(id) > (is_short_ ? 0 : may_wait)) {
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
