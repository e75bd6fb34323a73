#include "daemon/gateway/http/handler.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>

#include "daemon/gateway/http/http1_agent.h"
#include "daemon/gateway/http/http2_agent.h"
#include "daemon/gateway/http/serve_exchange.h"
#include "daemon/gateway/upstream.h"

namespace clawpatrol::http {
namespace {

constexpr auto farewell_time = std::chrono::seconds(5);

Clock::duration span(std::chrono::nanoseconds limit) {
  return std::chrono::duration_cast<Clock::duration>(limit);
}

// One request of a connection of HTTP/2.
Task<void> serve_stream(ServedFlow& flow, Http2AgentConnection& connection,
                        Http2AgentConnection::Arrival arrival) {
  if (arrival.malformed.empty())
    co_await serve_exchange(flow, *arrival.exchange);
  else
    co_await refuse_malformed(flow, *arrival.exchange, arrival.malformed);
  arrival.exchange.reset();
  if (flow.closing()) connection.go_away();
}

Task<void> serve_http2(ServedFlow& flow, Stream& stream) {
  const auto idle = span(flow.worker().shared().policy.current()->limits.keep_alive);
  Http2AgentConnection connection(flow.worker().ring(), stream, flow.account(), {});
  flow.serve_on(connection);
  TaskGroup streams(flow.worker().ring());
  while (true) {
    auto arrival = co_await connection.accept(idle > Clock::duration::zero() ? Deadline::after(idle)
                                                                             : Deadline::never());
    if (!arrival && streams.running() > 0) continue;
    if (!arrival || !arrival->exchange) break;
    streams.spawn(serve_stream(flow, connection, std::move(*arrival)));
  }
  connection.go_away();
  co_await streams.join();
  flow.flow().set_state("closing");
  if (std::string_view why = connection.failure(); !why.empty()) (void)co_await flow.record_malformed(why);
  co_await connection.close();
}

Task<void> serve_http1(ServedFlow& flow, Stream& stream) {
  const LimitsConfig limits = flow.worker().shared().policy.current()->limits;
  Http1Agent agent(
      flow.worker().ring(), stream,
      {.idle = span(limits.keep_alive), .head = span(limits.handshake), .farewell = farewell_time});
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

// Whether the agent speaks HTTP/2 without having been asked (RFC 9113, 3.3): its preface begins like no
// request.
Task<Version> version_of(Worker& worker, const Stream& stream) {
  constexpr std::string_view preface = "PRI * HTTP/2.0\r\n";
  const LimitsConfig limits = worker.shared().policy.current()->limits;
  const Deadline deadline = Deadline::after(span(limits.handshake));
  std::array<char, preface.size()> first;
  while (Clock::now() < deadline.when()) {
    const std::int32_t ready = co_await worker.ring().poll(stream.fd(), POLLIN, deadline);
    if (ready < 0) break;
    const ssize_t count = ::recv(stream.fd(), first.data(), first.size(), MSG_PEEK | MSG_DONTWAIT);
    if (count <= 0) break;
    const std::string_view seen(first.data(), static_cast<std::size_t>(count));
    if (seen == preface) co_return Version::http2;
    if (!preface.starts_with(seen)) break;
    (void)co_await worker.ring().sleep_until(
        Deadline::after(std::chrono::milliseconds(20)));  // for the rest of it
  }
  co_return Version::http1;
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
    // Who begins with HTTP/2 in the clear knows that the server speaks it.
    if (version == http::Version::http2) {
      flow.set_speaks(http::Speaks::http2_rather);
    } else if (!agent->encrypted()) {
      version = co_await http::version_of(worker, *agent);
      if (version == http::Version::http2) flow.set_speaks(http::Speaks::http2);
    }
    if (version == http::Version::http1)
      co_await http::serve_http1(flow, *agent);
    else
      co_await http::serve_http2(flow, *agent);
    co_await flow.upstreams().close();
  }
  worker.shared().flows.close(*listed);
}

}  // namespace clawpatrol
