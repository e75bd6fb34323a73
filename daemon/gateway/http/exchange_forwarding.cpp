// A request that was allowed, on its way to the server, and the response on its way back: both at once.
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "daemon/credentials/process_secrets.h"
#include "daemon/gateway/http/clean_upstream.h"
#include "daemon/gateway/http/exchange_state.h"
#include "daemon/gateway/tokens.h"
#include "parsers/http1/text.h"
#include "parsers/websocket/extensions.h"

namespace clawpatrol::http {
namespace {

// How long an agent that asked waits for the server's 100 at most; then it may send its body all the same.
constexpr auto continue_time = std::chrono::seconds(1);
// For the agent to end the body of a request that has been answered.
constexpr auto ending_time = std::chrono::seconds(5);
constexpr std::uint64_t most_discarded = 256 << 10;
constexpr unsigned most_interim = http2::most_interim;  // of HTTP/1.1 too
// How often a request is sent again that a server has not looked at: one that takes few requests on each
// connection refuses the rest of many.
constexpr unsigned most_refusals = 8;
constexpr std::size_t signed_at_once = 16 << 10;
// What a write costs a worker at least: a body may come in chunks of a byte.
constexpr auto write_time = std::chrono::microseconds(8);

// RFC 6455, 4.2.2: what only a server that means it can know to answer.
bool accepts(const ResponseHead& head, std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, 20> digest{};
  if (EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha1(), nullptr) != 1) return false;
  std::array<unsigned char, 29> wanted{};
  EVP_EncodeBlock(wanted.data(), digest.data(), digest.size());
  const auto count = std::ranges::count_if(
      head.fields, [](const Field& field) { return http1::same_name(field.name, "sec-websocket-accept"); });
  return count == 1 && value_of(head.fields, "sec-websocket-accept") ==
                           std::string_view(reinterpret_cast<const char*>(wanted.data()), 28);
}

}  // namespace

Task<void> Exchange::forward() {
  Flow& flow = flow_.flow();
  const ClaimedFlow& claimed = flow_.claimed();
  const bool given = co_await give_credential();
  if (!given) co_return note_outcome();
  const Destination to{.changed = changed_,
                       .unwanted = unwanted_,
                       .policy = policy_,
                       .endpoint = endpoint(),
                       .dest = claimed.dest,
                       .key = {.peer_id = claimed.peer->id,
                               .generation = policy_->generation,
                               .endpoint = claimed.endpoint_facets.name,
                               .host = claimed.dest.host,
                               .port = claimed.dest.port,
                               .credential = credential_key()},
                       .speaks = speaks(),
                       .client = choice_.client_certificate,
                       .certificate = certificate_};
  Reuse reuse = outgoing_.upgrade.empty() ? Reuse::may_be_used : Reuse::only_new;
  for (bool over = false; !over; reuse = Reuse::only_new) {
    flow.set_state("connecting");
    flow.set_wait();
    if (unwanted_) {
      co_await fail(502, "unreachable", "The gateway did not reach the server.",
                    "the request was broken off");
      break;
    }
    auto connection = co_await dial(flow_, to, reuse);
    if (!connection) {
      const DialFailure& failure = connection.error();
      co_await fail(failure.status, failure.type, failure.told, failure.why);
      break;
    }
    flow.set_upstream(connection->address());
    flow.set_state("active");
    over = co_await forward_on(*connection);
    if (over) connection->give_back(flow_.worker().http().pool, to.key);
  }
  note_outcome();
}

Speaks Exchange::speaks() const {
  const bool clear = is_clear_text(endpoint());
  if (!outgoing_.upgrade.empty() || (clear && flow_.speaks() != Speaks::http2)) return Speaks::http1;
  if (!clear && flow_.speaks() == Speaks::http2) return Speaks::http2_rather;
  return flow_.speaks();
}

Task<bool> Exchange::forward_on(UpstreamUse& connection) {
  UpstreamExchange& server = connection.exchange();
  server_ = &server;
  why_.clear();
  if (flow_.closing() || unwanted_) server.break_off();
  moved_up_ = Clock::now();
  flow_.flow().set_wait();
  auto sent = co_await server.send_head(outgoing_, stall_deadline());
  if (value_) credentials::forget_registers();
  const bool has_body = outgoing_.has_body;
  if (sent && !has_body) sent = co_await server.finish({}, stall_deadline());
  upload_over_ = !sent || !has_body;
  if (!sent) why_ = sent.error().what;
  Task<void> uploading = upload(server);
  const bool again = co_await download(connection);
  co_await end_upload(server);
  co_await uploading;
  server_ = nullptr;
  co_return !again;
}

