// From the first byte to the first ReadyForQuery: encryption requests, cancel requests, the login at both
// ends.
#include <openssl/crypto.h>
#include <sys/socket.h>

#include <algorithm>

#include "daemon/gateway/grant.h"
#include "daemon/gateway/postgres/connection.h"
#include "daemon/gateway/postgres/path_question.h"
#include "daemon/gateway/postgres/scram.h"
#include "daemon/gateway/postgres/upstream_login.h"
#include "daemon/gateway/upstream.h"
#include "parsers/postgres/build.h"

namespace clawpatrol::postgres {
namespace {

constexpr std::size_t secret_size_3_0 = 4;
constexpr std::size_t secret_size_3_2 = 32;

// What a waiting cancel connection and the session, perhaps on another worker, share.
struct CancelWait {
  explicit CancelWait(Ring& ring) : finished(ring) {}
  Event finished;
  bool done = false;
};

const Denial connection_lost{.code = "08006",
                             .message = "the server closed the connection while the gateway logged in",
                             .detail = {},
                             .hint = {}};
const Denial agent_lost{
    .code = "08006", .message = "the agent closed the connection", .detail = {}, .hint = {}};

Denial tls_failed(const Error& error) {
  return {.code = "08001",
          .message = "the gateway could not set up TLS with the server",
          .detail = error.what,
          .hint = {}};
}

// Whoever listens, or stands between, learns nothing of what is sent.
bool is_proven(const UpstreamContexts::Context& context) {
  return context && context->verify() != tls::Verify::nothing;
}

}  // namespace

Task<void> Connection::refuse(Denial denial, Deadline deadline) {
  std::string out;
  append_error(out, {.severity = "FATAL",
                     .code = denial.code,
                     .message = denial.message,
                     .detail = denial.detail,
                     .hint = denial.hint});
  (void)co_await agent_.send_all(out, deadline);
  agent_.shut_down(SHUT_RDWR);
}

Task<std::optional<FirstPacket>> Connection::first_packet(Deadline deadline) {
  while (true) {
    // TLS without a request for it; no packet begins like this.
    const bool direct = at_first_byte_ && !from_agent_.view().empty() && tls::may_be_tls(from_agent_.view());
    if (!from_agent_.view().empty()) at_first_byte_ = false;
    if (direct) {
      if (!co_await encrypt_agent(Protocols::Offer::required, deadline)) co_return std::nullopt;
    }
    auto step = parse_first_packet(from_agent_.view());
    if (auto* packet = std::get_if<Parsed<FirstPacket>>(&step)) co_return std::move(packet->event);
    if (auto* malformed = std::get_if<Malformed>(&step)) {
      worker_.shared().refusals.count("malformed startup packet", claimed_.peer->id);
      // Old clients fall back to another version on the first of these.
      const char* code = malformed->why == unsupported_version ? "0A000" : "08P01";
      co_await refuse({.code = code, .message = std::string(malformed->why), .detail = {}, .hint = {}},
                      deadline);
      co_return std::nullopt;
    }
    claimed_.flow->set_wait();
    const int count = co_await agent_.recv(from_agent_.space(), deadline);
    if (count == -ETIMEDOUT) {
      worker_.shared().refusals.count("no startup packet in time", claimed_.peer->id);
      co_await refuse(
          {.code = "57014", .message = "canceling authentication due to timeout", .detail = {}, .hint = {}},
          deadline);
    }
    auto closing = close_asked();
    if (closing) co_await refuse(std::move(*closing), deadline);
    if (closing || count <= 0) co_return std::nullopt;
    from_agent_.received(static_cast<std::size_t>(count));
  }
}

Task<bool> Connection::log_in(Deadline deadline) {
  bool asked_ssl = false, asked_gss = false;
  while (true) {
    auto packet = co_await first_packet(deadline);
    if (!packet) co_return false;
    if (auto* cancel = std::get_if<CancelRequest>(&*packet)) {
      co_await serve_cancel(cancel->process, std::string(cancel->key), deadline);
      co_return false;
    }
    if (auto* startup = std::get_if<Startup>(&*packet)) {
      auto failure = co_await start_up(*startup, deadline);
      if (failure) co_await refuse(std::move(*failure), deadline);
      co_return !failure;
    }
    // Once each, in the clear, and with nothing behind the request (attacks.md, 15).
    const bool ssl = std::holds_alternative<SslRequest>(*packet);
    const bool again = agent_.encrypted() || (ssl ? asked_ssl : asked_gss);
    (ssl ? asked_ssl : asked_gss) = true;
    from_agent_.consume(8);
    if (again || !from_agent_.view().empty()) {
      worker_.shared().refusals.count("bytes around an encryption request", claimed_.peer->id);
      co_return false;
    }
    auto sent = co_await agent_.send_all(ssl ? "S" : "N", deadline);
    if (!sent) co_return false;
    if (ssl && !co_await encrypt_agent(Protocols::Offer::optional, deadline)) co_return false;
  }
}

// False: the connection is over, and it has been counted why.
Task<bool> Connection::encrypt_agent(Protocols::Offer alpn, Deadline deadline) {
  static constexpr std::string_view ours[] = {"postgresql"};
  std::string taken(from_agent_.view());
  from_agent_.consume(taken.size());
  claimed_.flow->set_wait();
  Opening opening = co_await read_opening(worker_.ring(), agent_.fd(), deadline, std::move(taken));
  const char* problem = opening.problem;
  if (!problem) {
    auto agreed = co_await accept_tls(worker_, agent_, claimed_, std::move(opening),
                                      {.ours = ours, .offer = alpn}, deadline);
    if (agreed) co_return true;
    problem = agreed.error().what;
  }
  worker_.shared().refusals.count(problem, claimed_.peer->id);
  co_return false;
}

Task<std::optional<Denial>> Connection::start_up(const Startup& startup, Deadline deadline) {
  if (!judge_.take_generation())
    co_return Denial{.code = "28000",
                     .message = "the gateway does not serve this endpoint to this peer",
                     .detail = {},
                     .hint = {}};
  auto plan = judge_login(judge_, startup, claimed_.peer_facets.profile, claimed_.endpoint_facets.name);
  Reader size(from_agent_.view());
  from_agent_.consume(size.u32());
  const bool recorded = co_await record();
  if (!plan) co_return plan.error();
  if (!recorded)
    co_return Denial{.code = "53100",
                     .message = "the gateway could not record this login in its audit log",
                     .detail = {},
                     .hint = "Ask the operator to look at the audit log's disk."};
  give_grant(worker_.shared(), *claimed_.flow, judge_.grant());
  auto failure = co_await authenticate_agent(deadline);
  if (!failure) failure = co_await log_in_upstream(*plan, deadline);
  // Whatever it was that failed, this is why.
  if (failure && close_asked()) failure = close_asked();
  judge_.outcome(plan->action, {.id = {},
                                .ok = !failure,
                                .bytes_up = 0,
                                .bytes_down = 0,
                                .code = failure ? std::string_view(failure->code) : "00000",
                                .why = failure ? std::string_view(failure->detail) : "",
                                .time_unix_ns = 0});
  note_outcomes();
  co_return failure;
}

// The body of the agent's next message, which must be one of its login; nothing: there is none.
Task<std::optional<std::string>> Connection::password_message(Deadline deadline) {
  FrameStream frames(Side::frontend, largest_password);
  while (true) {
    auto step = frames.peek(from_agent_.view());
    if (std::holds_alternative<Malformed>(step)) co_return std::nullopt;
    if (auto* parsed = std::get_if<Parsed<Frame>>(&step)) {
      if (!parsed->event.whole() || parsed->event.type != 'p') co_return std::nullopt;
      std::string body(parsed->event.body);
      from_agent_.consume(parsed->size);
      co_return body;
    }
    std::span<char> space = from_agent_.space();
    if (space.empty()) co_return std::nullopt;
    claimed_.flow->set_wait();
    const int count = co_await agent_.recv(space, deadline);
    if (count <= 0) co_return std::nullopt;
    from_agent_.received(static_cast<std::size_t>(count));
  }
}

// The tunnel has proved who the agent is; this proves to both that nobody stands between them, for clients
// that demand it. The password is no secret.
Task<std::optional<Denial>> Connection::authenticate_agent(Deadline deadline) {
  const EndpointConfig& endpoint = judge_.policy().endpoints.find(claimed_.endpoint_facets.name)->second;
  if (endpoint.agent_login == AgentLogin::trust) co_return std::nullopt;
  claimed_.flow->set_state("authenticating");
  const std::string credential = judge_.identity().credential;
  const std::string name = credential.empty() ? endpoint.name : credential;
  const Denial refused{.code = "28P01",
                       .message = "password authentication failed",
                       .detail = "The endpoint's agent_login is \"scram\".",
                       .hint = "The password is {{" + name + "}}, which is no secret."};
  const std::string salt = "clawpatrol agent " + name;
  ScramServer scram(agent_.tls() ? agent_.tls()->end_point() : "", salt);
  std::string out;
  append_authentication_sasl(out, scram.mechanisms());
  if (!co_await agent_.send_all(out, deadline)) co_return agent_lost;
  auto initial = co_await password_message(deadline);
  if (!initial) co_return refused;
  Reader reader(*initial);
  std::string_view mechanism = reader.cstring();
  std::string_view client_first = reader.bytes(reader.u32());
  if (!reader.complete()) co_return refused;
  auto first = scram.first(mechanism, client_first);
  if (!first) co_return refused;
  out.clear();
  append_sasl_continue(out, *first);
  if (!co_await agent_.send_all(out, deadline)) co_return agent_lost;
  auto response = co_await password_message(deadline);
  SaltedPassword salted{};
  if (!response || !worker_.shared().salted_passwords->get("/agent/" + name, "{{" + name + "}}", salt,
                                                           least_iterations, salted))
    co_return refused;
  auto final = scram.final(*response, salted);
  if (!final) co_return refused;
  out.clear();
  append_sasl_final(out, *final);
  if (!co_await agent_.send_all(out, deadline)) co_return agent_lost;
  co_return std::nullopt;
}

Task<std::optional<Denial>> Connection::log_in_upstream(const LoginPlan& plan, Deadline deadline) {
  claimed_.flow->set_state("connecting");
  const EndpointConfig& endpoint = judge_.policy().endpoints.find(claimed_.endpoint_facets.name)->second;
  UpstreamHost to = upstream_host(worker_, policy_, endpoint, claimed_.dest);
  auto context = worker_.shared().upstream_contexts.of(endpoint);
  if (!context) co_return tls_failed(context.error());
  server_context_ = std::move(*context);
  server_name_ = to.host.host;
  auto place = worker_.shared().upstream_places.take(claimed_.peer->id, claimed_.endpoint_facets.name,
                                                     policy_->limits.upstream_per_peer);
  if (!place) {
    worker_.shared().refusals.count("too many connections of one peer to an endpoint", claimed_.peer->id);
    co_return Denial{
        .code = "53300",
        .message = "too many connections of this peer to \"" + claimed_.endpoint_facets.name + "\"",
        .detail = "The gateway's limits.upstream_per_peer is reached.",
        .hint = {}};
  }
  place_.emplace(std::move(*place));
  const Deadline connect_deadline = Deadline::at(std::min(
      deadline.when(), Clock::now() + std::chrono::duration_cast<Clock::duration>(policy_->limits.connect)));
  auto connected = co_await connect_upstream(worker_, *claimed_.flow, std::move(to.host), connect_deadline,
                                             std::move(to.guard), server_.socket());
  if (!connected)
    co_return Denial{.code = "08001",
                     .message = "the gateway could not reach the server",
                     .detail = connected.error().what,
                     .hint = {}};
  if (auto why = close_asked()) co_return why;
  auto address = peer_address(server_.fd());
  if (!address) co_return connection_lost;
  server_address_ = *address;
  claimed_.flow->set_upstream(address->address.text() + ":" + std::to_string(address->port));
  auto refused = co_await encrypt_upstream(server_, deadline);
  if (refused) co_return refused;

  const Identity& identity = judge_.identity();
  credentials::Secret password;
  if (!identity.credential.empty()) {
    auto secret = worker_.shared().credentials->get(identity.credential);
    if (secret) password = std::move(*secret);
  }
  UpstreamLogin login({.user = identity.user,
                       .credential = identity.credential,
                       .private_path = is_loopback(address->address) || is_proven(server_context_),
                       .end_point = server_.tls() ? server_.tls()->end_point() : "",
                       .parameters = plan.parameters,
                       .salted_passwords = *worker_.shared().salted_passwords},
                      std::move(password));
  claimed_.flow->set_state("logging in");
  auto failure = co_await authenticate(login, deadline);
  if (failure) co_return failure;
  // Its answer is on its way while the agent is told that it is logged in, and says what it wants.
  auto asked = co_await server_.send_all(PathQuestion::text(), deadline);
  if (!asked) co_return connection_lost;
  failure = co_await welcome(plan, login, deadline);
  if (!failure) failure = co_await learn_path(deadline);
  co_return failure;
}

// A session is resumed by who logs in as the same again, under the same roots, and nobody else (attacks.md,
// 15). PostgreSQL itself gives none to resume; what stands in front of it may.
tls::Wish Connection::wish_for_server() const {
  Shared& shared = worker_.shared();
  const std::string& credential = judge_.identity().credential;
  std::string key = "postgres/";
  for (const std::string& part :
       {std::to_string(claimed_.peer->id), std::to_string(policy_->generation), claimed_.endpoint_facets.name,
        server_name_, std::to_string(claimed_.dest.port), credential,
        std::to_string(credential.empty() ? 0 : shared.credentials->version(credential))})
    key += part + "/";
  return {.name = server_name_, .sessions = &shared.upstream_sessions, .session_key = std::move(key)};
}

Task<std::optional<Denial>> Connection::encrypt_upstream(Stream& server, Deadline deadline) {
  if (!server_context_) co_return std::nullopt;
  std::string request;
  append_ssl_request(request);
  auto sent = co_await server.send_all(request, deadline);
  if (!sent) co_return connection_lost;
  // One byte: what is sent in the clear behind it must not pass for what was encrypted (CVE-2021-23222).
  char answer = 0;
  const int count = co_await server.recv({&answer, 1}, deadline);
  if (count != 1) co_return connection_lost;
  if (answer != 'S')
    co_return tls_failed(Error{0, "the server does not offer TLS, which the endpoint's `tls` demands"});
  auto encrypted = co_await server.encrypt(server_context_, wish_for_server(), deadline);
  if (encrypted) co_return std::nullopt;
  worker_.shared().refusals.count("TLS with a server failed", claimed_.peer->id);
  co_return tls_failed(encrypted.error());
}

Task<std::optional<Frame>> Connection::server_message(FrameStream& frames, Deadline deadline) {
  while (true) {
    auto step = frames.peek(from_server_.view());
    if (std::holds_alternative<Malformed>(step)) co_return std::nullopt;
    // A notice streams where it may; here it must be whole.
    auto* parsed = std::get_if<Parsed<Frame>>(&step);
    if (parsed != nullptr && parsed->event.whole()) co_return parsed->event;
    std::span<char> space = from_server_.space();
    if (space.empty()) co_return std::nullopt;
    const int count = co_await server_.recv(space, deadline);
    if (count <= 0) co_return std::nullopt;
    from_server_.received(static_cast<std::size_t>(count));
  }
}

Task<std::optional<Denial>> Connection::authenticate(UpstreamLogin& login, Deadline deadline) {
  FrameStream frames(Side::backend, policy_->limits.buffer);
  std::string to_server = login.start();
  while (true) {
    if (!to_server.empty()) {
      auto sent = co_await server_.send_all(to_server, deadline);
      OPENSSL_cleanse(to_server.data(), to_server.size());
      to_server.clear();
      if (!sent) co_return connection_lost;
    }
    auto message = co_await server_message(frames, deadline);
    if (!message) co_return connection_lost;
    const auto state = login.take(*message, to_server);
    from_server_.consume(message->raw.size());
    if (state == UpstreamLogin::State::logged_in) co_return std::nullopt;
    if (state == UpstreamLogin::State::failed) {
      const LoginFailure& failure = login.failure();
      co_return Denial{
          .code = failure.code, .message = failure.message, .detail = failure.detail, .hint = {}};
    }
  }
}

Task<std::optional<Denial>> Connection::welcome(const LoginPlan& plan, const UpstreamLogin& login,
                                                Deadline deadline) {
  judge_.set_encoding(login.encoding());
  judge_.set_server_encoding(login.server_encoding());
  server_process_ = login.process();
  server_key_ = login.key();
  const LimitsConfig& limits = policy_->limits;
  session_ = std::make_unique<Session>(
      judge_,
      Session::Limits{
          .whole_message = limits.buffer, .prepared = limits.prepared, .in_flight = limits.in_flight},
      plan.replication ? Session::Kind::replication : Session::Kind::ordinary);
  issue_key(plan.minor >= 2 ? secret_size_3_2 : secret_size_3_0);
  std::string out;
  if (plan.negotiate) {
    const std::vector<std::string_view> unknown(plan.unknown_options.begin(), plan.unknown_options.end());
    append_negotiate_version(out, plan.minor, unknown);
  }
  append_authentication_ok(out);
  out += login.greeting();
  append_backend_key(out, key_.process, key_.secret);
  append_ready(out, 'I');
  auto sent = co_await agent_.send_all(out, deadline);
  if (sent) co_return std::nullopt;
  worker_.shared().cancel_keys->withdraw(key_);
  co_return agent_lost;
}

// Before anything of the agent is read: it is judged by where its names can be.
Task<std::optional<Denial>> Connection::learn_path(Deadline deadline) {
  FrameStream frames(Side::backend, policy_->limits.buffer);
  PathQuestion question;
  PathQuestion::State state = PathQuestion::State::going_on;
  while (state == PathQuestion::State::going_on) {
    auto message = co_await server_message(frames, deadline);
    state = message ? question.take(*message) : PathQuestion::State::failed;
    if (message) from_server_.consume(message->raw.size());
  }
  if (state == PathQuestion::State::failed) {
    worker_.shared().cancel_keys->withdraw(key_);
    co_return connection_lost;
  }
  judge_.add_login_path(question.path(judge_.identity().user));
  co_return std::nullopt;
}

// Answers nothing, like a server: the agent waits until the connection closes.
Task<void> Connection::serve_cancel(std::uint32_t process, std::string key, Deadline deadline) {
  claimed_.flow->set_state("cancelling");
  auto found = worker_.shared().cancel_keys->find(
      process, key, {claimed_.peer->id, claimed_.endpoint_facets.name}, Clock::now());
  if (!found) {
    worker_.shared().refusals.count(
        found.error() == CancelKeys::Refusal::wrong ? "wrong cancel key" : "too many wrong cancel keys",
        claimed_.peer->id);
    co_return;
  }
  if (!judge_.take_generation()) co_return;
  const CancelRuling ruling = judge_cancel(judge_, "cancel of process " + std::to_string(process));
  const bool recorded = co_await record();
  if (!recorded || !ruling.allowed) co_return;
  auto wait = std::make_shared<CancelWait>(worker_.ring());
  Ring* ring = &worker_.ring();
  (*found)([ring, wait] {
    ring->post([wait] {
      wait->done = true;
      wait->finished.notify();
    });
  });
  while (!wait->done) {
    const bool in_time = co_await wait->finished.wait(deadline);
    if (!in_time) break;
  }
}

}  // namespace clawpatrol::postgres
