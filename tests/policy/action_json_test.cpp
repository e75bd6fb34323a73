#include "policy/action_json.h"

#include <catch2/catch.hpp>

using namespace clawpatrol;

namespace {

StatedAction read(std::string_view text) {
  auto action = read_action_text(text);
  if (!action) {
    for (const FacetProblem& problem : action.error())
      UNSCOPED_INFO(problem.facet << ": " << problem.message);
    REQUIRE(action);
  }
  return std::move(*action);
}

std::string problems(std::string_view text) {
  auto action = read_action_text(text);
  if (action) return "";
  std::string all;
  for (const FacetProblem& problem : action.error())
    all += problem.facet + ": " + problem.message + (problem.hint.empty() ? "" : " (" + problem.hint + ")") +
           "\n";
  return all;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

const std::string whole =
    R"({"action.kind":"read","action.type":"statement","peer.name":"b","peer.profile":"data",)"
    R"("peer.address":"10.86.0.2","peer.labels":{"team":"x","unknown":"y"},)"
    R"("endpoint.name":"pg","endpoint.type":"postgres","dest.host":"pg.internal",)"
    R"("dest.port":5432,"credential":"reader","now":"2026-01-31T09:30:00.5Z",)"
    R"("sql.statement":"select '\udcff\u202e'","sql.verb":"select","sql.verbs":["select"],)"
    R"("sql.tables":{"items":["a","public.a"],"open":true},"sql.reads":["a"],"sql.writes":[],)"
    R"("sql.columns":["*"],"sql.functions":{"unknown":"over a limit"},"sql.classes":[],)"
    R"("sql.unbounded":false,"sql.copy":{"direction":"to","target":"client"},)"
    R"("sql.params":["1",null],"sql.statements":1,"sql.literals":[],"sql.database":"app",)"
    R"("sql.user":"agent_ro","sql.declared_user":"x","dns.name":"a.example","dns.type":"A",)"
    R"("http.method":"POST","http.host":"a","http.path":"/p","http.raw_path":"/%70",)"
    R"("http.query":{"a":["1","2"]},"http.headers":{"accept":[]},"http.body":"{}",)"
    R"("http.body_json":{"n":-1,"big":18446744073709551615,"r":1.5,"l":[null,true,"x",{}]},)"
    R"("http.body_size":3,"http.classes":["mints_credential"],"k8s.verb":"create","k8s.group":"","k8s.version":"v1",)"
    R"("k8s.resource":"pods/exec","k8s.subresource":"exec","k8s.namespace":"prod","k8s.name":"",)"
    R"("k8s.params":{"command":["ls"]},"k8s.argv":["ls"],"k8s.path":"/api",)"
    R"("k8s.impersonate":{"user":"u","groups":["g"]},"k8s.body":{"unknown":"undecodable"},)"
    R"("k8s.derived":{"items":["scale"],"open":true},"ws.direction":"up","ws.opcode":"text",)"
    R"("ws.text":"[]","ws.json":[]})";

}  // namespace

TEST_CASE("an action in JSON comes back byte for byte") {
  StatedAction action = read(whole);
  CHECK(all_facets_json(action.action()) == whole);
  CHECK(action.stated.all());
  CHECK(action.peer.labels.at("unknown") == "y");
  CHECK(*action.sql.statement == "select '\xff\xe2\x80\xae'");
  CHECK(action.now_unix_ns == 1769851800'500'000'000);
}

TEST_CASE("families may be nested, and mixed with whole names") {
  StatedAction action =
      read(R"({"sql":{"verb":"drop","tables":["t"]},"sql.unbounded":true,"action":{"kind":"admin"}})");
  CHECK(*action.sql.verb == "drop");
  CHECK(*action.sql.unbounded);
  CHECK(action.kind == ActionKind::admin);
  CHECK_FALSE(action.states(FacetId::sql_verbs));
  CHECK(action.sql.verbs.why() == Unknown::not_applicable);
  CHECK(action.action().peer == nullptr);
}

TEST_CASE("what is no facet, or not its value, is a problem, and all are said at once") {
  CHECK(contains(problems(R"({"sql.verbb":"x"})"), "sql.verbb: no such facet (Did you mean sql.verb?)"));
  CHECK(contains(problems(R"({"sql":"x"})"), "sql: a family of facets is an object"));
  CHECK(contains(problems(R"({"sql.verb":7,"action.kind":"raed"})"), "sql.verb: must be a string"));
  CHECK(contains(problems(R"({"sql.verb":7,"action.kind":"raed"})"),
                 "action.kind: must be one of \"session\""));
  CHECK(contains(problems(R"({"sql.verb":"a","sql":{"verb":"b"}})"), "sql.verb: stated twice"));
  CHECK(contains(problems(R"({"sql.tables":{"items":["a"],"opened":true}})"), "sql.tables: must be a list"));
  CHECK(contains(problems(R"({"sql.verb":{"unknown":"no idea"}})"), "unknown for a reason that is one of"));
  CHECK(contains(problems(R"({"dest.port":70000})"), "dest.port: must be a port"));
  CHECK(contains(problems(R"({"now":"yesterday"})"), "now: must be a time"));
  CHECK(contains(problems("[]"), "one JSON object"));
}

TEST_CASE("JSON with two readings is refused") {
  CHECK(contains(problems(R"({"sql.verb":"a","sql.verb":"b"})"), "the key \"sql.verb\" stands twice"));
  CHECK(contains(problems(R"({"peer.labels":{"a":"1","a":"2"}})"), "stands twice"));
  CHECK(contains(problems("{\n \"sql.verb\": }"), "line 2, column 14: not JSON"));
  CHECK(contains(problems(R"({"sql.verb":"\ud800"})"), "not JSON"));
  CHECK(contains(problems(R"({"a":1} {"b":2})"), "not JSON"));
  CHECK(contains(problems(std::string(100'000, '[')), "nested deeper"));
  CHECK(contains(problems("{\"sql.verb\":\"\xff\"}"), "not JSON"));
}

TEST_CASE("bytes that are not UTF-8, and the character that marks them, survive") {
  for (std::string_view text :
       {R"("\udc80\udcff")", R"("\udbff\udfff")", R"("\udbff\udfffff")", R"("\udbff\udfff\udcff")",
        R"("\\udcff")", R"("a\"\\\n\u0000")", R"("\ud83d\ude00")"}) {
    std::string json = R"({"sql.verb":)" + std::string(text) + "}";
    INFO(json);
    std::string again = all_facets_json(read(json).action());
    CHECK(contains(again, "\"sql.verb\":" + std::string(text)));
  }
  CHECK(*read("{\"sql.verb\":\"\U0010ffff41\"}").sql.verb == "\U0010ffff41");
}

TEST_CASE("facets of requests are stated in the form that they have") {
  CHECK(contains(problems(R"({"http.headers":{"a":"b"}})"), "http.headers: must be an object of lists"));
  CHECK(contains(problems(R"({"http.query":["a"]})"), "http.query: must be an object of lists"));
  CHECK(contains(problems(R"({"k8s.params":{"a":[1]}})"), "k8s.params: must be an object of lists"));
  CHECK(contains(problems(R"({"k8s.impersonate":{"user":"u"}})"), "k8s.impersonate: must be {"));
  CHECK(contains(problems(R"({"http.body_size":"3"})"), "http.body_size: must be an integer"));
  CHECK(
      problems(
          R"({"http.body_json":[1,{"a":null}],"k8s.body":"text","http.headers":{"unknown":"undecodable"}})") ==
      "");
}
