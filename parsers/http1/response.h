// Responses on a connection of ours to a server, one after the other: RFC 9112, 4 and 6.3.
//
//   response  "HTTP/1." ("0" | "1") SP status [SP reason] CRLF *( name ":" OWS value OWS CRLF ) CRLF body
//
// Strict where two readings would tell the agent another end of the body than the server meant: then it is
// Malformed. How long the body is depends on what was asked.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "parsers/bytes.h"
#include "parsers/http1/body.h"
#include "parsers/http1/head.h"

namespace clawpatrol::http1 {

struct ResponseStart {
  int minor_version = 1;
  int status = 0;  // 100 to 199: another one follows, but for 101
  std::vector<Header> headers;
  Framing framing = Framing::none;
  std::optional<std::uint64_t> content_length;  // of what has no body (HEAD, 304) too
  bool keep_alive = true;                       // whether another request may be sent
  std::string_view upgrade;                     // of 101: what it changes to

  // The value of the only header of this name; "" where there is none.
  std::string_view only(std::string_view name) const;
};

enum class Asked : std::uint8_t { ordinary, head };

// Whether the response to such a request can have a body (RFC 9112, 6.3).
bool may_have_body(int status, Asked asked);

// `text` is the whole head, up to and with its empty line, and holds no byte that LineScanner refuses.
std::expected<ResponseStart, Malformed> read_response_start(std::string_view text, Asked asked);

using ResponseEvent = std::variant<ResponseStart, Data, End>;

// The state between two events; call next() as RequestReader's. A response is one start, any Data, one End,
// and of a status below 200 the start alone, before that. After a start of 101 it reads nothing more: what
// follows is of the other protocol.
class ResponseReader {
 public:
  // Before each request that is sent. A byte that comes unasked is Malformed.
  void expect(Asked asked);
  Step<ResponseEvent> next(std::string_view buffer);

  // The connection has ended, in good order. Whether the response ends with it.
  bool ends_here() const { return state_ == State::body && body_.lasts_until_close(); }
  bool at_rest() const { return state_ == State::unasked; }  // nothing is awaited

 private:
  enum class State : std::uint8_t { unasked, start, body, changed };

  Step<ResponseEvent> start(std::string_view buffer);

  State state_ = State::unasked;
  Asked asked_ = Asked::ordinary;
  LineScanner scanner_;
  BodyReader body_;
};

}  // namespace clawpatrol::http1
