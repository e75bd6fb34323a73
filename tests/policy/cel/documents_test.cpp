// Conditions over HTTP and Kubernetes: documents as dynamic values, and maps of lists.
#include <catch2/catch.hpp>

#include "policy/cel/program.h"

using namespace clawpatrol;
using cel::Truth;

namespace {

Document text(std::string value) {
  return {std::move(value)};
}

Document sample() {
  Document::Members inner = {{"name", text("web")}, {"replicas", {std::int64_t{3}}}};
  Document::Items list = {text("a"), {std::int64_t{2}}, {std::monostate()}};
  return {Document::Members{{"spec", {std::move(inner)}},
                            {"list", {std::move(list)}},
                            {"big", {std::uint64_t{1} << 63}},
                            {"real", {1.5}},
                            {"on", {true}}}};
}

struct Request {
  HttpFacets http;
  K8sFacets k8s;
  Action action;
  Request() {
    http.method = std::string("GET");
    http.body_json = sample();
    Document::Members headers;
    add_text(headers, "accept", "text/html");
    add_text(headers, "accept", "*/*");
    http.headers = Document{std::move(headers)};
    k8s.impersonate = Document{Document::Members{{"user", text("")}, {"groups", {Document::Items{}}}}};
    k8s.body = Unknown::undecodable;
    k8s.derived = NameList{{"scale"}, true};
    action.type = ActionType::request;
    action.http = &http;
    action.k8s = &k8s;
  }
  Truth operator()(const std::string& condition) const {
    auto compiled = cel::Condition::compile(
        condition, {.families = {FacetFamily::every, FacetFamily::http, FacetFamily::k8s}});
    INFO(condition << (compiled ? "" : ": " + compiled.error()[0].message));
    REQUIRE(compiled);
    return compiled->evaluate(action).truth;
  }
};

}  // namespace

TEST_CASE("a document's members are reached by name, index and macro") {
  Request says;
  for (const char* condition : {"http.body_json.spec.name == 'web'",
                                "http.body_json['spec'].replicas == 3",
                                "http.body_json.spec.replicas + 1 == 4",
                                "http.body_json.spec.replicas > 2.5",
                                "http.body_json.list[1] == 2",
                                "http.body_json.list[2] == null",
                                "'a' in http.body_json.list",
                                "size(http.body_json.list) == 3",
                                "http.body_json.list.exists(x, x == 'a')",
                                "http.body_json.big == 9223372036854775808u",
                                "http.body_json.real == 1.5",
                                "http.body_json.on == true",
                                "has(http.body_json.spec.name)",
                                "!has(http.body_json.spec.other)",
                                "'spec' in http.body_json",
                                "http.body_json.spec == {'replicas': 3, 'name': 'web'}",
                                "http.body_json.list == ['a', 2, null]",
                                "http.body_json.spec.exists(k, k == 'name')",
                                "http.body_json.spec.map(k, k).size() == 2",
                                "type(http.body_json.spec.replicas) == int"}) {
    CHECK(says(condition) == Truth::yes);
  }
}

TEST_CASE("headers are lists by name") {
  Request says;
  CHECK(says("http.headers['accept'] == ['text/html', '*/*']") == Truth::yes);
  CHECK(says("'accept' in http.headers && !('cookie' in http.headers)") == Truth::yes);
  CHECK(says("http.headers.exists(n, n.startsWith('acc'))") == Truth::yes);
  CHECK(says("'*/*' in http.headers.accept") == Truth::yes);
  CHECK(says("http.headers['cookie'][0] == 'x'") == Truth::unevaluable);
}

TEST_CASE("what is missing, of another type or not known has no value, and does not pass for false") {
  Request says;
  CHECK(says("http.body_json.nothing == 1") == Truth::unevaluable);
  CHECK(says("http.body_json.spec.name.more == 1") == Truth::unevaluable);
  CHECK(says("!(http.body_json.list.spec == 1)") == Truth::unevaluable);
  CHECK(says("k8s.body.kind == 'Pod'") == Truth::unevaluable);
  CHECK(says("http.body == ''") == Truth::unevaluable);
  CHECK(says("'scale' in k8s.derived") == Truth::yes);
  CHECK(says("!('evict' in k8s.derived)") == Truth::unevaluable);
  CHECK(says("k8s.impersonate.user == '' && k8s.impersonate.groups == []") == Truth::yes);
}

TEST_CASE("looking through a large document costs") {
  Request says;
  Document::Members members;
  for (int i = 0; i < 5000; ++i) members.push_back({"k" + std::to_string(i), {std::int64_t{i}}});
  says.http.body_json = Document{std::move(members)};
  CHECK(says("http.body_json.k4999 == 4999") == Truth::yes);
  CHECK(says("http.body_json.all(a, http.body_json.all(b, http.body_json[b] >= 0))") == Truth::unevaluable);
}
