#include "daemon/gateway/passthrough.h"

#include <algorithm>

#include "daemon/gateway/copy.h"
#include "daemon/gateway/dns/service.h"
#include "daemon/gateway/dns/standing.h"
#include "daemon/gateway/grant.h"
#include "daemon/gateway/guard.h"
#include "daemon/gateway/opening.h"
#include "daemon/gateway/sockets.h"
#include "daemon/gateway/unclaimed.h"
#include "daemon/gateway/upstream.h"

namespace clawpatrol {

namespace {

// A client that speaks first does so within this; what it names is then known before anything is dialled.
constexpr auto first_bytes_time = std::chrono::milliseconds(250);

// Of TLS: whom it is for. It must say so.
std::optional<std::string> name_in(Opening& opening) {
  if (!opening.hello) return std::nullopt;
  if (opening.hello->server_name.empty()) opening.problem = "guard: TLS without a server name";
  return opening.hello->server_name;
}

// Both sockets of a connection, as its two directions and a request to close it see them.
struct Relay {
  Worker& worker;
  const ClaimedFlow& claimed;
  int agent;
  Stream upstream{worker.ring()};
  Address dialled{};
  Opening opening{};
  Idleness idleness{};
  bool broken = false;

  void break_off() {
    broken = true;
    disconnect(agent);
    if (upstream.socket()) disconnect(upstream.fd());
  }
};

// Where TLS for this name may go: what it resolves to for this peer, the address that the agent dialled alone
// where it is one of them. Empty: nowhere, and `why` says so.
struct Destinations {
  std::vector<Address> addresses{};
  const char* why = "guard: TLS for a name that does not resolve";
};

Task<Destinations> destinations_of(Worker& worker, std::shared_ptr<const Policy> policy,
                                   const ClaimedFlow& claimed, std::string name) {
  Standing standing = standing_of(*policy, claimed.peer_facets.profile, name);
  if (standing != Standing::unclaimed && standing != Standing::parent)
    co_return Destinations{.why = "guard: TLS for a name of an endpoint"};
  auto looked = co_await worker.shared().name_service->look_up_for(
      worker, policy, claimed.peer->id, claimed.peer_facets,
      {name, claimed.destination.is_v4() ? "A" : "AAAA"});
  Destinations found;
  const auto& addresses = looked.resolved.addresses;
  if (std::ranges::find(addresses, claimed.destination) != addresses.end()) {
    found.addresses = {claimed.destination};
    co_return found;
  }
  for (const Address& address : addresses)
    if (address.is_v4() == claimed.destination.is_v4()) found.addresses.push_back(address);
  co_return found;
}

// A client that spoke only after the connection was made: where it turns out to be TLS, it must be for a name
// of the address that has been dialled.
Task<bool> may_begin(Relay& relay) {
  Flow& flow = *relay.claimed.flow;
  if (relay.opening.bytes.empty()) {
    relay.opening = co_await read_opening(relay.worker.ring(), relay.agent, Deadline::never());
    auto name = name_in(relay.opening);
    const char* problem = relay.opening.problem;
    if (!problem && name) {
      auto policy = relay.worker.shared().policy.current();
      Destinations found = co_await destinations_of(relay.worker, policy, relay.claimed, std::move(*name));
      bool same = std::ranges::find(found.addresses, relay.dialled) != found.addresses.end();
      if (!same) problem = found.addresses.empty() ? found.why : "guard: TLS for a name of another address";
    }
    if (problem) {
      relay.worker.shared().refusals.count(problem, relay.claimed.peer->id);
      co_return false;
    }
  }
  if (relay.broken) co_return false;
  auto sent = co_await SendAllowed(relay.upstream, relay.opening.bytes, flow.bytes_up, Deadline::never());
  relay.opening.bytes = {};
  co_return sent.has_value();
}

Task<void> relay_up(Relay& relay) {
  if (!co_await may_begin(relay)) co_return relay.break_off();
  auto copied = co_await copy_allowed(relay.worker.ring(), {relay.agent, relay.upstream.fd()},
                                      relay.claimed.flow->bytes_up, relay.idleness);
  if (!copied) co_return relay.break_off();
  shutdown(relay.upstream.fd(), SHUT_WR);
}

Task<void> relay_down(Relay& relay) {
  auto copied = co_await copy_allowed(relay.worker.ring(), {relay.upstream.fd(), relay.agent},
                                      relay.claimed.flow->bytes_down, relay.idleness);
  if (!copied) co_return relay.break_off();
  shutdown(relay.agent, SHUT_WR);
}

std::string text_of(const SocketAddress& address) {
  std::string host = address.address.text();
  return (address.address.is_v4() ? host : "[" + host + "]") + ":" + std::to_string(address.port);
}

Task<std::expected<void, Error>> connect_to(Worker& worker, SocketAddress address, Deadline deadline,
                                            Fd& socket) {
  auto connected = co_await connect_address(worker, address, deadline, socket);
  if (!connected) co_return connected;
  // The address may have become ours between the check and now.
  auto local = local_address(socket.get());
  if (!local || local->address == address.address)
    co_return std::unexpected(Error{0, "connect failed: an address of the gateway itself"});
  co_return connected;
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
    Ring* ring = &relay.worker.ring();
    relay.claimed.flow->on_close_request([ring, relay = &relay, alive = alive_](const std::string&) {
      ring->post([relay, alive] {
        if (*alive) relay->break_off();
      });
    });
  }
  ~CloseRequests() {
    *alive_ = false;
    relay_.claimed.flow->on_close_request({});
  }
  CloseRequests(const CloseRequests&) = delete;
  CloseRequests& operator=(const CloseRequests&) = delete;

