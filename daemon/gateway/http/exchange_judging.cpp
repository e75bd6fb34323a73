// From a request's head to the line that says what was decided.
#include <algorithm>

#include "daemon/gateway/http/change_options.h"
#include "daemon/gateway/http/exchange_state.h"
#include "parsers/http1/text.h"
#include "parsers/websocket/extensions.h"

namespace clawpatrol::http {
namespace {

constexpr std::size_t longest_summary = 512;

// Whether two spellings are of one host: names are in lower case already.
bool same_host(const std::string& asked, const std::string& claimed) {
  if (asked == claimed) return true;
  auto left = Address::parse(asked), right = Address::parse(claimed);
  return left && right && *left == *right;
}

std::string summary_of(const RequestHead& head) {
  return (head.method + " " + head.target.substr(0, head.target.find('?'))).substr(0, longest_summary);
}

// Whether what was not known could have made another decision.
bool waits_for_body(const Opinion& opinion) {
  return opinion.decision.unevaluable || !opinion.decision.shadow_unevaluable.empty();
}

}  // namespace

// One name for the virtual address, SNI and every request (attacks.md, 11).
std::string_view Exchange::misdirected() const {
  const http1::Authority& asked = head().authority;
  const DestFacets& dest = flow_.claimed().dest;
  if (asked.host.empty()) return "the request names no host";
  if (!same_host(asked.host, dest.host)) return "the request is for another host than the connection";
  if (asked.port.value_or(scheme_port(endpoint())) != dest.port)
    return "the request is for another port than the connection";
  return {};
}

// To change to anything but WebSocket is not asked for: a server may always answer as if it had not been.
std::string_view Exchange::unusable_upgrade() {
  if (outgoing_.upgrade.empty()) return {};
  if (outgoing_.upgrade != "websocket") {
    outgoing_.upgrade.clear();
    return {};
  }
  const bool plain = outgoing_.method == "GET" && !outgoing_.has_body;
  const auto keys = std::ranges::count_if(
      outgoing_.fields, [](const Field& field) { return http1::same_name(field.name, "sec-websocket-key"); });
  return plain && keys == 1 ? std::string_view() : "a WebSocket is asked for with GET and one key";
}

// Of the extensions that the agent offers those that we know; none where rules see messages, which are then
// not compressed.
void Exchange::offer_known_extensions() {
  if (outgoing_.upgrade.empty()) return;
  std::string offered;
  std::erase_if(outgoing_.fields, [&](const Field& field) {
    if (!http1::same_name(field.name, "sec-websocket-extensions")) return false;
    offered.append(offered.empty() ? "" : ",").append(field.value);
    return true;
  });
  const std::string known = websocket::known_offers(offered);
  const bool seen = policy_->sees(flow_.claimed().endpoint_facets.name, ActionType::message);
  if (!known.empty() && !seen) outgoing_.fields.push_back({"Sec-WebSocket-Extensions", known});
}

// As rules see it; views of the head, which outlives it.
Request Exchange::request() const {
  const RequestHead& from = head();
  const std::size_t mark = from.target.find('?');
  Request request{.method = from.method,
                  .host = flow_.claimed().dest.host,
                  .raw_path = std::string_view(from.target).substr(0, mark),
                  .query = {},
                  .headers = {{"host", from.authority.host}},
                  .body = held_};
  request.headers.reserve(from.fields.size() + 2);
  if (mark != std::string::npos) request.query = std::string_view(from.target).substr(mark + 1);
  for (const Field& field : from.fields) request.headers.push_back({field.name, field.value});
  if (!outgoing_.upgrade.empty()) request.headers.push_back({"upgrade", outgoing_.upgrade});
  request.body_state = body_state_;
  request.declared_size = from.content_length;
  request.upgrades = !outgoing_.upgrade.empty();
  return request;
}

Task<void> Exchange::refuse(int status, std::string_view type, std::string_view guard, std::string_view why) {
  opinion_ = {};
  opinion_.guard = std::string(guard);
  opinion_.decision.reason = std::string(why);
  flow_.worker().shared().refusals.count(guard.data(), flow_.claimed().peer->id);
  Judge::Line line = flow_.judge().record({.policy = policy_,
                                           .seen = nullptr,
                                           .opinion = opinion_,
                                           .verdict = ActionVerdict::deny,
                                           .credential = credential_,
                                           .text = summary_of(head())});
  // What says no may be said all the same where it could not be recorded.
  (void)co_await flow_.judge().commit(line);
  co_await answer({.status = status,
                   .type = type,
                   .detail = std::string(why),
                   .rule = {},
                   .id = action_id_text(line.action)});
}

Task<bool> Exchange::judge() {
  outgoing_ = head();
  if (std::string_view why = misdirected(); !why.empty()) {
    co_await refuse(421, "misdirected", "names that disagree", why);
    co_return false;
  }
  if (std::string_view why = unusable_upgrade(); !why.empty()) {
    co_await refuse(400, "malformed", "malformed upgrade", why);
    co_return false;
  }
  offer_known_extensions();
  outgoing_.authority = {flow_.claimed().dest.host, flow_.claimed().dest.port};
  const bool empty = !head().has_body || head().content_length == 0;
  if (empty) body_state_ = BodyState::whole;
  const bool chosen = co_await choose_credential();
  if (!chosen) co_return false;
  while (true) {
    std::expected<Seen, std::string_view> seen = std::unexpected("");
    co_await read_held([&] {
      const Clock::time_point begun = Clock::now();
      seen = flow_.judge().see(*policy_, request());
      if (seen) opinion_ = flow_.judge().consider(*policy_, *seen, credential_);
      flow_.worker().shared().latencies.decision.add(Clock::now() - begun);
    });
    if (!seen) {
      const bool trace = head().method == "TRACE";
      co_await refuse(trace ? 405 : 400, "malformed", trace ? "TRACE" : "request with two readings",
                      seen.error());
      co_return false;
    }
    seen_ = std::move(*seen);
    if (body_state_ != BodyState::unread || !(waits_for_body(opinion_) || records_body())) break;
    const bool held = co_await hold_body();
    if (!held) co_return false;
    if (body_state_ == BodyState::unread) break;  // it did not come in time
  }
  co_return co_await check_body();
}

// A short body may be a long one once it is decoded.
Task<void> Exchange::read_held(Analysts::Work work) {
  const bool coded = !held_.empty() && !value_of(head().fields, "content-encoding").empty();
  return read_where_it_may(coded || held_.size() > Analysts::longest_at_once, std::move(work));
}

// What is long would hold up every other peer of this worker (attacks.md, 28).
Task<void> Exchange::read_where_it_may(bool is_long, Analysts::Work work) {
  const std::uint32_t peer = flow_.claimed().peer->id;
  if (is_long) {
    flow_.flow().set_wait();
    co_await flow_.worker().shared().analysts->run(flow_.worker().ring(), peer, std::move(work));
  } else {
    PeerTurns::Work turn(flow_.worker().turns(), peer);
    work();
  }
}

// While the gateway observes, what no rule was for is recorded as a rule for it would need it. The options of
// a change are a few hundred bytes.
bool Exchange::records_body() const {
  constexpr std::size_t longest_options = 1024;
  return opinion_.observed && !opinion_.decision.rule && seen_.k8s && deletes_evicts_or_scales(*seen_.k8s) &&
         head().content_length && *head().content_length <= longest_options;
}

// Until enough of the body is here for what rules read of it, or certainly more than they may see.
Task<bool> Exchange::hold_body() {
  const std::size_t most = policy_->limits.body_inspect;
  const auto wait = std::chrono::duration_cast<Clock::duration>(policy_->limits.body_wait);
  const Deadline deadline = Deadline::after(wait);
  if (head().content_length.value_or(0) > most) body_state_ = BodyState::cut;
  if (body_state_ == BodyState::cut) co_return true;
  flow_.flow().set_state("reading the body");
  flow_.flow().set_wait();
  if (std::exchange(outgoing_.expects_continue, false)) {
    auto sent = co_await agent_.send_head({.status = 100}, deadline);
    if (!sent) co_return false;
  }
  while (true) {
    auto part = co_await agent_.read(deadline);
    if (!part && part.error().code == ETIMEDOUT) co_return true;
    if (!part) {
      if (part.error().code == EPROTO) {
        co_await refuse(400, "malformed", "malformed request", part.error().what);
      } else {
        flow_.worker().shared().refusals.count("request that was not finished", flow_.claimed().peer->id);
        agent_.break_off();
      }
      co_return false;
    }
    const bool fits = held_.size() + part->bytes.size() <= most && held_share_.take(part->bytes.size());
    held_ += part->bytes;
    held_all_ = part->end;
    held_trailers_ = std::move(part->trailers);
    if (!fits) body_state_ = BodyState::cut;
    if (fits && held_all_) body_state_ = BodyState::whole;
    if (!fits || held_all_) co_return true;
  }
}

Task<bool> Exchange::record() {
  // What would have been denied gets no credential (attacks.md, 29).
  if (opinion_.observed && !credential_.empty()) opinion_.allowed = opinion_.observed = false;
  const ActionVerdict verdict = opinion_.allowed ? ActionVerdict::allow : ActionVerdict::deny;
  Judge::Line line = flow_.judge().record({.policy = policy_,
                                           .seen = &seen_,
                                           .opinion = opinion_,
                                           .verdict = verdict,
                                           .credential = credential_,
                                           .text = summary_of(head())});
  action_ = line.action;
  flow_.flow().set_wait();
  const bool recorded = co_await flow_.judge().commit(line);
  flow_.worker().shared().latencies.added.add(Clock::now() - begun_);
  const std::string id = action_id_text(action_);
  if (!opinion_.allowed) {
    const Decision& decision = opinion_.decision;
    co_await answer({.status = 403,
                     .type = decision.unevaluable ? "unevaluable" : "denied",
                     .detail = decision.reason,
                     .rule = decision.rule ? decision.rule->name : "",
                     .id = id});
    co_return false;
  }
  // Meanwhile the operator may have taken it away.
  const bool stands = flow_.judge().stands();
  if (recorded && stands) co_return true;
  if (!stands) flow_.end_after_this();
  why_ = recorded ? "what the connection rests on was taken away" : "it could not be recorded";
  co_await answer({.status = 503,
                   .type = recorded ? "closed" : "unrecorded",
                   .detail = recorded ? "The gateway does not serve this connection any more."
                                      : "The gateway could not record this request in its audit log.",
                   .rule = {},
                   .id = id});
  note_outcome();
  co_return false;
}

}  // namespace clawpatrol::http