// Once there is a response, or none will come, what the agent still sends goes nowhere.
Task<void> Exchange::end_upload(UpstreamExchange& server) {
  if (upload_over_) co_return;
  discarding_ = true;
  server.break_off();
  changed_.notify();
  const Deadline deadline = Deadline::after(ending_time);
  while (!upload_over_) {
    const bool in_time = co_await changed_.wait(deadline);
    if (!in_time) break;
  }
  if (!upload_over_) agent_.break_off();
}

// False: the body is not to be asked for.
Task<bool> Exchange::await_continue() {
  if (!outgoing_.expects_continue) co_return true;
  const Deadline deadline = Deadline::after(continue_time);
  while (!server_continues_ && !discarding_) {
    const bool in_time = co_await changed_.wait(deadline);
    if (!in_time) break;
  }
  co_return !response_begun_ && !discarding_;
}

// True: that was all of the body.
Task<bool> Exchange::upload_held(UpstreamExchange& server) {
  const std::string_view passed = std::string_view(held_).substr(0, held_.size() - held_back_);
  std::expected<void, Error> sent = co_await send_body(server, passed);
  if (sent && held_all_) sent = co_await server.finish(trailers_up(held_trailers_), stall_deadline());
  if (!sent) give_up_upload(server, sent.error());
  co_return held_all_;
}

// The server may have answered all the same; but it would wait for the rest of a body that we cannot go on
// with.
void Exchange::give_up_upload(UpstreamExchange& server, const Error& error) {
  if (std::exchange(discarding_, true) || error.code != EPROTO) return;
  if (why_.empty()) why_ = error.what;
  server.break_off();
}

// Some servers take them for fields of the head, and those that a credential is in are not looked for there.
// They may always be dropped (RFC 9110, 6.5.1).
const Fields& Exchange::trailers_up(const Fields& sent) const {
  static const Fields none;
  return has_credentials_ ? none : sent;
}

// In turns: a chunk to sign is work, and may be a byte.
Task<std::expected<void, Error>> Exchange::send_body(UpstreamExchange& server, std::string_view bytes) {
  if (!chunk_signer_) co_return co_await send_up(server, bytes);
  std::string chunks;
  while (!bytes.empty()) {
    co_await flow_.worker().turns().turn(flow_.claimed().peer->id);
    auto sent = sign_some(bytes, chunks);
    if (sent) sent = co_await send_up(server, chunks);
    if (!sent) co_return sent;
    chunks.clear();
  }
  co_return std::expected<void, Error>();
}

std::expected<void, Error> Exchange::sign_some(std::string_view& bytes, std::string& out) {
  const PeerTurns::Work work(flow_.worker().turns(), flow_.claimed().peer->id);
  const std::string_view some = bytes.substr(0, signed_at_once);
  bytes.remove_prefix(some.size());
  auto fed = chunk_signer_->feed(some, out);
  malformed_body_ = !fed;
  if (!fed) return std::unexpected(Error{EPROTO, "the signed body: " + std::string(fed.error())});
  if (signed_share_.hold(chunk_signer_->held() + out.capacity())) return {};
  refused_body_ = "Too much of this peer's bodies is held, to be signed a chunk at a time.";
  return std::unexpected(Error{EPROTO, refused_body_});
}

Task<std::expected<void, Error>> Exchange::send_up(UpstreamExchange& server, std::string_view bytes) {
  if (bytes.empty()) co_return std::expected<void, Error>();
  flow_.worker().turns().charge(flow_.claimed().peer->id, write_time);
  auto sent = co_await server.send(bytes, stall_deadline());
  if (sent) {
    moved_up_ = Clock::now();
    bytes_up_ += bytes.size();
    flow_.flow().bytes_up.fetch_add(bytes.size(), std::memory_order_relaxed);
  }
  co_return sent;
}

Task<std::expected<void, Error>> Exchange::send_down(std::string_view bytes) {
  if (bytes.empty()) co_return std::expected<void, Error>();
  flow_.worker().turns().charge(flow_.claimed().peer->id, write_time);
  auto sent = co_await agent_.send(bytes, stall_deadline());
  if (sent) {
    bytes_down_ += bytes.size();
    flow_.flow().bytes_down.fetch_add(bytes.size(), std::memory_order_relaxed);
  }
  co_return sent;
}

