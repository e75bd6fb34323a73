#include "daemon/gateway/http/problem.h"

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

std::string kubernetes_status(const Problem& problem) {
  std::string message = problem.detail;
  if (!problem.rule.empty()) message += " (rule \"" + problem.rule + "\", action " + problem.id + ")";
  if (problem.rule.empty() && !problem.id.empty()) message += " (action " + problem.id + ")";
  JsonObject object;
  object.add("kind", "Status").add("apiVersion", "v1").add_json("metadata", "{}").add("status", "Failure");
  object.add("message", message).add("reason", kubernetes_reason(problem.status)).add("code", problem.status);
  return object.text();
}

}  // namespace

Answer answer_of(const Problem& problem, ProblemForm form, std::string_view method) {
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
