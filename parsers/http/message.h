// Heads of requests and responses as they are handed on, whichever version of HTTP they came in: owned, and
// without what belongs to one connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "parsers/http1/authority.h"

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
  std::string method;
  std::string target;  // path and query as sent, in origin form; "*" of OPTIONS
  http1::Authority authority;
  Fields fields;
  bool has_body = false;
  std::optional<std::uint64_t> content_length;  // none where there is no body, or its end is told otherwise
  bool expects_continue = false;
  std::string upgrade;  // what it asks to change to, lower case; "": nothing
};

struct ResponseHead {
  int status = 0;  // 100 to 199: another head follows
  Fields fields;
  bool has_body = false;                        // as the request's method and the status say (RFC 9112, 6.3)
  std::optional<std::uint64_t> content_length;  // of HEAD and 304 too, where it was sent
  std::string upgrade;
};

}  // namespace clawpatrol::http
