#include <catch2/catch.hpp>

#include "policy/policy.h"
#include "tests/allocations.h"
#include "tests/policy/policy_text.h"

using namespace clawpatrol;
using clawpatrol::tests::base;
using clawpatrol::tests::policy_from;
using clawpatrol::tests::rule;

namespace {

// A statement on `pg` that drops a table.
struct Drop {
  SqlFacets sql;
  PeerFacets peer{"builder", "data", "10.86.0.2", {{"team", "platform"}}};
  EndpointFacets endpoint{"pg", "postgres"};
  DestFacets dest{"pg.internal", 5432};
  SqlParams params = SqlParams::Value();
  Action action;

  Drop() {
    sql.statement = std::string("DROP TABLE users");
    sql.verb = std::string("drop");
    sql.verbs = NameList{{"drop"}, false};
    sql.tables = NameList{{"users"}, false};
    action.type = ActionType::statement;
    action.kind = ActionKind::admin;
    action.peer = &peer;
    action.endpoint = &endpoint;
    action.dest = &dest;
    action.credential = "reader";
    action.sql = &sql;
    action.sql_params = &params;
  }
  Drop(const Drop&) = delete;
  Drop& operator=(const Drop&) = delete;

  Drop& as(ActionType type) {
    action.type = type;
    return *this;
  }
  Drop& parsing() {  // as Parse sees it
    params = Unknown::pending;
    return *this;
  }
  Drop& bound(const char* value) {
    params = SqlParams::Value{value};
    return *this;
  }
};

const std::string allow = "verdict = \"allow\"";
const std::string deny = "verdict = \"deny\"";
const std::string shadow = "\nshadow = true";

std::string when(const std::string& condition) {
  return "condition = '''" + condition + "'''\n";
}

}  // namespace

TEST_CASE("an endpoint's statements are read for what its rules ask for") {
  auto asked = [](const std::string& rules) {
    return policy_from(base + rules)->endpoints.at("pg").sql.asked;
  };
  CHECK(asked("") == sql::Asked{.columns = false, .literals = false});
  CHECK(asked(rule("a", "condition = \"'a' in sql.tables\"\nverdict = \"allow\"")) ==
        sql::Asked{.columns = false, .literals = false});
  CHECK(asked(rule("a", "condition = \"'a.b' in sql.columns\"\nverdict = \"deny\"")) ==
        sql::Asked{.columns = true, .literals = false});
  CHECK(asked(rule("a", "condition = \"sql.literals.size() > 1\"\nverdict = \"deny\"\nshadow = true")) ==
        sql::Asked{.columns = false, .literals = true});
  // Of another endpoint.
  CHECK(asked("[[rule]]\nname = \"a\"\nendpoint = \"open\"\ncondition = \"'a' in sql.columns\"\n"
              "verdict = \"deny\"\n") == sql::Asked{.columns = false, .literals = false});
}

TEST_CASE("the first rule that matches decides, by priority and then by file order") {
  Drop drop;
  auto policy =
      policy_from(base + rule("later", allow) + rule("first", "priority = 5\n" + deny) + rule("last", deny));
  CHECK(policy->rules[0].name == "first");
  CHECK(policy->rules[1].name == "later");
  CHECK(policy->rules[2].name == "last");
  CHECK(decide(*policy, drop.action).rule->name == "first");

  auto equal = policy_from(base + rule("a", when("false") + deny) + rule("b", allow) + rule("c", deny));
  Decision decision = decide(*equal, drop.action);
  CHECK(decision.rule->name == "b");
  CHECK(decision.verdict == Verdict::allow);
  CHECK(decision.reason.empty());
}

TEST_CASE("a denial says the rule's reason, or its name") {
  Drop drop;
  auto policy =
      policy_from(base + rule("no-ddl", when("sql.verb == 'drop'") + deny + "\nreason = \"By migration\""));
  CHECK(decide(*policy, drop.action).reason == "By migration");
  auto silent = policy_from(base + rule("no-ddl", deny));
  CHECK(decide(*silent, drop.action).reason == "denied by rule \"no-ddl\"");
}

