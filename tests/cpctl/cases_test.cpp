// `cpctl test`: cases that pass, fail, and cannot be run; where it says so; coverage and reports.
#include <catch2/catch.hpp>
#include <fstream>

#include "tests/cpctl/fake_daemon.h"

namespace clawpatrol::cpctl {
namespace {

constexpr std::string_view policy_text = R"toml(schema = 1
[gateway]
subnet = ["10.86.0.0/24"]
endpoint = "gw.example.com:51820"
[peer.builder]
profile = "data"
labels = { team = "platform" }
[peer.visitor]
profile = "none"
[profile.data]
credentials = ["reader", "writer"]
[profile.none]
[endpoint.pg]
type = "postgres"
hosts = ["pg.internal:5432"]
tls = "disable"
[credential.reader]
type = "postgres"
endpoint = "pg"
user = "agent_ro"
[credential.writer]
type = "postgres"
endpoint = "pg"
user = "agent_rw"
[[rule]]
name = "no-ddl"
endpoint = "pg"
priority = 10
condition = "sql.verbs.exists(v, v == 'drop' || v == 'alter')"
verdict = "deny"
reason = "Schema changes land by migration"
[[rule]]
name = "at-night"
endpoint = "pg"
condition = "sql.verb == 'update' && now.getHours() >= 18"
verdict = "deny"
[[rule]]
name = "one-row"
endpoint = "pg"
condition = "sql.verb == 'delete' && sql.params[0] == '7'"
verdict = "allow"
[[rule]]
name = "platform"
endpoint = "pg"
condition = "peer.labels.team == 'platform' && sql.database == 'app' && !('secrets' in sql.tables)"
verdict = "allow"
)toml";

struct Files {
  TemporaryDirectory directory;
  std::filesystem::path policy = directory.path / "clawpatrol.toml";

