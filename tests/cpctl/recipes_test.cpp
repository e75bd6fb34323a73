// The recipes of docs/policy.md, as they stand there: they load, and they mean what the page says.
#include <catch2/catch.hpp>
#include <fstream>

#include "tests/cpctl/fake_daemon.h"

namespace clawpatrol::cpctl {
namespace {

constexpr std::string_view around = R"toml(schema = 1
[gateway]
subnet = ["10.86.0.0/24"]
endpoint = "gw.example.com:51820"
[endpoint.pg-prod]
type = "postgres"
hosts = ["pg.prod.internal:5432"]
tls = "disable"
[endpoint.pg-staging]
type = "postgres"
hosts = ["pg.staging.internal:5432"]
tls = "disable"
[credential.pg-prod-reader]
type = "postgres"
endpoint = "pg-prod"
user = "agent_ro"
[credential.pg-staging-writer]
type = "postgres"
endpoint = "pg-staging"
user = "agent_rw"
[profile.migrators]
credentials = ["pg-prod-reader"]
[peer.builder]
profile = "builders"
labels = { env = "production" }
[peer.migrator]
profile = "migrators"
)toml";

// The fenced blocks of TOML in which a policy is written, in the order of the page.
std::string recipes() {
  std::ifstream file(CLAWPATROL_SOURCE "/docs/policy.md");
  std::string line, block, all;
  bool within = false;
  while (std::getline(file, line)) {
    if (within && line == "```") {
      if (!contains(block, "[[case]]")) all += block;
      within = false;
    } else if (within) {
      block += line + "\n";
    } else if (line == "```toml") {
      within = true;
      block.clear();
    }
  }
  return all;
}

constexpr std::string_view cases = R"toml(
[defaults]
peer = "builder"
endpoint = "pg-prod"
time = "2026-03-02T10:00:00Z"
[[case]]
sql = "INSERT INTO ops.incidents VALUES (1)"
verdict = "allow"
rule = "incidents"
[[case]]
sql = "WITH x AS (UPDATE orders SET a = 1 WHERE b = 2) INSERT INTO ops.incidents VALUES (1)"
verdict = "deny"
rule = ""
[[case]]
sql = "SELECT * FROM orders"
verdict = "allow"
rule = "reads"
[[case]]
sql = "SELECT * FROM orders FOR UPDATE"
verdict = "deny"
[[case]]
sql = "SELECT nextval('s')"
verdict = "deny"
[[case]]
sql = "EXPLAIN ANALYZE DELETE FROM orders WHERE id = 7"
verdict = "deny"
[[case]]
sql = "SELECT f()"
verdict = "deny"
[[case]]
sql = "DELETE FROM orders WHERE 1 = 1"
verdict = "deny"
rule = "no-unbounded-writes"
[[case]]
sql = "SELECT id, owner FROM api_keys"
verdict = "allow"
rule = "keys-by-column"
[[case]]
sql = "SELECT k FROM api_keys k"
verdict = "deny"
rule = "no-keys"
[[case]]
sql = "SELECT id FROM api_keys, orders"
verdict = "deny"
rule = "no-keys"
[[case]]
peer = "migrator"
type = "login"
verdict = "allow"
[[case]]
peer = "migrator"
type = "login"
time = "2026-03-02T07:59:00Z"
verdict = "deny"
rule = "migrations-by-day"
[[case]]
peer = "migrator"
sql = "SELECT 1"
time = "2026-03-01T10:00:00Z"
verdict = "deny"
rule = "migrations-by-day"
[[case]]
endpoint = "pg-staging"
sql = "SELECT 1"
verdict = "deny"
rule = "staging-for-staging"
)toml";

}  // namespace

TEST_CASE("recipes: what docs/policy.md tells operators to write does what it says") {
  TemporaryDirectory directory;
  const auto policy = directory.path / "clawpatrol.toml", file = directory.path / "cases.toml";
  std::ofstream(policy) << around << recipes();
  std::ofstream(file) << cases;
  Result result = cpctl({"test", policy.native(), file.native(), "--coverage"});
  INFO(result.out << result.err);
  CHECK(result.status == 0);
  CHECK(contains(result.out, "15 cases: 15 passed"));
  CHECK_FALSE(contains(result.out, "no case reaches"));
}

}  // namespace clawpatrol::cpctl
