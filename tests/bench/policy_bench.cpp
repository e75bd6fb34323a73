// What a decision costs: policy_bench prints, for policies of 1 to 1,000 rules, nanoseconds per decision
// (median and 99th percentile of single decisions, with what reading the clock costs taken off) and
// allocations. Build it from a release tree, or call `scripts/bench policy`.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <span>
#include <tuple>
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
endpoints = ["api"]
[endpoint.api]
type = "http"
hosts = ["api:80"]
[endpoint.pg]
type = "postgres"
hosts = ["db:5432"]
tls = "disable"
[credential.c]
type = "postgres"
endpoint = "pg"
user = "reader"
)toml";

std::string rule(std::string_view endpoint, std::size_t number, std::string_view condition,
                 std::string_view verdict) {
  return fmt::format(
      "[[rule]]\nname = \"rule-{}\"\nendpoint = \"{}\"\ncondition = \"{}\"\nverdict = \"{}\"\n", number,
      endpoint, condition, verdict);
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
// The same of what must not be: the index knows which facets they are true without.
constexpr const char* negative[] = {
    "sql.verb != 'select' && sql.statement.size() > {}",
    "!(sql.tables.all(t, t != 'secrets_{}'))",
    "!sql.tables.exists(t, t.startsWith('public.')) && sql.statement.contains('x{}')",
    "sql.tables.all(t, t in ['orders_{0}', 'public.orders_{0}'])",
    "!(sql.verb in ['select', 'show']) && sql.statement.contains('x{}')",
};
// Conditions that no index can help: each of them is evaluated.
constexpr const char* unindexed[] = {
    "sql.statement.contains('secret_{}')",
    "sql.statement.size() > 1000 + {}",
    "sql.tables.all(t, t.endsWith('_x{}'))",
};
constexpr const char* on_body[] = {"http.body.matches('(?i)secret{}|passw(or)?d{}')"};

// `count` rules of which the last allows; `first`, where given, is the first.
std::string rules_text(std::span<const char* const> conditions, std::size_t count, std::string_view first,
                       std::string_view endpoint = "pg") {
  std::string text = head;
  std::size_t number = 0;
  if (!first.empty()) text += rule(endpoint, ++number, first, "allow");
  while (number + 1 < count) {
    ++number;
    text += rule(endpoint, number,
                 fmt::format(fmt::runtime(conditions[number % conditions.size()]), number, number), "deny");
  }
  if (number < count) text += rule(endpoint, count, "true", "allow");
  return text;
}

struct Request {
  PeerFacets peer{"builder-1", "data", "10.0.0.2", {{"team", "platform"}}};
  EndpointFacets endpoint{"pg", "postgres"};
  DestFacets dest{"db", 5432};
  SqlFacets sql;
  HttpFacets http;
  SqlParams params = SqlParams::Value{};
  Action action;

  // A POST of a body of so many bytes, in which no pattern is found.
  static std::unique_ptr<Request> with_body(std::size_t size) {
    auto request = std::make_unique<Request>(0);
    request->endpoint = {"api", "http"};
    request->dest = {"api", 80};
    std::string body;
    while (body.size() < size)
      body += "{\"name\": \"a customer\", \"note\": \"sends parcels on Sundays\"},\n";
    body.resize(size);
    request->http.body = std::move(body);
    request->action.type = ActionType::request;
    request->action.sql = nullptr;
    request->action.http = &request->http;
    return request;
  }

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

using Requests = std::vector<std::unique_ptr<Request>>;

void measure(std::string_view what, std::size_t count, const std::string& text, const Requests& requests,
             std::size_t decisions) {
  LoadResult loaded = load_policy_text(text);
  if (!loaded.policy) {
    fmt::print("{}\n", loaded.diagnostics.render());
    std::exit(1);
  }
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
  const double allocated = static_cast<double>(allocations - before) / static_cast<double>(decisions);
  std::ranges::sort(taken);
  fmt::print("| {:<44} | {:>5} | {:>9.0f} | {:>9.0f} | {:>5.1f} |\n", what, count, taken[decisions / 2],
             taken[decisions * 99 / 100], allocated);
}

}  // namespace

int main() {
  fmt::print("| {:<44} | rules | median ns |    p99 ns | alloc |\n|---|---|---|---|---|\n", "policy");
  const std::string pattern = R"(sql.statement.matches('(?i)secret[0-9]+|passw(or)?d'))";
  Requests selects;
  for (std::size_t i = 0; i < 64; ++i) selects.push_back(std::make_unique<Request>(i));
  for (std::size_t count : {1, 10, 100, 1000}) {
    const auto row = [&](std::string_view what, std::size_t rules, const std::string& text) {
      measure(what, rules, text, selects, 50'000);
    };
    row("found by the index, the last allows", count, rules_text(indexed, count, ""));
    row("the same, the first matches and allows", count, rules_text(indexed, count, "sql.verb == 'select'"));
    row("the same, the first has a regex on the text", count,
        rules_text(indexed, count + 1, pattern + " || sql.verb == 'drop'"));
    row("`!=`, `!exists`, `all`: found by the index", count, rules_text(negative, count, ""));
    row("no index helps, the last allows", count, rules_text(unindexed, count, ""));
  }
  for (const auto& [name, size, decisions] :
       {std::tuple("1 KiB", 1 << 10, 50'000), std::tuple("1 MiB", 1 << 20, 500)}) {
    Requests requests;
    requests.push_back(Request::with_body(static_cast<std::size_t>(size)));
    for (std::size_t count : {1, 10})  // and the one that allows
      measure(fmt::format("a regex each on a body of {}", name), count,
              rules_text(on_body, count + 1, "", "api"), requests, static_cast<std::size_t>(decisions));
  }
}
