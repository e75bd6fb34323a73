#include "daemon/gateway/http/handler.h"

#include "daemon/gateway/http/http1_agent.h"
#include "daemon/gateway/http/serve_exchange.h"
#include "daemon/gateway/upstream.h"

namespace clawpatrol::http {
namespace {

constexpr auto farewell_time = std::chrono::seconds(5);

Clock::duration span(std::chrono::nanoseconds limit) {
  return std::chrono::duration_cast<Clock::duration>(limit);
}

Task<void> serve_http1(ServedFlow& flow, Stream& stream) {
  const LimitsConfig limits = flow.worker().shared().policy.current()->limits;
  Http1Agent agent(
      stream, {.idle = span(limits.keep_alive), .head = span(limits.handshake), .farewell = farewell_time});
  flow.serve_on(agent);
  bool usable = true;
  while (usable && !flow.closing()) {
    flow.flow().set_state("idle");
    flow.flow().set_wait();
    const Http1Agent::Next next = co_await agent.next();
    if (next == Http1Agent::Next::ended) break;
    if (next == Http1Agent::Next::request) co_await serve_exchange(flow, agent.exchange());
    if (next == Http1Agent::Next::malformed) co_await refuse_malformed(flow, agent.exchange(), agent.why());
    usable = co_await agent.finish();
  }
  flow.flow().set_state("closing");
  co_await agent.close();
}

}  // namespace
}  // namespace clawpatrol::http

namespace clawpatrol {

Task<void> serve_http(Worker& worker, std::unique_ptr<Stream> agent, ClaimedFlow claimed,
                      http::Version version) {
  const std::shared_ptr<Flow> listed = claimed.flow;
  tune_connection(agent->fd());
  {
    http::ServedFlow flow(worker, std::move(claimed));
    listed->set_state("idle");
    if (version == http::Version::http1) co_await http::serve_http1(flow, *agent);
  }
  worker.shared().flows.close(*listed);
}

}  // namespace clawpatrol