Task<void> Exchange::upload(UpstreamExchange& server) {
  if (upload_over_) co_return;
  bool over = !co_await await_continue();
  if (!over) over = co_await upload_held(server);
  while (!over && !discarding_) {
    auto part = co_await agent_.read(stall_deadline());
    if (!part) {
      if (why_.empty()) why_ = "the agent's body: " + part.error().what;
      malformed_body_ = part.error().code == EPROTO;
      cut_body_ = part.error().code == ECONNRESET;
      server.break_off();
      break;
    }
    over = part->end;
    co_await flow_.worker().turns().turn(flow_.claimed().peer->id);
    if (discarding_) break;
    auto passed = guarded(part->bytes);
    if (!passed) {
      refused_body_ = passed.error().what;
      discarding_ = true;
      server.break_off();
      break;
    }
    auto sent = co_await send_body(server, *passed);
    if (sent && over && body_guard_) sent = co_await send_body(server, body_guard_->finish());
    if (sent && over) sent = co_await server.finish(trailers_up(part->trailers), stall_deadline());
    if (!sent) give_up_upload(server, sent.error());
  }
  if (!over && discarding_ && refused_body_.empty()) co_await discard_body();
  upload_over_ = true;
  changed_.notify();
}

Task<void> Exchange::discard_body() {
  std::uint64_t discarded = 0;
  while (discarded <= most_discarded) {
    auto part = co_await agent_.read(stall_deadline());
    if (!part || part->end) co_return;
    discarded += part->bytes.size();
  }
}

// Of the head of a response, which is not late as long as bytes of the request go up.
Deadline Exchange::head_deadline() const {
  auto limit = policy_->limits.response_wait;
  if (policy_->limits.idle > std::chrono::nanoseconds::zero()) limit = std::min(limit, policy_->limits.idle);
  return Deadline::at(moved_up_ + std::chrono::duration_cast<Clock::duration>(limit));
}

Task<std::expected<ResponseHead, Error>> Exchange::read_head(UpstreamExchange& server) {
  while (true) {
    const Deadline deadline = head_deadline();
    auto head = co_await server.read_head(deadline);
    const bool late = !head && head.error().code == ETIMEDOUT;
    if (!late || head_deadline().when() <= deadline.when()) co_return head;
  }
}

// True: nothing has come, and the request may be sent again on another connection.
Task<bool> Exchange::download(UpstreamUse& connection) {
  UpstreamExchange& server = connection.exchange();
  for (unsigned interim = 0; interim <= most_interim; ++interim) {
    flow_.flow().set_wait();
    auto head = co_await read_head(server);
    if (!head) {
      const bool not_looked_at = head.error().code == not_processed;
      const bool wanted =
          !flow_.closing() && !unwanted_ && sent_again_++ < (not_looked_at ? most_refusals : 1);
      if (wanted && connection.may_be_sent_again(outgoing_, head.error())) co_return true;
      if (not_looked_at && !agent_left_ && agent_.refuse()) {
        why_ = head.error().what;
        status_ = 502;
        co_return false;
      }
      const bool late = head.error().code == ETIMEDOUT, wrong = head.error().code == EPROTO;
      if (why_.empty()) why_ = head.error().what;
      co_await fail(late ? 504 : 502, wrong ? "malformed-response" : "no-response",
                    late    ? "The server did not answer in time."
                    : wrong ? "The server's response is malformed."
                            : "The server closed the connection without a response.",
                    why_);
      co_return false;
    }
    moved_up_ = Clock::now();
    server_continues_ = true;
    response_begun_ = head->status >= 200;
    changed_.notify();
    if (auto clean = clean_->head(*head); !clean) {
      server.break_off();
      co_await fail(502, "withheld",
                    "The gateway withholds a response in which it cannot look for the credential.",
                    std::string(clean.error()));
      co_return false;
    }
    if (head->status == 101) {
      whole_ = co_await change_protocol(std::move(*head), server);
      co_return false;
    }
    if (head->status >= 200) {
      whole_ = co_await send_response_head(std::move(*head));
      if (whole_) whole_ = co_await download_body(server);
      if (!whole_) {
        server.break_off();
        agent_.break_off();
      }
      co_return false;
    }
    // An agent that did not ask does not expect it.
    if (head->status == 100 && !outgoing_.expects_continue) continue;
    auto sent = co_await agent_.send_head(*head, stall_deadline());
    if (sent) continue;
    server.break_off();
    agent_.break_off();
    why_ = "an interim response's head: " + sent.error().what;
    co_return false;
  }
  server.break_off();
  co_await fail(502, "malformed-response", "The server's response is malformed.",
                "too many interim responses");
  co_return false;
}