TEST_CASE("without a matching rule the default of the action's type decides") {
  Drop drop;
  auto strict = policy_from(base + rule("r", when("false") + allow));
  auto lax = policy_from(base + "[defaults]\nunmatched = \"allow\"\nunknown_host = \"passthrough\"\n");
  for (ActionType type : {ActionType::statement, ActionType::request}) {
    CHECK(decide(*strict, drop.as(type).action).verdict == Verdict::deny);
    CHECK(decide(*strict, drop.as(type).action).reason == "no rule allows this");
    CHECK(decide(*strict, drop.as(type).action).rule == nullptr);
    CHECK(decide(*lax, drop.as(type).action).verdict == Verdict::allow);
  }
  drop.action.endpoint = nullptr;
  for (ActionType type : {ActionType::dns, ActionType::connect}) {
    CHECK(decide(*strict, drop.as(type).action).verdict == Verdict::deny);
    CHECK(decide(*lax, drop.as(type).action).verdict == Verdict::allow);
  }
  for (ActionType type :
       {ActionType::statement, ActionType::login, ActionType::cancel, ActionType::function_call})
    CHECK(decide(*lax, drop.as(type).action).verdict == Verdict::deny);
}

TEST_CASE("attack 8: an action without SQL is seen only by rules that name it") {
  Drop drop;
  drop.action.sql = nullptr;
  auto silent = policy_from(base + "[defaults]\nunmatched = \"allow\"\n" + rule("all", allow));
  CHECK(decide(*silent, drop.as(ActionType::login).action).verdict == Verdict::allow);
  CHECK(decide(*silent, drop.as(ActionType::cancel).action).verdict == Verdict::allow);
  CHECK(decide(*silent, drop.as(ActionType::function_call).action).verdict == Verdict::deny);
  CHECK(decide(*silent, drop.as(ActionType::replication).action).verdict == Verdict::deny);

  auto named = policy_from(base + rule("none", "on = [\"login\", \"cancel\"]\n" + deny) +
                           rule("some", "on = [\"function_call\", \"replication\"]\n" + allow));
  CHECK(decide(*named, drop.as(ActionType::login).action).rule->name == "none");
  CHECK(decide(*named, drop.as(ActionType::cancel).action).verdict == Verdict::deny);
  CHECK(decide(*named, drop.as(ActionType::function_call).action).verdict == Verdict::allow);
  CHECK(decide(*named, drop.as(ActionType::replication).action).verdict == Verdict::allow);
  CHECK(decide(*named, drop.as(ActionType::statement).action).rule == nullptr);
}

TEST_CASE("attack 8: a facet that does not apply is unknown, so a rule on it denies") {
  Drop drop;
  drop.action.sql = nullptr;
  auto policy = policy_from(base + rule("r", "on = [\"login\"]\n" + when("sql.verb != 'drop'") + allow));
  Decision decision = decide(*policy, drop.as(ActionType::login).action);
  CHECK(decision.verdict == Verdict::deny);
  CHECK(decision.unevaluable);
}

TEST_CASE("a rule that cannot be evaluated denies in its own name, also one that allows") {
  Drop drop;
  drop.sql.verb = Unknown::unparseable;
  for (const std::string& verdict : {allow, deny}) {
    auto policy =
        policy_from(base + rule("verbs", when("sql.verb == 'drop'") + verdict + "\nreason = \"not this\"") +
                    rule("rest", allow));
    Decision decision = decide(*policy, drop.action);
    CHECK(decision.verdict == Verdict::deny);
    CHECK(decision.unevaluable);
    CHECK(decision.rule->name == "verbs");
    CHECK(decision.reason.starts_with("rule \"verbs\" could not be evaluated against this request ("));
    CHECK(decision.reason.ends_with("); failing closed"));
    CHECK_FALSE(decision.awaits_params);
  }
}

