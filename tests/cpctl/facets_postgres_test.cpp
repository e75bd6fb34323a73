// `cpctl facets postgres`: what the gateway sees in SQL.
#include <fmt/format.h>

#include <fstream>

#include "daemon/control/message.h"
#include "tests/cpctl/fake_daemon.h"

namespace clawpatrol::cpctl {
namespace {

using control::Message;

std::vector<Message> lines_of(const std::string& out) {
  std::vector<Message> lines;
  for (std::size_t at = 0; at < out.size();) {
    std::size_t end = out.find('\n', at);
    REQUIRE(end != std::string::npos);
    auto line = Message::parse(std::string_view(out).substr(at, end - at));
    REQUIRE(line);
    lines.push_back(*line);
    at = end + 1;
  }
  return lines;
}

std::vector<std::string> texts(const Message& object, std::string_view key) {
  std::vector<std::string> items;
  for (const Message& item : object.list(key)) items.push_back(item.as_text().value_or("?"));
  return items;
}

using Texts = std::vector<std::string>;

TEST_CASE("each line of SQL is answered by one line of facets") {
  Result result = cpctl({"facets", "postgres", "--jsonl"},
                        "{\"sql\":\"BEGIN; DELETE FROM app.users\"}\n"
                        "{\"sql\":\"SELECT id, lower(name) FROM users WHERE id = 7\"}\n"
                        "{\"sql\":\"  -- nothing\"}");
  CHECK(result.status == 0);
  CHECK(result.err.empty());
  auto lines = lines_of(result.out);
  REQUIRE(lines.size() == 3);
  auto first = lines[0].list("statements");
  REQUIRE(first.size() == 2);
  CHECK(first[0].text("verb") == "begin");
  CHECK(first[1].text("statement") == "DELETE FROM app.users");
  CHECK(first[1].text("kind") == "write");
  CHECK(texts(first[1], "writes") == Texts{"users", "app.users"});
  CHECK(texts(first[1], "open").empty());
  CHECK(first[1].flag("unbounded"));
  auto second = lines[1].list("statements");
  REQUIRE(second.size() == 1);
  CHECK(texts(second[0], "verbs") == Texts{"select"});
  CHECK(texts(second[0], "reads") == Texts{"users", "public.users"});
  CHECK(texts(second[0], "functions") == Texts{"lower", "pg_catalog.lower"});
  CHECK(texts(second[0], "columns") == Texts{"id", "users.id", "name", "users.name"});
  CHECK(texts(second[0], "literals") == Texts{"7"});
  CHECK(lines[2].has("statements"));
  CHECK(lines[2].list("statements").empty());
}

TEST_CASE("what is open, runs by name or is refused by the gateway itself is told apart") {
  auto lines = lines_of(cpctl({"facets", "postgres", "--jsonl"},
                              "{\"sql\":\"SELECT own_function()\"}\n"
                              "{\"sql\":\"EXECUTE plan(1)\"}\n"
                              "{\"sql\":\"SET client_encoding TO sjis\"}\n"
                              "{\"sql\":\"COPY t FROM STDIN\"}\n")
                            .out);
  REQUIRE(lines.size() == 4);
  const Texts all = {"verbs", "tables", "reads", "writes", "columns", "functions", "classes", "literals"};
  CHECK(texts(lines[0].list("statements")[0], "open") == all);
  CHECK(lines[1].list("statements")[0].text("runs") == "plan");
  CHECK(texts(lines[1].list("statements")[0], "open") == all);
  CHECK(lines[2].list("statements")[0].has("refused"));
  CHECK(lines[3].list("statements")[0].object("copy").json() == R"({"direction":"from","target":"client"})");
}

TEST_CASE("what a message runs by a name that it has made itself is part of what it does") {
  auto second = [](std::string_view sql) {
    auto lines =
        lines_of(cpctl({"facets", "postgres", "--jsonl"}, fmt::format("{{\"sql\":\"{}\"}}\n", sql)).out);
    REQUIRE(lines.size() == 1);
    auto statements = lines[0].list("statements");
    REQUIRE(statements.size() >= 2);
    return statements.back();
  };
  Message executed = second("PREPARE p AS DELETE FROM t; EXECUTE p");
  CHECK(executed.text("verb") == "delete");
  CHECK(executed.text("runs") == "p");
  CHECK(executed.text("kind") == "write");
  CHECK(texts(executed, "verbs") == Texts{"execute", "prepare", "delete"});
  CHECK(texts(executed, "writes") == Texts{"t", "public.t"});
  CHECK(texts(executed, "open").empty());
  CHECK(executed.flag("unbounded"));
  Message moved = second("BEGIN; DECLARE c CURSOR FOR SELECT a FROM s.t; MOVE c");
  CHECK(texts(moved, "reads") == Texts{"t", "s.t"});
  CHECK(texts(moved, "open").empty());
  Message uncertain = second("PREPARE p AS SELECT 1; DEALLOCATE p; EXECUTE p");
  CHECK(uncertain.has("unevaluable"));
  CHECK_FALSE(uncertain.has("verb"));
  CHECK(uncertain.text("kind") == "admin");
  CHECK(second("SELECT f(); EXECUTE p").has("unevaluable"));
  CHECK(texts(second("PREPARE p AS SELECT 1; EXECUTE q"), "open").size() == 8);
  // The path that it sets is not in the text of EXECUTE.
  const std::string sets = "PREPARE p AS SELECT set_config('search_path', 's', false); RESET ALL; ";
  CHECK(texts(second(sets + "EXECUTE p; TABLE t"), "open").size() == 8);
  CHECK(texts(second(sets + "EXECUTE p; TABLE s.t"), "open").empty());
  CHECK(texts(second("SELECT f(); TABLE t"), "open").size() == 8);
  const std::string shown = cpctl({"facets", "postgres"}, "PREPARE p AS DELETE FROM t; EXECUTE p").out;
  CHECK(contains(shown, "  runs       p, of this message"));
}

TEST_CASE("text that is not read says why") {
  auto lines = lines_of(cpctl({"facets", "postgres", "--jsonl", "--limit", "1KiB"},
                              "{\"sql\":\"SELEC 1\"}\n"
                              "{\"sql\":\"SELECT '" +
                                  std::string(2000, 'x') +
                                  "'\"}\n"
                                  "{\"sql\":\"SELECT 1\\u0000\"}\n")
                            .out);
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].text("unevaluable") == "syntax error at or near \"SELEC\" at character 1");
  CHECK(lines[1].text("unevaluable") == "longer than 1024 bytes");
  CHECK(lines[2].text("unevaluable") == "it holds a NUL");
}

