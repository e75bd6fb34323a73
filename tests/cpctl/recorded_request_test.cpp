// Requests that were recorded: judged again as far as their lines go.
#include "cpctl/cases/recorded_request.h"

#include <catch2/catch.hpp>

#include "cpctl/cases/recorded.h"
#include "cpctl/cases/report.h"
#include "cpctl/cases/written.h"
#include "cpctl/suggest.h"
#include "daemon/gateway/audit_line.h"
#include "daemon/gateway/http/request_facets.h"
#include "tests/cpctl/fake_daemon.h"
#include "tests/cpctl/logged_lines.h"
#include "tests/policy/policy_text.h"

namespace clawpatrol::cpctl {
namespace {

constexpr std::string_view policy_text = R"toml(schema = 1
[gateway]
subnet = ["10.86.0.0/24"]
endpoint = "gw.example.com:51820"
[peer.builder]
profile = "data"
[profile.data]
endpoints = ["cluster"]
credentials = ["one", "two"]
[endpoint.api]
type = "https"
hosts = ["api.example.com"]
[endpoint.cluster]
type = "kubernetes"
hosts = ["cluster.internal"]
[credential.one]
type = "bearer"
endpoint = "api"
[credential.two]
type = "bearer"
endpoint = "api"
[[rule]]
name = "no-delete"
endpoint = "api"
priority = 10
condition = "http.method == 'DELETE'"
verdict = "deny"
reason = "Nothing is removed"
[[rule]]
name = "of-two"
endpoint = "api"
condition = "http.method == 'POST' && credential == 'two'"
verdict = "allow"
[[rule]]
name = "by-query"
endpoint = "api"
condition = "http.path == '/search' && http.query['q'][0] == 'x'"
verdict = "allow"
[[rule]]
name = "reads"
endpoint = "api"
condition = "action.kind == 'read' && http.path.startsWith('/v1/')"
verdict = "allow"
[[rule]]
name = "prod"
endpoint = "cluster"
priority = 10
condition = "k8s.verb == 'delete' && (k8s.resource == 'namespaces' || k8s.namespace == 'prod')"
verdict = "deny"
[[rule]]
name = "no-drain"
endpoint = "cluster"
condition = "'drain' in k8s.derived"
verdict = "deny"
[[rule]]
name = "logs"
endpoint = "cluster"
condition = "k8s.subresource in ['', 'log'] && k8s.group == ''"
verdict = "allow"
)toml";

std::string wire(std::string_view line, std::string_view host, std::string_view body = "") {
  std::string out = std::string(line) + " HTTP/1.1\r\nHost: " + std::string(host) + "\r\n";
  if (!body.empty())
    out += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  return out + "\r\n" + std::string(body);
}

struct Played {
  CaseOutcome outcome;  // as it was judged on the wire
  std::string line;
};

// Judged as the daemon does, and written down as it does.
Played play(const std::shared_ptr<const Policy>& policy, const std::string& endpoint,
            const std::string& credential, const std::string& bytes) {
  Case wanted;
  wanted.peer = "builder", wanted.endpoint = endpoint, wanted.credential = credential;
  wanted.address = "10.86.0.2";
  wanted.type = ActionType::request;
  wanted.time_unix_ns = std::int64_t{1'772'000'000} * 1'000'000'000;
  wanted.request = RequestForm{bytes, {}};
  Played played{run_case(policy, wanted), ""};
  INFO(bytes << played.outcome.problem);
  REQUIRE(played.outcome.decisive);
  const ActionRecord& record = *played.outcome.decisive;
  played.line = line_of(
      AuditLines(*record.facets, 1).action(record, http::facets_json(*record.http, record.k8s.get()), ""));
  return played;
}

Recorded recorded(const std::shared_ptr<const Policy>& policy, const std::string& line) {
  LongTexts texts;
  auto read = read_recorded(line, texts, *policy);
  INFO(line);
  REQUIRE(read);
  REQUIRE(*read);
  return std::move(**read);
}

struct Sent {
  const char *endpoint, *credential;
  std::string bytes;
};

const std::vector<Sent> sent = {
    {"api", "one", wire("GET /v1/things?token=7", "api.example.com")},
    {"api", "one", wire("DELETE /v1/things/7", "api.example.com")},
    {"api", "one", wire("POST /v1/things", "api.example.com", "{\"a\":1}")},
    {"api", "two", wire("POST /v1/things", "api.example.com", "{\"a\":1}")},
    {"api", "two", wire("GET /v1/a%20b", "api.example.com")},
    {"api", "two", wire("GET /v2/other", "api.example.com")},
    {"cluster", "", wire("DELETE /api/v1/namespaces/prod", "cluster.internal")},
    {"cluster", "", wire("DELETE /api/v1/namespaces/prod/pods/a", "cluster.internal")},
    {"cluster", "", wire("GET /api/v1/namespaces/prod/pods/a/log", "cluster.internal")},
    {"cluster", "", wire("GET /api/v1/pods", "cluster.internal")},
    {"cluster", "", wire("GET /apis/apps/v1/deployments", "cluster.internal")},
    {"cluster", "", wire("GET /healthz", "cluster.internal")},
};

}  // namespace

TEST_CASE("a request that was recorded is judged again as it was, also once it is written as a case") {
  const auto policy = tests::policy_from(std::string(policy_text));
  for (const Sent& one : sent) {
    INFO(one.bytes);
    const Played played = play(policy, one.endpoint, one.credential, one.bytes);
    const Recorded action = recorded(policy, played.line);
    INFO(played.line << action.lacking);
    REQUIRE(action.lacking.empty());
    const CaseOutcome again = run_case(policy, action.wanted);
    CHECK(again.problem == "");
    CHECK(again.verdict == played.outcome.verdict);
    CHECK(again.rule == played.outcome.rule);
    for (const std::string& text : {case_toml(action.wanted).value_or(""), case_json(action.wanted)}) {
      Diagnostics diagnostics;
      config::Report report(diagnostics);
      CaseFile file = read_cases_text(text[0] == '{' ? "case.jsonl" : "case.toml", text, report);
      INFO(text << diagnostics.render());
      REQUIRE(file.cases.size() == 1);
      CHECK_FALSE(diagnostics.has_errors());
      const CaseOutcome read = run_case(policy, file.cases[0]);
      CHECK(read.problem == "");
      CHECK(result_of(*policy, file.cases[0], read).failure == "");
    }
  }
}

TEST_CASE("what a request's line does not hold is said where a rule asks for it, and never guessed") {
  const auto policy = tests::policy_from(std::string(policy_text));
  const auto problem = [&](const std::string& line) {
    const Recorded action = recorded(policy, line);
    return action.lacking.empty() ? run_case(policy, action.wanted).problem : action.lacking;
  };
  const Played search = play(policy, "api", "one", wire("GET /search?q=x", "api.example.com"));
  CHECK(search.outcome.verdict == Expected::allow);
  CHECK(problem(search.line) == "rule 'by-query' depends on http.query, which the audit line does not hold");
  // Whether a patch restarts or scales is in its body.
  const Played patch =
      play(policy, "cluster", "", wire("PATCH /api/v1/nodes/n1", "cluster.internal", "{\"spec\":{}}"));
  CHECK(contains(problem(patch.line), "depends on k8s.derived"));
  std::string cut =
      play(policy, "api", "one", wire("GET /v1/" + std::string(3000, 'x'), "api.example.com")).line;
  CHECK(problem(cut) == "a request whose path is not whole in its line");
  std::string unknown = play(policy, "api", "one", wire("GET /v1/things", "api.example.com")).line;
  unknown.replace(unknown.find(R"("path":)"), 7, R"("pith":)");
  CHECK(problem(unknown) == "a request whose path is not known in its line");
}

TEST_CASE("a suggestion for a change of Kubernetes allows that change alone, and a replay shows it") {
  const std::string head(policy_text.substr(0, policy_text.find("[[rule]]")));
  const auto policy = tests::policy_from(head);
  const std::string pod = "/api/v1/namespaces/dev/pods/a", eviction = pod + "/eviction";
  const std::string scale = "/apis/apps/v1/namespaces/dev/deployments/web/scale";
  const std::string host = "cluster.internal";
  const std::string options =
      R"({"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background"})";
  const std::string evict = R"({"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"a"}})";
  const std::string three = R"({"spec":{"replicas":3}})";
  const std::vector<std::string> seen = {
      wire("DELETE " + pod, host, options), wire("DELETE " + pod + "?dryRun=All&gracePeriodSeconds=5", host),
      wire("POST " + eviction, host, evict), wire("PATCH " + scale + "?fieldManager=kubectl", host, three)};
  Suggestions made;
  std::vector<std::string> lines;
  for (const std::string& bytes : seen) {
    lines.push_back(play(policy, "cluster", "", bytes).line);
    made.take(lines.back());
  }
  CHECK(made.rules() == seen.size());
  CHECK(made.left_out().empty());
  const std::string text = head + made.toml();
  INFO(text);
  const auto suggested = tests::policy_from(text);
  for (const std::string& bytes : seen)
    CHECK(play(suggested, "cluster", "", bytes).outcome.verdict == Expected::allow);
  const std::string other_pod = "/api/v1/namespaces/dev/pods/b";
  for (const std::string& bytes :
       {wire("DELETE " + pod, host), wire("DELETE " + pod + "?dryRun=All", host),
        wire("DELETE " + pod + "?gracePeriodSeconds=5", host), wire("DELETE " + other_pod, host, options),
        wire("DELETE /api/v1/namespaces/prod/pods/a", host, options),
        wire("DELETE " + pod, host, R"({"kind":"DeleteOptions","apiVersion":"v1"})"),
        wire("DELETE " + pod + "?propagationPolicy=Orphan", host, options),
        wire("DELETE " + pod.substr(0, pod.rfind('/')), host, options),  // all of them
        wire("POST " + eviction, host,
             R"({"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"b"}})"),
        wire("PATCH " + scale + "?fieldManager=kubectl", host, R"({"spec":{"replicas":0}})"),
        wire("PATCH " + scale + "?fieldManager=kubectl", host,
             R"([{"op":"replace","path":"/spec/replicas","value":3}])"),
        wire("PUT " + scale + "?fieldManager=kubectl", host, three)}) {
    INFO(bytes);
    CHECK(play(suggested, "cluster", "", bytes).outcome.verdict == Expected::deny);
  }
  LoggedLines logged(lines);
  Result result = cpctl({"diff", logged.write("old.toml", head).native(),
                         logged.write("new.toml", text).native(), "--replay", logged.log.native()});
  INFO(result.out << result.err);
  CHECK(contains(result.out, " 4 wider, 0 narrower"));
}

