#include "cpctl/cases/run.h"

#include <fmt/format.h>

#include <algorithm>

#include "cpctl/cases/request.h"
#include "cpctl/cases/where.h"
#include "daemon/gateway/postgres/rehearsal.h"
#include "daemon/gateway/unix_time.h"
#include "policy/cel/trace.h"

namespace clawpatrol::cpctl {
namespace {

using postgres::Played;
using postgres::Rehearsal;
using postgres::Scene;

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
  if (wanted.type == ActionType::cancel) return outcome_of(rehearsal.cancel(), {});
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
  Played played = rehearsal.play(messages_of(wanted));
  if (!played.told && played.actions.empty())
    return unusable("nothing is judged: the text holds no statement");
  CaseOutcome outcome = outcome_of(std::move(played), std::move(before));
  if (wanted.params == Case::Params::pending && awaits_params(outcome)) outcome.verdict = Expected::undecided;
  return outcome;
}

// Of a text, as this policy's endpoint reads it.
std::shared_ptr<const SqlFacets> statement_facets(const Case& wanted, const EndpointConfig& endpoint) {
  SqlFacets facets = wanted.stated->sql;
  if (wanted.statement_of_message) {
    const sql::Analysis analysis = sql::analyse(*wanted.statement_of_message, endpoint.sql);
    const Facet<std::int64_t> statements = facets.statements;
    if (analysis.statements.size() == 1) facets = analysis.statements[0].facets;
    facets.statements = statements;
  }
  return std::make_shared<const SqlFacets>(std::move(facets));
}

// An action that is decided as it stands.
CaseOutcome decide_alone(const std::shared_ptr<const Policy>& policy, const Case& wanted,
                         const Where& where) {
  auto facets = flow_facets(*policy, wanted, where);
  if (!facets) return std::move(facets.error());
  auto record = std::make_shared<ActionRecord>();
  const bool postgres = !where.endpoint || where.endpoint->type == EndpointType::postgres;
  const bool message = wanted.type == ActionType::message;
  record->type = postgres ? wanted.type : message ? ActionType::message : ActionType::request;
  record->kind = ActionKind::session;
  record->policy = policy;
  record->time_unix_ns = wanted.time_unix_ns.value_or(now_unix_ns());
  record->facets = std::move(*facets);
  if (const StatedAction* stated = wanted.stated.get()) {
    record->kind = stated->kind;
    if (where.endpoint && postgres) {
      record->sql = statement_facets(wanted, *where.endpoint);
      record->sql_params = std::make_shared<const SqlParams>(stated->sql_params);
    }
    if (!postgres) record->http = std::make_shared<const HttpFacets>(stated->http);
    if (!postgres && where.endpoint->type == EndpointType::kubernetes)
      record->k8s = std::make_shared<const K8sFacets>(stated->k8s);
    if (!postgres && message) record->ws = std::make_shared<const WsFacets>(stated->ws);
    if (stated->states_any("dns.")) record->dns = std::make_shared<const DnsFacets>(stated->dns);
  }
  return decided(policy, std::move(record));
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

// The first facet of those that a rule reads and nobody knows, where what it says depends on them.
std::optional<FacetId> missing(const cel::Condition& condition, const Case& wanted,
                               const ActionRecord& record, const Action& action) {
  std::vector<FacetId> unknown;
  for (FacetId facet : condition.facets()) {
    const bool unheld = std::ranges::find(wanted.unheld, facet) != wanted.unheld.end();
    if (unheld || !unstated(wanted, record, facet).empty()) unknown.push_back(facet);
  }
  if (unknown.empty()) return std::nullopt;
  auto trace =
      cel::trace(condition.text(), action, {.families = condition.options().families, .unstated = unknown});
  if (trace && !trace->value.undecided()) return std::nullopt;
  return unknown.front();
}

void check_stated(CaseOutcome& outcome, const Case& wanted) {
  for (const auto& record : outcome.actions) {
    if (record->evidence == ActionRecord::Evidence::dropped) continue;
    std::shared_ptr<const SqlFacets> analysed;
    const Action action = record->action(analysed);
    const Decision decision = explain(*record->policy, action);
    for (const Tried& tried : decision.tried) {
      if (!tried.rule->condition) continue;
      auto facet = missing(*tried.rule->condition, wanted, *record, action);
      if (!facet) continue;
      const std::string_view path = facet_table[static_cast<std::size_t>(*facet)].path;
      const std::string_view key = unstated(wanted, *record, *facet);
      outcome.problem = fmt::format("rule '{}' depends on {}, which the {} does not hold", tried.rule->name,
                                    path, key.empty() ? "audit line" : "case");
      if (!key.empty())
        outcome.hint = *facet == FacetId::action_kind
                           ? "State 'action.kind' among the facets."
                           : fmt::format("Give the case (or [defaults]) a '{}'.", key);
      return;
    }
  }
}

}  // namespace

CaseOutcome decided(const std::shared_ptr<const Policy>& policy, std::shared_ptr<ActionRecord> record) {
  std::shared_ptr<const SqlFacets> analysed;
  const Opinion opinion = opinion_of(*policy, record->action(analysed));
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

CaseOutcome run_case(const std::shared_ptr<const Policy>& policy, const Case& wanted) {
  auto where = find_place(*policy, wanted);
  if (!where) return std::move(where.error());
  if (!wanted.credential.empty() && !policy->credentials.contains(wanted.credential))
    return unknown_credential(*policy, wanted.credential);
  const bool alone = is_of_no_endpoint(wanted.type) || wanted.stated;
  const bool sql = !where->endpoint || where->endpoint->type == EndpointType::postgres;
  if (!alone && sql == wanted.request.has_value())
    return unusable(fmt::format("endpoint '{}' is of type {}", where->endpoint->name,
                                clawpatrol::name_of(where->endpoint->type)),
                    sql ? "It is sent SQL: give the case 'sql'."
                        : "It is sent requests: give the case 'request' or 'http'.");
  CaseOutcome outcome = alone            ? decide_alone(policy, wanted, *where)
                        : wanted.request ? play_request(policy, wanted, *where)
                                         : play(policy, wanted, *where);
  if (outcome.problem.empty()) check_stated(outcome, wanted);
  return outcome;
}

}  // namespace clawpatrol::cpctl