  Files() { write(policy, policy_text); }
  static void write(const std::filesystem::path& path, std::string_view text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  static std::string read(const std::filesystem::path& path) {
    std::ifstream in(path);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  // `cases` after defaults that most need.
  Result test(std::string_view cases, std::vector<std::string> more = {}) const {
    return test_file("cases.toml",
                     "[defaults]\npeer = \"builder\"\nendpoint = \"pg\"\ncredential = \"reader\"\n"
                     "database = \"app\"\ntime = \"2026-03-02T10:00:00Z\"\n" +
                         std::string(cases),
                     std::move(more));
  }
  Result test_file(const std::string& name, std::string_view text, std::vector<std::string> more = {}) const {
    write(directory.path / name, text);
    std::vector<std::string> arguments{"test", policy.native(), (directory.path / name).native()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return cpctl(arguments);
  }
};

TEST_CASE("test: what a case says is what the gateway's own login and session decide") {
  Files files;
  Result result = files.test(R"(
[[case]]
name = "a read"
sql = "SELECT * FROM orders"
verdict = "allow"
rule = "platform"
[[case]]
name = "one denied statement denies the message"
sql = "SELECT 1; DROP TABLE orders"
verdict = "deny"
rule = "no-ddl"
reason = "Schema changes land by migration"
[[case]]
name = "in the evening"
sql = "UPDATE orders SET a = 1 WHERE id = 2"
time = 2026-03-02T20:30:00Z
verdict = "deny"
rule = "at-night"
[[case]]
name = "a parameter"
sql = "DELETE FROM secrets WHERE id = $1"
params = ["7"]
verdict = "allow"
rule = "one-row"
[[case]]
name = "another parameter"
sql = "DELETE FROM secrets WHERE id = $1"
params = ["8"]
verdict = "deny"
rule = ""
[[case]]
name = "NULL has no text"
sql = "DELETE FROM secrets WHERE id = $1"
params = [{}]
verdict = "deny"
[[case]]
name = "before its parameters are known"
sql = "DELETE FROM secrets WHERE id = $1"
params = "pending"
verdict = "undecided"
[[case]]
name = "EXECUTE is what was prepared"
before = ["PREPARE p AS SELECT * FROM secrets2"]
sql = "EXECUTE p"
verdict = "allow"
[[case]]
name = "a name that nobody prepared"
sql = "EXECUTE q"
verdict = "deny"
[[case]]
name = "how text is read is not for a rule"
sql = "SET standard_conforming_strings = off"
verdict = "deny"
rule = ""
[[case]]
name = "a typing mistake"
sql = "SELEC 1"
verdict = "deny"
[[case]]
name = "a login"
type = "login"
verdict = "allow"
[[case]]
name = "a startup parameter"
type = "login"
startup = { search_path = "other" }
verdict = "allow"
rule = ""
[[case]]
name = "an encoding in which a backslash can be part of a letter"
type = "login"
startup = { client_encoding = "SJIS" }
verdict = "deny"
[[case]]
name = "replication passes only by a rule that names it"
type = "replication"
verdict = "deny"
[[case]]
name = "a call by number too"
type = "function_call"
verdict = "deny"
[[case]]
name = "a cancellation"
type = "cancel"
verdict = "allow"
[[case]]
name = "two credentials fit"
credential = ""
user = "somebody"
sql = "SELECT 1"
verdict = "deny"
[[case]]
name = "the writer by its user"
credential = ""
user = "agent_rw"
sql = "SELECT 1"
verdict = "allow"
[[case]]
name = "a peer whose profile does not reach it"
peer = "visitor"
credential = ""
sql = "SELECT 1"
verdict = "deny"
[[case]]
name = "as facets"
verdict = "deny"
rule = "no-ddl"
[case.facets]
sql = { verb = "drop", verbs = ["drop"] }
[[case]]
name = "a list that is open denies what needs absence"
verdict = "deny"
rule = "platform"
[case.facets]
"sql.verb" = "select"
"sql.verbs" = ["select"]
"sql.tables" = { items = ["orders"], open = true }
)");
  INFO(result.out << result.err);
  CHECK(result.status == 0);
  CHECK(contains(result.out, "22 cases: 22 passed"));
}

TEST_CASE("test: a failure is one line with place, expected, got and why; exit 1") {
  Files files;
  Result result = files.test(
      "[[case]]\nname = \"reads secrets\"\nsql = \"SELECT * FROM secrets\"\nverdict = \"allow\"\n"
      "rule = \"platform\"\n");
  CHECK(result.status == 1);
  CHECK(contains(result.out,
                 "cases.toml:7: failed: reads secrets: expected allow by rule \"platform\", got "
                 "deny by no rule: none of 4 rules matched; rule \"platform\" did not match: "
                 "!('secrets' in sql.tables) is false\n"));
  result = files.test("[[case]]\nsql = \"DROP TABLE x\"\nverdict = \"allow\"\nrule = \"platform\"\n");
  CHECK(contains(result.out, "got deny by rule \"no-ddl\": "));
  CHECK(contains(result.out, "rule \"platform\" was not reached"));
  result = files.test("[[case]]\nsql = \"DROP TABLE x\"\nverdict = \"deny\"\nreason = \"Because\"\n");
  CHECK(result.status == 1);
  CHECK(contains(result.out, "with reason \"Schema changes land by migration\""));
}

TEST_CASE("test: what is wrong with a case is an error with its place, not a failure; exit 2") {
  Files files;
  struct Wrong {
    const char* text;
    const char* said;
  };
  const Wrong wrongs[] = {
      {"[[case]]\nsqll = \"SELECT 1\"\nverdict = \"deny\"\n", "unknown key 'sqll' in a case"},
      {"[[case]]\nsqll = \"SELECT 1\"\nverdict = \"deny\"\n", "'sql'"},
      {"[[cases]]\nsql = \"SELECT 1\"\n", "unknown key 'cases'"},
      {"[[case]]\nsql = \"SELECT 1\"\nverdict = \"maybe\"\n", "unknown verdict 'maybe'"},
      {"[[case]]\nsql = \"SELECT 1\"\n", "expects no verdict"},
      {"[[case]]\nverdict = \"deny\"\n", "says nothing of what the agent does"},
      {"[[case]]\nsql = 7\nverdict = \"deny\"\n", "'sql' is a string, not an integer"},
      {"[[case]]\nsql = \"SELECT 1\"\nfacets = {}\nverdict = \"deny\"\n", "not both"},
      {"[[case]]\nsql = \"SELECT 1\"\nverdict = \"deny\"\nrule = \"no-dll\"\n", "Did you mean 'no-ddl'?"},
      {"[[case]]\nsql = \"SELECT 1\"\nverdict = \"deny\"\ntime = \"noon\"\n", "'time' is not a time"},
      {"[[case]]\nsql = \"SELECT 1\"\nverdict = \"deny\"\ntime = \"2262-04-12T00:00:00Z\"\n",
       "end in April 2262"},
      {"[[case]]\nsql = \"SELECT 1\"\nverdict = \"deny\"\ntime = \"1969-12-31T23:59:59Z\"\n",
       "'time' is out of range"},
      {"[[case]]\nsql = \"SELECT 1\"\nverdict = \"deny\"\nparams = [7]\n", "a parameter is its text"},
      {"[[case]]\nverdict = \"deny\"\nfacets = { \"sql.verbb\" = \"x\" }\n", "sql.verbb"},
      {"[[case]]\nverdict = \"deny\"\nfacets = { peer = { name = \"x\" } }\n",
       "follows from the case's 'peer'"},
      {"[[case]]\nsql = \"SELECT 1\"\nverdict = \"deny\"\npeer = \"bilder\"\n",
       "the policy has no peer 'bilder'"},
      {"[[case]]\nsql = \"SELECT 1\"\nverdict = \"deny\"\nendpoint = \"pq\"\n", "no endpoint 'pq'"},
      {"[[case]]\nsql = \"SELECT 1\"\nverdict = \"deny\"\ncredential = \"x\"\n", "no credential 'x'"},
      {"[[case]]\nsql = \"SELECT 1\"\nverdict = \"deny\"\ndest = \"other:1\"\nendpoint = \"\"\n", ""},
      {"[[case]]\nsql = \"  -- nothing\"\nverdict = \"allow\"\n", "holds no statement"},
      {"[[case]]\nbefore = [\"DROP TABLE x\"]\nsql = \"SELECT 1\"\nverdict = \"allow\"\n", "is refused"},
      {"[[case]]\ncredential = \"reader\"\nuser = \"agent_rw\"\nsql = \"SELECT 1\"\nverdict = \"allow\"\n",
       "the login is given credential 'writer', not 'reader'"},
  };
  for (const Wrong& wrong : wrongs) {
    Result result = files.test(wrong.text);
    INFO(wrong.text << result.out << result.err);
    if (*wrong.said == '\0') continue;
    CHECK(result.status == 2);
    CHECK(contains(result.out + result.err, wrong.said));
    CHECK(contains(result.out + result.err, "cases.toml:"));
  }
  CHECK(cpctl({"test", files.policy.native(), "/nowhere.toml"}).status == 2);
  std::string many = R"({"sql":"SELECT 1","verdict":"deny","params":[null)";
  for (int i = 0; i < 65'535; ++i) many += ",null";
  const Result too_many = files.test_file("many.jsonl", many + "]}\n");
  CHECK(too_many.status == 2);
  CHECK(contains(too_many.err, "at most 65535 parameters, and these are 65536"));
  CHECK(cpctl({"test", "/nowhere.toml", files.policy.native()}).status == 2);
  CHECK(cpctl({"test", files.policy.native()}).status == 2);
}

TEST_CASE("test: a rule that reads the time needs a case that says it") {
  Files files;
  const std::string text =
      "[[case]]\npeer = \"builder\"\nendpoint = \"pg\"\ncredential = \"reader\"\ndatabase = \"app\"\n"
      "sql = \"UPDATE t SET a = 1 WHERE b = 2\"\nverdict = \"allow\"\n";
  Result result = files.test_file("now.toml", text);
  CHECK(result.status == 2);
  CHECK(contains(result.out, "rule 'at-night' depends on now, which the case does not hold"));
  CHECK(files.test_file("now.toml", text + "time = \"2026-03-02T10:00:00+05:00\"\n").status == 0);
  // Of a SELECT it says the same at any time.
  std::string read = text;
  read.replace(read.find("UPDATE"), 30, "SELECT 1");
  result = files.test_file("now.toml", read);
  INFO(result.out << result.err);
  CHECK(result.status == 0);
}

TEST_CASE("test: JSON lines say the same, and their places are lines") {
  Files files;
  const std::string good =
      R"({"name":"a","peer":"builder","endpoint":"pg","credential":"reader","database":"app",)"
      R"("time":"2026-03-02T10:00:00Z","sql":"SELECT $1","params":[null],"verdict":"allow","rule":"platform"})";
  Result result = files.test_file("cases.jsonl", good + "\n\n" + good + "\n");
  INFO(result.out << result.err);
  CHECK(result.status == 0);
  CHECK(contains(result.out, "2 cases: 2 passed"));
  std::string bad = good;
  bad.replace(bad.find("allow"), 5, "deny");
  result = files.test_file("cases.jsonl", good + "\n" + bad + "\n");
  CHECK(result.status == 1);
  CHECK(contains(result.out, "cases.jsonl:2: failed: a"));
  CHECK(contains(files.test_file("cases.jsonl", "{\"a\":1,\"a\":2}\n").err, "cases.jsonl:1:"));
  CHECK(files.test_file("cases.jsonl", "[1]\n").status == 2);
}

TEST_CASE("test: coverage tells rules and operands that no case reaches") {
  Files files;
  const char* cases =
      "[[case]]\nsql = \"SELECT * FROM orders\"\nverdict = \"allow\"\n"
      "[[case]]\nsql = \"DROP TABLE x\"\nverdict = \"deny\"\n";
  Result result = files.test(cases, {"--coverage"});
  INFO(result.out << result.err);
  CHECK(result.status == 0);
  CHECK(contains(result.out, "no case reaches rule \"at-night\""));
  CHECK(contains(result.out, "rule \"at-night\": never reached: now.getHours() >= 18"));
  CHECK(contains(result.out, "rule \"no-ddl\": never seen true: v == 'alter'"));
  CHECK_FALSE(contains(result.out, "v == 'drop'\n"));
  CHECK(contains(result.out, "rule \"platform\": never seen false: sql.database == 'app'"));
  CHECK(contains(result.out, "2 of 4 (50 %) rules decided"));
  CHECK(files.test(cases, {"--coverage", "--fail-under", "99"}).status == 1);
  CHECK(files.test(cases, {"--coverage", "--fail-under", "10"}).status == 0);
  auto line = control::Message::parse(
      files.test("[[case]]\nsql = \"SELEC\"\nverdict = \"allow\"\n", {"--coverage", "-o", "json"}).out);
  CHECK_FALSE(line);  // two lines: the case, and the whole
  const std::string out = files.test(cases, {"--coverage", "-o", "json"}).out;
  line = control::Message::parse(out.substr(out.rfind('\n', out.size() - 2) + 1));
  REQUIRE(line);
  CHECK(line->text("type") == "test");
  CHECK(line->flag("ok"));
  CHECK(line->natural("passed") == 2u);
  CHECK(line->object("coverage").natural("rules") == 4u);
  CHECK(line->object("coverage").list("by_rule")[0].text("rule") == "no-ddl");
}

TEST_CASE("test: requests go through the parsers of HTTP and Kubernetes, on the wire or in parts") {
  Files files;
  std::ofstream(files.policy, std::ios::app) << R"toml(
[peer.caller]
profile = "web"
[profile.web]
endpoints = ["api", "cluster"]
[endpoint.api]
type = "https"
hosts = ["api.example.com:443"]
[endpoint.cluster]
type = "kubernetes"
hosts = ["k8s.internal:6443"]
[[rule]]
name = "reads"
endpoint = "api"
condition = "action.kind == 'read' && http.path.startsWith('/v1/')"
verdict = "allow"
[[rule]]
name = "small"
endpoint = "api"
condition = "http.method == 'POST' && http.body_json.amount <= 10"
verdict = "allow"
[[rule]]
name = "pods"
endpoint = "cluster"
condition = "k8s.resource == 'pods' && k8s.verb == 'list' && k8s.namespace == 'dev'"
verdict = "allow"
)toml";
  const std::string defaults = "[defaults]\npeer = \"caller\"\nendpoint = \"api\"\n";
  Result result = files.test_file("http.toml", defaults + R"toml(
[[case]]
request = { target = "/v1/things?a=b" }
verdict = "allow"
rule = "reads"
[[case]]
request = { target = "/v1/../v2" }
verdict = "deny"
rule = ""
[[case]]
name = "another host"
request = { target = "/v1/things", headers = { Host = "other.example.com" } }
verdict = "deny"
rule = ""
[[case]]
http = "GET /v1/a HTTP/1.1\r\nHost: api.example.com\r\n\r\n"
verdict = "allow"
rule = "reads"
[[case]]
name = "of two requests the second is denied"
http = "GET /v1/a HTTP/1.1\r\nHost: api.example.com\r\n\r\nGET /v2 HTTP/1.1\r\nHost: api.example.com\r\n\r\n"
verdict = "deny"
rule = ""
[[case]]
name = "a bare line feed"
http = "GET /v1/a HTTP/1.1\nHost: api.example.com\n\n"
verdict = "deny"
[[case]]
http_base64 = "R0VUIC92MS9hIEhUVFAvMS4xDQpIb3N0OiBhcGkuZXhhbXBsZS5jb20NCg0K"
verdict = "allow"
[[case]]
request = { method = "POST", target = "/v1/pay", body = '{"amount": 10}' }
verdict = "allow"
rule = "small"
[[case]]
request = { method = "POST", target = "/v1/pay", body = '{"amount": 11}' }
verdict = "deny"
rule = ""
[[case]]
name = "what is no JSON cannot be evaluated"
request = { method = "POST", target = "/v1/pay", body = "amount=1" }
verdict = "deny"
rule = "small"
[[case]]
endpoint = "cluster"
request = { target = "/api/v1/namespaces/dev/pods" }
verdict = "allow"
rule = "pods"
[[case]]
endpoint = "cluster"
verdict = "allow"
rule = "pods"
facets = { action = { kind = "read" }, k8s = { resource = "pods", verb = "list", namespace = "dev" } }
[[case]]
name = "of facets that are not stated nothing is known"
endpoint = "cluster"
verdict = "deny"
rule = "pods"
facets = { "k8s.resource" = "pods", "k8s.verb" = "list" }
)toml");
  INFO(result.out << result.err);
  CHECK(result.status == 0);
  CHECK(contains(result.out, "13 cases: 13 passed"));
  const std::pair<const char*, const char*> wrongs[] = {
      {"sql = \"SELECT 1\"", "endpoint 'api' is of type https"},
      {"endpoint = \"pg\"\npeer = \"builder\"\ncredential = \"reader\"\nrequest = { target = \"/\" }",
       "endpoint 'pg' is of type postgres"},
      {"request = { target = \"/\" }\nhttp = \"x\"", "one of 'http', 'http_base64' and 'request'"},
      {"request = { method = \"GET\" }", "a request has a 'target'"},
      {"request = { target = \"/\", hdrs = {} }", "unknown key 'hdrs' in a request"},
      {"http_base64 = \"%\"", "is not Base64"},
  };
  for (const auto& [text, said] : wrongs) {
    result = files.test_file("http.toml", defaults + "[[case]]\nverdict = \"deny\"\n" + text + "\n");
    INFO(text << result.out << result.err);
    CHECK(result.status == 2);
    CHECK(contains(result.out + result.err, said));
  }
}

TEST_CASE("test: JUnit's XML is escaped") {
  Files files;
  auto report = files.directory.path / "junit.xml";
  Result result = files.test(
      "[[case]]\nname = \"<a & 'b'> \\u001b[2J \\uffff\"\nsql = \"DROP TABLE x\"\nverdict = \"allow\"\n",
      {"--junit", report.native()});
  CHECK(result.status == 1);
  const std::string xml = files.read(report);
  INFO(xml);
  CHECK(contains(xml, "tests=\"1\" failures=\"1\" errors=\"0\""));
  CHECK(contains(xml, "name=\"&lt;a &amp; &apos;b&apos;&gt; \\u{1b}[2J "));
  CHECK(contains(xml, "got deny by rule &quot;no-ddl&quot;"));
  CHECK_FALSE(contains(xml, "\x1b"));
  CHECK_FALSE(contains(xml, "\xef\xbf\xbf"));
  CHECK(files.test("[[case]]\nsql = \"SELECT 1\"\nverdict = \"allow\"\n", {"--junit", "/nowhere/x.xml"})
            .status == 2);
}

}  // namespace
}  // namespace clawpatrol::cpctl
