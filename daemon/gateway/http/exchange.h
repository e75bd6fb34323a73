// One request and its response on a connection: on an agent's, and on one of ours to an upstream. The same
// for HTTP/1.1 and HTTP/2, so that what judges, injects and hands on need not know which it is.
//
// After a head of status 101, read() and send() carry bytes of the protocol that was changed to, and finish()
// ends their direction.
//
// Reading and writing of one exchange may go on at once, each one call at a time. An exchange must be over or
// broken off before it is destroyed, and lives no longer than its connection.
#pragma once

#include <expected>
#include <functional>
#include <string_view>

#include "daemon/ring/ring.h"
#include "parsers/http/message.h"

namespace clawpatrol::http {

// Some of a body. Valid until the next read of the same exchange. What has been read counts as consumed: the
// sender may then send as much again (flow control, end to end).
struct BodyPart {
  std::string_view bytes = {};
  bool end = false;      // nothing follows; `bytes` may still hold some
  Fields trailers = {};  // only at the end
};

class AgentExchange {
 public:
  virtual ~AgentExchange() = default;
  virtual const RequestHead& head() const = 0;
  virtual Task<std::expected<BodyPart, Error>> read(Deadline deadline) = 0;

  // One for each head; heads below 200 may precede the last. What is sent is written anew for this version.
  // A head with a body may wait for the first of it, to leave with it: until flush().
  virtual Task<std::expected<void, Error>> send_head(const ResponseHead& head, Deadline deadline) = 0;
  virtual Task<std::expected<void, Error>> flush(Deadline) { co_return std::expected<void, Error>{}; }
  // Waits until the agent takes it.
  virtual Task<std::expected<void, Error>> send(std::string_view bytes, Deadline deadline) = 0;
  virtual Task<std::expected<void, Error>> finish(const Fields& trailers, Deadline deadline) = 0;
  // The response cannot be finished: the agent must see that it is not whole. Wakes what waits. After
  // finish() it says that nothing more of the request is wanted.
  virtual void break_off() = 0;
  // Instead of an answer: the request has not been processed, and may be sent again (RFC 9113, 8.7). False:
  // this version has no word for that.
  virtual bool refuse() { return false; }
  // Called, from the ring, once the agent has broken the exchange off, where a version can tell before
  // somebody writes. Not called once the exchange is destroyed.
  virtual void on_broken_off(std::function<void()>) {}
};

// Error::code where the server says that it has not looked at the request (RFC 9113, 8.7): it may be sent
// again on another connection, whatever its method.
inline constexpr int not_processed = EAGAIN;

class UpstreamExchange {
 public:
  virtual ~UpstreamExchange() = default;
  virtual Task<std::expected<void, Error>> send_head(const RequestHead& head, Deadline deadline) = 0;
  virtual Task<std::expected<void, Error>> send(std::string_view bytes, Deadline deadline) = 0;
  virtual Task<std::expected<void, Error>> finish(const Fields& trailers, Deadline deadline) = 0;

  // The next head, one below 200 included.
  virtual Task<std::expected<ResponseHead, Error>> read_head(Deadline deadline) = 0;
  virtual Task<std::expected<BodyPart, Error>> read(Deadline deadline) = 0;
  virtual void break_off() = 0;
};

}  // namespace clawpatrol::http
