#include "daemon/gateway/http/problem.h"

#include <fmt/format.h>

#include <iterator>

#include "daemon/control/message.h"
#include "parsers/http1/write.h"

namespace clawpatrol::http {
namespace {

using control::JsonObject;

std::string problem_json(const Problem& problem) {
  JsonObject object;
  object.add("type", "urn:clawpatrol:" + std::string(problem.type));
  object.add("title", http1::reason_of(problem.status)).add("status", problem.status);
  object.add("detail", problem.detail);
  if (!problem.rule.empty()) object.add("rule", problem.rule);
  if (!problem.id.empty()) object.add("id", problem.id);
  return object.text();
}

// kubectl prints `message`, and takes `reason` from a list of its own.
std::string_view kubernetes_reason(int status) {
  switch (status) {
    case 400: return "BadRequest";
    case 403: return "Forbidden";
    case 405: return "MethodNotAllowed";
    case 503: return "ServiceUnavailable";
    case 504: return "Timeout";
    default: return "InternalError";
  }
}

// For who prints one text and nothing else.
std::string message_of(const Problem& problem) {
  std::string message = problem.detail;
  if (!problem.rule.empty()) message += " (rule \"" + problem.rule + "\", action " + problem.id + ")";
  if (problem.rule.empty() && !problem.id.empty()) message += " (action " + problem.id + ")";
  return message;
}

std::string kubernetes_status(const Problem& problem) {
  JsonObject object;
  object.add("kind", "Status").add("apiVersion", "v1").add_json("metadata", "{}").add("status", "Failure");
  object.add("message", message_of(problem))
      .add("reason", kubernetes_reason(problem.status))
      .add("code", problem.status);
  return object.text();
}

int grpc_code(int status) {
  switch (status) {
    case 400: return 3;   // INVALID_ARGUMENT
    case 403: return 7;   // PERMISSION_DENIED
    case 405: return 12;  // UNIMPLEMENTED
    case 502:
    case 503:
    case 504: return 14;  // UNAVAILABLE
    default: return 2;    // UNKNOWN
  }
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char byte : text) {
    if (byte >= ' ' && byte <= '~' && byte != '%')
      out.push_back(byte);
    else
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(byte));
  }
  return out;
}

// A head that is the end as well.
Answer grpc_answer(const Problem& problem) {
  Answer answer;
  answer.head.status = 200;
  answer.head.fields = {{"Content-Type", "application/grpc"},
                        {"grpc-status", std::to_string(grpc_code(problem.status))},
                        {"grpc-message", percent_encoded(message_of(problem))}};
  return answer;
}

}  // namespace

Answer answer_of(const Problem& problem, ProblemForm form, std::string_view method) {
  if (form == ProblemForm::grpc_status) return grpc_answer(problem);
  const bool status = form == ProblemForm::kubernetes_status;
  Answer answer;
  answer.body = (status ? kubernetes_status(problem) : problem_json(problem)) + "\n";
  answer.head.status = problem.status;
  answer.head.fields = {{"Content-Type", status ? "application/json" : "application/problem+json"},
                        {"Cache-Control", "no-store"}};
  if (problem.status == 503) answer.head.fields.push_back({"Retry-After", "1"});
  if (problem.status == 405)
    answer.head.fields.push_back({"Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"});
  answer.head.has_body = method != "HEAD";
  answer.head.content_length = answer.body.size();
  if (method == "HEAD") answer.body.clear();
  return answer;
}

}  // namespace clawpatrol::http