TEST_CASE("what else a change of Kubernetes carries is in no line, and in no suggestion") {
  const auto policy = tests::policy_from(std::string(policy_text.substr(0, policy_text.find("[[rule]]"))));
  const std::string pod = "/api/v1/namespaces/dev/pods/a", host = "cluster.internal";
  Suggestions made;
  for (const std::string& bytes :
       {wire("DELETE " + pod, host, R"({"kind":"DeleteOptions","hunter2":true})"),
        wire("DELETE " + pod + "?hunter2=x", host), wire("DELETE " + pod + "?dryRun=hunter2%0a", host),
        wire("DELETE " + pod, host, R"({"kind":")" + std::string(129, 'x') + R"(hunter2"})"),
        wire("DELETE " + pod, host, R"({"gracePeriodSeconds":1.5,"kind":"hunter2"})"),
        wire("DELETE " + pod, host, "{\"dryRun\":[" + std::string(600, '1') + "],\"kind\":\"hunter2\"}"),
        wire("POST /api/v1/namespaces/dev/secrets", host, R"({"metadata":{"name":"a"},"kind":"hunter2"})"),
        wire("PUT " + pod, host, R"({"metadata":{"name":"a"},"kind":"hunter2"})"),
        wire("PATCH " + pod, host, R"({"spec":{"name":"hunter2"}})")}) {
    const std::string line = play(policy, "cluster", "", bytes).line;
    INFO(line);
    CHECK_FALSE(contains(line, "k8s_"));
    CHECK_FALSE(contains(line, "hunter2"));
    made.take(line);
  }
  CHECK(made.rules() == 0);
  CHECK(made.actions() == 9);
}

