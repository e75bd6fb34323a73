#include "daemon/gateway/dns/service.h"

#include <algorithm>

#include "daemon/gateway/admitted.h"
#include "daemon/gateway/dns/standing.h"
#include "daemon/gateway/dns/udp.h"
#include "daemon/gateway/grant.h"
#include "daemon/gateway/names.h"
#include "daemon/gateway/unclaimed.h"
#include "daemon/ring/task_group.h"

namespace clawpatrol {

using dns::Answer;
using dns::ExtendedError;
using dns::Rcode;
using dns::RecordType;

namespace {

std::string raw_bytes(const Address& address) {
  auto begin = address.bytes.begin() + (address.is_v4() ? 12 : 0);
  return {begin, address.bytes.end()};
}

std::optional<Family> family_of(RecordType type) {
  if (type == RecordType::a) return Family::v4;
  if (type == RecordType::aaaa) return Family::v6;
  return std::nullopt;
}

Answer refused(std::string_view why) {
  return {.rcode = Rcode::name_error, .error = ExtendedError::prohibited, .error_text = std::string(why)};
}

const Answer server_failure{.rcode = Rcode::server_failure};
// What a resolver says of a name that is not there: no more than that.
const Answer no_such_name{.rcode = Rcode::name_error};
const Answer no_records{};

}  // namespace

NameService::NameService(Shared& shared, Lookups::Options lookups)
    : shared_(shared), lookups_(std::move(lookups)) {}

std::string NameService::built(const Asked& asked, const Answer& answer) {
  std::size_t limit =
      asked.transport == Transport::udp ? dns::udp_limit(asked.query.edns) : dns::max_tcp_answer;
  return dns::build_answer(asked.query, answer, limit);
}

NameService::Begun NameService::begin(std::shared_ptr<const Peer> peer, const Address& source,
                                      std::string_view message, Transport transport) {
  auto policy = shared_.policy.current();
  if (!policy) return std::string();
  const auto config = admitted_as(*policy, *peer);
  if (!config) {
    shared_.refusals.count("dns: peer without a profile", peer->id);
    return std::string();
  }
  dns::QueryResult read = dns::parse_query(message);
  if (std::holds_alternative<Malformed>(read)) {
    shared_.refusals.count("dns: not a query", peer->id);
    return std::string();
  }
  if (auto* bad = std::get_if<dns::BadQuery>(&read)) {
    shared_.refusals.count("dns: a query that cannot be read", peer->id);
    return dns::build_error(*bad);
  }
  PeerFacets facets{
      .name = peer->name, .profile = config->profile, .address = source.text(), .labels = config->labels};
  Asked asked{std::move(peer), policy, std::move(facets), std::move(std::get<dns::Query>(read)), transport};
  Standing standing = standing_of(*policy, asked.facets.profile, asked.query.name);
  if (standing == Standing::exact || standing == Standing::wildcard)
    return answer_claimed(asked, standing == Standing::exact).value_or(built(asked, server_failure));
  bool passthrough = policy->unknown_host == UnknownHost::passthrough;
  if (standing == Standing::parent && !passthrough) return built(asked, no_records);
  if (!passthrough) {
    shared_.refusals.count("dns: a name of no endpoint", asked.peer->id);
    return built(asked, refused("no endpoint of this gateway has this name"));
  }
  if (standing == Standing::elsewhere || !asked.query.hostname) return built(asked, no_such_name);
  if (!family_of(asked.query.type)) return built(asked, no_records);
  return asked;
}

// Nothing where an address is due and none can be had.
std::optional<std::string> NameService::answer_claimed(const Asked& asked, bool exact) {
  auto family = family_of(asked.query.type);
  if (!family || !shared_.names->has(*family)) return built(asked, no_records);
  auto address = exact ? shared_.names->address_of(asked.query.name, *family)
                       : shared_.names->lease(asked.query.name, *family, asked.peer->id);
  if (!address) {
    shared_.refusals.count("dns: no virtual address is left", asked.peer->id);
    return std::nullopt;
  }
  return built(asked, {.addresses = {raw_bytes(*address)},
                       .ttl_seconds = static_cast<std::uint32_t>(VirtualNames::ttl.count())});
}

Task<std::string> NameService::look_up(Worker& worker, Asked asked) {
  Looked looked = co_await look_up_for(worker, asked.policy, asked.peer->id, asked.facets,
                                       {asked.query.name, dns::text_of(asked.query.type)});
  if (!looked.refusal.empty()) co_return built(asked, refused(looked.refusal));
  co_return answer_resolved(asked, looked.resolved, looked.left);
}

Task<NameService::Looked> NameService::look_up_for(Worker& worker, std::shared_ptr<const Policy> policy,
                                                   std::uint32_t peer_id, PeerFacets peer,
                                                   DnsFacets question) {
  Deadline deadline = Deadline::after(lookup_time);
  Action action;
  action.type = ActionType::dns;
  action.kind = ActionKind::read;
  action.peer = &peer;
  action.dns = &question;
  // What was resolved for this peer a moment ago leaves the gateway no second time, but is judged again.
  if (auto hit = cache_.find(peer_id, question.name, Clock::now());
      hit && decide(*policy, action).verdict == Verdict::allow)
    co_return Looked{.resolved = hit->resolved, .left = hit->left};
  if (!take_lookup(*policy, peer_id)) co_return Looked{};
  Judged judged = co_await judge_unclaimed(
      worker, policy,
      {.type = ActionType::dns, .kind = ActionKind::read, .peer_id = peer_id, .peer = peer, .dns = question});
  if (!judged.recorded) co_return Looked{};
  if (!judged.allowed) co_return Looked{.refusal = judged.reason};
  Resolved resolved = co_await lookups_.resolve(worker.ring(), peer_id, question.name, deadline);
  worker.audit().note(
      outcome_line(judged.id, resolved.certain(), nullptr, resolved.certain() ? "" : "no answer"));
  if (resolved.outcome == Resolved::Outcome::crowded)
    shared_.refusals.count("dns: too many lookups at a time", peer_id);
  cache_.insert(peer_id, question.name, resolved, Clock::now());
  co_return Looked{.resolved = std::move(resolved), .left = AnswerCache::lifetime};
}

bool NameService::take_lookup(const Policy& policy, std::uint32_t peer_id) {
  if (rates_.take(peer_id, policy.limits.dns_queries_per_second, Clock::now())) return true;
  shared_.refusals.count("dns: too many lookups a second", peer_id);
  return false;
}

std::string NameService::answer_resolved(const Asked& asked, const Resolved& resolved,
                                         std::chrono::seconds ttl) {
  if (!resolved.certain()) return built(asked, server_failure);
  if (resolved.outcome == Resolved::Outcome::no_such_name) return built(asked, no_such_name);
  const Policy& policy = *asked.policy;
  // Until the guard can tell which addresses are endpoints', it would withhold everything.
  if (!seen_.know(hosts_to_follow(policy), Clock::now())) return built(asked, server_failure);
  Answer answer{.ttl_seconds = static_cast<std::uint32_t>(ttl.count())};
  const char* withheld = nullptr;
  for (const Address& address : resolved.addresses) {
    if (address.is_v4() != (asked.query.type == RecordType::a)) continue;
    if (answer.addresses.size() == dns::max_addresses) break;
    if (const char* why = dial_refusal(policy, address, policy.passthrough_networks, seen_))
      withheld = why;
    else
      answer.addresses.push_back(raw_bytes(address));
  }
  if (!answer.addresses.empty() || !withheld) return built(asked, answer);
  shared_.refusals.count("dns: guarded addresses withheld", asked.peer->id);
  return built(
      asked, {.error = ExtendedError::prohibited, .error_text = "its addresses are not reachable from here"});
}

Task<Resolved> NameService::resolve(Ring& ring, std::uint32_t peer_id, std::string name, Deadline deadline) {
  co_return co_await lookups_.resolve(ring, peer_id, std::move(name), deadline);
}

void NameService::listen(Worker& worker, Fd socket, Family family) {
  auto& current = listeners_[family == Family::v4 ? 0 : 1];
  if (current) *current = true;
  current = std::make_shared<std::atomic<bool>>(false);
  worker.flows().spawn(serve_dns_udp(worker, *this, std::move(socket), current));
}

bool NameService::enter(int socket, std::uint32_t peer_id) {
  if (!connections_.enter(peer_id, tcp_connections_per_peer)) return false;
  std::lock_guard lock(sockets_mutex_);
  sockets_.insert(socket);
  if (stopping_) shutdown(socket, SHUT_RDWR);
  return true;
}

void NameService::leave(int socket, std::uint32_t peer_id) {
  connections_.leave(peer_id);
  std::lock_guard lock(sockets_mutex_);
  sockets_.erase(socket);
}

void NameService::stop() {
  lookups_.stop();
  std::lock_guard lock(sockets_mutex_);
  stopping_ = true;
  for (int socket : sockets_) shutdown(socket, SHUT_RDWR);
}

// ---- the endpoints' own addresses -------------------------------------------------------------------------

Task<void> NameService::follow_one(NameService& service, Worker& worker, std::string host) {
  Resolved resolved =
      co_await service.resolve(worker.ring(), 0, host, Deadline::after(std::chrono::seconds(20)));
  if (!resolved.certain()) co_return;
  const bool any_new = service.seen_.resolved(host, resolved.addresses, Clock::now());
  if (any_new) close_orphans(service.shared_);  // passthrough to what is now known as an endpoint's
}

Task<void> NameService::follow(NameService& service, Worker& worker) {
  constexpr auto tick = std::chrono::milliseconds(250);
  constexpr auto again = std::chrono::seconds(30), retry = std::chrono::seconds(2);
  std::unordered_map<std::string, Clock::time_point> asked;
  TaskGroup lookups(worker.ring());
  while (!service.stopping()) {
    Clock::time_point now = worker.ring().now();
    if (auto policy = service.shared_.policy.current()) {
      for (const std::string& host : hosts_to_follow(*policy)) {
        auto [last, fresh] = asked.try_emplace(host, now);
        bool known = service.seen_.know({host}, now);
        if (!fresh && now - last->second < (known ? again : retry)) continue;
        last->second = now;
        lookups.spawn(follow_one(service, worker, host));
      }
    }
    co_await worker.ring().sleep_until(Deadline::after(tick));
  }
  co_await lookups.join();
}

void NameService::follow_endpoints(Worker& worker) {
  worker.flows().spawn(follow(*this, worker));
}

}  // namespace clawpatrol
