// A recorded connection as the gateway would read it: every request of it, up to the first that is refused.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "parsers/http/request.h"
#include "parsers/http1/request.h"

namespace clawpatrol::http {

struct WireRequest {
  http1::Head head;  // views of the bytes that were read
  std::string body;  // without its framing
  BodyState body_state = BodyState::whole;
  HttpFacets facets;
  ActionKind kind = ActionKind::exec;

  Request request() const;  // views of this
};

struct WireReading {
  std::vector<WireRequest> requests;
  std::string_view refused;  // why the bytes behind the last of them are none, a literal; "": there are none
};

// Bytes that end within a request are refused, and so are none at all.
WireReading read_wire(std::string_view bytes, const Options& options);

}  // namespace clawpatrol::http