Task<bool> Exchange::send_response_head(ResponseHead head) {
  // It would have the agent come by another way than the gateway.
  std::erase_if(head.fields, [](const Field& field) { return http1::same_name(field.name, "alt-svc"); });
  head.upgrade.clear();
  status_ = head.status;
  head_sent_ = true;
  if (status_ == 401 && value_ && value_->token != 0)
    flow_.worker().shared().tokens->doubt(choice_.credential->name, value_->token);
  auto sent = co_await agent_.send_head(head, stall_deadline());
  if (!sent) why_ = "the response's head: " + sent.error().what;
  co_return sent.has_value();
}

Task<std::expected<void, Error>> Exchange::send_clean(std::string_view bytes) {
  do {
    co_await flow_.worker().turns().turn(flow_.claimed().peer->id);
    std::expected<void, std::string_view> fed;
    {
      PeerTurns::Work work(flow_.worker().turns(), flow_.claimed().peer->id);
      fed = clean_->feed(bytes);
    }
    if (!fed) co_return std::unexpected(Error{EPROTO, "the response's body: " + std::string(fed.error())});
    auto sent = co_await send_down(clean_->text());
    if (!sent) co_return std::unexpected(Error{sent.error().code, "the agent: " + sent.error().what});
  } while (!bytes.empty() || clean_->more());
  co_return std::expected<void, Error>();
}

Task<bool> Exchange::download_body(UpstreamExchange& server) {
  while (true) {
    flow_.flow().set_wait();
    auto reading = server.read(stall_deadline());
    std::expected<void, Error> sent;
    if (!reading.done()) sent = co_await agent_.flush(stall_deadline());
    if (!sent) server.break_off();
    auto part = co_await reading;
    if (!part) {
      why_ = part.error().what;
      co_return false;
    }
    if (sent) sent = co_await send_clean(part->bytes);
    if (sent && part->end) {
      auto ended = clean_->finish();
      sent = co_await send_down(clean_->text());
      if (sent && !ended) sent = std::unexpected(Error{EPROTO, std::string(ended.error())});
      clean_->trailers(part->trailers);
    }
    if (sent && part->end) sent = co_await agent_.finish(part->trailers, stall_deadline());
    if (!sent) {
      why_ = sent.error().what;
      co_return false;
    }
    if (part->end) co_return true;
  }
}

// All extensions that a head names.
static std::string extensions_of(const ResponseHead& head) {
  std::string all;
  for (const Field& field : head.fields)
    if (http1::same_name(field.name, "sec-websocket-extensions"))
      all.append(all.empty() ? "" : ",").append(field.value);
  return all;
}

// Opened only by a right 101 to a request that asked for it (attacks.md, 12).
Task<bool> Exchange::change_protocol(ResponseHead head, UpstreamExchange& server) {
  const bool asked = !outgoing_.upgrade.empty() && head.upgrade == outgoing_.upgrade;
  const auto deflate =
      websocket::settled(extensions_of(head), value_of(outgoing_.fields, "sec-websocket-extensions"));
  if (!asked || !deflate || !accepts(head, value_of(outgoing_.fields, "sec-websocket-key"))) {
    server.break_off();
    flow_.end_after_this();
    co_await fail(502, "malformed-response", "The server changed to a protocol that was not asked for.",
                  "101 that was not asked for, or is not right");
    co_return false;
  }
  status_ = 101;
  head_sent_ = true;
  auto sent = co_await agent_.send_head(head, stall_deadline());
  if (!sent) {
    server.break_off();
    agent_.break_off();
    co_return false;
  }
  flow_.flow().set_state("websocket");
  CleanUpstream clean(server, secrets_);
  const bool ended_well = co_await serve_websocket(clean, *deflate);
  co_return ended_well;
}

Task<void> Exchange::fail(int status, std::string_view type, std::string_view told, std::string why) {
  why_ = std::move(why);
  if (!head_sent_) status_ = status;
  if (head_sent_ || agent_left_) {
    agent_.break_off();
    co_return;
  }
  const auto asked = flow_.flow().close_asked();
  const bool refused = !refused_body_.empty();
  if (refused) {
    status = 403;
    type = "credential";
    told = why_ = refused_body_;
  }
  if (cut_body_) {
    status = 400;
    type = "malformed";
    told = "The connection ended before the request's body did.";
  }
  if (malformed_body_) {
    flow_.worker().shared().refusals.count("malformed request", flow_.claimed().peer->id);
    status = 400;
    type = "malformed";
    told = why_;
  }
  if (flow_.closing() && asked) {
    status = 503;
    type = "closed";
    why_ = *asked;
  }
  co_await answer({.status = status,
                   .type = type,
                   .detail = flow_.closing() && asked ? "The gateway closes this connection: " + *asked
                                                      : std::string(told),
                   .rule = {},
                   .id = action_id_text(action_)});
}

}  // namespace clawpatrol::http
