#include "daemon/gateway/http/dial.h"

#include "daemon/gateway/http/worker_state.h"
#include "daemon/gateway/upstream.h"

namespace clawpatrol::http {
namespace {

using Failed = std::unexpected<DialFailure>;

Failed not_reached(const Error& error) {
  const bool late = error.code == ETIMEDOUT;
  return Failed(
      {late ? 504 : 502,
       late ? "The gateway could not reach the server in time." : "The gateway could not reach the server.",
       error.what});
}

Failed not_encrypted(std::string why) {
  return Failed({502, "The gateway could not set up TLS with the server.", std::move(why)});
}

// A session is resumed by who may use its connection again, under the same roots, and nobody else
// (attacks.md, 15).
tls::Wish wish_for(Worker& worker, const Destination& to, std::string name) {
  const PoolKey& key = to.key;
  std::string session_key;
  for (const std::string& part :
       {std::to_string(key.peer_id), std::to_string(key.generation), key.endpoint, key.host,
        std::to_string(key.port), key.credential, std::to_string(key.credential_version)})
    session_key += part + "/";
  return {.name = std::move(name),
          .protocols = {"http/1.1"},
          .sessions = &worker.shared().upstream_sessions,
          .session_key = std::move(session_key)};
}

std::expected<UpstreamContexts::Context, Error> context_for(UpstreamContexts& contexts,
                                                            const Destination& to) {
  if (!to.client) return contexts.of(to.endpoint);
  return contexts.of(to.endpoint, {.credential = to.client->name,
                                   .version = to.certificate->version,
                                   .identity = {.certificates = to.certificate->certificate.reveal(),
                                                .key = to.certificate->private_key.reveal()}});
}

}  // namespace

bool is_clear_text(const EndpointConfig& endpoint) {
  return endpoint.type == EndpointType::http || endpoint.tls == UpstreamTls::disable;
}

std::uint16_t scheme_port(const EndpointConfig& endpoint) {
  return default_port(endpoint.type);
}

Task<Dialled> dial(Worker& worker, const Flow& flow, const Destination& to, Reuse reuse) {
  if (reuse == Reuse::may_be_used)
    if (auto pooled = worker.http().pool.take(to.key)) co_return pooled;
  UpstreamContexts::Context context;
  if (!is_clear_text(to.endpoint)) {
    auto found = context_for(worker.shared().upstream_contexts, to);
    if (!found) co_return not_encrypted(found.error().what);
    context = std::move(*found);
  }
  const auto limit = std::chrono::duration_cast<Clock::duration>(to.policy->limits.connect);
  auto stream = std::make_unique<Stream>(worker.ring());
  UpstreamHost host = upstream_host(worker, to.policy, to.endpoint, to.dest);
  const std::string name = host.host.host;
  auto connected = co_await connect_upstream(worker, flow, std::move(host.host), Deadline::after(limit),
                                             std::move(host.guard), stream->socket());
  if (!connected) co_return not_reached(connected.error());
  auto address = peer_address(stream->fd());
  if (!address) co_return not_reached(address.error());
  if (context) {
    auto encrypted = co_await stream->encrypt(context, wish_for(worker, to, name), Deadline::after(limit));
    if (!encrypted) {
      worker.shared().refusals.count("TLS with a server failed", flow.peer_id);
      co_return not_encrypted(encrypted.error().what);
    }
  }
  co_return std::make_unique<Http1Upstream>(std::move(stream), scheme_port(to.endpoint),
                                            address->address.text() + ":" + std::to_string(address->port));
}

}  // namespace clawpatrol::http
