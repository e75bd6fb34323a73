// A request that is given in parts, not as bytes: `cpctl facets kubernetes`, cases of a policy's test.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "parsers/http/request.h"

namespace clawpatrol::http {

struct DescribedHeader {
  std::string name, value;
};

struct Described {
  std::string method;
  std::string target;  // as a request line has it: a path with its query, or absolute
  std::vector<DescribedHeader> headers;
  std::string body;  // without any framing
};

// The parts as a Request, and what the gateway would say to them on the wire: they are written as HTTP/1.1,
// with a length that is right, and read by its parser. The views are of `described`.
struct DescribedRequest {
  Request request;
  std::string_view refused;  // a literal; "": it is read
};

DescribedRequest read_described(const Described& described);

}  // namespace clawpatrol::http
