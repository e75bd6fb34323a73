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
         R"("address":"10.86.0.2","endpoint":"pg","dest":"pg:5432","credential":"c","type":")" +
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
  CHECK(text.find("name      = \"seen-pg-select-") != std::string::npos);
  CHECK(text.find("sets.equivalent(sql.tables, ['public.users', 'users'])") != std::string::npos);
  CHECK(text.find("(sets.equivalent(sql.tables, ['orders']))") != std::string::npos);
  CHECK(text.find("&& sql.unbounded &&") != std::string::npos);
  CHECK(text.find("# 3 times") != std::string::npos);
}

TEST_CASE("a rule is for the database, user, destination and credential that were seen") {
  Suggestions made;
  made.take(
      line("deny", "",
           R"({"statement":"SELECT a FROM users","verb":"select","verbs":["select"],"tables":["users"],)"
           R"("database":"app","user":"reader"})"));
  const std::string text = made.toml();
  INFO(text);
  CHECK(text.find("peer.profile == 'data' && dest.host == 'pg' && dest.port == 5432 && credential == 'c' && "
                  "action.kind == 'read' && sql.database == 'app' && sql.user == 'reader' && ") !=
        std::string::npos);
}

TEST_CASE("of SQL that its facets do not tell, the exact text is suggested, or nothing") {
  Suggestions made;
  for (
      const char* facets :
      {R"({"statement":"ALTER TABLE users ADD COLUMN x int","verb":"alter","verbs":["alter"],"tables":["users"]})",
       R"({"statement":"SET timezone = 'UTC'","verb":"set","verbs":["set"]})",
       R"({"statement":"COPY users TO PROGRAM 'cat'","verb":"copy","verbs":["copy"],"copy":"to program"})"})
    made.take(line("deny", "", facets));
  made.take(line("deny", "", R"({"statement_begins":"GRANT ","verb":"grant","verbs":["grant"]})"));
  CHECK(made.left_out() == std::map<std::string, std::size_t>{{"a text longer than the log holds", 1}});
  const std::string text = made.toml();
  INFO(text);
  for (const char* exact : {"sql.statement == 'ALTER TABLE users ADD COLUMN x int'",
                            R"(sql.statement == 'SET timezone = \\'UTC\\'')",
                            R"(sql.statement == 'COPY users TO PROGRAM \\'cat\\'')"})
    CHECK(text.find(exact) != std::string::npos);
  Suggestions client;
  client.take(line("deny", "", R"({"statement":"COPY t TO STDOUT","verb":"copy","copy":"to client"})"));
  CHECK(client.toml().find("sql.statement") == std::string::npos);
}

