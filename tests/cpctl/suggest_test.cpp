#include "cpctl/suggest.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "cpctl/enforce.h"
#include "fake_daemon.h"
#include "policy/policy.h"

using namespace clawpatrol;
using namespace clawpatrol::cpctl;

namespace {

std::string line(const std::string& verdict, const std::string& guard, const std::string& facets,
                 const std::string& type = "statement", const std::string& rule = "") {
  return R"({"v":1,"seq":1,"prev":"x","time":"2026-11-22T10:00:00.000000Z","id":"a-1","peer":"b","profile":"data",)"
         R"("address":"10.86.0.2","endpoint":"pg","dest":"pg:5432","type":")" +
         type + R"(","kind":"read","verdict":")" + verdict + R"(","rule":")" + rule + R"(","guard":")" +
         guard + R"(","facets":)" + facets + "}";
}

const std::string select_users =
    R"({"statement":"SELECT a FROM users","verb":"select","verbs":["select"],"tables":["users","public.users"],"reads":["users"]})";

}  // namespace

TEST_CASE(
    "what was done without a rule becomes a rule as wide as its facets; what was done alike is one rule") {
  Suggestions made;
  made.take(line("allow", "observe", select_users));
  made.take(line("deny", "", select_users));
  made.take(line("deny", "", R"({"verb":"select","verbs":["select"],"tables":["orders"]})"));
  made.take(line(
      "deny", "",
      R"({"verb":"delete","verbs":["delete"],"tables":["orders"],"writes":["orders"],"unbounded":true})"));
  CHECK(made.rules() == 2);
  CHECK(made.actions() == 4);
  const std::string text = made.toml();
  INFO(text);
  CHECK(text.find("name      = \"seen-pg-select-1\"") != std::string::npos);
  CHECK(text.find("sets.equivalent(sql.tables, ['public.users', 'users'])") != std::string::npos);
  CHECK(text.find("(sets.equivalent(sql.tables, ['orders']))") != std::string::npos);
  CHECK(text.find("&& sql.unbounded &&") != std::string::npos);
  CHECK(text.find("# 3 times") != std::string::npos);
}

TEST_CASE("what a rule denied, the gateway refused, or was not read whole, is not suggested") {
  Suggestions made;
  made.take(line("deny", "", select_users, "statement", "no-select"));
  made.take(line("allow", "observe", select_users, "statement", "no-select"));
  made.take(line("allow", "", select_users));
  made.take(line("deny", "malformed request", "{}", "request"));
  made.take("{\"event\":\"rotated\"}");
  made.take("nonsense");
  CHECK(made.actions() == 0);
  made.take(line("deny", "", R"({"verb":"call","open":["tables"]})"));
  made.take(line("deny", "", R"({"verb":"select","cut":["tables"]})"));
  made.take(line("deny", "", R"({"statement":"x","unknown":"unparseable"})"));
  CHECK(made.rules() == 0);
  CHECK(made.left_out().size() == 3);
}

TEST_CASE("whatever agents wrote, a suggestion is a policy that loads, and says no more than they did") {
  char name[] = "/tmp/cp-suggest-XXXXXX";
  REQUIRE(::mkdtemp(name) != nullptr);
  const std::filesystem::path directory = name;
  Suggestions made;
  made.take(line("deny", "",
                 R"({"verb":"select","verbs":["select"],"tables":["it's","a\"b\\c","x\ny","'''\"\"\""]})"));
  made.take(line("deny", "", R"({"method":"GET","host":"h","path":"/a' || true || 'b"})", "request"));
  REQUIRE(made.rules() == 2);
  std::ofstream(directory / "clawpatrol.toml") << R"(
schema = 1
[gateway]
subnet = ["10.86.0.0/24"]
[profile.data]
credentials = ["c"]
[endpoint.pg]
type = "postgres"
hosts = ["pg:5432"]
[credential.c]
type = "postgres"
endpoint = "pg"
user = "u"
)" << [&] {
    // Of the two, the one that is for this endpoint's protocol.
    const std::string all = made.toml();
    return all.substr(all.find("# 1 times", 10) == std::string::npos ? 0 : all.find("# 1 times", 10));
  }();
  LoadResult loaded = load_policy(directory);
  INFO(loaded.diagnostics.render());
  REQUIRE(loaded.policy);
  REQUIRE(loaded.policy->rules.size() == 1);
  std::filesystem::remove_all(directory);
}

TEST_CASE("cpctl rules suggest reads the log of --since") {
  TemporaryDirectory directory;
  std::filesystem::create_directory(directory.path / "audit");
  std::ofstream(directory.path / "audit" / "audit-00000000000000000001.jsonl")
      << line("deny", "", select_users) << "\n";
  const std::string state = directory.path.native();
  Result all = clawpatrol::cpctl::cpctl({"rules", "suggest", "--state", state});
  INFO(all.err);
  CHECK(all.status == 0);
  CHECK(all.out.find("seen-pg-select-1") != std::string::npos);
  CHECK(clawpatrol::cpctl::cpctl({"rules", "suggest", "--state", state, "--since", "1s"}).out.empty());
  CHECK(clawpatrol::cpctl::cpctl({"rules", "suggest", "--state", state, "--since", "soon"}).status == 2);
  CHECK(clawpatrol::cpctl::cpctl({"rules", "suggest", "--state", state + "/nowhere"}).status == 1);
}

TEST_CASE("enforce changes the mode of [gateway] and nothing else") {
  const std::string text =
      "schema = 1\n# mode = \"observe\"\n[other]\nmode = \"observe\"\n[gateway] # x\n  mode=\"observe\" # "
      "observe\nz = 1";
  auto changed = enforcing(text);
  REQUIRE(changed);
  CHECK(*changed ==
        "schema = 1\n# mode = \"observe\"\n[other]\nmode = \"observe\"\n[gateway] # x\n  mode=\"enforce\" # "
        "observe\nz = 1");
  CHECK_FALSE(enforcing(*changed));
  CHECK_FALSE(enforcing("[gateway]\nmode = \"enforce\" # not observe\n"));
}

TEST_CASE("cpctl enforce puts the file back where the daemon refuses it") {
  FakeDaemon daemon;
  const auto file = daemon.directory.path / "clawpatrol.toml";
  const std::string before = "schema = 1\n[gateway]\nsubnet = [\"10.86.0.0/24\"]\nmode = \"observe\"\n";
  std::ofstream(file) << before;
  auto now = [&] {
    std::ifstream in(file);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  daemon.on("reload", control::answer_failure("configuration", "no", "Mend it."));
  CHECK(clawpatrol::cpctl::cpctl(daemon, {"enforce", "--config", daemon.directory.path.native()}).status ==
        1);
  CHECK(now() == before);
  daemon.on("reload", {R"({"v":1,"type":"reloaded","generation":4,"digest":"0123456789abcdef"})"});
  CHECK(clawpatrol::cpctl::cpctl(daemon, {"enforce", "--config", daemon.directory.path.native()}).status ==
        0);
  CHECK(now().find("mode = \"enforce\"") != std::string::npos);
  CHECK(clawpatrol::cpctl::cpctl(daemon, {"enforce", "--config", daemon.directory.path.native()}).status ==
        1);
}
