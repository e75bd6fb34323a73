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

TEST_CASE("YAML is read as the JSON that an API server makes of it") {
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
      {"# only\na: 1 # comment", R"({"a":1})"},
      {"[y, Y, yes, Yes, YES, true, True, TRUE, on, On, ON]",
       "[true,true,true,true,true,true,true,true,true,true,true]"},
      {"[n, N, no, No, NO, false, False, FALSE, off, Off, OFF]",
       "[false,false,false,false,false,false,false,false,false,false,false]"},
      {"[~, null, Null, NULL]", "[null,null,null,null]"},
      {"['y', \"no\", yEs, nO, TrUe, oN, nULL, yes please]",
       R"(["y","no","yEs","nO","TrUe","oN","nULL","yes please"])"},
      {"[0644, 0o644, 0O17, 0x1f, -0X1F, 0b101, -0b11, +1, -017, 1_000, 0_7, 00, 010]",
       "[420,420,15,31,-31,5,-3,1,-15,1000,7,0,8]"},
      {"[08, 0909, -08, .5, -.5, +0.5, 01.5, 1.5e+3, 1e-2, .5e1, 1_0.5]",
       "[8,909,-8,0.5,-0.5,0.5,1.5,1.5e+3,1e-2,0.5e1,10.5]"},
      {"[1:20, 190:20:30.15, 2001-01-01, 2001-12-14t21:59:43.10-05:00, 0x, 0xfg, 0b12, 1.2.3, 12abc, _1, =, "
       "-, .a]",
       R"(["1:20","190:20:30.15","2001-01-01","2001-12-14t21:59:43.10-05:00","0x","0xfg","0b12","1.2.3","12abc","_1","=","-",".a"])"},
      {"yes: 1\n0x10: 2\n\"<<\": 3\nn: 4", R"({"true":1,"16":2,"<<":3,"false":4})"},
      {"9223372036854775807: 18446744073709551615", R"({"9223372036854775807":18446744073709551615})"}};
  for (auto [yaml, expected] : same) {
    INFO(yaml);
    auto document = read_yaml_document(yaml);
    REQUIRE(document);
    CHECK(*document == json(expected));
  }
}

TEST_CASE("YAML that versions of its reader take differently, or that is no JSON, has no reading") {
  for (const char* doubtful : {"a: 1e3",
                               "a: 1.0e3",
                               "a: +.5e3",
                               "a: 1.",
                               "a: 1.e+3",
                               "a: .inf",
                               "a: -.INF",
                               "a: .nan",
                               "a: 0xffffffffffffffffff",
                               "a: +9223372036854775808",
                               "null: a",
                               "1.5: a",
                               "18446744073709551615: a",
                               "1: a\n0x1: b",
                               "yes: a\n'true': b",
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
