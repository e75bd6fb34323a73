// One connection of HTTP/2 (RFC 9113), without its socket: bytes in and events out, calls in and bytes out.
// On nghttp2, whose checks of HTTP's messages stay on; heads are read by parsers/http2 on top of them.
//
// Memory is bounded: by the windows what has been received and not consumed, by the caller (unsent()) what
// waits to be sent, by budgets what costs the peer nothing and us something.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "daemon/http2/budget.h"
#include "parsers/http/message.h"
#include "parsers/http2/head.h"

namespace clawpatrol::http2 {

enum class Role : std::uint8_t { server, client };

using StreamId = std::int32_t;

struct Limits {
  std::uint32_t streams = 100;  // that an agent may have open at a time
  // Received and not consumed, of a stream. Of an agent's as much as any server gives by default: git with
  // Debian 12's libcurl-gnutls (7.88.1) sends bytes of an upload twice where a larger window has it fill its
  // socket (33 of 44 pushes straight to a server with 512 KiB were spoiled, none of 39 with this).
  std::uint32_t request_window = 65535;
  std::uint32_t response_window = 256 << 10;
  std::uint32_t connection_window = 1 << 20;  // of all of them; never less than that of a stream
  Rate resets{1000, 100};  // streams that the peer breaks off, or that are broken off for its fault
  Rate settings{20, 1};
  Rate pings{50, 5};      // with no message between them: gRPC measures its way with one for each
  Rate empty{2000, 500};  // frames that bring nothing: DATA without a byte, PRIORITY
  Rate windows{20000, 20000};
  std::size_t dropped = 256 << 10;  // of a request that has been answered, before it is broken off
};

// Heads below 200 of one response, which no window holds back. Together they are no longer than one head may
// be.
inline constexpr unsigned most_interim = 16;
// Heads are read by so many bytes at a time: few bytes of HPACK can say many.
inline constexpr std::size_t decoded_at_once = 64 << 10;

// What the peer sent. Views are of the bytes that were given to receive().
struct RequestCame {
  StreamId stream;
  http::RequestHead head;
};
// A request that is malformed, which respond() may still answer; nothing else comes of this stream.
struct RequestRefused {
  StreamId stream;
  std::string_view why;  // a literal
};
struct ResponseCame {
  StreamId stream;
  http::ResponseHead head;
};
struct DataCame {
  StreamId stream;
  std::string_view bytes;  // never empty; each of them is to be consumed()
};
struct BodyEnded {
  StreamId stream;
  http::Fields trailers;
};
// The stream is over, and what was not received or sent of it will not be.
struct Closed {
  StreamId stream;
  std::uint32_t code;  // NGHTTP2_NO_ERROR after both sides have ended; NGHTTP2_REFUSED_STREAM: unprocessed
};
using Event = std::variant<RequestCame, RequestRefused, ResponseCame, DataCame, BodyEnded, Closed>;

class Session {
 public:
  Session(Role role, Scheme scheme, const Limits& limits);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Takes off `bytes` what it has read. True: there is more to be done, also where nothing is left of them;
  // so call it again, when it is this connection's turn.
  bool receive(std::string_view& bytes, Clock::time_point now);
  // What has come up since the last call; the views in it end with the buffer that receive() was given.
  std::vector<Event> take_events();

  // Appends what is to be sent, frames as long as `out` holds less than `limit`.
  void take_output(std::string& out, std::size_t limit);

  // A request's stream; nothing where the connection takes no more (RFC 9113, 5.1.2 and 6.8).
  std::optional<StreamId> request(const http::RequestHead& head);
  // Calls for a stream that is closed do nothing. A head below 200 may be sent before the last.
  void respond(StreamId stream, const http::ResponseHead& head);
  void write(StreamId stream, std::string_view bytes);
  void finish(StreamId stream, http::Fields trailers);
  void break_off(StreamId stream, std::uint32_t code);
  // A server's: nothing more of the request is wanted. The answer that has been given goes first.
  void break_off_request(StreamId stream);
  // Bytes of a stream, open or closed, have been taken: the peer may send as many again on it, on the
  // connection, or both.
  void consumed_of_stream(StreamId stream, std::size_t bytes);
  void consumed_of_connection(std::size_t bytes);
  void consumed(StreamId stream, std::size_t bytes) {
    consumed_of_stream(stream, bytes);
    consumed_of_connection(bytes);
  }

  bool is_open(StreamId stream) const { return streams_.contains(stream); }
  bool is_finished(StreamId stream) const;    // nothing more is to be written to it
  std::size_t unsent(StreamId stream) const;  // of what write() was given
  std::size_t unsent_heads(StreamId stream) const;
  std::size_t unsent() const { return unsent_; }  // of all streams, heads and bodies
  bool takes_requests() const;

  void go_away();  // those that have come are served, and no more
  // The connection is to be closed, once nothing is left of take_output(). Then failure() says what the peer
  // did wrong, a literal; "": nothing.
  bool over() const;
  std::string_view failure() const { return failure_; }

 private:
  struct Glue;  // nghttp2's callbacks
  struct Stream {
    http::Fields arriving;  // of the head or trailers that are being received
    std::size_t arriving_bytes = 0;
    std::string method;
    bool has_head = false;  // the last one
    unsigned interim = 0;   // heads of a response, below 200
    std::size_t interim_bytes = 0;
    bool ended = false;       // by the peer
    bool answered = false;    // the last frame of our side has gone
    bool unwanted = false;    // the rest of the request is
    std::size_t dropped = 0;  // bytes of it, that nobody was told of
    std::string_view refused;
    std::string unsent;
    std::size_t sent = 0;  // of `unsent`
    std::size_t unsent_heads = 0;
    bool finishing = false;
    bool resting = false;  // nghttp2 waits to be told that there is more
    http::Fields trailers;
  };

  void block_ended(const nghttp2_frame& frame);
  void request_came(StreamId id, Stream& stream, Body body);
  void response_came(StreamId id, Stream& stream, Body body);
  void trailers_came(StreamId id, Stream& stream);
  void frame_came(const nghttp2_frame& frame);
  int decoded(Stream* stream, std::size_t bytes);
  void will_send(Stream& stream, std::size_t head);
  void sent_head(Stream& stream, const nghttp2_frame& frame);
  void stream_ended(StreamId id, http::Fields trailers);
  void spend(Budget& budget, std::string_view what);
  void fault_of_peer(StreamId id);
  void resume(StreamId id, Stream& stream);
  void drop(StreamId id, std::size_t size);
  void end_request(StreamId id, const Stream& stream);
  Stream* find(StreamId id);

  Role role_;
  Scheme scheme_;
  std::size_t most_dropped_;
  Budget resets_, settings_, pings_, empty_, windows_;
  Clock::time_point now_{};
  nghttp2_session* session_ = nullptr;
  std::unordered_map<StreamId, Stream> streams_;
  std::size_t unsent_ = 0;
  std::size_t decoded_ = 0;  // of heads, in this call
  bool paused_ = false;      // for there were many of them
  std::vector<Event> events_;
  std::string_view failure_;
  bool unreadable_ = false;  // nothing that follows can be understood
  bool going_away_ = false;
};

}  // namespace clawpatrol::http2
