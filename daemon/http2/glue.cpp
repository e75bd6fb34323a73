#include "daemon/http2/glue.h"

#include <memory>
#include <utility>

namespace clawpatrol::http2 {
namespace {

using http::Fields;

std::string_view text_of(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

Body body_behind(const nghttp2_frame& frame) {
  return frame.hd.flags & NGHTTP2_FLAG_END_STREAM ? Body::none : Body::follows;
}

}  // namespace

// A budget that is spent ends the connection (RFC 9113, 10.5), once what is being received has been.
void Session::spend(Budget& budget, std::string_view what) {
  if (!failure_.empty() || budget.take(now_)) return;
  failure_ = what;
  nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
}

// Each costs the peer as little as breaking it off itself.
void Session::fault_of_peer(StreamId id) {
  if (Stream* stream = find(id); stream && stream->refused.empty()) stream->refused = "malformed HTTP/2";
  spend(resets_, "too many malformed streams");
  break_off(id, NGHTTP2_PROTOCOL_ERROR);
}

// Those that nghttp2 ignores, it does not speak of at their end.
int Session::Glue::frame_begins(nghttp2_session*, const nghttp2_frame_hd* head, void* self) {
  auto& session = *static_cast<Session*>(self);
  if (head->type == NGHTTP2_PRIORITY || head->type > NGHTTP2_CONTINUATION)
    session.spend(session.empty_, "too many empty frames");
  return 0;
}

int Session::Glue::block_begins(nghttp2_session*, const nghttp2_frame* frame, void* self) {
  auto& session = *static_cast<Session*>(self);
  if (frame->hd.type != NGHTTP2_HEADERS) return 0;
  if (session.role_ == Role::server && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
    session.streams_.try_emplace(frame->hd.stream_id);
  if (Stream* stream = session.find(frame->hd.stream_id)) {
    stream->arriving.clear();
    stream->arriving_bytes = 0;
  }
  return 0;
}

// What is over a limit is not kept, but is still read: it may change the table that later heads refer to. A
// head that is far over it is meant to keep us reading (a byte of HPACK can say four thousand): it ends the
// connection.
int Session::decoded(Stream* stream, std::size_t bytes) {
  constexpr std::size_t most_read = 4;  // times what a head may be
  decoded_ += bytes;
  if (stream) stream->arriving_bytes += bytes;
  if (stream && stream->arriving_bytes > http1::max_head) stream->refused = "head is too long";
  if (stream && stream->arriving_bytes > most_read * http1::max_head) {
    failure_ = "head is far too long";
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }
  if (decoded_ < decoded_at_once) return 0;
  decoded_ = 0;
  paused_ = true;
  return NGHTTP2_ERR_PAUSE;
}

int Session::Glue::field(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                         std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                         std::uint8_t, void* self) {
  auto& session = *static_cast<Session*>(self);
  Stream* stream = session.find(frame->hd.stream_id);
  const int verdict = session.decoded(stream, name_size + value_size + 4);  // as HTTP/1.1 would write it
  if (!stream) return verdict;
  if (stream->arriving.size() == max_fields) stream->refused = "too many headers";
  if (stream->refused.empty())
    stream->arriving.push_back(
        {std::string(text_of(name, name_size)), std::string(text_of(value, value_size))});
  else
    stream->arriving.clear();
  return verdict;
}

// nghttp2 would leave it out.
int Session::Glue::bad_field(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t*,
                             std::size_t name_size, const std::uint8_t*, std::size_t value_size, std::uint8_t,
                             void* self) {
  auto& session = *static_cast<Session*>(self);
  Stream* stream = session.find(frame->hd.stream_id);
  if (stream) stream->refused = "bad byte in a header";
  return session.decoded(stream, name_size + value_size + 4);
}

int Session::Glue::frame_came(nghttp2_session*, const nghttp2_frame* frame, void* self) {
  static_cast<Session*>(self)->frame_came(*frame);
  return 0;
}

void Session::frame_came(const nghttp2_frame& frame) {
  const bool ends = frame.hd.flags & NGHTTP2_FLAG_END_STREAM;
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS: pings_.fill(); return block_ended(frame);
    case NGHTTP2_DATA:
      if (ends) return stream_ended(frame.hd.stream_id, {});
      if (frame.hd.length <= frame.data.padlen) return spend(empty_, "too many empty frames");
      return pings_.fill();
    case NGHTTP2_RST_STREAM: return spend(resets_, "too many streams broken off");
    case NGHTTP2_SETTINGS: return spend(settings_, "too many SETTINGS");
    case NGHTTP2_PING: return spend(pings_, "too many PINGs");
    case NGHTTP2_WINDOW_UPDATE: return spend(windows_, "too many WINDOW_UPDATEs");
    case NGHTTP2_GOAWAY: going_away_ = true; return;
    default: return;
  }
}

// nghttp2 has broken the stream off, or the connection.
int Session::Glue::bad_frame(nghttp2_session*, const nghttp2_frame* frame, int, void* self) {
  auto& session = *static_cast<Session*>(self);
  session.spend(session.resets_, "too many malformed streams");
  Stream* stream = session.find(frame->hd.stream_id);
  if (session.role_ == Role::server && stream && !stream->has_head)
    session.events_.push_back(RequestRefused{frame->hd.stream_id, "malformed HTTP/2 head"});
  return 0;
}

void Session::block_ended(const nghttp2_frame& frame) {
  const StreamId id = frame.hd.stream_id;
  Stream* stream = find(id);
  if (!stream) return;
  const Body body = body_behind(frame);
  if (stream->has_head)
    trailers_came(id, *stream);
  else if (role_ == Role::server)
    request_came(id, *stream, body);
  else
    response_came(id, *stream, body);
}

void Session::request_came(StreamId id, Stream& stream, Body body) {
  auto head = stream.refused.empty() ? read_request_head(stream.arriving, scheme_, body)
                                     : std::unexpected(Malformed{stream.refused});
  stream.has_head = true;
  stream.arriving.clear();
  if (!head) {
    stream.refused = head.error().why;
    spend(resets_, "too many malformed streams");
    events_.push_back(RequestRefused{id, stream.refused});
    stream.ended = body == Body::none;
    return;
  }
  stream.method = head->method;
  events_.push_back(RequestCame{id, std::move(*head)});
  if (body == Body::none) stream_ended(id, {});
}

void Session::response_came(StreamId id, Stream& stream, Body body) {
  auto head = stream.refused.empty() ? read_response_head(stream.arriving, body, stream.method)
                                     : std::unexpected(Malformed{stream.refused});
  stream.arriving.clear();
  if (!head) return fault_of_peer(id);
  stream.has_head = head->status >= 200;
  if (!stream.has_head) {
    stream.interim_bytes += stream.arriving_bytes;
    if (++stream.interim > most_interim || stream.interim_bytes > http1::max_head) return fault_of_peer(id);
  }
  events_.push_back(ResponseCame{id, std::move(*head)});
  if (body == Body::none) stream_ended(id, {});
}

// nghttp2 has made sure that they end the stream.
void Session::trailers_came(StreamId id, Stream& stream) {
  if (!stream.refused.empty()) return fault_of_peer(id);
  Fields trailers = std::exchange(stream.arriving, {});
  if (role_ == Role::server) {
    if (!check_request_trailers(trailers)) return fault_of_peer(id);
    return stream_ended(id, std::move(trailers));
  }
  auto read = read_response_trailers(std::move(trailers));
  if (!read) return fault_of_peer(id);
  stream_ended(id, std::move(*read));
}

void Session::stream_ended(StreamId id, Fields trailers) {
  Stream* stream = find(id);
  if (!stream) return;
  stream->ended = true;
  if (stream->refused.empty()) events_.push_back(BodyEnded{id, std::move(trailers)});
}

int Session::Glue::data_came(nghttp2_session*, std::uint8_t, StreamId id, const std::uint8_t* data,
                             std::size_t size, void* self) {
  auto& session = *static_cast<Session*>(self);
  Stream* stream = session.find(id);
  const bool dropped =
      !stream || !stream->refused.empty() || (session.role_ == Role::server && stream->answered);
  if (dropped)
    session.drop(id, size);
  else if (size > 0)
    session.events_.push_back(DataCame{id, text_of(data, size)});
  return 0;
}

// What still comes of a request that has been answered, or refused, is dropped, so that a small body ends by
// itself and the agent reads the answer; a large one is broken off behind it (RFC 9113, 8.1).
void Session::drop(StreamId id, std::size_t size) {
  consumed(id, size);
  Stream* stream = find(id);
  if (!stream) return;
  stream->dropped += size;
  if (stream->dropped > most_dropped_) stream->unwanted = true;
  end_request(id, *stream);
}

void Session::end_request(StreamId id, const Stream& stream) {
  if (role_ == Role::server && stream.answered && stream.unwanted && !stream.ended)
    break_off(id, NGHTTP2_NO_ERROR);
}

int Session::Glue::frame_went(nghttp2_session*, const nghttp2_frame* frame, void* self) {
  auto& whole = *static_cast<Session*>(self);
  if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR &&
      whole.failure_.empty())
    whole.failure_ = "HTTP/2 that breaks its protocol";
  const bool head = frame->hd.type == NGHTTP2_HEADERS;
  if (frame->hd.type != NGHTTP2_DATA && !head) return 0;
  whole.pings_.fill();
  Stream* stream = whole.find(frame->hd.stream_id);
  if (!stream) return 0;
  if (head) whole.sent_head(*stream, *frame);
  if (body_behind(*frame) == Body::follows) return 0;
  stream->answered = true;
  whole.end_request(frame->hd.stream_id, *stream);
  return 0;
}

// nghttp2 would leave the stream open, with nothing more to come.
int Session::Glue::frame_not_sent(nghttp2_session*, const nghttp2_frame* frame, int, void* self) {
  auto& session = *static_cast<Session*>(self);
  Stream* stream = session.find(frame->hd.stream_id);
  if (frame->hd.type != NGHTTP2_HEADERS || !stream) return 0;
  session.sent_head(*stream, *frame);
  if (session.role_ == Role::server) session.break_off(frame->hd.stream_id, NGHTTP2_INTERNAL_ERROR);
  return 0;
}

void Session::sent_head(Stream& stream, const nghttp2_frame& frame) {
  const std::size_t bytes = size_of(frame.headers.nva, frame.headers.nvlen);
  stream.unsent_heads -= bytes;
  unsent_ -= bytes;
}

int Session::Glue::closed(nghttp2_session*, StreamId id, std::uint32_t code, void* self) {
  auto& session = *static_cast<Session*>(self);
  const Stream* stream = session.find(id);
  if (!stream) return 0;
  const bool malformed = session.role_ == Role::client && !stream->refused.empty();
  session.unsent_ -= stream->unsent.size() - stream->sent + stream->unsent_heads;
  session.streams_.erase(id);
  // It may have closed by itself before it could be broken off.
  session.events_.push_back(
      Closed{id, malformed && code == NGHTTP2_NO_ERROR ? NGHTTP2_PROTOCOL_ERROR : code});
  return 0;
}

const nghttp2_session_callbacks* Session::Glue::callbacks() {
  static const nghttp2_session_callbacks* made = [] {
    nghttp2_session_callbacks* calls = nullptr;
    nghttp2_session_callbacks_new(&calls);
    nghttp2_session_callbacks_set_on_begin_frame_callback(calls, frame_begins);
    nghttp2_session_callbacks_set_on_begin_headers_callback(calls, block_begins);
    nghttp2_session_callbacks_set_on_header_callback(calls, field);
    nghttp2_session_callbacks_set_on_invalid_header_callback(calls, bad_field);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, Glue::frame_came);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(calls, bad_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, data_came);
    nghttp2_session_callbacks_set_on_frame_send_callback(calls, frame_went);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(calls, frame_not_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, closed);
    return calls;
  }();
  return made;
}

const nghttp2_option* Session::Glue::options() {
  static const nghttp2_option* made = [] {
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);  // what is consumed counts
    nghttp2_option_set_max_outbound_ack(option, 100);
    nghttp2_option_set_max_continuations(option, 8);
    nghttp2_option_set_max_send_header_block_length(option, 2 * http1::max_head);
    nghttp2_option_set_max_settings(option, 32);
    nghttp2_option_set_stream_reset_rate_limit(option, 5000, 500);  // ours comes first
    return option;
  }();
  return made;
}

}  // namespace clawpatrol::http2