TEST_CASE("attack 29: a shadow rule never decides, also when it cannot be evaluated") {
  Drop drop;
  drop.sql.tables = Unknown::over_limit;
  auto policy = policy_from(base + rule("would-deny", when("sql.verb == 'drop'") + deny + shadow) +
                            rule("would-fail", when("'users' in sql.tables") + deny + shadow) +
                            rule("would-not", when("sql.verb == 'select'") + deny + shadow) +
                            rule("rest", allow) + rule("never-tried", deny + shadow));
  Decision decision = decide(*policy, drop.action);
  CHECK(decision.verdict == Verdict::allow);
  CHECK(decision.rule->name == "rest");
  REQUIRE(decision.shadow_matches.size() == 1);
  CHECK(decision.shadow_matches[0]->name == "would-deny");
  REQUIRE(decision.shadow_unevaluable.size() == 1);
  CHECK(decision.shadow_unevaluable[0]->name == "would-fail");

  auto only = policy_from(base + rule("would-allow", allow + shadow));
  CHECK(decide(*only, drop.action).verdict == Verdict::deny);
  CHECK(decide(*only, drop.action).rule == nullptr);
}

TEST_CASE("attack 9: at Parse a rule on parameters waits for each Bind") {
  auto policy = policy_from(base + rule("own-rows", when("sql.params[0] == 'mine'") + allow));
  Drop drop;
  Decision parse = decide(*policy, drop.parsing().action);
  CHECK(parse.awaits_params);
  CHECK(parse.verdict == Verdict::deny);  // for a caller that does not look
  CHECK(decide(*policy, drop.bound("mine").action).verdict == Verdict::allow);
  Decision other = decide(*policy, drop.bound("theirs").action);
  CHECK(other.verdict == Verdict::deny);
  CHECK(other.rule == nullptr);
  CHECK_FALSE(other.awaits_params);
  drop.params = Unknown::undecodable;
  CHECK(decide(*policy, drop.action).unevaluable);
}

TEST_CASE("attack 9: Parse is refused where no parameters could make it allowed") {
  Drop drop;
  const std::string waits_to_deny = rule("waits", when("sql.params[0] == 'x'") + deny);
  const std::string waits_to_allow = rule("waits", when("sql.params[0] == 'x'") + allow);
  std::shared_ptr<const Policy> policy;  // holds the rule of the latest decision
  auto decided = [&](const std::string& rules) {
    policy = policy_from(base + rules);
    return decide(*policy, drop.parsing().action);
  };

  CHECK_FALSE(decided(waits_to_deny).awaits_params);
  CHECK(decided(waits_to_deny).reason == "no rule allows this");
  CHECK_FALSE(decided(waits_to_deny + rule("no", deny)).awaits_params);
  CHECK(decided(waits_to_deny + rule("no", deny)).rule->name == "no");
  CHECK(decided(waits_to_deny + rule("yes", allow)).awaits_params);
  CHECK(decided(waits_to_allow + rule("no", deny)).awaits_params);
  CHECK(decided(waits_to_allow).awaits_params);
  CHECK(decided("[defaults]\nunmatched = \"allow\"\n" + waits_to_deny).awaits_params);
  // A rule that stands before decides as ever.
  CHECK_FALSE(decided(rule("no", deny) + waits_to_allow).awaits_params);
  CHECK(decided(rule("yes", allow) + waits_to_deny).verdict == Verdict::allow);
  // Decided without looking at the parameters.
  CHECK_FALSE(
      decided(rule("verb", when("sql.verb == 'select' && sql.params[0] == 'x'") + allow)).awaits_params);
}

TEST_CASE("a rule that lacks another facet than the parameters does not wait") {
  Drop drop;
  drop.parsing();
  drop.sql.tables = Unknown::unparseable;
  auto policy =
      policy_from(base + rule("tables", when("'users' in sql.tables") + deny) + rule("rest", allow));
  Decision decision = decide(*policy, drop.action);
  CHECK_FALSE(decision.awaits_params);
  CHECK(decision.rule->name == "tables");
  CHECK(decision.unevaluable);
}

