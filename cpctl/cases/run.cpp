#include "cpctl/cases/run.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/gateway/postgres/rehearsal.h"
#include "daemon/gateway/unix_time.h"
#include "policy/config/suggest.h"

namespace clawpatrol::cpctl {
namespace {

using postgres::Played;
using postgres::Rehearsal;
using postgres::Scene;

CaseOutcome unusable(std::string problem, std::string hint = {}) {
  CaseOutcome outcome;
  outcome.problem = std::move(problem);
  outcome.hint = std::move(hint);
  return outcome;
}

template <class Table>
CaseOutcome unknown_name(std::string_view what, const std::string& name, const Table& table) {
  std::vector<std::string_view> names;
  for (const auto& [known, value] : table) names.push_back(known);
  return unusable(fmt::format("the policy has no {} '{}'", what, name), config::suggestion(name, names));
}

// Which parts of the policy a case is about.
struct Where {
  const PeerConfig* peer = nullptr;
  const EndpointConfig* endpoint = nullptr;  // null: of no endpoint
  DestFacets dest;
};

std::optional<DestFacets> first_host_of(const EndpointConfig& endpoint) {
  auto exact = std::ranges::find(endpoint.hosts, false, &HostPort::wildcard);
  if (exact == endpoint.hosts.end()) return std::nullopt;
  return DestFacets{exact->host, exact->port};
}

bool is_of_no_endpoint(ActionType type) {
  return type == ActionType::dns || type == ActionType::connect;
}

std::string shown(const DestFacets& dest) {
  return fmt::format("{}:{}", dest.host, dest.port);
}

// Where the gateway would not even look at what is sent, that is the outcome.
std::expected<Where, CaseOutcome> find_place(const Policy& policy, const Case& wanted) {
  Where place;
  if (wanted.peer.empty()) return std::unexpected(unusable("the case does not say which peer acts"));
  auto peer = policy.peers.find(wanted.peer);
  if (peer == policy.peers.end()) return std::unexpected(unknown_name("peer", wanted.peer, policy.peers));
  place.peer = &peer->second;
  if (!wanted.endpoint.empty() && !policy.endpoints.contains(wanted.endpoint))
    return std::unexpected(unknown_name("endpoint", wanted.endpoint, policy.endpoints));
  if (wanted.dest) {
    place.dest = *wanted.dest;
  } else if (!wanted.endpoint.empty()) {
    auto host = first_host_of(policy.endpoints.find(wanted.endpoint)->second);
    if (!host)
      return std::unexpected(
          unusable(fmt::format("endpoint '{}' has only wildcard hosts: which one is meant?", wanted.endpoint),
                   "Say what the agent dials: dest = \"name:port\"."));
    place.dest = *host;
  } else if (wanted.type == ActionType::dns) {
    return place;
  } else {
    return std::unexpected(unusable("the case says neither 'endpoint' nor 'dest'"));
  }
  place.endpoint = policy.claim(place.dest.host, place.dest.port, place.peer->profile);
  if (place.endpoint && !wanted.endpoint.empty() && place.endpoint->name != wanted.endpoint)
    return std::unexpected(unusable(fmt::format("{} is claimed by endpoint '{}' and not by '{}'",
                                                shown(place.dest), place.endpoint->name, wanted.endpoint)));
  if (place.endpoint || is_of_no_endpoint(wanted.type)) return place;
  CaseOutcome outcome;
  outcome.guard = "unclaimed";
  outcome.reason = fmt::format("no endpoint that profile \"{}\" may reach claims {}", place.peer->profile,
                               shown(place.dest));
  if (policy.unknown_host == UnknownHost::passthrough)
    return std::unexpected(unusable(outcome.reason + ": it passes through and is not looked at",
                                    "Test it with type = \"connect\"."));
  return std::unexpected(std::move(outcome));
}

std::string address_of(const Case& wanted, const PeerConfig& peer) {
  if (!wanted.address.empty()) return wanted.address;
  return peer.addresses.empty() ? "" : peer.addresses.front().text();
}

PeerFacets peer_facets(const Case& wanted, const PeerConfig& peer) {
  return {
      .name = peer.name, .profile = peer.profile, .address = address_of(wanted, peer), .labels = peer.labels};
}

// Whom the agent claims to be: by name or user a credential is selected, where there are several.
std::string declared_user(const Case& wanted) {
  if (!wanted.user.empty()) return wanted.user;
  return wanted.credential.empty() ? "agent" : wanted.credential;
}

Scene scene_of(const Case& wanted, const Where& place) {
  Scene scene{.peer = peer_facets(wanted, *place.peer),
              .endpoint = place.endpoint->name,
              .dest = place.dest,
              .time_unix_ns = wanted.time_unix_ns,
              .parameters = {{"user", declared_user(wanted)}}};
  if (!wanted.database.empty()) scene.parameters.emplace_back("database", wanted.database);
  for (const auto& parameter : wanted.startup) scene.parameters.push_back(parameter);
  const bool has = std::ranges::find(scene.parameters, "replication",
                                     &std::pair<std::string, std::string>::first) != scene.parameters.end();
  if (wanted.type == ActionType::replication && !has) scene.parameters.emplace_back("replication", "true");
  return scene;
}

CaseOutcome outcome_of(Played played, std::vector<RecentActions::Record> before) {
  CaseOutcome outcome;
  outcome.decisive = played.decisive;
  outcome.actions = std::move(before);
  outcome.actions.insert(outcome.actions.end(), played.actions.begin(), played.actions.end());
  outcome.verdict = played.told ? Expected::deny : Expected::allow;
  if (outcome.decisive) {
    outcome.rule = outcome.decisive->rule_name();
    outcome.reason = outcome.decisive->reason;
    outcome.guard = outcome.decisive->guard;
  } else if (played.told) {
    outcome.reason = played.told->message;
    outcome.guard = "the gateway itself";
  }
  return outcome;
}

std::string messages_of(const Case& wanted) {
  if (wanted.type == ActionType::function_call) return postgres::function_call_message(0);
  switch (wanted.params) {
    case Case::Params::none: return postgres::query_message(*wanted.sql);
    case Case::Params::pending: return postgres::parse_messages(*wanted.sql);
    case Case::Params::given: return postgres::extended_messages(*wanted.sql, wanted.values);
  }
  return {};
}

// Undecided: it goes on, and each Bind is judged.
bool awaits_params(const CaseOutcome& outcome) {
  if (!outcome.decisive || outcome.verdict != Expected::allow) return false;
  std::shared_ptr<const SqlFacets> analysed;
  return decide(*outcome.decisive->policy, outcome.decisive->action(analysed)).awaits_params;
}

CaseOutcome play(const std::shared_ptr<const Policy>& policy, const Case& wanted, const Where& place) {
  Rehearsal rehearsal(policy, scene_of(wanted, place));
  Played login = rehearsal.log_in();
  const bool is_login = wanted.type == ActionType::login || wanted.type == ActionType::replication;
  if (login.told || is_login) return outcome_of(std::move(login), {});
  std::vector<RecentActions::Record> before = login.actions;
  if (login.decisive && !wanted.credential.empty() && login.decisive->facets->credential != wanted.credential)
    return unusable(fmt::format("the login is given credential '{}', not '{}'",
                                login.decisive->facets->credential, wanted.credential),
                    "A login as a credential's name or user selects it: see 'user' of this case.");
  for (const std::string& sql : wanted.before) {
    Played step = rehearsal.play(postgres::query_message(sql));
    before.insert(before.end(), step.actions.begin(), step.actions.end());
    if (!step.told) continue;
    return unusable(fmt::format("a statement of 'before' is refused: {}", step.told->message),
                    "What stands before the statement under test must be allowed.");
  }
  if (wanted.type == ActionType::cancel) return outcome_of(rehearsal.cancel(), std::move(before));
  Played played = rehearsal.play(messages_of(wanted));
  if (!played.told && played.actions.empty())
    return unusable("nothing is judged: the text holds no statement");
  CaseOutcome outcome = outcome_of(std::move(played), std::move(before));
  if (wanted.params == Case::Params::pending && awaits_params(outcome)) outcome.verdict = Expected::undecided;
  return outcome;
}

// Who the action is of, as a login would have made it.
std::expected<std::shared_ptr<const FlowFacets>, CaseOutcome> flow_facets(const Policy& policy,
                                                                          const Case& wanted,
                                                                          const Where& where) {
  auto facets = std::make_shared<FlowFacets>();
  facets->peer = peer_facets(wanted, *where.peer);
  facets->dest = where.dest;
  if (!where.endpoint) return facets;
  facets->endpoint = {where.endpoint->name, "postgres"};
  const std::string user = declared_user(wanted);
  auto credential = policy.select_credential(where.peer->profile, where.endpoint->name, user);
  if (!credential) {
    CaseOutcome outcome;
    outcome.guard = outcome.reason = credential.error();
    return std::unexpected(std::move(outcome));
  }
  const CredentialConfig* given = *credential;
  facets->credential = given ? given->name : "";
  SqlSessionFacets session;
  session.user = given && !given->user.empty() ? given->user : user;
  session.declared_user = user;
  session.database = wanted.database.empty() ? session.user : wanted.database;
  facets->sql = std::move(session);
  return facets;
}

// An action that is decided as it stands.
CaseOutcome decide_alone(const std::shared_ptr<const Policy>& policy, const Case& wanted,
                         const Where& where) {
  auto facets = flow_facets(*policy, wanted, where);
  if (!facets) return std::move(facets.error());
  auto record = std::make_shared<ActionRecord>();
  record->type = wanted.type;
  record->kind = ActionKind::session;
  record->policy = policy;
  record->time_unix_ns = wanted.time_unix_ns.value_or(now_unix_ns());
  record->facets = std::move(*facets);
  if (const StatedAction* stated = wanted.stated.get()) {
    record->kind = stated->kind;
    if (where.endpoint) record->sql = std::make_shared<const SqlFacets>(stated->sql);
    if (where.endpoint) record->sql_params = std::make_shared<const SqlParams>(stated->sql_params);
    if (stated->states_any("dns.")) record->dns = std::make_shared<const DnsFacets>(stated->dns);
  }
  std::shared_ptr<const SqlFacets> analysed;
  const postgres::Opinion opinion = postgres::opinion_of(*policy, record->action(analysed));
  record->rule = opinion.decision.rule;
  record->reason = opinion.decision.reason;
  record->guard = opinion.observed ? "observe" : "";
  record->verdict = opinion.allowed ? ActionVerdict::allow : ActionVerdict::deny;
  CaseOutcome outcome;
  outcome.verdict = opinion.allowed                  ? Expected::allow
                    : opinion.decision.awaits_params ? Expected::undecided
                                                     : Expected::deny;
  outcome.rule = record->rule_name();
  outcome.reason = record->reason;
  outcome.guard = record->guard;
  outcome.actions = {record};
  outcome.decisive = std::move(record);
  return outcome;
}

// What a rule asked for and a live action always has, but the case does not say: the outcome would rest on
// the day of the test.
std::string_view unstated(const Case& wanted, const ActionRecord& record, FacetId facet) {
  if (facet == FacetId::now && !wanted.time_unix_ns) return "time";
  if (facet == FacetId::peer_address && record.facets && record.facets->peer.address.empty())
    return "address";
  if (facet == FacetId::action_kind && wanted.stated && !wanted.stated->states(facet)) return "action.kind";
  const bool declared = !wanted.user.empty() || !wanted.credential.empty();
  if (facet == FacetId::sql_declared_user && !declared) return "user";
  return {};
}

void check_stated(CaseOutcome& outcome, const Case& wanted) {
  for (const auto& record : outcome.actions) {
    if (record->evidence == ActionRecord::Evidence::dropped) continue;
    std::shared_ptr<const SqlFacets> analysed;
    const Decision decision = explain(*record->policy, record->action(analysed));
    for (const Tried& tried : decision.tried) {
      if (!tried.rule->condition) continue;
      for (FacetId facet : tried.rule->condition->facets()) {
        const std::string_view key = unstated(wanted, *record, facet);
        if (key.empty()) continue;
        outcome.problem = fmt::format("rule '{}' reads {}, and the case does not say it", tried.rule->name,
                                      facet_table[static_cast<std::size_t>(facet)].path);
        outcome.hint = facet == FacetId::action_kind
                           ? "State 'action.kind' among the facets."
                           : fmt::format("Give the case (or [defaults]) a '{}'.", key);
        return;
      }
    }
  }
}

}  // namespace

CaseOutcome run_case(const std::shared_ptr<const Policy>& policy, const Case& wanted) {
  auto place = find_place(*policy, wanted);
  if (!place) return std::move(place.error());
  if (!wanted.credential.empty() && !policy->credentials.contains(wanted.credential))
    return unknown_name("credential", wanted.credential, policy->credentials);
  const bool alone = is_of_no_endpoint(wanted.type) || wanted.facets;
  CaseOutcome outcome = alone ? decide_alone(policy, wanted, *place) : play(policy, wanted, *place);
  if (outcome.problem.empty()) check_stated(outcome, wanted);
  return outcome;
}

}  // namespace clawpatrol::cpctl
