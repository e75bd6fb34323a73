// From an action to a verdict. The contract is docs/config.md, "Matching".
#include <fmt/format.h>

#include "policy/policy.h"

namespace clawpatrol {

// One walk over the rules of an action.
//
// A Parse has no parameters yet (`sql.params` is pending), and the question there is another than at a Bind:
// is there any parameter list with which this could be allowed? Only if there is none is the Parse refused.
// So a rule whose condition reads sql.params and has no value yet is *undecided*: at Bind it may match, not
// match, or stay without value, which denies. The walk remembers whether one of the undecided could allow,
// and goes on as if none of them matched; the first rule that is certain ends it, as does the end of the
// rules:
//   no undecided rule passed           -> that rule, or the default, decides as always
//   it allows, or an undecided one may -> awaits_params
//   nothing can allow any more         -> denied now, in the name of the rule that ended the walk
// Reading sql.params is a coarse test: such a condition may be without value for another reason. That is
// safe, as nothing is executed on the strength of a Parse: each Bind is decided from the first rule with what
// is then known.
struct Decider {
  const Policy& policy;
  const Action& action;
  Decision decision;
  bool recording = false;
  bool undecided = false;
  bool undecided_could_allow = false;

  void run() {
    const Policy::RuleIndex* index = applicable();
    if (!index || !walk(index->by_type[static_cast<std::size_t>(action.type)])) end_without_rule();
  }

 private:
  // True when a rule ended it.
  bool walk(const RuleDispatch& dispatch) {
    const RuleSet candidates = dispatch.candidates(action);
    if (!recording) return candidates.each([&](std::size_t at) { return try_rule(*dispatch.rules()[at]); });
    for (std::size_t at = 0; at < dispatch.rules().size(); ++at) {
      const Rule& rule = *dispatch.rules()[at];
      if (!candidates.has(at))
        decision.tried.push_back({&rule, cel::Truth::no, {}});
      else if (try_rule(rule))
        return true;
    }
    return false;
  }

  const Policy::RuleIndex* applicable() const {
    if (!action.endpoint) return &policy.unclaimed_;
    auto found = policy.by_endpoint_.find(std::string_view(action.endpoint->name));
    return found == policy.by_endpoint_.end() ? nullptr : &found->second;
  }

  // True when the walk ends here.
  bool try_rule(const Rule& rule) {
    cel::Outcome outcome{cel::Truth::yes, {}, 0};
    if (rule.condition) outcome = rule.condition->evaluate(action);
    if (recording) decision.tried.push_back({&rule, outcome.truth, outcome.cause});
    if (outcome.truth == cel::Truth::no) return false;
    bool waits =
        outcome.truth == cel::Truth::unevaluable && params_pending() && reads_params(*rule.condition);
    if (rule.shadow) {
      if (waits) return false;  // its Bind will tell
      (outcome.truth == cel::Truth::yes ? decision.shadow_matches : decision.shadow_unevaluable)
          .push_back(&rule);
      return false;
    }
    if (waits) {
      undecided = true;
      undecided_could_allow |= rule.verdict == Verdict::allow;
      return false;
    }
    end_with(rule, outcome);
    return true;
  }

  bool params_pending() const {
    return action.sql_params && !action.sql_params->known() && action.sql_params->why() == Unknown::pending;
  }

  static bool reads_params(const cel::Condition& condition) {
    for (FacetId facet : condition.facets()) {
      if (facet == FacetId::sql_params) return true;
    }
    return false;
  }

  void end_with(const Rule& rule, const cel::Outcome& outcome) {
    bool unevaluable = outcome.truth == cel::Truth::unevaluable;
    // A rule that asks for approval cannot be loaded while nobody can give it; were there one, it would deny.
    bool allows = !unevaluable && rule.verdict == Verdict::allow;
    if (await_params(allows)) return;
    decision.rule = &rule;
    decision.unevaluable = unevaluable;
    decision.verdict = allows ? Verdict::allow : Verdict::deny;
    if (unevaluable) {
      decision.reason =
          fmt::format("rule \"{}\" could not be evaluated against this request ({}); failing closed",
                      rule.name, outcome.cause);
    } else if (!rule.verdict) {
      decision.reason = fmt::format("rule \"{}\" asks for an approval that nobody can give", rule.name);
    } else if (!allows) {
      decision.reason = rule.reason.empty() ? fmt::format("denied by rule \"{}\"", rule.name) : rule.reason;
    }
  }

  void end_without_rule() {
    bool allows = default_allows();
    if (await_params(allows)) return;
    decision.verdict = allows ? Verdict::allow : Verdict::deny;
    if (!allows) decision.reason = "no rule allows this";
  }

  bool await_params(bool certain_allows) {
    if (!undecided || !(certain_allows || undecided_could_allow)) return false;
    decision.awaits_params = true;
    decision.verdict = Verdict::deny;
    decision.reason = "undecided until the parameters are known";
    return true;
  }

  bool default_allows() const {
    switch (action.type) {
      case ActionType::statement:
      case ActionType::request: return action.endpoint && policy.unmatched == Unmatched::allow;
      case ActionType::login:
      case ActionType::cancel:
      case ActionType::message: return action.endpoint != nullptr;
      case ActionType::function_call:
      case ActionType::replication: return false;
      case ActionType::dns: return !action.endpoint && policy.unknown_host == UnknownHost::passthrough;
      case ActionType::connect:
        return action.endpoint ? policy.unmatched == Unmatched::allow
                               : policy.unknown_host == UnknownHost::passthrough;
    }
    return false;
  }
};

Decision decide(const Policy& policy, const Action& action) {
  Decider decider{policy, action, {}};
  decider.run();
  return std::move(decider.decision);
}

Decision explain(const Policy& policy, const Action& action) {
  Decider decider{policy, action, {}, true};
  decider.run();
  return std::move(decider.decision);
}

}  // namespace clawpatrol
