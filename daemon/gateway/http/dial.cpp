#include "daemon/gateway/http/dial.h"

#include "daemon/gateway/http/worker_state.h"
#include "daemon/gateway/upstream.h"

namespace clawpatrol::http {
namespace {

using Failed = std::unexpected<DialFailure>;

Clock::duration span(std::chrono::nanoseconds limit) {
  return std::chrono::duration_cast<Clock::duration>(limit);
}

Failed not_reached(const Error& error) {
  const bool late = error.code == ETIMEDOUT;
  return Failed(
      {late ? 504 : 502, "unreachable",
       late ? "The gateway could not reach the server in time." : "The gateway could not reach the server.",
       error.what});
}

Failed not_encrypted(std::string why) {
  return Failed({502, "unreachable", "The gateway could not set up TLS with the server.", std::move(why)});
}

Failed too_many() {
  return Failed({503, "too-many", "This peer has too many requests to this endpoint at once.",
                 "limits.upstream_per_peer is reached, and none became free in limits.upstream_wait"});
}

// A session is resumed by who may use its connection again, under the same roots, and nobody else
// (attacks.md, 15).
tls::Wish wish_for(Worker& worker, const Destination& to, std::string name,
                   std::vector<std::string> protocols) {
  const PoolKey& key = to.key;
  std::string session_key;
  for (const std::string& part :
       {std::to_string(key.peer_id), std::to_string(key.generation), key.endpoint, key.host,
        std::to_string(key.port), key.credential, std::to_string(key.credential_version)})
    session_key += part + "/";
  return {.name = std::move(name),
          .protocols = std::move(protocols),
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

struct Connected {
  std::unique_ptr<Stream> stream;
  std::string address;
  std::string protocol;  // that TLS settled on; "": none
};

Task<std::expected<Connected, DialFailure>> connect(ServedFlow& served, const Destination& to,
                                                    std::vector<std::string> protocols) {
  Worker& worker = served.worker();
  const Flow& flow = served.flow();
  UpstreamContexts::Context context;
  if (!is_clear_text(to.endpoint)) {
    auto found = context_for(worker.shared().upstream_contexts, to);
    if (!found) co_return not_encrypted(found.error().what);
    context = std::move(*found);
  }
  const auto limit = span(to.policy->limits.connect);
  auto stream = std::make_unique<Stream>(worker.ring());
  UpstreamHost host = upstream_host(worker, to.policy, to.endpoint, to.dest);
  const std::string name = host.host.host;
  auto connected = co_await connect_upstream(worker, flow, std::move(host.host), Deadline::after(limit),
                                             std::move(host.guard), stream->socket());
  if (!connected) co_return not_reached(connected.error());
  auto address = peer_address(stream->fd());
  if (!address) co_return not_reached(address.error());
  if (context) {
    auto encrypted = co_await stream->encrypt(context, wish_for(worker, to, name, std::move(protocols)),
                                              Deadline::after(limit));
    if (!encrypted) {
      worker.shared().refusals.count("TLS with a server failed", flow.peer_id);
      co_return not_encrypted(encrypted.error().what);
    }
  }
  std::string protocol = stream->encrypted() ? std::string(stream->tls()->protocol()) : "";
  co_return Connected{.stream = std::move(stream),
                      .address = address->address.text() + ":" + std::to_string(address->port),
                      .protocol = std::move(protocol)};
}

}  // namespace

bool is_clear_text(const EndpointConfig& endpoint) {
  return endpoint.type == EndpointType::http || endpoint.tls == UpstreamTls::disable;
}

std::uint16_t scheme_port(const EndpointConfig& endpoint) {
  return default_port(endpoint.type);
}

namespace {

// All of the connection is this exchange's.
UpstreamUse use_of(const Destination& to, Connected connected, UpstreamPlaces::Place place) {
  return {std::make_unique<Http1Upstream>(std::move(connected.stream), scheme_port(to.endpoint),
                                          std::move(connected.address)),
          std::move(place)};
}

using Place = std::optional<UpstreamPlaces::Place>;

// Between the thread on which a place becomes free and the exchange that waits for it, as long as it does.
struct PlaceWait {
  Event* changed;
};

UpstreamPlaces::Answer ask_for_place(ServedFlow& flow, const Destination& to,
                                     const std::shared_ptr<PlaceWait>& wait) {
  Ring* ring = &flow.worker().ring();
  return flow.worker().shared().upstream_places.take_or_wait(
      {to.key.peer_id, to.key.endpoint}, to.policy->limits.upstream_per_peer, [ring, wait] {
        ring->post([wait] {
          if (wait->changed) wait->changed->notify();
        });
      });
}

// Nothing: none became free in time, or the exchange is not wanted any more.
Task<Place> wait_for_place(ServedFlow& flow, const Destination& to) {
  auto wait = std::make_shared<PlaceWait>(&to.changed);
  auto [place, turn] = ask_for_place(flow, to, wait);
  if (!turn) co_return std::move(place);
  const Deadline deadline = Deadline::after(span(to.policy->limits.upstream_wait));
  flow.flow().set_state("waiting for a place");
  flow.flow().set_wait();
  for (bool in_time = true; !place && in_time && !to.unwanted; place = turn->take())
    in_time = co_await to.changed.wait(deadline);
  wait->changed = nullptr;
  flow.flow().set_state("connecting");
  co_return std::move(place);
}

// A connection that the exchanges of this agent's may share from now on, and the first of them.
Dialled share(ServedFlow& flow, const Destination& to, Connected connected, UpstreamPlaces::Place place) {
  flow.upstreams().add(to.key, std::move(connected.stream), std::move(connected.address), std::move(place));
  auto found = flow.upstreams().open(to.key);
  if (!found.exchange) return not_reached(Error{ECONNRESET, "the server ended the connection at once"});
  return UpstreamUse(std::move(found.exchange), std::move(found.address));
}

// One that speaks what was offered; for a server that agrees to nothing of it, what it does agree to, if that
// is HTTP/2. A server without ALPN speaks HTTP/1.1.
Task<Dialled> dial_new(ServedFlow& flow, const Destination& to, UpstreamPlaces::Place place) {
  WorkerState& state = flow.worker().http();
  const std::uint64_t generation = to.key.generation;
  const std::string server = to.key.endpoint + " " + to.key.host + " " + std::to_string(to.key.port);
  const bool both = to.speaks == Speaks::http2_rather ||
                    (to.speaks == Speaks::http1_rather && state.only_http2.contains(generation, server));
  auto connected = co_await connect(
      flow, to, both ? std::vector<std::string>{"h2", "http/1.1"} : std::vector<std::string>{"http/1.1"});
  const bool disagreed = connected ? connected->stream->encrypted() && connected->protocol.empty()
                                   : connected.error().why.contains("no application protocol");
  if (to.speaks == Speaks::http1_rather && !both && disagreed &&
      !state.without_alpn.contains(generation, server)) {
    auto other = co_await connect(flow, to, {"h2"});
    if (other && other->protocol == "h2") {
      state.only_http2.add(generation, server);
      connected = std::move(other);
    } else if (connected) {
      state.without_alpn.add(generation, server);
    }
  }
  if (!connected) co_return std::unexpected(std::move(connected.error()));
  if (connected->protocol == "h2" || to.speaks == Speaks::http2)
    co_return share(flow, to, std::move(*connected), std::move(place));
  co_return use_of(to, std::move(*connected), std::move(place));
}

bool shares_rather(const Destination& to) {
  return to.speaks == Speaks::http2_rather || to.speaks == Speaks::http2;
}

Task<bool> wait_for_dialler(ServedFlow& flow, const Destination& to) {
  const Deadline deadline = Deadline::after(span(to.policy->limits.connect));
  while (flow.upstreams().is_dialling(to.key)) {
    const bool in_time = co_await flow.upstreams().changed().wait(deadline);
    if (!in_time) co_return false;
  }
  co_return true;
}

// One of the exchange's own, or the first share in a new one; of who else would dial for the same, one alone.
Task<Dialled> dial_alone(ServedFlow& flow, const Destination& to, UpstreamPlaces::Place place) {
  Http2Upstreams& shared = flow.upstreams();
  const bool alone = shares_rather(to) && !shared.is_of_http1(to.key);
  if (alone) shared.begin_dialling(to.key);
  auto dialled = co_await dial_new(flow, to, std::move(place));
  if (alone) shared.end_dialling(to.key);
  if (alone && dialled && dialled->is_whole()) shared.found_http1(to.key);
  co_return dialled;
}

}  // namespace

Task<Dialled> dial(ServedFlow& flow, const Destination& to, Reuse reuse) {
  Http2Upstreams& shared = flow.upstreams();
  Place place;
  // What others dialled while this one waited for its place serves it too.
  for (bool waited = true; waited;) {
    if (shares_rather(to) && shared.is_dialling(to.key)) {
      const bool in_time = co_await wait_for_dialler(flow, to);
      if (!in_time) co_return not_reached(os_error(ETIMEDOUT, "waiting for a connection to the server"));
    }
    if (to.speaks != Speaks::http1)
      if (auto found = shared.open(to.key); found.exchange)
        co_return UpstreamUse(std::move(found.exchange), std::move(found.address));
    if (place) break;
    place = flow.worker().shared().upstream_places.take(to.key.peer_id, to.key.endpoint,
                                                        to.policy->limits.upstream_per_peer);
    waited = !place;
    if (waited) place = co_await wait_for_place(flow, to);
    if (!place) co_return too_many();
  }
  if (reuse == Reuse::may_be_used && to.speaks != Speaks::http2)
    if (auto pooled = flow.worker().http().pool.take(to.key))
      co_return UpstreamUse(std::move(pooled), std::move(*place));
  co_return co_await dial_alone(flow, to, std::move(*place));
}

}  // namespace clawpatrol::http
