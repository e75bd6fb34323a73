#include "parsers/yaml.h"

#include <catch2/catch.hpp>

using namespace clawpatrol;

namespace {

Document json(const std::string& text) {
  auto document = read_json_document(text);
  REQUIRE(document);
  return *document;
}

Unknown why_not(const std::string& text) {
  auto document = read_yaml_document(text);
  return document ? Unknown::not_applicable : document.error();
}

}  // namespace

TEST_CASE("YAML is read as the JSON that everybody makes of it") {
  const std::pair<const char*, const char*> same[] = {
      {"a: 1", R"({"a":1})"},
      {"---\nkind: Pod\nspec:\n  - name: web\n    up: false\n    none:\n...\n",
       R"({"kind":"Pod","spec":[{"name":"web","up":false,"none":null}]})"},
      {"a: [-1, 1.5, null, 'yes', \"0x1\", text with spaces]",
       R"({"a":[-1,1.5,null,"yes","0x1","text with spaces"]})"},
      {"a: |\n  one\n  two\nb: >-\n  three\n  four\n", R"({"a":"one\ntwo\n","b":"three four"})"},
      {"image: nginx:1.25\nip: 10.0.0.1.\nhost: a.b\nunit: 10Mi\npath: /x\nv: v1.2",
       R"({"image":"nginx:1.25","ip":"10.0.0.1.","host":"a.b","unit":"10Mi","path":"/x","v":"v1.2"})"},
      {R"({"a": {"b": ["c"]}})", R"({"a":{"b":["c"]}})"},
      {"# only\na: 1 # comment", R"({"a":1})"}};
  for (auto [yaml, expected] : same) {
    INFO(yaml);
    auto document = read_yaml_document(yaml);
    REQUIRE(document);
    CHECK(*document == json(expected));
  }
}

TEST_CASE("YAML that has another reading somewhere has none here") {
  for (const char* doubtful : {"a: yes",
                               "a: No",
                               "a: on",
                               "a: OFF",
                               "a: y",
                               "a: True",
                               "a: NULL",
                               "a: ~",
                               "a: 017",
                               "a: 0o17",
                               "a: 0x1f",
                               "a: 0b1",
                               "a: 1_000",
                               "a: 1:20",
                               "a: 190:20:30.15",
                               "a: 2001-01-01",
                               "a: 2001-12-14t21:59:43.10-05:00",
                               "a: 1e3",
                               "a: 1.0e3",
                               "a: .5",
                               "a: 1.",
                               "a: +1",
                               "a: .inf",
                               "a: -.INF",
                               "a: .nan",
                               "a: =",
                               "yes: 1",
                               "1: a",
                               "true: a",
                               "null: a",
                               "? a\n: 1\n? a\n: 2",
                               "a: 1\na: 2",
                               "a: &x 1\nb: *x",
                               "a: !!str 1",
                               "a: !x 1",
                               "<<: {a: 1}",
                               "a: 1\n---\nb: 2",
                               "%YAML 1.1\n---\na: 1",
                               "%TAG ! x:\n---\na: 1",
                               "[a, b]: c",
                               "",
                               "# only",
                               "a: [1",
                               "a: \"\\ud800\"",
                               "\xef\xbb\xbf"
                               "a: 1",
                               "a: \xff",
                               "a:\t- b"}) {
    INFO(doubtful);
    CHECK(why_not(doubtful) == Unknown::unparseable);
  }
}

TEST_CASE("YAML is bounded in bytes, depth and number") {
  CHECK(why_not(std::string(max_yaml_bytes + 1, 'a')) == Unknown::over_limit);
  CHECK(why_not(std::string(max_document_depth + 2, '[') + std::string(max_document_depth + 2, ']')) ==
        Unknown::over_limit);
  std::string many = "[";
  while (many.size() + 3 < max_yaml_bytes) many += "a,";
  CHECK(why_not(many + "a]") == Unknown::over_limit);
}