TEST_CASE("a shadow rule on parameters is left to its Bind") {
  Drop drop;
  auto policy =
      policy_from(base + rule("s", when("sql.params[0] == 'x'") + deny + shadow) + rule("rest", allow));
  Decision parse = decide(*policy, drop.parsing().action);
  CHECK(parse.verdict == Verdict::allow);
  CHECK(parse.shadow_unevaluable.empty());
  CHECK(decide(*policy, drop.bound("x").action).shadow_matches.size() == 1);
}

TEST_CASE("rules of other endpoints are not tried") {
  Drop drop;
  auto policy =
      policy_from(base + "[[rule]]\nname = \"other\"\nendpoint = \"open\"\nverdict = \"allow\"\n" +
                  "[[rule]]\nname = \"both\"\nendpoints = [\"open\", \"pg\"]\nverdict = \"deny\"\n");
  CHECK(decide(*policy, drop.action).rule->name == "both");
  CHECK(policy->rules_of("open").size() == 2);
  CHECK(policy->rules_of("pg").size() == 1);
  CHECK(policy->rules_of("none").empty());
  drop.endpoint.name = "nowhere";
  CHECK(decide(*policy, drop.action).verdict == Verdict::deny);
}

TEST_CASE("a lookup that no endpoint claims is judged by rules without endpoint") {
  auto policy = policy_from(base +
                            "[[rule]]\nname = \"names\"\non = [\"dns\"]\ncondition = "
                            "\"dns.name.endsWith('.evil.example')\"\nverdict = "
                            "\"deny\"\n[defaults]\nunknown_host = \"passthrough\"\n");
  DnsFacets dns{"x.evil.example", "A"};
  Action action;
  action.type = ActionType::dns;
  action.dns = &dns;
  CHECK(decide(*policy, action).rule->name == "names");
  dns.name = "example.org";
  CHECK(decide(*policy, action).verdict == Verdict::allow);
}

TEST_CASE("explain tells what became of every rule that was tried") {
  Drop drop;
  drop.sql.tables = Unknown::over_limit;
  auto policy = policy_from(base + rule("a", when("sql.verb == 'select'") + allow) +
                            rule("b", when("'users' in sql.tables") + deny) + rule("c", allow));
  Decision decision = explain(*policy, drop.action);
  REQUIRE(decision.tried.size() == 2);
  CHECK(decision.tried[0].rule->name == "a");
  CHECK(decision.tried[0].truth == cel::Truth::no);
  CHECK(decision.tried[1].truth == cel::Truth::unevaluable);
  CHECK_FALSE(decision.tried[1].cause.empty());
  CHECK(decision.verdict == Verdict::deny);
  CHECK(decide(*policy, drop.action).tried.empty());
}

TEST_CASE("a plain decision that allows allocates nothing") {
  Drop drop;
  auto policy = policy_from(base + rule("never", "on = [\"login\"]\n" + deny) + rule("all", allow));
  decide(*policy, drop.action);
  std::size_t before = allocations;
  Decision decision = decide(*policy, drop.action);
  CHECK(allocations == before);
  CHECK(decision.verdict == Verdict::allow);
}

TEST_CASE("what no rule of an endpoint asks for is known, by type of action") {
  auto policy = policy_from(
      base + rule("reads", when("sql.params.size() > 1 || (false && sql.database == 'x')") + deny + shadow) +
      rule("login", "on = [\"login\"]\n" + when("sql.declared_user == 'x'") + deny) + rule("all", allow));
  auto reads = [&](ActionType type, FacetId facet) { return policy->reads("pg", type, facet); };
  CHECK(reads(ActionType::statement, FacetId::sql_params));
  CHECK_FALSE(reads(ActionType::statement, FacetId::sql_columns));
  CHECK_FALSE(reads(ActionType::statement, FacetId::sql_declared_user));
  CHECK(reads(ActionType::login, FacetId::sql_declared_user));
  CHECK_FALSE(policy->reads("nowhere", ActionType::statement, FacetId::sql_params));
}
