#include "daemon/gateway/http/serve_exchange.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "daemon/gateway/copy.h"
#include "daemon/gateway/http/exchange_state.h"
#include "daemon/gateway/unix_time.h"
#include "parsers/http1/text.h"

namespace clawpatrol::http {
namespace {

// An answer of our own is worth this much waiting.
constexpr auto farewell_time = std::chrono::seconds(5);

bool is_grpc(const RequestHead& head) {
  const std::string type = http1::lower_case(value_of(head.fields, "content-type"));
  return type == "application/grpc" || type.starts_with("application/grpc+") ||
         type.starts_with("application/grpc;");
}

ProblemForm form_for(const ServedFlow& flow, const RequestHead& head) {
  if (flow.claimed().endpoint_facets.type == name_of(EndpointType::kubernetes))
    return ProblemForm::kubernetes_status;
  const bool http2 = flow.speaks() != Speaks::http1_rather;  // of which gRPC is made
  return http2 && is_grpc(head) ? ProblemForm::grpc_status : ProblemForm::problem_json;
}

// Of a head, and of what is made of it: what is sent on, what rules see, and the other side's own copy.
std::size_t memory_of(const RequestHead& head) {
  constexpr std::size_t copies = 4, each = 64;
  std::size_t bytes = head.target.size();
  for (const Field& field : head.fields) bytes += field.name.size() + field.value.size() + each;
  return copies * bytes;
}

Task<bool> send_answer(AgentExchange& agent, Answer answer) {
  const Deadline deadline = Deadline::after(farewell_time);
  auto sent = co_await agent.send_head(answer.head, deadline);
  if (sent) sent = co_await agent.send(answer.body, deadline);
  if (sent) sent = co_await agent.finish({}, deadline);
  if (!sent) agent.break_off();
  co_return sent.has_value();
}

}  // namespace

Task<void> serve_exchange(ServedFlow& flow, AgentExchange& agent) {
  Exchange exchange(flow, agent);
  co_await exchange.serve();
}

Task<void> refuse_malformed(ServedFlow& flow, AgentExchange& agent, std::string_view why) {
  std::string id = co_await flow.record_malformed(why);
  Problem problem{
      .status = 400, .type = "malformed", .detail = std::string(why), .rule = {}, .id = std::move(id)};
  (void)co_await send_answer(agent, answer_of(problem, form_for(flow, agent.head()), agent.head().method));
}

Exchange::Exchange(ServedFlow& flow, AgentExchange& agent)
    : flow_(flow),
      agent_(agent),
      signed_share_(flow_.worker().http().memory, flow_.claimed().peer->id),
      held_share_(flow.worker().http().memory, flow.claimed().peer->id),
      head_share_(flow.worker().http().memory, flow.claimed().peer->id),
      changed_(flow.worker().ring()) {
  flow_.exchanges_.push_back(this);
  agent_.on_broken_off([this] {
    agent_left_ = unwanted_ = true;
    if (server_) server_->break_off();
    changed_.notify();
  });
}

Exchange::~Exchange() {
  agent_.on_broken_off(nullptr);
  if (value_) credentials::wipe(outgoing_);
  if (value_) OPENSSL_cleanse(held_.data(), held_.size());
  for (const GivenCredentials::Given& given : given_) flow_.given().remove(given);
  std::erase(flow_.exchanges_, this);
}

Task<void> Exchange::serve() {
  flow_.flow().set_state("active");
  begun_ = Clock::now();
  co_await flow_.worker().turns().turn(flow_.claimed().peer->id);
  policy_ = flow_.judge().take_generation();
  const bool stands = policy_ && flow_.judge().stands();
  if (!stands) {
    flow_.end_after_this();
    co_await answer({.status = 503,
                     .type = "closed",
                     .detail = "The gateway does not serve this connection any more.",
                     .rule = {},
                     .id = {}});
    co_return;
  }
  // Few bytes of HPACK can say many (attacks.md, 28).
  if (!head_share_.take(memory_of(head()))) {
    co_await refuse(503, "too-many", "heads of requests", "This peer has too much of its requests held.");
    co_return;
  }
  const bool judged = co_await judge();
  if (!judged) co_return;
  const bool allowed = co_await record();
  if (allowed) co_await forward();
}

// What was sent to the agent cannot be taken back; what was not is said.
void Exchange::close() {
  unwanted_ = true;
  if (server_) server_->break_off();
  if (head_sent_) agent_.break_off();
  changed_.notify();
}

Task<void> Exchange::answer(Problem problem) {
  head_sent_ = true;
  status_ = problem.status;
  const bool sent = co_await send_answer(agent_, answer_of(problem, form_for(flow_, head()), head().method));
  if (!sent) why_ = "the agent does not take its answer";
}

const EndpointConfig& Exchange::endpoint() const {
  return policy_->endpoints.find(flow_.claimed().endpoint_facets.name)->second;
}

// Of bytes that do not come, or that the other side does not take.
Deadline Exchange::stall_deadline() const {
  const auto limit = policy_->limits.idle;
  if (limit <= std::chrono::nanoseconds::zero()) return Deadline::never();
  return Deadline::after(std::chrono::duration_cast<Clock::duration>(limit));
}

void Exchange::note_outcome() {
  if (agent_left_ && !whole_) why_ = head_sent_ ? "the agent left" : "the agent left before it was answered";
  flow_.worker().audit().note(AuditLines::outcome({.id = action_,
                                                   .ok = whole_,
                                                   .bytes_up = bytes_up_,
                                                   .bytes_down = bytes_down_,
                                                   .code = std::to_string(status_),
                                                   .why = why_,
                                                   .frames = frames_,
                                                   .time_unix_ns = now_unix_ns()}));
}

}  // namespace clawpatrol::http
