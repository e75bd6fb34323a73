#include "daemon/gateway/passthrough.h"

#include "daemon/gateway/copy.h"
#include "daemon/gateway/dns/service.h"
#include "daemon/gateway/guard.h"
#include "daemon/gateway/sockets.h"
#include "daemon/gateway/unclaimed.h"
#include "daemon/gateway/upstream.h"

namespace clawpatrol {

namespace {

// Both sockets of a connection, as its two directions and a request to close it see them.
struct Relay {
  Worker& worker;
  Flow& flow;
  int agent;
  int upstream;
  Idleness idleness;
  bool broken = false;

  void break_off() {
    broken = true;
    shutdown(agent, SHUT_RDWR);
    shutdown(upstream, SHUT_RDWR);
  }
};

Task<void> relay_one_way(Relay& relay, CopyEnds ends, std::atomic<std::uint64_t>& counter) {
  auto copied = co_await copy_allowed(relay.worker.ring(), ends, counter, relay.idleness);
  if (copied)
    shutdown(ends.to, SHUT_WR);
  else
    relay.break_off();
}

std::string text_of(const SocketAddress& address) {
  std::string host = address.address.text();
  return (address.address.is_v4() ? host : "[" + host + "]") + ":" + std::to_string(address.port);
}

Task<std::expected<Fd, Error>> connect_to(Worker& worker, SocketAddress address, Deadline deadline) {
  auto socket = co_await connect_address(worker, address, deadline);
  if (!socket) co_return socket;
  // The address may have become ours between the check and now.
  auto local = local_address(socket->get());
  if (!local || local->address == address.address)
    co_return std::unexpected(Error{0, "connect failed: an address of the gateway itself"});
  co_return socket;
}

// A listed flow for as long as its task runs.
class Opened {
 public:
  Opened(Shared& shared, std::shared_ptr<Flow> flow) : shared_(shared), flow_(std::move(flow)) {}
  ~Opened() { shared_.flows.close(*flow_); }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

 private:
  Shared& shared_;
  std::shared_ptr<Flow> flow_;
};

// The request to close comes from any thread and is heard while this lives; the relay is touched on its own.
class CloseRequests {
 public:
  explicit CloseRequests(Relay& relay) : relay_(relay), alive_(std::make_shared<bool>(true)) {
    relay.flow.on_close_request(
        [&ring = relay.worker.ring(), relay = &relay, alive = alive_](const std::string&) {
          ring.post([relay, alive] {
            if (*alive) relay->break_off();
          });
        });
  }
  ~CloseRequests() {
    *alive_ = false;
    relay_.flow.on_close_request({});
  }
  CloseRequests(const CloseRequests&) = delete;
  CloseRequests& operator=(const CloseRequests&) = delete;

 private:
  Relay& relay_;
  std::shared_ptr<bool> alive_;
};

// True when both directions came to their own end.
Task<bool> relay_both_ways(Worker& worker, Flow& flow, int agent, int upstream) {
  auto policy = worker.shared().policy.current();
  Relay relay{worker,
              flow,
              agent,
              upstream,
              {.limit = std::chrono::duration_cast<Clock::duration>(policy->limits.idle)}};
  CloseRequests requests(relay);
  Task<void> up = relay_one_way(relay, {agent, upstream}, flow.bytes_up);
  Task<void> down = relay_one_way(relay, {upstream, agent}, flow.bytes_down);
  co_await up;
  co_await down;
  co_return !relay.broken;
}

}  // namespace

Task<void> serve_passthrough(Worker& worker, Fd socket, ClaimedFlow claimed) {
  Shared& shared = worker.shared();
  Opened opened(shared, claimed.flow);
  claimed.flow->set_state("deciding");
  auto policy = shared.policy.current();
  SocketAddress destination{claimed.destination, claimed.dest.port};
  const char* guard =
      dial_refusal(*policy, destination.address, policy->passthrough_networks, shared.name_service->seen());
  Judged judged = co_await judge_unclaimed(worker, policy,
                                           {.type = ActionType::connect,
                                            .kind = ActionKind::exec,
                                            .peer_id = claimed.peer->id,
                                            .peer = claimed.peer_facets,
                                            .dest = claimed.dest,
                                            .flow = claimed.flow,
                                            .guard = guard});
  if (!judged.allowed) {
    shared.refusals.count(guard ? guard : "passthrough: refused", claimed.peer->id);
    co_return reset(std::move(socket));
  }
  claimed.flow->set_state("connecting");
  auto upstream = co_await connect_to(worker, destination, Deadline::after(policy->limits.connect));
  if (!upstream) {
    worker.audit().note(outcome_line(judged.id, false, claimed.flow.get(), upstream.error().what));
    co_return reset(std::move(socket));
  }
  claimed.flow->set_upstream(text_of(destination));
  claimed.flow->set_state("relaying");
  tune_connection(socket.get());
  bool whole = co_await relay_both_ways(worker, *claimed.flow, socket.get(), upstream->get());
  worker.audit().note(outcome_line(judged.id, whole, claimed.flow.get(), whole ? "" : "broken off"));
  if (!whole) {
    reset(std::move(socket));
    reset(std::move(*upstream));
  }
}

}  // namespace clawpatrol
