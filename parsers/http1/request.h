// Requests on a connection, one after the other: head, body, end. RFC 9112.
//
//   request  [CRLF] head body
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "parsers/bytes.h"
#include "parsers/http1/body.h"
#include "parsers/http1/head.h"

namespace clawpatrol::http1 {

using Event = std::variant<Head, Data, End>;

// The state between two events. Call next() with what is buffered, drop the bytes that the event covers, and
// call again; after Malformed never again. Every request is one Head, any Data, one End (which may cover no
// byte). One CRLF before a request line is skipped (RFC 9112, 2.2).
// A request that asks for an upgrade, or after which the connection is to close, is the last: a byte behind
// it is Malformed.
class RequestReader {
 public:
  Step<Event> next(std::string_view buffer);

  // Whether bytes that end here end between two requests.
  bool between_requests() const { return state_ == State::head || state_ == State::over; }

 private:
  enum class State : std::uint8_t { head, body, over };

  Step<Event> head(std::string_view buffer);
  Step<Event> body(std::string_view buffer);

  State state_ = State::head;
  bool last_ = false;
  BodyReader body_;
  LineScanner scanner_;
};

}  // namespace clawpatrol::http1
