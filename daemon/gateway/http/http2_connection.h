// A connection of HTTP/2: its session on its stream. One task reads and one writes; what the exchanges of one
// turn of the ring have to say leaves in one write.
//
// Memory: what was received and not read is bounded by the windows of the streams, what waits to be written
// by most_unsent for each exchange and one write for the connection. Both count for the peer; where it has as
// much as it may have, the connection's window holds back too, and nothing more waits to be written.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "daemon/gateway/http/exchange.h"
#include "daemon/gateway/http/peer_memory.h"
#include "daemon/gateway/peer_turns.h"
#include "daemon/gateway/stream.h"
#include "daemon/http2/session.h"

namespace clawpatrol::http {

// Whose time and memory a connection takes, and how much of a body may wait in it.
struct PeerAccount {
  PeerTurns& turns;
  PeerMemory& memory;
  std::uint32_t peer_id;
  std::size_t window = http2::Limits{}.response_window;
};

class Http2Connection : Timer {
 public:
  static constexpr std::size_t most_unsent = 64 << 10;

  virtual ~Http2Connection();  // after close()
  Http2Connection(const Http2Connection&) = delete;
  Http2Connection& operator=(const Http2Connection&) = delete;

  // No new exchange; those that there are go on.
  virtual void go_away();
  // Says goodbye, sends what waits, and ends. Call it once, when no exchange is left.
  Task<void> close();
  // Whether nothing can be received or sent any more.
  bool is_lost() const { return lost_; }
  // What the other side did wrong, a literal; "": nothing.
  std::string_view failure() const { return session_.failure(); }
  std::size_t exchanges() const { return exchanges_; }

 protected:
  // One stream, as its exchange sees it. Kept until both the exchange and the session have let go of it.
  struct Place {
    explicit Place(Ring& ring) : changed(ring) {}
    std::string arrived;   // and not read
    std::string reading;   // the views of the last read() are of this
    std::size_t read = 0;  // of `reading`
    std::size_t owed = 0;  // given out by the last read(), and not yet consumed
    bool ended = false;    // the other side's part is whole
    Fields trailers;
    std::deque<ResponseHead> heads;       // not yet read
    std::optional<std::uint32_t> closed;  // with this code
    bool has_exchange = true;
    Clock::time_point let_go{};        // by its exchange
    std::function<void()> broken_off;  // is told when the other side ends the stream before it is over
    Event changed;
  };

  Http2Connection(Ring& ring, Stream& stream, http2::Role role, const PeerAccount& account);
  void begin(std::string_view already_received);

  // What is done with an event that is not for a place. The base deals with the others.
  virtual void arrived(http2::Event& event) = 0;
  // The connection is lost: wake whoever waits for more than an exchange.
  virtual void ended() = 0;

  Place& place_for(http2::StreamId id);
  void let_go(http2::StreamId id);  // for the exchange's destructor

  ResponseHead take_head(Place& place);  // the first of those that wait
  Task<std::expected<BodyPart, Error>> read(http2::StreamId id, Deadline deadline);
  Task<std::expected<void, Error>> send(http2::StreamId id, std::string_view bytes, Deadline deadline);
  Task<std::expected<void, Error>> finish(http2::StreamId id, const Fields& trailers, Deadline deadline);
  // Until the other side has taken all but `may_wait` of what the exchange sends.
  Task<std::expected<void, Error>> wait_sent(http2::StreamId id, std::size_t may_wait, Deadline deadline);
  void break_off(http2::StreamId id, std::uint32_t code);
  // Where all of the answer has been written, only the rest of the request is not wanted.
  void break_off_answer(http2::StreamId id);
  // By the other side, or with the connection.
  bool is_broken_off(const Place& place) const {
    return lost_ || (place.closed && *place.closed != NGHTTP2_NO_ERROR);
  }
  Error why_closed(const Place& place) const;
  void wake_writer() { to_write_.notify(); }

  Ring& ring_;
  http2::Session session_;

 private:
  friend class Http2AgentExchange;
  friend class Http2UpstreamExchange;

  Task<void> read_all(std::string already_received);
  Task<void> write_all();
  Task<void> take_in(std::string_view bytes);
  void tell();
  void tell(http2::Event& event);
  void settle();
  void lose();
  void expire() override;
  static void tell_broken_off(Place& place);

  Stream& stream_;
  PeerTurns& turns_;
  const std::uint32_t peer_id_;
  PeerMemory::Share share_;       // of what waits for its reader, either way
  bool is_short_ = false;         // it could not have all of that
  std::size_t unread_ = 0;        // of all places
  std::size_t window_taken_ = 0;  // by it, of the connection's
  std::unordered_map<http2::StreamId, Place> places_;
  std::size_t exchanges_ = 0;
  std::size_t waiting_to_send_ = 0;
  bool lost_ = false;
  bool closing_ = false;
  Event to_write_, done_;
  std::optional<Task<void>> reader_, writer_;
};

}  // namespace clawpatrol::http
