// An agent's connection of HTTP/1.1: its requests one after the other, and what they are answered with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/gateway/http/exchange.h"
#include "daemon/gateway/http/served_flow.h"
#include "daemon/gateway/receive_buffer.h"
#include "daemon/gateway/stream.h"
#include "parsers/http1/request.h"
#include "parsers/http1/write.h"

namespace clawpatrol::http {

// One exchange at a time: next(), what it is answered with, finish(). A request that follows before the one
// before it is answered waits in the buffer, which is bounded, and then in the socket.
class Http1Agent final : AgentExchange, public AgentConnection {
 public:
  struct Times {
    Clock::duration idle;      // between requests
    Clock::duration head;      // from a head's first byte to its last
    Clock::duration farewell;  // for what the agent still sends of a request that is not wanted
  };
  Http1Agent(Ring& ring, Stream& stream, Times times);

  // Reads a head. `malformed`: why() says what is wrong, and the exchange is there to answer it; it is the
  // last.
  enum class Next : std::uint8_t { request, malformed, ended };
  Task<Next> next();
  std::string_view why() const { return why_; }  // a literal
  AgentExchange& exchange() { return *this; }

  // The exchange is over. Reads away what is left of its body, within bounds. False: the connection is to
  // close.
  Task<bool> finish();
  // Says goodbye so that the agent has read what it was sent last. Call it before the end.
  Task<void> close();
  void go_away() override;
  void leave() override;

 private:
  const RequestHead& head() const override { return head_; }
  Task<std::expected<BodyPart, Error>> read(Deadline deadline) override;
  Task<std::expected<void, Error>> send_head(const ResponseHead& head, Deadline deadline) override;
  Task<std::expected<void, Error>> flush(Deadline deadline) override;
  Task<std::expected<void, Error>> send(std::string_view bytes, Deadline deadline) override;
  Task<std::expected<void, Error>> finish(const Fields& trailers, Deadline deadline) override;
  void break_off() override;
  void on_broken_off(std::function<void()> told) override;

  Task<void> watch();
  void note_end(unsigned events);  // of poll()
  void look_for_end();
  bool has_left();
  bool may_still_read();
  Task<void> say_goodbye();
  void stop_reading();
  Task<int> receive(Deadline deadline);
  Task<std::expected<BodyPart, Error>> read_changed(Deadline deadline);
  void begin(RequestHead head);
  void drop_part();
  void keep_waiting_head();
  http1::ResponseForm form_of(const ResponseHead& head);
  Task<std::expected<void, Error>> send_all(std::string_view bytes, Deadline deadline);

  Ring& ring_;
  Stream& stream_;
  Times times_;
  ReceiveBuffer buffer_;
  http1::RequestReader reader_;
  std::string_view why_;
  bool reading_ended_ = false;  // by us
  bool between_ = false;        // a request is answered, no byte of the next is here
  bool leaving_ = false;        // the request that is here, or comes, is the last
  bool broken_ = false;
  bool sends_no_more_ = false;        // the agent
  bool gone_ = false;                 // the agent, with its socket
  bool reset_ = false;                // by the agent
  bool closed_ = false;               // by us
  std::function<void()> broken_off_;  // of the exchange that goes on

  // Of one exchange.
  RequestHead head_;
  int minor_version_ = 1;
  std::size_t part_ = 0;     // bytes of the buffer that the last part covers
  bool body_over_ = false;   // all of it has been read
  bool body_begun_ = false;  // some of it has been asked for
  bool last_ = false;        // the connection ends with this exchange
  bool answered_ = false;    // the final head has been sent
  bool finished_ = false;
  bool changed_ = false;  // by 101: what is read and sent is of the other protocol
  http1::BodyEnd body_end_ = http1::BodyEnd::none;
  std::uint64_t length_left_ = 0;
  bool head_waits_ = false;  // in out_, for the first bytes of its body
  std::string out_;

  Event closing_;
  Task<void> watching_;
};

}  // namespace clawpatrol::http
