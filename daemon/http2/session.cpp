#include "daemon/http2/session.h"

#include <malloc.h>
#include <string.h>

#include <array>
#include <cstdlib>
#include <new>
#include <utility>

#include "daemon/http2/glue.h"
#include "parsers/http1/text.h"

namespace clawpatrol::http2 {
namespace {

using http::Field;
using http::Fields;

// What nghttp2 has let go of is wiped: an upstream's heads hold secrets.
void* get(std::size_t size, void*) {
  return std::malloc(size);
}
void wipe(void* memory, void*) {
  if (memory) explicit_bzero(memory, malloc_usable_size(memory));
  std::free(memory);
}
void* get_zeroed(std::size_t count, std::size_t size, void*) {
  return std::calloc(count, size);
}
void* get_other(void* memory, std::size_t size, void*) {
  const std::size_t had = memory ? malloc_usable_size(memory) : 0;
  if (memory && size <= had) return memory;
  void* other = std::malloc(size);
  if (!other || !memory) return other;
  memcpy(other, memory, had);
  wipe(memory, nullptr);
  return other;
}
nghttp2_mem wiping = {nullptr, get, wipe, get_zeroed, get_other};

// The heads that nghttp2 is given, in its form.
class Block {
 public:
  explicit Block(std::size_t fields) {
    names_.reserve(fields);  // so that they stay where they are
    pairs_.reserve(fields);
  }
  void add(std::string_view name, std::string_view value) {
    names_.push_back(http1::lower_case(name));
    pairs_.push_back({data_of(names_.back()), data_of(value), names_.back().size(), value.size(),
                      static_cast<std::uint8_t>(may_be_indexed(names_.back()) ? NGHTTP2_NV_FLAG_NONE
                                                                              : NGHTTP2_NV_FLAG_NO_INDEX)});
  }
  void add(const Fields& fields) {
    for (const Field& field : fields) add(field.name, field.value);
  }
  const nghttp2_nv* data() const { return pairs_.data(); }
  std::size_t size() const { return pairs_.size(); }
  std::size_t bytes() const { return size_of(pairs_.data(), pairs_.size()); }

 private:
  static std::uint8_t* data_of(std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  }
  // Any other may hold a secret, and what is indexed stays in memory.
  static bool may_be_indexed(std::string_view name) {
    constexpr std::array<std::string_view, 12> plain = {
        ":method", ":scheme", ":authority",      ":status",          "accept",     "accept-encoding",
        "server",  "te",      "accept-language", "content-encoding", "user-agent", "content-type"};
    for (std::string_view one : plain)
      if (one == name) return true;
    return false;
  }

  std::vector<std::string> names_;
  std::vector<nghttp2_nv> pairs_;
};

std::string authority_of(const http1::Authority& authority) {
  std::string text = authority.host.contains(':') ? "[" + authority.host + "]" : authority.host;
  if (authority.port) text.append(":").append(std::to_string(*authority.port));
  return text;
}

}  // namespace

Session::Session(Role role, Scheme scheme, const Limits& limits)
    : role_(role),
      scheme_(scheme),
      most_dropped_(limits.dropped),
      resets_(limits.resets),
      settings_(limits.settings),
      pings_(limits.pings),
      empty_(limits.empty),
      windows_(limits.windows) {
  const auto create = role == Role::server ? nghttp2_session_server_new3 : nghttp2_session_client_new3;
  if (create(&session_, Glue::callbacks(), this, Glue::options(), &wiping) != 0) throw std::bad_alloc();
  const bool server = role == Role::server;
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, server ? limits.request_window : limits.response_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, http1::max_head},
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, server ? limits.streams : 0},
      {static_cast<std::int32_t>(server ? NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES
                                        : NGHTTP2_SETTINGS_ENABLE_PUSH),
       server ? 1U : 0U}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(
      session_, NGHTTP2_FLAG_NONE, 0,
      static_cast<std::int32_t>(
          std::max(limits.connection_window, server ? limits.request_window : limits.response_window)));
}

Session::~Session() {
  nghttp2_session_del(session_);
}

Session::Stream* Session::find(StreamId id) {
  auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : &found->second;
}

bool Session::receive(std::string_view& bytes, Clock::time_point now) {
  now_ = now;
  decoded_ = 0;
  paused_ = false;
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const ssize_t read = nghttp2_session_mem_recv(session_, data, bytes.size());
  if (read >= 0) {
    bytes.remove_prefix(static_cast<std::size_t>(read));
    return paused_;
  }
  unreadable_ = true;
  if (!failure_.empty()) return false;
  failure_ = read == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? "not HTTP/2"
             : read == NGHTTP2_ERR_FLOODED        ? "too much that must be answered"
                                                  : "broken HTTP/2";
  return false;
}

std::vector<Event> Session::take_events() {
  return std::exchange(events_, {});
}

void Session::take_output(std::string& out, std::size_t limit) {
  while (out.size() < limit) {
    const std::uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &data);
    if (size <= 0) return;
    out.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  }
}

