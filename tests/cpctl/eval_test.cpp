// cpctl eval: values, types, places of what does not check, and what an action in a file makes of it.
#include <fstream>

#include "tests/cpctl/fake_daemon.h"

namespace clawpatrol::cpctl {
namespace {

struct FacetsFile {
  TemporaryDirectory directory;
  std::string path = (directory.path / "facets.json").native();
  explicit FacetsFile(std::string_view json) { std::ofstream(path) << json; }
};

TEST_CASE("eval prints the value and its type") {
  for (auto [expression, answer] : std::initializer_list<std::pair<const char*, const char*>>{
           {"1 + 2", "3 : int\n"},
           {"-1", "-1 : int\n"},
           {"'a' + 'b'", "'ab' : string\n"},
           {"[1, 2].exists(n, n > 1)", "true : bool\n"},
           {"{'a': 2u}", "{'a': 2u} : map(string, uint)\n"},
           {"timestamp('2026-01-31T09:30:00Z') + duration('90m')",
            "timestamp('2026-01-31T11:00:00Z') : timestamp\n"},
           {"'\\u001b[2J'", "'\\u{1b}[2J' : string\n"},
       }) {
    INFO(expression);
    Result result = cpctl({"eval", expression});
    CHECK(result.status == 0);
    CHECK(result.out == answer);
  }
}

TEST_CASE("a value that is larger than its expression is cut") {
  std::string expression = "v30";
  for (int i = 30; i > 0; --i)
    expression = "cel.bind(v" + std::to_string(i) + ",[v" + std::to_string(i - 1) + ",v" +
                 std::to_string(i - 1) + "]," + expression + ")";
  const Result result = cpctl({"eval", "cel.bind(v0,[1]," + expression + ")"});
  CHECK(result.status == 0);
  CHECK(result.out.size() < 2'000'000);
  CHECK(cpctl({"-o", "json", "eval", "cel.bind(v0,[1]," + expression + ")"}).out.size() < 2'000'000);
}

TEST_CASE("many digits cost what they cost") {
  const Result result =
      cpctl({"eval", "lists.range(30000).exists(i, '%.90f'.format([1e300 * double(i + 1)]) == '')"});
  CHECK(contains(result.out, "unevaluable (cost limit)"));
}

TEST_CASE("an expression may begin with dashes, behind two of them") {
  CHECK(cpctl({"eval", "-1"}).out == "-1 : int\n");
  CHECK(cpctl({"eval", "--", "--1"}).out == "1 : int\n");
  const Result result = cpctl({"eval", "--1"});
  CHECK(result.status == 2);
  CHECK(contains(result.err, "behind `--`: `cpctl eval -- '--1'`"));
}

TEST_CASE("eval says where and why an expression does not check, and exits 1") {
  Result result = cpctl({"eval", "true && sql.verbb == 'x'"});
  CHECK(result.status == 1);
  CHECK(contains(result.out, "expression:1:9: error: unknown facet `sql.verbb`"));
  CHECK(contains(result.out, "| true && sql.verbb == 'x'\n       |         ^~~~~~~~~\n"));
  CHECK(contains(result.out, "hint: Did you mean `sql.verb`?"));
  result = cpctl({"eval", "true && sql.verbb == 'x'", "-o", "json"});
  auto line = control::Message::parse(result.out);
  REQUIRE(line);
  CHECK(line->text("type") == "eval");
  CHECK_FALSE(line->flag("ok"));
  CHECK(line->list("problems").at(0).natural("begin") == 8u);
}

TEST_CASE("eval reads the facets of a file, and what is not there is not known") {
  FacetsFile file(R"({"sql":{"verb":"select","tables":{"items":["t"],"open":true}},"peer.name":"b"})");
  CHECK(cpctl({"eval", "'t' in sql.tables && sql.verb == 'select'", "--facets", file.path}).out ==
        "true : bool\n");
  Result open = cpctl({"eval", "!('x' in sql.tables)", "--facets", file.path});
  CHECK(open.status == 1);
  CHECK(contains(open.out, "unevaluable (sql.tables: runs code that was not read) : bool"));
  CHECK(contains(open.out, "['t', ...?]"));
  for (const char* partly :
       {"peer.profile == ''", "action.kind == 'exec'", "now > timestamp(0)", "credential == ''"}) {
    INFO(partly);
    CHECK(contains(cpctl({"eval", partly, "--facets", file.path}).out, "unevaluable ("));
  }
  Result json = cpctl({"eval", "sql.tables", "--facets", file.path, "-o", "json"});
  auto line = control::Message::parse(json.out);
  REQUIRE(line);
  CHECK(line->flag("ok"));
  CHECK(line->text("value_type") == "list(string)");
  CHECK(line->object("value").flag("open"));
}

TEST_CASE("eval refuses a file that states no action, naming each facet") {
  FacetsFile file(R"({"sql.verbb":"x","sql.verb":7})");
  Result result = cpctl({"eval", "true", "--facets", file.path});
  CHECK(result.status == 1);
  CHECK(contains(result.err, "sql.verbb: no such facet\nhint: Did you mean sql.verb?"));
  CHECK(contains(result.err, "sql.verb: must be a string"));
  CHECK(cpctl({"eval", "true", "--facets", "/nonexistent/f"}).status == 1);
}

}  // namespace
}  // namespace clawpatrol::cpctl
