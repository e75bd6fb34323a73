// How long conditions take: cel_bench prints nanoseconds for one evaluation, the median of eleven runs, and
// whether it allocated. Build it from a release tree.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "policy/cel/program.h"
#include "tests/allocations.h"

namespace {

using namespace clawpatrol;

void measure(const Action& action, std::string_view text) {
  auto condition = cel::Condition::compile(text, {});
  if (!condition) {
    fmt::print("{}: {}\n", text, condition.error()[0].message);
    return;
  }
  const int repeats = action.sql->statement->size() > 1000 ? 100 : 100'000;
  std::vector<double> runs;
  std::size_t decided = 0;
  std::size_t before = allocations;
  runs.reserve(11);
  for (int run = 0; run < 11; ++run) {
    auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < repeats; ++i) decided += condition->evaluate(action).truth != cel::Truth::unevaluable;
    std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - start;
    runs.push_back(taken.count() / repeats);
  }
  std::sort(runs.begin(), runs.end());
  double allocated = static_cast<double>(allocations - before - 1) / (11.0 * repeats);
  auto outcome = condition->evaluate(action);
  fmt::print("{:8.1f} ns  {:4.1f} allocations  cost {:4}  {}  {}\n", runs[5], allocated, outcome.cost,
             decided ? "decided    " : "unevaluable", text.substr(0, 90));
}

}  // namespace

int main() {
  PeerFacets peer{"builder-1", "data", "10.86.0.2", {{"team", "platform"}}};
  EndpointFacets endpoint{"pg-prod", "postgres"};
  DestFacets dest{"pg.internal", 5432};
  SqlFacets sql;
  sql.statement = std::string("SELECT abalance FROM pgbench_accounts WHERE aid = 12345");
  sql.verb = std::string("select");
  sql.verbs = NameList{{"explain", "select"}};
  sql.tables = NameList{{"public.pgbench_accounts", "pgbench_accounts"}};
  sql.reads = sql.tables;
  sql.writes = NameList{};
  sql.functions = NameList{};
  sql.classes = NameList{};
  sql.unbounded = false;
  sql.copy = CopyFacet{};
  SqlParams params = SqlParams::Value{"12345"};
  sql.statements = std::int64_t{1};
  Action action{ActionType::statement,
                ActionKind::read,
                &peer,
                &endpoint,
                &dest,
                "pg-reader",
                1'700'000'000'000'000'000,
                &sql,
                &params,
                nullptr,
                nullptr};

  measure(action, "true");
  measure(action, "sql.verb == 'drop'");
  measure(action, "sql.verb != 'select'");
  measure(action, "sql.verb in ['drop', 'truncate', 'alter', 'grant']");
  measure(action, "sql.verbs.exists(v, v in ['drop', 'truncate', 'alter', 'grant'])");
  measure(action, "sql.verbs.exists(v, v in ['delete', 'update', 'insert', 'merge'])");
  measure(action, "'secrets' in sql.tables");
  measure(action, "sql.tables.exists(t, t.startsWith('secret'))");
  measure(action, "sql.unbounded && sql.verb in ['delete', 'update']");
  measure(action, "action.kind == 'read' && peer.profile == 'data' && dest.port == 5432");
  measure(action, "peer.labels.team == 'platform'");
  measure(action, "has(peer.labels.team) && peer.labels['team'] == 'platform'");
  measure(action, "sql.params.exists(p, p == '7')");
  measure(action, "sql.statement.contains('pg_catalog')");
  measure(action, "sql.statement.matches('(?i)pg_(shadow|authid)')");
  measure(action, "sql.tables.filter(t, t.contains('.')).size() == 1");
  measure(action, "sql.tables.map(t, t.lowerAscii()) == ['a']");
  measure(action, "sets.intersects(sql.classes, ['file', 'network', 'program'])");
  measure(action, "now < timestamp('2030-01-01T00:00:00Z')");
  measure(action,
          "now.getHours('Europe/Berlin') < 18 && now.getDayOfWeek('Europe/Berlin') in [1, 2, 3, 4, 5]");
  measure(action, "cidr('10.86.0.0/16').containsIP(peer.address)");
  measure(action, "peer.labels.?team.orValue('') == 'platform'");
  measure(action, "sql.params[?0].optMap(p, int(p)).orValue(0) > 12000");
  measure(action, "cel.bind(t, sql.tables, 'secrets' in t || t.exists(x, x.startsWith('pg_')))");
  measure(action, "sql.tables.distinct().sort()[0] == 'pgbench_accounts'");
  measure(action, "sql.tables.sortBy(t, t.size()).slice(0, 1) == ['a']");
  measure(action, "'%s on %s'.format([sql.verb, sql.tables]) == ''");
  measure(action, "math.greatest(sql.statements, dest.port) > 5000");
  measure(action, "[sql.reads, sql.writes].flatten().exists(t, t == 'secrets')");
  measure(action, "{'select': 1, 'insert': 2}[?sql.verb].orValue(9) < 3");
  measure(action, "sql.statement.lowerAscii().replace('select', 'delete').split(' ')[0] == 'delete'");
  measure(action, "base64.encode(bytes(sql.verb)) == 'c2VsZWN0'");
  std::string many = "sql.verb in ['v0'";
  for (int i = 1; i < 1000; ++i) many += fmt::format(", 'verb{}'", i);
  measure(action, many + "]");
  sql.statement = std::string(200'000, 'x');
  measure(action, "sql.statement.matches('(?i)pg_(shadow|authid)')");
  measure(action, "sql.statement.contains('pg_catalog')");
  for (std::size_t i = 0; i < sql.statement->size(); ++i) (*sql.statement)[i] = i * i % 7 < 3 ? 'a' : 'b';
  measure(action, "sql.statement.matches('[ab]*a[ab]{300}c')");  // more states than RE2 may keep
  sql.tables = NameList{std::vector<std::string>(2000, "t")};
  measure(action, "sql.tables.exists(a, a == 'x')");
}