TEST_CASE("a line that cannot be used is answered by its error, and the others go on") {
  Result result = cpctl({"facets", "postgres", "--jsonl"},
                        "nonsense\n"
                        "\n"
                        "{\"sql\":7}\n"
                        "{\"sql\":\"SELECT 1\"}\n"
                        "{\"sql\":\"\\ud800\"}\n"
                        "{\"sql\":\"SELECT 1\",\"sql\":\"DROP TABLE t\"}\n"
                        "{\"sql\":\"SELECT '\\ud83d\\ude00'\"}\n"
                        "{\"sql\":\"SELECT 1\",\"n\":123456789012345678901234567890}\n");
  CHECK(result.status == 1);
  auto lines = lines_of(result.out);
  REQUIRE(lines.size() == 8);
  CHECK(lines[4].text("error") == "this line: an escape (\\u) in it is no character");
  CHECK(lines[5].text("error") == "this line: a name stands twice in an object");
  CHECK(lines[6].has("statements"));
  CHECK(lines[7].text("error") == "this line: a number in it is larger than can be kept");
  CHECK(lines[0].text("error") == "this line: it is not JSON");
  CHECK(lines[1].has("error"));
  CHECK(lines[2].text("error") == "this line has no text under \"sql\"");
  CHECK(lines[3].has("statements"));
}

TEST_CASE("an operator's functions are vouched for on the command line or by an endpoint") {
  const std::string line = "{\"sql\":\"SELECT app.tax(1), rate(2)\"}\n";
  auto open = [&](std::vector<std::string> arguments) {
    Result result = cpctl(std::move(arguments), line);
    REQUIRE(result.status == 0);
    return !texts(lines_of(result.out)[0].list("statements")[0], "open").empty();
  };
  CHECK(open({"facets", "postgres", "--jsonl"}));
  CHECK(open({"facets", "postgres", "--jsonl", "--safe-function", "app.tax"}));
  CHECK_FALSE(
      open({"facets", "postgres", "--jsonl", "--safe-function", "app.tax", "--safe-function", "rate"}));
  TemporaryDirectory directory;
  std::ofstream(directory.path / "clawpatrol.toml")
      << "schema = 1\n[gateway]\nsubnet = [\"10.86.0.0/24\"]\nendpoint = \"gw.example.com:51820\"\n"
         "[profile.data]\nendpoints = [\"pg\"]\n[endpoint.pg]\ntype = \"postgres\"\n"
         "hosts = [\"127.0.0.1:5432\"]\ntls = \"disable\"\nsafe_functions = [\"app.tax\"]\n";
  const std::vector<std::string> configured = {
      "--config", directory.path.native(), "facets", "postgres", "--jsonl", "--endpoint", "pg"};
  CHECK(open(configured));
  std::vector<std::string> both = configured;
  both.insert(both.end(), {"--safe-function", "rate"});
  CHECK_FALSE(open(both));
  std::vector<std::string> other = configured;
  other.back() = "gone";
  Result result = cpctl(other, line);
  CHECK(result.status == 2);
  CHECK(contains(result.err, "there is no endpoint 'gone'"));
}

TEST_CASE("without --jsonl the whole input is one message, for people to read") {
  Result result = cpctl({"facets", "postgres"}, "SELECT 1;\nUPDATE t SET a = '\x1b[2J' WHERE f(id);\n");
  CHECK(result.status == 0);
  CHECK(contains(result.out, "SELECT 1\n  kind       read\n"));
  CHECK(contains(result.out, "  writes     t, public.t (open: there may be others)\n"));
  CHECK(contains(result.out, "\\u{1b}[2J"));
  CHECK_FALSE(contains(result.out, "\x1b"));
  result = cpctl({"facets", "postgres"}, "SELECT * FORM t");
  CHECK(result.status == 1);
  CHECK(contains(result.out, "unevaluable: syntax error at or near \"FORM\" at character 10\n"));
  result = cpctl({"facets", "postgres", "-o", "json"}, "SELECT 1");
  CHECK(contains(result.out, R"({"v":1,"type":"sql","statements":[{"statement":"SELECT 1",)"));
}

}  // namespace
}  // namespace clawpatrol::cpctl
