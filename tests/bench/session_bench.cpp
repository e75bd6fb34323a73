// What judging a query costs, without sockets: session_bench prints nanoseconds and allocations for one query
// and its answer, under 50 rules of which the last allows, with the lines handed to an audit log.
// Build it from a release tree. `session_bench NAME [COUNT]` runs one case, for a profiler.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>

#include "daemon/gateway/postgres/session.h"
#include "parsers/postgres/build.h"
#include "tests/allocations.h"

namespace {

using namespace clawpatrol;
using namespace clawpatrol::postgres;

constexpr const char* conditions[] = {
    "sql.verbs.exists(v, v in ['drop', 'truncate', 'alter', 'grant'])",
    "'secrets_{}' in sql.tables",
    "sql.verb == 'delete' && sql.unbounded",
    "sql.functions.exists(f, f == 'pg_read_file_{}')",
    "'file' in sql.classes || 'program' in sql.classes",
    "sql.writes.exists(t, t.startsWith('audit_{}'))",
    "sql.copy.target == 'program'",
};

// Facets that are made only where a rule reads them.
constexpr std::string_view asking = R"toml(
[[rule]]
name = "asks"
endpoint = "pg"
condition = "'people.salary' in sql.columns || 'secret' in sql.literals"
verdict = "deny"
)toml";

std::string policy_text(std::string_view more) {
  std::string text = R"toml(
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
  for (std::size_t i = 0; i < 49; ++i)
    text += fmt::format(
        "[[rule]]\nname = \"deny-{}\"\nendpoint = \"pg\"\ncondition = \"{}\"\nverdict = \"deny\"\n", i,
        fmt::format(fmt::runtime(conditions[i % std::size(conditions)]), i));
  return text + std::string(more) +
         "[[rule]]\nname = \"all\"\nendpoint = \"pg\"\ncondition = \"true\"\nverdict = \"allow\"\n";
}

std::string frame(char type, std::string_view body) {
  std::string out;
  append_header(out, type, body.size());
  return out.append(body);
}

class Bench {
 public:
  Bench(const std::filesystem::path& directory, std::string_view rules)
      : cache_(32 << 20), flow_(std::make_shared<Flow>(1)) {
    auto loaded = load_policy_text(policy_text(rules));
    if (!loaded.policy) std::abort();
    loaded.policy->generation = 1;
    shared_.policy.replace(loaded.policy);
    audit::Options options;
    options.directory = directory / "audit";
    options.key_file = directory / "key";
    log_ = std::move(audit::Log::open(options).value());
    claimed_.flow = flow_;
    shared_.peers.replace({{.id = 1, .name = "p", .addresses = {}, .key_fingerprint = 0}});
    claimed_.peer = shared_.peers.by_id(1);
    claimed_.peer_facets = {"p", "data", "10.0.0.2", {}};
    claimed_.endpoint_facets = {"pg", "postgres"};
    claimed_.dest = {"db", 5432};
    judge_.emplace(shared_, cache_, claimed_);
    if (!judge_->take_generation()) std::abort();
    judge_->become({.credential = "c", .user = "reader", .declared_user = "reader", .database = "app"});
    session_.emplace(*judge_, Session::Limits{}, Session::Kind::ordinary);
  }

  void exchange(std::string_view question, std::string_view answer) {
    if (session_->from_agent(question) != question.size()) std::abort();
    if (!judge_->lines().empty() && !log_->append(judge_->lines())) std::abort();
    judge_->lines_taken();
    session_->sent();
    std::string_view out;
    if (session_->from_server(answer, rewritten_, out) != answer.size()) std::abort();
    for (std::string& line : judge_->notes()) judge_->lines().push_back(std::move(line));
    judge_->notes().clear();
  }

 private:
  Shared shared_;
  sql::Cache cache_;
  std::shared_ptr<Flow> flow_;
  ClaimedFlow claimed_;
  std::unique_ptr<audit::Log> log_;
  std::optional<Judge> judge_;
  std::optional<Session> session_;
  std::string rewritten_;
};