std::optional<StreamId> Session::request(const http::RequestHead& head) {
  if (!takes_requests()) return std::nullopt;
  const std::string authority = authority_of(head.authority);
  const std::string length = std::to_string(head.content_length.value_or(0));
  Block block(head.fields.size() + 6);
  block.add(":method", head.method);
  block.add(":scheme", scheme_ == Scheme::https ? "https" : "http");
  block.add(":authority", authority);
  block.add(":path", head.target);
  block.add(head.fields);
  if (head.content_length) block.add("content-length", length);
  if (head.expects_continue) block.add("expect", "100-continue");
  const nghttp2_data_provider provider{.source = {}, .read_callback = Glue::read_unsent};
  const StreamId id = nghttp2_submit_request(session_, nullptr, block.data(), block.size(),
                                             head.has_body ? &provider : nullptr, nullptr);
  if (id < 0) return std::nullopt;
  Stream& stream = streams_[id];
  will_send(stream, block.bytes());
  stream.method = head.method;
  stream.finishing = !head.has_body;
  return id;
}

void Session::respond(StreamId id, const http::ResponseHead& head) {
  Stream* stream = find(id);
  if (!stream) return;
  const std::string status = std::to_string(head.status);
  const std::string length = std::to_string(head.content_length.value_or(0));
  Block block(head.fields.size() + 2);
  block.add(":status", status);
  block.add(head.fields);
  if (head.content_length) block.add("content-length", length);
  will_send(*stream, block.bytes());
  if (head.status < 200) {
    nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, id, nullptr, block.data(), block.size(), nullptr);
    return;
  }
  const nghttp2_data_provider provider{.source = {}, .read_callback = Glue::read_unsent};
  nghttp2_submit_response(session_, id, block.data(), block.size(), head.has_body ? &provider : nullptr);
  stream->finishing = !head.has_body;
}

void Session::write(StreamId id, std::string_view bytes) {
  Stream* stream = find(id);
  if (!stream || stream->finishing) return;
  // Also where the reader never catches up; what is moved is less than what has gone.
  if (stream->sent > stream->unsent.size() / 2) stream->unsent.erase(0, std::exchange(stream->sent, 0));
  stream->unsent.append(bytes);
  unsent_ += bytes.size();
  resume(id, *stream);
}

void Session::finish(StreamId id, Fields trailers) {
  Stream* stream = find(id);
  if (!stream || stream->finishing) return;
  stream->finishing = true;
  stream->trailers = std::move(trailers);
  resume(id, *stream);
}

void Session::will_send(Stream& stream, std::size_t head) {
  stream.unsent_heads += head;
  unsent_ += head;
}

void Session::resume(StreamId id, Stream& stream) {
  if (!std::exchange(stream.resting, false)) return;
  nghttp2_session_resume_data(session_, id);
}

ssize_t Session::Glue::read_unsent(nghttp2_session* session, StreamId id, std::uint8_t* space,
                                   std::size_t room, std::uint32_t* flags, nghttp2_data_source*, void* self) {
  auto& whole = *static_cast<Session*>(self);
  Stream* stream = whole.find(id);
  if (!stream) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const std::size_t left = stream->unsent.size() - stream->sent;
  if (left == 0 && !stream->finishing) {
    stream->resting = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  const std::size_t size = std::min(left, room);
  memcpy(space, stream->unsent.data() + stream->sent, size);
  stream->sent += size;
  whole.unsent_ -= size;
  if (size < left) return static_cast<ssize_t>(size);
  stream->unsent.clear();
  stream->sent = 0;
  if (!stream->finishing) return static_cast<ssize_t>(size);
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (!stream->trailers.empty()) {
    Block block(stream->trailers.size());
    block.add(stream->trailers);
    if (nghttp2_submit_trailer(session, id, block.data(), block.size()) == 0) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      whole.will_send(*stream, block.bytes());
    }
  }
  return static_cast<ssize_t>(size);
}

void Session::break_off(StreamId id, std::uint32_t code) {
  if (is_open(id)) nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, code);
}

void Session::break_off_request(StreamId id) {
  Stream* stream = find(id);
  if (!stream) return;
  stream->unwanted = true;
  end_request(id, *stream);
}

void Session::consumed_of_stream(StreamId id, std::size_t bytes) {
  nghttp2_session_consume_stream(session_, id, bytes);
}

void Session::consumed_of_connection(std::size_t bytes) {
  nghttp2_session_consume_connection(session_, bytes);
}

bool Session::is_finished(StreamId id) const {
  auto found = streams_.find(id);
  return found == streams_.end() || found->second.finishing;
}

std::size_t Session::unsent(StreamId id) const {
  auto found = streams_.find(id);
  return found == streams_.end() ? 0 : found->second.unsent.size() - found->second.sent;
}

std::size_t Session::unsent_heads(StreamId id) const {
  auto found = streams_.find(id);
  return found == streams_.end() ? 0 : found->second.unsent_heads;
}

bool Session::takes_requests() const {
  if (going_away_ || over() || !nghttp2_session_check_request_allowed(session_)) return false;
  return streams_.size() <
         nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

void Session::go_away() {
  if (std::exchange(going_away_, true)) return;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
}

bool Session::over() const {
  if (unreadable_) return true;
  return !nghttp2_session_want_read(session_) && !nghttp2_session_want_write(session_);
}

}  // namespace clawpatrol::http2
