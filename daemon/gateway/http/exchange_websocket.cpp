// After a right 101: a WebSocket between the two sides, until either ends. Its frames are read, counted, and
// where rules see messages judged one by one.
#include "daemon/gateway/http/exchange_state.h"
#include "daemon/gateway/http/websocket_relay.h"

namespace clawpatrol::http {
namespace {

using websocket::Sender;

// For the other side to end, once it has been told why.
constexpr auto ending_time = std::chrono::seconds(5);
constexpr std::uint16_t policy_violation = 1008;  // RFC 6455, 7.4.1

}  // namespace

// One direction.
struct Exchange::Way {
  WebSocketRelay frames;
  std::uint64_t& bytes;
  std::atomic<std::uint64_t>& shown;
  bool sending = false;
};

// What the two directions share.
struct Exchange::Socket {
  UpstreamExchange& server;
  Messages messages;
  Way up, down;
  bool ended = false;  // by us: nothing goes on any more
};

Task<bool> Exchange::serve_websocket(UpstreamExchange& server, websocket::Deflate deflate) {
  const bool seen = policy_->sees(flow_.claimed().endpoint_facets.name, ActionType::message);
  const Messages messages = seen ? Messages::seen : Messages::unseen;
  const std::size_t limit = policy_->limits.body_inspect;
  OpenPings of_agent, of_server;
  Socket socket{.server = server,
                .messages = messages,
                .up = {.frames = {{Sender::client, deflate, messages, limit}, of_agent, of_server},
                       .bytes = bytes_up_,
                       .shown = flow_.flow().bytes_up},
                .down = {.frames = {{Sender::server, deflate, messages, limit}, of_server, of_agent},
                         .bytes = bytes_down_,
                         .shown = flow_.flow().bytes_down}};
  Task<bool> up = relay(socket, socket.up, agent_, server);
  Task<bool> down = relay(socket, socket.down, server, agent_);
  while (!up.done() || !down.done()) {
    const bool told = co_await changed_.wait(socket.ended ? Deadline::after(ending_time) : Deadline::never());
    if (told || !socket.ended) continue;
    agent_.break_off();
    server.break_off();
  }
  const bool went_up = co_await up;
  const bool came_down = co_await down;
  frames_ = "{\"up\":" + frame_counts_json(socket.up.frames.counts()) +
            ",\"down\":" + frame_counts_json(socket.down.frames.counts()) + "}";
  co_return went_up&& came_down;
}

// Whether the policy in force sees messages where that of the upgrade did not: what would have to be
// inflated, or is in the midst of a message, cannot be judged.
bool Exchange::sees_more_now(const Socket& socket) const {
  return socket.messages == Messages::unseen &&
         flow_.worker().shared().policy.current()->sees(flow_.claimed().endpoint_facets.name,
                                                        ActionType::message);
}

template <class From, class To>
Task<bool> Exchange::relay(Socket& socket, Way& way, From& from, To& to) {
  std::string out;
  bool good = true, over = false;
  while (good && !over) {
    auto part = co_await from.read(stall_deadline());
    good = part.has_value() && !socket.ended;
    if (!good) break;
    over = part->end;
    way.frames.receive(part->bytes);
    if (sees_more_now(socket)) {
      co_await end_websocket(socket, "the policy sees messages now");
      good = false;
    }
    for (auto next = WebSocketRelay::Next::message; good && next != WebSocketRelay::Next::more;) {
      next = way.frames.next(out);
      good = co_await pass_on(way, to, out);
      if (!good || socket.ended) break;
      if (next == WebSocketRelay::Next::malformed) {
        co_await end_websocket(socket, std::string(way.frames.why()));
        good = false;
      } else if (next == WebSocketRelay::Next::message) {
        const std::string refused = co_await judge_message(way.frames);
        good = refused.empty() && !socket.ended;
        if (good)
          way.frames.allow();
        else
          co_await end_websocket(socket, refused);
      }
    }
    good = good && !socket.ended;
    if (good && !held_share_.hold(socket.up.frames.held() + socket.down.frames.held())) {
      co_await end_websocket(socket, "too much of this peer's messages waits for its verdict");
      good = false;
    }
  }
  if (good) (void)co_await to.finish({}, stall_deadline());
  if (!good && !socket.ended) {
    agent_.break_off();
    socket.server.break_off();
  }
  changed_.notify();
  co_return good;
}

template <class To>
Task<bool> Exchange::pass_on(Way& way, To& to, std::string& out) {
  if (out.empty()) co_return true;
  way.sending = true;
  auto sent = co_await to.send(out, stall_deadline());
  way.sending = false;
  if (sent) {
    way.bytes += out.size();
    way.shown.fetch_add(out.size(), std::memory_order_relaxed);
  }
  out.clear();
  co_return sent.has_value();
}

// Both sides are told, where a frame of ours can stand; the server not why.
Task<void> Exchange::end_websocket(Socket& socket, std::string reason) {
  if (std::exchange(socket.ended, true)) co_return;
  why_ = reason;
  const Deadline deadline = Deadline::after(ending_time);
  if (!socket.up.sending && socket.up.frames.between_frames()) {
    const std::string frame = websocket::close_frame(Sender::client, policy_violation, "");
    (void)co_await socket.server.send(frame, deadline);
  }
  if (socket.down.sending || !socket.down.frames.between_frames()) {
    agent_.break_off();
  } else {
    const std::string frame = websocket::close_frame(Sender::server, policy_violation, reason);
    auto sent = co_await agent_.send(frame, deadline);
    if (sent) sent = co_await agent_.finish({}, deadline);
    if (!sent) agent_.break_off();
  }
  socket.server.break_off();
  changed_.notify();
}

// Why the message may not go on; "": it may. Judged by the generation in force.
Task<std::string> Exchange::judge_message(const WebSocketRelay& frames) {
  Judge::Generation policy = flow_.judge().take_generation();
  if (!policy || !flow_.judge().stands()) co_return "the gateway does not serve this connection any more";
  const Clock::time_point begun = Clock::now();
  Seen seen = seen_;
  seen.kind = *frames.facets().direction == "up" ? ActionKind::write : ActionKind::read;
  Opinion opinion;
  co_await read_where_it_may(frames.message_bytes() > Analysts::longest_at_once, [&] {
    const Clock::time_point work_begun = Clock::now();
    WsFacets facets = frames.facets();
    if (policy->reads(flow_.claimed().endpoint_facets.name, ActionType::message, FacetId::ws_json))
      websocket::read_json(facets);
    seen.ws = std::make_shared<const WsFacets>(std::move(facets));
    opinion = flow_.judge().consider(*policy, seen, credential_);
    flow_.worker().shared().latencies.decision.add(Clock::now() - work_begun);
  });
  if (opinion.observed && !credential_.empty()) opinion.allowed = opinion.observed = false;
  Judge::Line line =
      flow_.judge().record({.policy = policy,
                            .seen = &seen,
                            .opinion = opinion,
                            .verdict = opinion.allowed ? ActionVerdict::allow : ActionVerdict::deny,
                            .credential = credential_,
                            .text = "message " + *seen.ws->direction + " " + *seen.ws->opcode + " " +
                                    std::to_string(frames.message_bytes()) + " bytes",
                            .parent = action_});
  const bool recorded = co_await flow_.judge().commit(line);
  flow_.worker().shared().latencies.added.add(Clock::now() - begun);
  if (!opinion.allowed) co_return opinion.decision.reason + " (" + action_id_text(line.action) + ")";
  if (!recorded) co_return "the message could not be recorded";
  co_return std::string();
}

}  // namespace clawpatrol::http