 private:
  Relay& relay_;
  std::shared_ptr<bool> alive_;
};

// True when both directions came to their own end.
Task<bool> relay_both_ways(Relay& relay) {
  Task<void> up = relay_up(relay);
  Task<void> down = relay_down(relay);
  co_await up;
  co_await down;
  co_return !relay.broken;
}

// What is to be dialled, and under which name it is judged.
struct Plan {
  std::vector<Address> addresses;
  const char* guard = nullptr;
};

Task<Plan> plan_for(Worker& worker, std::shared_ptr<const Policy> policy, const ClaimedFlow& claimed,
                    std::optional<std::string> name, const char* problem) {
  Plan plan{.addresses = {claimed.destination}, .guard = problem};
  const SeenAddresses& seen = worker.shared().name_service->seen();
  // First of all, so that no lookup leaves for the sake of an address that nobody may reach.
  if (!plan.guard)
    plan.guard = dial_refusal(*policy, claimed.destination, policy->passthrough_networks, seen);
  if (plan.guard || !name) co_return plan;
  Destinations found = co_await destinations_of(worker, policy, claimed, std::move(*name));
  plan.addresses = std::move(found.addresses);
  if (plan.addresses.empty()) plan.guard = found.why;
  for (const Address& address : plan.addresses)
    if (!plan.guard) plan.guard = dial_refusal(*policy, address, policy->passthrough_networks, seen);
  co_return plan;
}

// Once it is connected: it stands while the rules allow it and the guard has nothing against the address.
Grant grant_of(const Shared& shared, const std::shared_ptr<const Policy>& policy, const ClaimedFlow& claimed,
               Unclaimed judged, const Address& dialled) {
  Grant grant(policy, *claimed.peer, claimed.peer_facets.profile, "", *judged.dest);
  judged.flow = nullptr;  // which holds the grant
  grant.also_rests_on([&seen = shared.name_service->seen(), judged = std::move(judged),
                       dialled](const Policy& now) -> const char* {
    if (const char* why = standing_refusal(now, dialled, now.passthrough_networks, seen)) return why;
    return decide_unclaimed(now, judged).verdict == Verdict::allow ? nullptr
                                                                   : "the rules now refuse the destination";
  });
  return grant;
}

}  // namespace

Task<void> serve_passthrough(Worker& worker, Fd socket, ClaimedFlow claimed, Opening begun) {
  Shared& shared = worker.shared();
  Opened opened(shared, claimed.flow);
  claimed.flow->set_state("deciding");
  auto policy = shared.policy.current();
  Relay relay{.worker = worker, .claimed = claimed, .agent = socket.get()};
  CloseRequests requests(relay);
  relay.opening = std::move(begun);
  if (relay.opening.empty())
    relay.opening = co_await read_opening(worker.ring(), socket.get(), Deadline::after(first_bytes_time));
  const auto name = name_in(relay.opening);
  Plan plan = co_await plan_for(worker, policy, claimed, name, relay.opening.problem);
  if (relay.broken) co_return reset(std::move(socket));
  DestFacets dest{name.value_or(claimed.dest.host), claimed.dest.port};
  const Unclaimed connecting{.type = ActionType::connect,
                             .kind = ActionKind::exec,
                             .peer_id = claimed.peer->id,
                             .peer = claimed.peer_facets,
                             .dest = dest,
                             .flow = claimed.flow,
                             .guard = plan.guard};
  Judged judged = co_await judge_unclaimed(worker, policy, connecting);
  if (!judged.allowed) {
    shared.refusals.count(plan.guard ? plan.guard : "passthrough: refused", claimed.peer->id);
    co_return reset(std::move(socket));
  }
  claimed.flow->set_state("connecting");
  Deadline deadline = Deadline::after(policy->limits.connect);
  std::expected<void, Error> connected = std::unexpected(Error{0, "broken off"});
  for (const Address& address : plan.addresses) {
    if (relay.broken) break;
    relay.dialled = address;
    connected = co_await connect_to(worker, {address, claimed.dest.port}, deadline, relay.upstream.socket());
    if (connected) break;
  }
  if (!connected) {
    worker.audit().note(outcome_line(judged.id, false, claimed.flow.get(), connected.error().what));
    co_return reset(std::move(socket));
  }
  give_grant(shared, *claimed.flow, grant_of(shared, policy, claimed, connecting, relay.dialled));
  claimed.flow->set_upstream(text_of({relay.dialled, claimed.dest.port}));
  claimed.flow->set_state("relaying");
  tune_connection(socket.get());
  relay.idleness = {.limit = std::chrono::duration_cast<Clock::duration>(policy->limits.idle)};
  bool whole = co_await relay_both_ways(relay);
  worker.audit().note(outcome_line(judged.id, whole, claimed.flow.get(), whole ? "" : "broken off"));
  if (!whole) {
    reset(std::move(socket));
    reset(std::move(relay.upstream.socket()));
  }
}

}  // namespace clawpatrol
