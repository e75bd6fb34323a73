// What a decision costs: policy_bench prints, for policies of 1 to 1,000 rules, nanoseconds per decision
// (median and 99th percentile of single decisions, with what reading the clock costs taken off) and
// allocations. Build it from a release tree, or call `scripts/bench policy`.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "policy/policy.h"
#include "tests/allocations.h"

namespace {

using namespace clawpatrol;
using Clock = std::chrono::steady_clock;

constexpr const char* head = R"toml(
schema = 1
[gateway]
ingress = ["eth0"]
[peer.p]
profile = "data"
interface = "eth0"
addresses = ["10.0.0.2"]
[profile.data]
credentials = ["c"]
[endpoint.pg]
type = "postgres"
hosts = ["db:5432"]
tls = "disable"
[credential.c]
type = "postgres"
endpoint = "pg"
user = "reader"
)toml";

std::string rule(std::size_t number, std::string_view condition, std::string_view verdict) {
  return fmt::format(
      "[[rule]]\nname = \"rule-{}\"\nendpoint = \"pg\"\ncondition = \"{}\"\nverdict = \"{}\"\n", number,
      condition, verdict);
}

// Conditions that differ from rule to rule, as an operator writes them: all are found by the index.
constexpr const char* indexed[] = {
    "'secrets_{}' in sql.tables",
    "sql.verb == 'delete' && 'orders_{}' in sql.writes",
    "sql.functions.exists(f, f == 'pg_read_file_{}')",
    "sql.writes.exists(t, t.startsWith('audit_{}'))",
    "sql.verbs.exists(v, v in ['drop', 'truncate_{}'])",
    "peer.profile == 'team-{}' && sql.verb == 'select'",
    "sql.tables.exists(t, t.startsWith('tenant_{}_'))",
};
// Conditions that no index can help: each of them is evaluated.
constexpr const char* unindexed[] = {
    "sql.statement.contains('secret_{}')",
    "sql.verb != 'select' && sql.statement.size() > {}",
    "!(sql.tables.all(t, t != 'secrets_{}'))",
};

// `count` rules of which the last allows; `first`, where given, is the first.
std::string rules_text(std::span<const char* const> conditions, std::size_t count, std::string_view first) {
  std::string text = head;
  std::size_t number = 0;
  if (!first.empty()) text += rule(++number, first, "allow");
  while (number + 1 < count) {
    ++number;
    text += rule(number, fmt::format(fmt::runtime(conditions[number % conditions.size()]), number), "deny");
  }
  if (number < count) text += rule(count, "true", "allow");
  return text;
}

struct Request {
  PeerFacets peer{"builder-1", "data", "10.0.0.2", {{"team", "platform"}}};
  EndpointFacets endpoint{"pg", "postgres"};
  DestFacets dest{"db", 5432};
  SqlFacets sql;
  SqlParams params = SqlParams::Value{};
  Action action;

  explicit Request(std::size_t number) {
    const std::string table = fmt::format("pgbench_accounts_{}", number);
    sql.statement = fmt::format("SELECT abalance FROM {} WHERE aid = {}", table, number);
    sql.verb = std::string("select");
    sql.verbs = NameList{{"select"}};
    sql.tables = NameList{{table, "public." + table}};
    sql.reads = sql.tables;
    sql.writes = sql.functions = sql.classes = sql.columns = sql.literals = NameList{};
    sql.unbounded = false;
    sql.copy = CopyFacet{};
    sql.statements = std::int64_t{1};
    action.type = ActionType::statement;
    action.kind = ActionKind::read;
    action.peer = &peer;
    action.endpoint = &endpoint;
    action.dest = &dest;
    action.credential = "c";
    action.now_unix_ns = 1'700'000'000'000'000'000;
    action.sql = &sql;
    action.sql_params = &params;
  }
  Request(const Request&) = delete;
};

double ns(Clock::duration taken) {
  return std::chrono::duration<double, std::nano>(taken).count();
}

double clock_cost() {
  constexpr int reads = 100'000;
  const auto start = Clock::now();
  for (int i = 0; i < reads; ++i) asm volatile("" ::"r"(Clock::now()));
  return ns(Clock::now() - start) / reads;
}

void measure(std::string_view what, std::size_t count, const std::string& text) {
  LoadResult loaded = load_policy_text(text);
  if (!loaded.policy) {
    fmt::print("{}\n", loaded.diagnostics.render());
    std::exit(1);
  }
  std::vector<std::unique_ptr<Request>> requests;
  for (std::size_t i = 0; i < 64; ++i) requests.push_back(std::make_unique<Request>(i));
  constexpr std::size_t decisions = 50'000;
  std::vector<double> taken;
  taken.reserve(decisions);
  const double clock = clock_cost();
  const std::size_t before = allocations;
  for (std::size_t i = 0; i < decisions; ++i) {
    const Action& action = requests[i % requests.size()]->action;
    const auto start = Clock::now();
    const Decision decision = decide(*loaded.policy, action);
    taken.push_back(std::max(0.0, ns(Clock::now() - start) - clock));
    if (decision.verdict != Verdict::allow) std::abort();
  }
  const double allocated = static_cast<double>(allocations - before) / decisions;
  std::ranges::sort(taken);
  fmt::print("| {:<44} | {:>5} | {:>9.0f} | {:>9.0f} | {:>5.1f} |\n", what, count, taken[decisions / 2],
             taken[decisions * 99 / 100], allocated);
}

}  // namespace

int main() {
  fmt::print("| {:<44} | rules | median ns |    p99 ns | alloc |\n|---|---|---|---|---|\n", "policy");
  const std::string pattern = R"(sql.statement.matches('(?i)secret[0-9]+|passw(or)?d'))";
  for (std::size_t count : {1, 10, 100, 1000}) {
    measure("found by the index, the last allows", count, rules_text(indexed, count, ""));
    measure("the same, the first matches and allows", count,
            rules_text(indexed, count, "sql.verb == 'select'"));
    measure("the same, the first has a regex on the text", count,
            rules_text(indexed, count + 1, pattern + " || sql.verb == 'drop'"));
    measure("no index helps, the last allows", count, rules_text(unindexed, count, ""));
  }
}
