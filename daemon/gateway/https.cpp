#include "daemon/gateway/https.h"

#include "daemon/gateway/agent_tls.h"
#include "daemon/gateway/close_requests.h"
#include "daemon/gateway/http/handler.h"
#include "daemon/gateway/upstream.h"

namespace clawpatrol {

namespace {

constexpr std::string_view protocols[] = {"h2", "http/1.1"};

Task<std::expected<AgentTls, TlsRefusal>> set_up(Worker& worker, Stream& agent, const ClaimedFlow& claimed,
                                                 Opening opening) {
  CloseRequests requests(worker.ring(), *claimed.flow, agent.fd());
  const Deadline deadline = Deadline::after(worker.shared().policy.current()->limits.handshake);
  if (opening.empty()) opening = co_await read_opening(worker.ring(), agent.fd(), deadline);
  if (opening.empty()) co_return std::unexpected(TlsRefusal{"a connection without a word", ""});
  if (opening.problem) co_return std::unexpected(TlsRefusal{opening.problem, ""});
  co_return co_await accept_tls(worker, agent, claimed, std::move(opening), {.ours = protocols}, deadline);
}

}  // namespace

Task<void> serve_https(Worker& worker, Fd socket, ClaimedFlow claimed, Opening opening) {
  auto agent = std::make_unique<Stream>(worker.ring(), std::move(socket));
  tune_connection(agent->fd());
  claimed.flow->set_state("TLS handshake");
  auto agreed = co_await set_up(worker, *agent, claimed, std::move(opening));
  if (!agreed) {
    worker.shared().refusals.count(agreed.error().what, claimed.peer->id);
    co_return;
  }
  const http::Version version = agreed->protocol == "h2" ? http::Version::http2 : http::Version::http1;
  co_await serve_http(worker, std::move(agent), std::move(claimed), version);
}

}  // namespace clawpatrol
