#include "daemon/gateway/http/served_flow.h"

#include "daemon/gateway/grant.h"
#include "daemon/gateway/http/exchange_state.h"

namespace clawpatrol::http {

ServedFlow::ServedFlow(Worker& worker, ClaimedFlow claimed)
    : worker_(worker),
      claimed_(std::move(claimed)),
      judge_(worker, claimed_),
      given_(std::make_shared<GivenCredentials>()),
      upstreams_(worker.ring(), account()),
      alive_(std::make_shared<bool>(true)) {
  const auto claimed_by = claimed_.flow->grant();
  if (!claimed_by) return;
  Grant grant = *claimed_by;
  grant.also_rests_on([given = given_, profile = claimed_.peer_facets.profile, dest = claimed_.dest,
                       store = worker_.shared().credentials.get()](const Policy& now) {
    return given->broken(now, profile, dest, store);
  });
  give_grant(worker_.shared(), *claimed_.flow, std::move(grant));
}

ServedFlow::~ServedFlow() {
  *alive_ = false;
  claimed_.flow->on_close_request(nullptr);
  claimed_.flow->on_leave_request(nullptr);
}

PeerAccount ServedFlow::account() const {
  return {.turns = worker_.turns(),
          .memory = worker_.http().memory,
          .peer_id = claimed_.peer->id,
          .window = worker_.shared().policy.current()->limits.buffer};
}

// The request comes from any thread; the connection is touched on its own.
void ServedFlow::serve_on(AgentConnection& connection) {
  connection_ = &connection;
  claimed_.flow->on_close_request([ring = &worker_.ring(), flow = this, alive = alive_](const std::string&) {
    ring->post([flow, alive] {
      if (*alive) flow->close();
    });
  });
  claimed_.flow->on_leave_request([ring = &worker_.ring(), flow = this, alive = alive_] {
    ring->post([flow, alive] {
      if (*alive) flow->leave();
    });
  });
}

void ServedFlow::close() {
  if (std::exchange(closing_, true)) return;
  const std::vector<Exchange*> going_on = exchanges_;
  for (Exchange* exchange : going_on) exchange->close();
  if (connection_) connection_->go_away();
}

const char* ServedFlow::broken_given() const {
  Shared& shared = worker_.shared();
  return given_->broken(*shared.policy.current(), claimed_.peer_facets.profile, claimed_.dest,
                        shared.credentials.get());
}

void ServedFlow::end_after_this() {
  closing_ = true;
}

void ServedFlow::leave() {
  if (!closing_ && connection_) connection_->leave();
}

Task<std::string> ServedFlow::record_malformed(std::string_view why) {
  worker_.shared().refusals.count("malformed request", claimed_.peer->id);
  auto policy = judge_.take_generation();
  if (!policy) co_return "";
  Opinion opinion;
  opinion.guard = "malformed request";
  opinion.decision.reason = std::string(why);
  Judge::Line line = judge_.record({.policy = policy,
                                    .seen = nullptr,
                                    .opinion = opinion,
                                    .verdict = ActionVerdict::deny,
                                    .credential = "",
                                    .text = "malformed request"});
  // An answer that says no may go out all the same where it could not be recorded.
  (void)co_await judge_.commit(line);
  co_return action_id_text(line.action);
}

}  // namespace clawpatrol::http