TEST_CASE("rules of another day have other names, so that both can be kept") {
  const auto name_of = [](const char* facets) {
    Suggestions made;
    made.take(line("deny", "", facets));
    const std::string text = made.toml();
    const std::size_t at = text.find("seen-pg-select-");
    return text.substr(at, text.find('"', at) - at);
  };
  const char* orders = R"({"verb":"select","verbs":["select"],"tables":["orders"]})";
  CHECK(name_of(orders) == name_of(orders));
  CHECK(name_of(orders) != name_of(select_users.c_str()));
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

TEST_CASE("of Kubernetes, reads are suggested as they were; what the log does not hold whole is not") {
  Suggestions made;
  auto take = [&](const std::string& facets) { made.take(line("deny", "", facets, "request")); };
  const std::string pods =
      R"({"method":"GET","host":"k","path":"/api/v1/namespaces/web/pods","version":"v1","namespace":"web",)";
  take(pods + R"("verb":"list","resource":"pods"})");
  take(pods + R"("verb":"get","resource":"pods","name":"a"})");
  take(pods + R"("verb":"get","resource":"pods","name":"b"})");
  take(pods + R"("verb":"get","resource":"pods/log","name":"a"})");
  take(R"({"method":"GET","host":"k","path":"/version","verb":"get"})");
  CHECK(made.rules() == 4);
  CHECK(made.left_out().empty());
  const std::string text = made.toml();
  INFO(text);
  CHECK(text.find("k8s.verb == 'get' && k8s.group == '' && k8s.version == 'v1' && k8s.resource == 'pods' && "
                  "k8s.namespace == 'web' && ((k8s.name == 'a') || (k8s.name == 'b'))") != std::string::npos);
  CHECK(text.find("k8s.verb == 'list'") != std::string::npos);
  CHECK(text.find("&& (http.path == '/version')") != std::string::npos);
  CHECK(text.find("name      = \"seen-pg-get-pods-log-") != std::string::npos);

  take(pods + R"("verb":"get","resource":"pods/exec","name":"a","argv":["id"]})");
  take(pods + R"("verb":"proxy","resource":"pods","name":"a"})");
  take(pods + R"("verb":"create","resource":"pods","body_size":3,"body_sha256":"x"})");
  take(pods + R"("verb":"delete","resource":"pods","name":"a"})");
  take(pods + R"("verb":"deletecollection","resource":"pods"})");
  take(pods + R"("verb":"get","resource":"pods","name":"c","body_unknown":"over-limit"})");
  std::string as_another =
      line("deny", "", pods + R"("verb":"get","resource":"pods","name":"d"})", "request");
  as_another.replace(as_another.find(R"("kind":"read")"), 13, R"("kind":"admin")");
  made.take(as_another);
  CHECK(made.rules() == 4);
  CHECK(made.toml() == text);
  std::size_t left_out = 0;
  for (const auto& [why, count] : made.left_out()) left_out += count;
  CHECK(left_out == 7);
}

TEST_CASE("of changes of Kubernetes those are suggested that the log holds whole, with all that they said") {
  Suggestions made;
  auto take = [&](const std::string& facets, const std::string& kind = "write") {
    std::string text = line("deny", "", facets, "request");
    text.replace(text.find(R"("kind":"read")"), 13, R"("kind":")" + kind + R"(")");
    made.take(text);
  };
  const std::string pod =
      R"({"method":"DELETE","host":"pg","path":"/api/v1/namespaces/web/pods/a","version":"v1",)"
      R"("namespace":"web","verb":"delete","resource":"pods","name":"a")";
  take(pod + R"(,"k8s_params":{},"k8s_body":{}})");
  take(pod + R"(,"body_size":9,"body_sha256":"x","k8s_params":{"dryRun":["All"]},)"
             R"("k8s_body":{"kind":"DeleteOptions","gracePeriodSeconds":0,"preconditions":{"uid":"it's"}}})");
  CHECK(made.rules() == 2);
  CHECK(made.left_out().empty());
  const std::string text = made.toml();
  INFO(text);
  CHECK(text.find("action.kind == 'write'") != std::string::npos);
  CHECK(text.find("k8s.params == {} && k8s.body == {} && (k8s.name == 'a')") != std::string::npos);
  CHECK(text.find("k8s.params == {'dryRun': ['All']} && k8s.body == {'kind': 'DeleteOptions', "
                  "'gracePeriodSeconds': 0, 'preconditions': {'uid': 'it\\\\'s'}}") != std::string::npos);
  take(pod + "}");  // its options are not in the log
  take(pod + R"(,"k8s_params":{}})");
  take(pod + R"(,"k8s_params":{},"k8s_body":{},"body_unknown":"not known yet"})");
  take(pod + R"(,"k8s_params":{},"k8s_body":{}})", "admin");  // perhaps in another's name
  CHECK(made.toml() == text);
  CHECK(made.left_out().size() == 1);
}

TEST_CASE("a suggestion for Kubernetes is a policy that loads, and allows what was seen alone") {
  TemporaryDirectory directory;
  Suggestions made;
  made.take(line("deny", "",
                 R"({"method":"GET","host":"pg","path":"/api/v1/namespaces/web/pods/a","version":"v1",)"
                 R"("namespace":"web","verb":"get","resource":"pods","name":"a"})",
                 "request"));
  std::ofstream(directory.path / "clawpatrol.toml")
      << "schema = 1\n[gateway]\nsubnet = [\"10.86.0.0/24\"]\n[profile.data]\nendpoints = [\"pg\"]\n"
         "[endpoint.pg]\ntype = \"kubernetes\"\nhosts = [\"pg:443\"]\n"
      << made.toml();
  LoadResult loaded = load_policy(directory.path);
  INFO(loaded.diagnostics.render());
  REQUIRE(loaded.policy);
  PeerFacets peer;
  peer.name = "b", peer.profile = "data";
  EndpointFacets endpoint;
  endpoint.name = "pg", endpoint.type = "kubernetes";
  HttpFacets http;
  http.method = std::string("GET"), http.host = std::string("pg");
  http.path = std::string("/api/v1/namespaces/web/pods/a");
  DestFacets dest{"pg", 5432};
  std::string credential = "c";
  auto verdict = [&](const char* verb, const char* space, const char* name, ActionKind kind) {
    K8sFacets k8s;
    k8s.verb = std::string(verb), k8s.group = std::string(), k8s.version = std::string("v1");
    k8s.resource = std::string("pods"), k8s.namespace_ = std::string(space), k8s.name = std::string(name);
    Action action;
    action.type = ActionType::request;
    action.kind = kind;
    action.peer = &peer;
    action.endpoint = &endpoint;
    action.dest = &dest;
    action.credential = credential;
    action.http = &http;
    action.k8s = &k8s;
    return decide(*loaded.policy, action).verdict;
  };
  CHECK(verdict("get", "web", "a", ActionKind::read) == Verdict::allow);
  CHECK(verdict("get", "web", "b", ActionKind::read) == Verdict::deny);
  CHECK(verdict("get", "kube-system", "a", ActionKind::read) == Verdict::deny);
  CHECK(verdict("delete", "web", "a", ActionKind::read) == Verdict::deny);
  CHECK(verdict("get", "web", "a", ActionKind::admin) == Verdict::deny);  // in another's name
  dest.port = 6443;
  CHECK(verdict("get", "web", "a", ActionKind::read) == Verdict::deny);
  dest = {"other", 5432};
  CHECK(verdict("get", "web", "a", ActionKind::read) == Verdict::deny);
  dest.host = "pg", credential = "";
  CHECK(verdict("get", "web", "a", ActionKind::read) == Verdict::deny);
}

TEST_CASE("whatever agents wrote, a suggestion is a policy that loads, and says no more than they did") {
  const TemporaryDirectory directory;
  Suggestions made;
  made.take(line("deny", "",
                 R"({"verb":"select","verbs":["select"],"tables":["it's","a\"b\\c","x\ny","'''\"\"\""]})"));
  made.take(line("deny", "", R"({"method":"GET","host":"h","path":"/a' || true || 'b"})", "request"));
  REQUIRE(made.rules() == 2);
  std::ofstream(directory.path / "clawpatrol.toml") << R"(
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
    return all.substr(all.find("# once", 10) == std::string::npos ? 0 : all.find("# once", 10));
  }();
  LoadResult loaded = load_policy(directory.path);
  INFO(loaded.diagnostics.render());
  REQUIRE(loaded.policy);
  REQUIRE(loaded.policy->rules.size() == 1);
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
  CHECK(all.out.find("seen-pg-select-") != std::string::npos);
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

TEST_CASE("cpctl enforce changes what a link names, and the link stays one") {
  namespace fs = std::filesystem;
  FakeDaemon daemon;
  daemon.on("reload", {R"({"v":1,"type":"reloaded","generation":4,"digest":"0123456789abcdef"})"});
  const fs::path link = daemon.directory.path / "clawpatrol.toml", file = daemon.directory.path / "kept.toml";
  std::ofstream(file) << "schema = 1\n[gateway]\nmode = \"observe\"\n";
  fs::create_symlink(file, link);
  CHECK(clawpatrol::cpctl::cpctl(daemon, {"enforce", "--config", daemon.directory.path.native()}).status ==
        0);
  CHECK(fs::is_symlink(link));
  std::ifstream in(file);
  CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == "schema = 1\n[gateway]\nmode = \"enforce\"\n");
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
