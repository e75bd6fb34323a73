// What an agent is told instead of a response: RFC 9457, the Status object of a Kubernetes API, or the status
// of gRPC (its PROTOCOL-HTTP2.md, "Responses").
#pragma once

#include <string>
#include <string_view>

#include "parsers/http/message.h"

namespace clawpatrol::http {

struct Problem {
  int status = 403;
  std::string_view type;  // a literal: "denied", "malformed", ...
  std::string detail;     // a sentence for whoever reads it
  std::string rule;       // "": none decided
  std::string id;         // of the action; "": there is none
};

enum class ProblemForm : std::uint8_t { problem_json, kubernetes_status, grpc_status };

struct Answer {
  ResponseHead head;
  std::string body;
};

// `method` of the request: the answer to HEAD has no body.
Answer answer_of(const Problem& problem, ProblemForm form, std::string_view method);

}  // namespace clawpatrol::http
