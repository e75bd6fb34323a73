// Heads of requests and responses as they are handed on, whichever version of HTTP they came in: owned, and
// without what belongs to one connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/http1/authority.h"
#include "parsers/http1/head.h"
#include "parsers/http1/response.h"

namespace clawpatrol::http {

struct Field {
  std::string name;  // as sent; HTTP/2's are lower case
  std::string value;
  bool operator==(const Field&) const = default;
};
using Fields = std::vector<Field>;

// `fields` are in the order in which they were sent, repeated ones included, without those that are for the
// connection (RFC 9110, 7.6.1: Connection and what it names, Keep-Alive, Proxy-Connection, TE but for
// "trailers", Transfer-Encoding, Upgrade) and without Host, Content-Length and Expect, which the members say.
struct RequestHead {
  std::string method = {};
  std::string target = {};  // path and query as sent, in origin form; "*" of OPTIONS
  http1::Authority authority = {};
  Fields fields = {};
  bool has_body = false;
  std::optional<std::uint64_t> content_length =
      {};  // none where there is no body, or its end is told otherwise
  bool expects_continue = false;
  std::string upgrade = {};  // what it asks to change to, lower case; "": nothing
};

struct ResponseHead {
  int status = 0;  // 100 to 199: another head follows
  Fields fields = {};
  bool has_body = false;  // as the request's method and the status say (RFC 9112, 6.3)
  std::optional<std::uint64_t> content_length = {};  // of HEAD and 304 too, where it was sent
  std::string upgrade = {};
};

// Whether a field of this name is for the connection alone, whatever Connection names; not so TE, which is
// where it says nothing but "trailers".
bool belongs_to_connection(std::string_view name);

// The only value of this name, or ""; of several the first.
std::string_view value_of(const Fields& fields, std::string_view name);

RequestHead request_head(const http1::Head& head);
ResponseHead response_head(const http1::ResponseStart& start, http1::Asked asked);
// Without those that could change what the message says, which may be dropped (RFC 9110, 6.5.1).
Fields trailers_of(const http1::End& end);

}  // namespace clawpatrol::http
