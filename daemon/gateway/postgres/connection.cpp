// After the login: two pumps, one for each direction, on one ring.
#include "daemon/gateway/postgres/connection.h"

#include <sys/socket.h>

#include <algorithm>

#include "daemon/gateway/copy.h"
#include "daemon/gateway/upstream.h"
#include "parsers/postgres/build.h"

namespace clawpatrol::postgres {
namespace {

// A farewell is worth this much waiting, and no more.
constexpr auto farewell_time = std::chrono::seconds(5);
// After the agent's last message: for what the server still has to say.
constexpr auto drain_time = std::chrono::seconds(60);
// A gateway that is about to stop takes a session that has been silent for so long for one that rests, and
// not for one between two statements of its work; and looks so often.
constexpr auto rest_time = std::chrono::seconds(1);
constexpr auto rest_look = std::chrono::milliseconds(100);
constexpr std::string_view shutting_down = "terminating connection: the gateway is shutting down";
constexpr auto cancel_time = std::chrono::seconds(10);
constexpr std::size_t server_buffer = 64 << 10;
// What it takes to chain and to write an audit line, at the end of the turn.
constexpr std::chrono::nanoseconds audit_ns_per_byte(2);

// Of bytes that the other side does not take.
Deadline stall_deadline(const LimitsConfig& limits) {
  if (limits.idle <= std::chrono::nanoseconds::zero()) return Deadline::never();
  return Deadline::after(std::chrono::duration_cast<Clock::duration>(limits.idle));
}

}  // namespace

Connection::Connection(Worker& worker, Fd agent, ClaimedFlow claimed)
    : worker_(worker),
      agent_(worker.ring(), std::move(agent)),
      server_(worker.ring()),
      claimed_(std::move(claimed)),
      policy_(worker.shared().policy.current()),
      judge_(worker.shared(), worker.analyses(), claimed_),
      from_agent_(policy_->limits.buffer + header_size),
      from_server_(std::max(server_buffer, policy_->limits.buffer + header_size)),
      progress_(worker.ring()) {}

Connection::~Connection() = default;

Task<void> Connection::serve() {
  tune_connection(agent_.fd());
  claimed_.flow->set_state("startup");
  const Deadline deadline =
      Deadline::after(std::chrono::duration_cast<Clock::duration>(policy_->limits.handshake));
  judge_.analyse_long_texts([this](std::string text, const sql::Options& options, Judge::Analysed analysed) {
    return analyse_elsewhere(std::move(text), options, std::move(analysed));
  });
  claimed_.flow->on_close_request([ring = &worker_.ring(), weak = weak_from_this()](const std::string&) {
    ring->post([weak] {
      if (auto connection = weak.lock()) connection->close_now();
    });
  });
  const bool logged_in = co_await log_in(deadline);
  if (logged_in) co_await relay();
  claimed_.flow->on_close_request(nullptr);
}

Task<void> Connection::relay() {
  claimed_.flow->set_state("idle");
  moved_ = worker_.ring().now();
  if (close_asked()) close_now();  // during the login's last step
  claimed_.flow->on_leave_request([ring = &worker_.ring(), weak = weak_from_this()] {
    ring->post([weak] {
      if (auto connection = weak.lock()) connection->worker_.flows().spawn(leave_when_at_rest(connection));
    });
  });
  Task<void> agent = pump_agent();
  Task<void> server = pump_server();
  co_await server;
  co_await agent;
  claimed_.flow->on_leave_request(nullptr);
  worker_.shared().cancel_keys->withdraw(key_);
  co_await record();  // what a server did that ended it
  session_->note_unanswered();
  note_outcomes();
}

// Lines of one batch are one group.
AuditQueue::Commit Connection::record() {
  recording_.clear();
  recording_.swap(judge_.lines());
  const audit::Durability durability = judge_.durability();
  worker_.turns().charge(claimed_.peer->id, judge_.line_bytes() * audit_ns_per_byte);
  judge_.lines_taken();
  claimed_.flow->set_wait();
  return worker_.audit().commit(recording_, durability, claimed_.peer->id);
}

void Connection::note_outcomes() {
  for (std::string& line : judge_.notes()) worker_.audit().note(std::move(line));
  judge_.notes().clear();
}

// Records what was judged, then sends it. False: the server is gone.
Task<bool> Connection::forward(std::optional<Clock::time_point> judging_since) {
  const bool recorded = co_await record();
  if (judging_since) worker_.shared().latencies.added.add(Clock::now() - *judging_since);
  judge_.committed(recorded);
  if (!recorded) session_->refuse_batch();
  // Meanwhile the server may have said what makes all of this unsafe, or the operator have taken it away.
  if (!judge_.stands()) session_->end_for_change();
  if (session_->ending() == Session::Ending::at_once) co_return false;
  sending_.clear();
  sending_.swap(session_->to_server());
  session_->sent();
  if (sending_.empty()) co_return true;
  if (server_done_) co_return false;
  claimed_.flow->set_state("active");
  claimed_.flow->set_wait();
  auto sent =
      co_await SendAllowed(server_, sending_, claimed_.flow->bytes_up, stall_deadline(policy_->limits));
  co_return sent.has_value();
}

Task<void> Connection::pump_agent() {
  while (!server_done_ && session_->ending() == Session::Ending::none) {
    co_await worker_.turns().turn(claimed_.peer->id);
    const std::uint64_t turns = server_turns_;
    std::optional<Clock::time_point> judging_since;
    {
      PeerTurns::Work work(worker_.turns(), claimed_.peer->id);
      const std::size_t before = judge_.lines().size();
      from_agent_.consume(session_->from_agent(from_agent_.view()));
      if (judge_.lines().size() > before) {
        judging_since = work.begun();
        work.count_in(worker_.shared().latencies.decision);
      }
    }
    const bool forwarded = co_await forward(judging_since);
    if (!forwarded || session_->ending() != Session::Ending::none) break;
    if (session_->has_more()) continue;
    if (session_->waits()) {
      claimed_.flow->set_wait();
      if (turns == server_turns_ && !server_done_) co_await progress_.wait(Deadline::never());
      continue;
    }
    std::span<char> space = from_agent_.space();
    if (space.empty()) break;  // cannot be: a message is taken once it fills the buffer
    claimed_.flow->set_wait();
    const int count = co_await agent_.recv(space, idle_deadline());
    if (count == -ETIMEDOUT) {
      // The wait may have begun before the server's last byte.
      if (idle_deadline().when() > worker_.ring().now()) continue;
      worker_.shared().refusals.count("idle for too long", claimed_.peer->id);
      session_->end({.code = "57P05",
                     .message = "terminating connection due to idle timeout of the gateway",
                     .detail = {},
                     .hint = {}},
                    session_->within_message() ? Session::Ending::at_once : Session::Ending::graceful);
    }
    if (count <= 0) {
      if (session_->ending() == Session::Ending::graceful) co_await forward(std::nullopt);  // the Terminate
      break;
    }
    from_agent_.received(static_cast<std::size_t>(count));
    moved_ = worker_.ring().now();
  }
  co_await wait_for_server();
}

// As in a server: an agent that waits for its answer is not idle, however long that takes.
Deadline Connection::idle_deadline() const {
  const Deadline from_now = stall_deadline(policy_->limits);
  if (from_now.is_never() || !session_->awaits_agent()) return from_now;
  return Deadline::at(moved_ + std::chrono::duration_cast<Clock::duration>(policy_->limits.idle));
}

// The agent has said its last word, or must say no more.
Task<void> Connection::wait_for_server() {
  if (session_->ending() == Session::Ending::at_once)
    cut_server();
  else
    server_.shut_down(SHUT_WR);
  const Deadline deadline = Deadline::after(drain_time);
  while (!server_done_) {
    const bool in_time = co_await progress_.wait(deadline);
    if (!in_time) {
      cut_server();  // what runs on would count against nobody
      agent_.shut_down(SHUT_RDWR);
      break;
    }
  }
}

Task<void> Connection::pump_server() {
  std::string rewritten;
  bool ended = false;
  while (true) {
    std::span<char> space = from_server_.space();
    if (space.empty()) break;  // a message that must be whole and does not fit
    const int count = co_await server_.recv(space, Deadline::never());
    ended = count <= 0;
    if (ended) break;
    from_server_.received(static_cast<std::size_t>(count));
    moved_ = worker_.ring().now();
    std::string_view out;
    const std::size_t used = session_->from_server(from_server_.view(), rewritten, out);
    ++server_turns_;
    progress_.notify();
    if (!session_->in_flight())
      claimed_.flow->set_state(session_->transaction() == 'I' ? "idle" : "idle in transaction");
    if (!out.empty()) {
      sending_to_agent_ = true;
      auto sent =
          co_await SendAllowed(agent_, out, claimed_.flow->bytes_down, stall_deadline(policy_->limits));
      sending_to_agent_ = false;
      if (!sent) break;
    }
    note_outcomes();
    from_server_.consume(used);
    if (session_->ending() == Session::Ending::at_once) break;
  }
  if (ended)
    server_.shut_down(SHUT_RDWR);
  else
    cut_server();
  co_await say_farewell();
  agent_.shut_down(SHUT_RDWR);
  server_done_ = true;
  progress_.notify();
}

Task<void> Connection::say_farewell() {
  const auto& farewell = session_->farewell();
  if (!farewell || !session_->at_boundary()) co_return;
  std::string out;
  append_error(out, {.severity = "FATAL",
                     .code = farewell->code,
                     .message = farewell->message,
                     .detail = farewell->detail,
                     .hint = farewell->hint});
  (void)co_await agent_.send_all(out, Deadline::after(farewell_time));
}

std::optional<Denial> Connection::close_asked() const {
  auto why = claimed_.flow->close_asked();
  if (!why) return std::nullopt;
  return Denial{.code = "57P01", .message = "terminating connection: " + *why, .detail = {}, .hint = {}};
}

// A server goes on with what it has begun and with all that it has been sent, though nobody is there any
// more, and would commit it. The reset is there before the cancel, which needs a connection of its own: the
// statement at work is cancelled, its answer fails, and what stands behind it is not begun.
void Connection::cut_server() {
  if (!session_) return server_.shut_down(SHUT_RDWR);
  if (std::exchange(cut_, true)) return;
  if (!session_->in_flight()) return server_.shut_down(SHUT_RDWR);
  disconnect(server_.fd());
  cancel([] {});
}

void Connection::close_now() {
  cut_server();
  // Before there is a session every wait but the server's is for bytes of the agent, which can still be told.
  if (!session_) {
    agent_.shut_down(SHUT_RD);
    return;
  }
  session_->end(*close_asked(), Session::Ending::at_once);
  // An agent that does not read would hold the farewell, and the connection, for ever.
  if (sending_to_agent_) agent_.shut_down(SHUT_RDWR);
  ++server_turns_;
  progress_.notify();
}

bool Connection::rests() const {
  return !session_->in_flight() && session_->transaction() == 'I' && from_agent_.view().empty() &&
         !sending_to_agent_ && worker_.ring().now() - moved_ >= rest_time;
}

// The protocol has no words for leaving but the last ones. Who rests between transactions loses nothing by
// them, and comes back to the gateway that is next; who works is left alone for as long as he does.
Task<void> Connection::leave_when_at_rest(std::shared_ptr<Connection> connection) {
  Connection& self = *connection;
  while (!self.server_done_ && !self.rests())
    co_await self.worker_.ring().sleep_until(Deadline::after(rest_look));
  if (self.server_done_) co_return;
  self.session_->end(
      {.code = "57P01", .message = std::string(shutting_down), .detail = {}, .hint = "Connect again."},
      Session::Ending::graceful);
  self.agent_.shut_down(SHUT_RD);  // what it waits in is for the agent's next word
  ++self.server_turns_;
  self.progress_.notify();
}

bool Connection::analyse_elsewhere(std::string text, const sql::Options& options, Judge::Analysed analysed) {
  const std::size_t bytes = text.size();
  auto work = [ring = &worker_.ring(), weak = weak_from_this(), text = std::move(text), options,
               analysed = std::move(analysed)] {
    auto analysis = std::make_shared<const sql::Analysis>(sql::analyse(text, options));
    ring->post([weak, analysed, analysis = std::move(analysis)] {
      auto connection = weak.lock();
      if (!connection) return;
      analysed(analysis);
      ++connection->server_turns_;
      connection->progress_.notify();
    });
  };
  return worker_.shared().analysts->start(claimed_.peer->id, bytes, std::move(work));
}

void Connection::issue_key(std::size_t secret_size) {
  std::weak_ptr<Connection> weak = weak_from_this();
  Ring* ring = &worker_.ring();
  auto ask = [ring, weak](std::function<void()> done) {
    ring->post([weak, done = std::move(done)] {
      if (auto connection = weak.lock())
        connection->cancel(done);
      else
        done();
    });
  };
  key_ = worker_.shared().cancel_keys->issue({claimed_.peer->id, claimed_.endpoint_facets.name}, secret_size,
                                             ask);
}

void Connection::cancel(std::function<void()> done) {
  if (!session_ || server_done_ || !session_->in_flight()) return done();
  ++cancels_;
  session_->hold(true);
  worker_.flows().spawn(cancel_upstream(shared_from_this(), std::move(done)));
}

// Until the server has closed the cancel's own connection its signal may still be on the way.
Task<void> Connection::cancel_upstream(std::shared_ptr<Connection> connection, std::function<void()> done) {
  Connection& self = *connection;
  const Deadline deadline = Deadline::after(cancel_time);
  Stream socket(self.worker_.ring());
  auto connected = co_await connect_address(self.worker_, self.server_address_, deadline, socket.socket());
  std::optional<Denial> refused;
  if (connected) refused = co_await self.encrypt_upstream(socket, deadline);
  if (connected && !refused) {
    std::string request;
    append_cancel(request, self.server_process_, self.server_key_);
    auto sent = co_await socket.send_all(request, deadline);
    char answer[64];
    if (sent) (void)co_await socket.recv(answer, deadline);
  }
  if (--self.cancels_ == 0) self.session_->hold(false);
  ++self.server_turns_;
  self.progress_.notify();
  done();
}

}  // namespace clawpatrol::postgres