const std::string ready = frame('Z', "I");
const std::string complete = frame('C', std::string("SELECT 1\0", 9));
const std::string row = frame('D', std::string("\0\1\0\0\0\1"
                                               "7",
                                               7));
const std::string description = frame('T', std::string("\0\0", 2));

std::string query(std::size_t key) {
  return frame('Q', fmt::format("SELECT abalance FROM pgbench_accounts WHERE aid = {};", key) + '\0');
}

// Of twenty columns.
std::string wide_query(std::size_t key) {
  std::string text = "SELECT ";
  for (int i = 0; i < 20; ++i) text += fmt::format("{}column_number_{}", i ? ", " : "", i);
  text += fmt::format(" FROM wide_table WHERE aid = {}", key);
  for (int i = 0; i < 10; ++i) text += fmt::format(" AND column_number_{} <> 'some constant text {}'", i, i);
  return frame('Q', text + '\0');
}

struct Case {
  std::string_view name;
  std::function<void(Bench&, std::size_t)> once;
  std::string_view rules = "";
};

std::vector<Case> cases() {
  const std::string answer = description + row + complete + ready;
  const std::string execution = [] {
    std::string out;
    append_bind(out, "", "s",
                std::string("\0\0\0\1\0\0\0\6"
                            "253318\0\0",
                            16));
    append_describe(out, Target::portal, "");
    append_execute(out, "", 0);
    append_empty(out, 'S');
    return out;
  }();
  const std::string executed = frame('2', "") + description + row + complete + ready;
  return {{"the same text", [=](Bench& bench, std::size_t) { bench.exchange(query(1), answer); }},
          {"ever-different texts", [=](Bench& bench, std::size_t i) { bench.exchange(query(i), answer); }},
          {"the same, columns and constants asked for",
           [=](Bench& bench, std::size_t i) { bench.exchange(query(i), answer); }, asking},
          {"wide texts", [=](Bench& bench, std::size_t i) { bench.exchange(wide_query(i), answer); }},
          {"wide, columns and constants asked for",
           [=](Bench& bench, std::size_t i) { bench.exchange(wide_query(i), answer); }, asking},
          {"prepared", [=](Bench& bench, std::size_t i) {
             if (i == 0) {
               std::string parse;
               append_parse(parse, "s", "SELECT abalance FROM pgbench_accounts WHERE aid = $1", 0, "");
               append_empty(parse, 'S');
               bench.exchange(parse, frame('1', "") + ready);
             }
             bench.exchange(execution, executed);
           }}};
}

void run(const Case& each, std::size_t count, const std::filesystem::path& directory) {
  Bench bench(directory / each.name, each.rules);
  for (std::size_t i = 0; i < 1000; ++i) each.once(bench, i);
  const std::size_t before = allocations;
  std::vector<double> runs;
  for (std::size_t repeat = 0; repeat < 5; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < count; ++i) each.once(bench, 1000 + repeat * count + i);
    const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - start;
    runs.push_back(taken.count() / static_cast<double>(count));
  }
  std::ranges::sort(runs);
  fmt::print("{:8.0f} ns  {:5.1f} allocations  {}\n", runs[2],
             static_cast<double>(allocations - before) / (5.0 * static_cast<double>(count)), each.name);
}

}  // namespace

int main(int count, char** arguments) {
  const std::filesystem::path directory =
      std::filesystem::temp_directory_path() / fmt::format("session_bench.{}", getpid());
  std::filesystem::create_directory(directory);
  for (const Case& each : cases()) {
    std::filesystem::create_directory(directory / each.name);
    if (count == 1 || each.name == arguments[1])
      run(each, count > 2 ? std::strtoul(arguments[2], nullptr, 10) : 20'000, directory);
  }
  std::filesystem::remove_all(directory);
}