TEST_CASE("diff --replay finds which requests a policy would let through that the other did not") {
  const std::string old_text(policy_text);
  const auto policy = tests::policy_from(old_text);
  std::vector<std::string> lines;
  for (const Sent& one : sent) lines.push_back(play(policy, one.endpoint, one.credential, one.bytes).line);
  LoggedLines logged(lines);
  const auto old = logged.write("old.toml", old_text);
  Result result = cpctl({"diff", old.native(), old.native(), "--replay", logged.log.native()});
  INFO(result.out << result.err);
  CHECK(result.status == 0);
  CHECK(contains(result.out, " 0 wider, 0 narrower"));
  CHECK(contains(result.out, "12 alike"));
  CHECK_FALSE(contains(result.out, "recorded otherwise"));

  std::string text = old_text;
  text.replace(text.find("k8s.namespace == 'prod'"), 23, "k8s.namespace == 'prd'");
  text.replace(text.find("'DELETE'"), 8, "'PURGE'");
  const auto wider = logged.write("new.toml", text);
  result = cpctl({"diff", old.native(), wider.native(), "--replay", logged.log.native()});
  INFO(result.out << result.err);
  CHECK(result.status == 1);
  CHECK(contains(result.out, "wider: 1 action: deny by rule \"prod\" -> allow by rule \"logs\""));
  CHECK(contains(result.out, "DELETE /api/v1/namespaces/prod/pods/a"));
}

}  // namespace clawpatrol::cpctl
