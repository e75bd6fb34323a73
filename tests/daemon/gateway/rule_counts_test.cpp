#include "daemon/gateway/rule_counts.h"

#include <catch2/catch.hpp>
#include <thread>

#include "daemon/gateway/generations.h"

namespace {

using namespace clawpatrol;

std::shared_ptr<Policy> policy_of(std::uint64_t generation, std::string_view rules) {
  std::string text = R"(schema = 1
[gateway]
subnet = ["10.86.0.0/24"]
endpoint = "gw.example.com:51820"
[peer.p]
profile = "data"
[profile.data]
credentials = ["c"]
[endpoint.pg]
type = "postgres"
hosts = ["127.0.0.1:5432"]
tls = "disable"
[credential.c]
type = "postgres"
endpoint = "pg"
user = "u"
)";
  LoadResult loaded = load_policy_text(text.append(rules));
  INFO(loaded.diagnostics.render());
  REQUIRE(loaded.policy);
  loaded.policy->generation = generation;
  return loaded.policy;
}

constexpr std::string_view reads = R"([[rule]]
name = "reads"
endpoint = "pg"
condition = "action.kind == 'read'"
verdict = "allow"
)";
constexpr std::string_view drops = R"([[rule]]
name = "drops"
endpoint = "pg"
condition = "sql.verb == 'drop'"
verdict = "deny"
)";
constexpr std::string_view shadowed = R"([[rule]]
name = "tighter"
endpoint = "pg"
condition = "'users' in sql.tables"
verdict = "deny"
shadow = true
)";

std::size_t position(const Policy& policy, std::string_view name) {
  for (std::size_t at = 0; at < policy.rules.size(); ++at)
    if (policy.rules[at].name == name) return at;
  FAIL("no rule " << name);
  return 0;
}

void act(RuleCounts& counts, const Policy& policy, const SqlFacets& sql, std::uint64_t id) {
  const EndpointFacets endpoint{"pg", "postgres"};
  Action action;
  action.type = ActionType::statement;
  action.kind = ActionKind::read;
  action.endpoint = &endpoint;
  action.sql = &sql;
  const Decision decision = decide(policy, action);
  counts.of(policy, 1)->count(policy, decision, decision.verdict == Verdict::allow, id,
                              100 + static_cast<std::int64_t>(id));
}

SqlFacets statement(std::string verb, NameList tables) {
  SqlFacets sql;
  sql.verb = std::move(verb);
  sql.tables = std::move(tables);
  return sql;
}

}  // namespace

TEST_CASE("a rule is counted where it decides, is without value, or would have decided as a shadow") {
  const auto policy = policy_of(1, std::string(drops).append(shadowed).append(reads));
  RuleCounts counts;
  act(counts, *policy, statement("select", {{"users"}}), 7);
  act(counts, *policy, statement("select", {{"other"}}), 8);
  act(counts, *policy, statement("select", {{}, true}), 9);
  act(counts, *policy, statement("drop", {{"users"}}), 10);
  act(counts, *policy, SqlFacets(), 11);
  const auto now = counts.of(*policy, 50);
  const RuleCount& denied = now->at(position(*policy, "drops"));
  CHECK(denied.decided == 1);
  CHECK(denied.unevaluable == 1);
  CHECK(denied.last_action == 11);
  CHECK(denied.last_unix_ns == 111);
  CHECK(denied.since_unix_ns == 1);
  CHECK(now->at(position(*policy, "reads")).decided == 3);
  const RuleCount& shadow = now->at(position(*policy, "tighter"));
  CHECK(shadow.decided == 1);
  CHECK(shadow.unevaluable == 1);
  CHECK(shadow.changed == 2);
}

TEST_CASE("counts go on in the next generation for rules that say the same, wherever they stand") {
  RuleCounts counts;
  const auto first = policy_of(1, std::string(drops).append(reads));
  act(counts, *first, statement("select", {}), 1);
  const auto second = policy_of(2, std::string(reads).append(R"([[rule]]
name = "drops"
endpoint = "pg"
condition = "sql.verb == 'truncate'"
verdict = "deny"
)"));
  act(counts, *second, statement("select", {}), 2);
  act(counts, *first, statement("select", {}), 3);  // a connection that has not gone over yet
  const auto now = counts.of(*second, 60);
  CHECK(now->at(position(*second, "reads")).decided == 3);
  CHECK(now->at(position(*second, "drops")).decided == 0);
  CHECK(now->at(position(*second, "drops")).since_unix_ns == 1);
}

TEST_CASE("generations that nobody keeps are forgotten, and those in use are not") {
  RuleCounts counts;
  const auto first = policy_of(1, reads);
  const auto held = counts.of(*first, 1);
  for (std::uint64_t next = 2; next < 2 + 2 * RuleCounts::most_generations; ++next)
    counts.of(*policy_of(next, drops), 5);
  act(counts, *first, statement("select", {}), 1);
  CHECK(held->at(0).decided == 1);  // begun anew, it would be another count
}

TEST_CASE("counts lose nothing between workers") {
  const auto policy = policy_of(1, reads);
  RuleCounts counts;
  auto work = [&] {
    for (std::uint64_t i = 0; i < 1000; ++i) act(counts, *policy, statement("select", {}), i + 1);
  };
  std::thread other(work);
  work();
  other.join();
  CHECK(counts.of(*policy, 1)->at(0).decided == 2000);
}

TEST_CASE("a generation is found by its number, or as the one before") {
  Generations generations;
  CHECK(generations.newest() == 0);
  CHECK_FALSE(generations.before(1));
  for (std::uint64_t number = 3; number < 3 + Generations::most + 2; ++number)
    generations.add({policy_of(number, reads), 1});
  CHECK(generations.newest() == 4 + Generations::most);
  CHECK(generations.all().size() == Generations::most);
  CHECK_FALSE(generations.find(4));
  REQUIRE(generations.find(5));
  CHECK(generations.find(5)->generation == 5);
  CHECK_FALSE(generations.before(5));
  REQUIRE(generations.before(9));
  CHECK(generations.before(9)->generation == 8);
}
