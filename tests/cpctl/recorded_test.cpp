// `cpctl audit export --as-case` and `cpctl diff`: what was recorded is decided again, or said to be not
// enough.
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "cpctl/cases/recorded.h"
#include "cpctl/cases/report.h"
#include "cpctl/cases/written.h"
#include "daemon/gateway/postgres/rehearsal.h"
#include "tests/cpctl/fake_daemon.h"
#include "tests/cpctl/logged_lines.h"
#include "tests/policy/policy_text.h"

namespace clawpatrol::cpctl {
namespace {

using postgres::extended_messages;
using postgres::query_message;

constexpr std::string_view base = R"toml(schema = 1
[gateway]
subnet = ["10.86.0.0/24"]
endpoint = "gw.example.com:51820"
[peer.builder]
profile = "data"
[profile.data]
credentials = ["reader"]
[endpoint.pg]
type = "postgres"
hosts = ["pg.internal:5432"]
tls = "disable"
safe_functions = ["app.tax_rate"]
[credential.reader]
type = "postgres"
endpoint = "pg"
user = "agent_ro"
)toml";

constexpr std::string_view rules = R"toml([[rule]]
name = "no-ddl"
endpoint = "pg"
priority = 10
condition = "sql.verbs.exists(v, v in ['drop', 'alter'])"
verdict = "deny"
reason = "Schema changes land by migration"
[[rule]]
name = "one-row"
endpoint = "pg"
condition = "sql.verb == 'delete' && sql.params[0] == '7'"
verdict = "allow"
[[rule]]
name = "few-columns"
endpoint = "pg"
condition = "sql.verb == 'update' && !('secret' in sql.columns)"
verdict = "allow"
[[rule]]
name = "reads"
endpoint = "pg"
condition = "action.kind in ['read', 'session', 'admin'] && !('secrets' in sql.tables)"
verdict = "allow"
)toml";

// What one connection did, as lines of an audit log.
struct Recording {
  std::shared_ptr<const Policy> policy = tests::policy_from(std::string(base) + std::string(rules));
  std::vector<std::string> lines;

  explicit Recording(const std::vector<std::string>& messages) {
    postgres::Rehearsal rehearsal(policy, {.peer = {"builder", "data", "10.86.0.2", {}},
                                           .endpoint = "pg",
                                           .dest = {"pg.internal", 5432},
                                           .time_unix_ns = std::int64_t{1'772'000'000} * 1'000'000'000,
                                           .parameters = {{"user", "somebody"}, {"database", "app"}}});
    take(rehearsal.log_in());
    for (const std::string& message : messages) take(rehearsal.play(message));
  }
  void take(const postgres::Played& played) {
    for (const std::string& body : played.lines) lines.push_back(line_of(body));
  }
  std::vector<Recorded> read() const {
    std::vector<Recorded> out;
    LongTexts texts;
    for (const std::string& line : lines) {
      auto recorded = read_recorded(line, texts, *policy);
      INFO(line);
      REQUIRE(recorded);
      if (*recorded) out.push_back(std::move(**recorded));
    }
    return out;
  }
};

const std::vector<std::string> everything = {
    query_message("SELECT * FROM orders"),
    query_message("SELECT * FROM secrets"),
    query_message("SELECT 1; DROP TABLE orders; SELECT * FROM secrets"),
    query_message("SELECT app.tax_rate(1), 'a \\ backslash', U&'\\00e4', '\xc3\xa4'"),
    query_message("SELEC 1"),
    query_message("DO $$ BEGIN NULL; END $$"),
    query_message("UPDATE t SET a = 1 WHERE b = 2"),
    query_message("UPDATE t SET secret = 1 WHERE b = 2"),
    query_message("SELECT '" + std::string(5000, 'x') + "' FROM orders"),
    query_message("SELECT 1 /* \xff */"),
    query_message("COPY orders TO STDOUT"),
    extended_messages("DELETE FROM t WHERE a = $1", {"7"}),
    extended_messages("DELETE FROM t WHERE a = $1", {"8"}),
    extended_messages("SELECT $1", {std::nullopt}),
    query_message("PREPARE p AS SELECT * FROM orders"),
    query_message("EXECUTE p"),
    query_message("EXECUTE nobody"),
    postgres::function_call_message(7),
    query_message("BEGIN"),
};

// Of the statement at `at`, by what is in its text.
const Recorded& find(const std::vector<Recorded>& all, std::string_view text) {
  auto found = std::ranges::find_if(all, [&](const Recorded& one) { return contains(one.text, text); });
  REQUIRE(found != all.end());
  return *found;
}

}  // namespace

TEST_CASE("what was recorded is a case that the policy which decided it passes") {
  Recording recording(everything);
  std::size_t judged = 0;
  for (const Recorded& action : recording.read()) {
    INFO(action.id << " " << action.text << " " << action.lacking);
    if (!action.lacking.empty()) continue;
    const CaseResult result =
        result_of(*recording.policy, action.wanted, run_case(recording.policy, action.wanted));
    // A rule that asks for what the line does not hold cannot be tried, and nothing else may stand in the
    // way.
    if (!result.problem.empty()) {
      CHECK(contains(result.problem, "the audit line does not hold"));
      continue;
    }
    CHECK(result.failure == "");
    ++judged;
    // The same once it has been written and read.
    for (const std::string& text : {case_toml(action.wanted).value_or(""), case_json(action.wanted)}) {
      if (text.empty()) continue;
      Diagnostics diagnostics;
      config::Report report(diagnostics);
      CaseFile file = read_cases_text(text[0] == '{' ? "case.jsonl" : "case.toml", text, report);
      INFO(text << diagnostics.render());
      REQUIRE(file.cases.size() == 1);
      CHECK_FALSE(diagnostics.has_errors());
      const CaseOutcome again = run_case(recording.policy, file.cases[0]);
      CHECK(again.problem == "");
      CHECK(result_of(*recording.policy, file.cases[0], again).failure == "");
    }
  }
  CHECK(judged >= 18);
}

TEST_CASE("what a line does not hold is said and never guessed") {
  Recording recording(everything);
  const auto all = recording.read();
  CHECK(find(all, "EXECUTE p").wanted.stated);
  CHECK_FALSE(find(all, "EXECUTE p").wanted.unheld.empty());
  CHECK(find(all, "EXECUTE nobody").lacking == "facets that were not known");
  CHECK(find(all, "SELECT * FROM orders").wanted.sql);
  CHECK_FALSE(find(all, "DROP TABLE orders").wanted.sql);  // of a message with more
  CHECK(find(all, "SELECT 'xxx").wanted.sql->size() > 5000);
  LongTexts none;
  for (const std::string& line : recording.lines) {
    if (!contains(line, "statement_sha256")) continue;
    CHECK((*read_recorded(line, none, *recording.policy))->lacking ==
          "a long statement whose text is not in what was read");
  }
  // Names of which it cannot be told where they end.
  std::size_t logins = 0;
  for (std::string line : recording.lines) {
    const std::size_t at = line.find(R"("text":"login of \")");
    if (at == line.npos) continue;
    const std::size_t to = line.find(R"(\" to \")", at);
    REQUIRE(to != line.npos);
    line.insert(to, R"(\" to \"app)");
    CHECK((*read_recorded(line, none, *recording.policy))->lacking == "a login of names that hold quotes");
    ++logins;
  }
  CHECK(logins > 0);
  CHECK_FALSE(read_recorded("not a line", none, *recording.policy));
  CHECK_FALSE(read_recorded(R"({"id":"a-1","verdict":"allow","facets":{"verbs":[7]},"dest":"a:1",)"
                            R"("type":"statement","time":"2026-01-01T00:00:00Z"})",
                            none, *recording.policy)
                  .value()
                  ->lacking.empty());
}

struct Logged : LoggedLines {
  using LoggedLines::LoggedLines;
  std::filesystem::path write(const char* name, std::string_view more) const {
    return LoggedLines::write(name, std::string(base) + std::string(more));
  }
};

TEST_CASE("audit export gives a case that cpctl test passes, and says where it cannot") {
  Recording recording(everything);
  Logged logged(recording.lines);
  const auto policy = logged.write("clawpatrol.toml", rules);
  const auto all = recording.read();
  const std::string& id = find(all, "DROP TABLE orders").id;
  Result result = cpctl({"--state", logged.state.path.native(), "--config", policy.native(), "audit",
                         "export", id, "--as-case"});
  INFO(result.out << result.err);
  CHECK(result.status == 0);
  CHECK(result.err.empty());
  CHECK(contains(result.out, "rule = \"no-ddl\""));
  std::ofstream(logged.state.path / "case.toml") << result.out;
  result = cpctl({"test", policy.native(), (logged.state.path / "case.toml").native()});
  INFO(result.out << result.err);
  CHECK(result.status == 0);
  result = cpctl({"--state", logged.state.path.native(), "audit", "export", find(all, "EXECUTE nobody").id,
                  "--as-case"});
  CHECK(result.status == 1);
  CHECK(contains(result.err, "cannot be made a case: facets that were not known"));
  CHECK(cpctl({"--state", logged.state.path.native(), "audit", "export", "a-0", "--as-case"}).status == 1);
  CHECK(cpctl({"--state", "/nowhere", "audit", "export", "a-0"}).status == 1);
  // Another policy in force: a note on the error stream, and the case as it was.
  std::string allowing(rules);
  allowing.replace(allowing.find("\"deny\""), 6, "\"allow\"");
  const auto other = logged.write("other.toml", allowing);
  result =
      cpctl({"--config", other.native(), "audit", "export", id, "--as-case", "--log", logged.log.native()});
  CHECK(result.status == 0);
  CHECK(contains(result.err, "the policy in the directory of --config says otherwise"));
}

TEST_CASE("diff tells what changed in words, and which recorded actions it changes") {
  Recording recording(everything);
  Logged logged(recording.lines);
  const auto old = logged.write("old.toml", rules);
  Result result = cpctl({"diff", old.native(), old.native(), "--replay", logged.log.native()});
  INFO(result.out << result.err);
  CHECK(result.status == 0);
  CHECK(contains(result.out, "the two policies say the same"));
  CHECK(contains(result.out, " 0 wider, 0 narrower"));
  CHECK_FALSE(contains(result.out, "recorded otherwise"));

  std::string text(rules);
  text.replace(text.find("'drop', 'alter'"), 15, "'alter'");
  text.replace(text.find("'secrets' in"), 12, "'orders' in");
  const auto now = logged.write("new.toml", text + "[limits]\nstatement = \"1MiB\"\n");
  result = cpctl({"diff", old.native(), now.native()});
  CHECK(result.status == 0);
  CHECK(contains(result.out, "changed rule \"no-ddl\""));
  CHECK(contains(result.out,
                 "condition: sql.verbs.exists(v, v in ['drop', 'alter']) -> sql.verbs.exists(v, v in "
                 "['alter'])"));
  CHECK(contains(result.out, "changed limits"));
  CHECK(contains(result.out, "statement: 256KiB -> 1MiB"));
  result = cpctl({"diff", old.native(), now.native(), "--replay", logged.log.native()});
  INFO(result.out << result.err);
  CHECK(result.status == 1);
  CHECK(contains(result.out, "wider: 2 actions: deny by no rule -> allow by rule \"reads\""));
  CHECK(contains(result.out, "SELECT * FROM secrets"));
  CHECK(contains(result.out, "narrower: "));
  CHECK(contains(result.out, "not judged: 1 action: facets that were not known"));
  CHECK(
      cpctl({"diff", old.native(), now.native(), "--replay", logged.log.native(), "--accept-wider"}).status ==
      0);
  auto line = control::Message::parse(
      cpctl({"diff", old.native(), now.native(), "--replay", logged.log.native(), "-o", "json"}).out);
  REQUIRE(line);
  CHECK(line->text("type") == "diff");
  CHECK(line->object("replay").natural_or_zero("wider") == 2);
  CHECK(line->list("changes").size() == 3);
  CHECK(cpctl({"diff", old.native(), "/nowhere"}).status == 2);
  CHECK(cpctl({"diff", old.native(), now.native(), "--replay", "/nowhere"}).status == 2);
}

TEST_CASE("diff: what passes through unseen is wider, and what a policy does not know goes nowhere") {
  Recording recording(everything);
  Logged logged(recording.lines);
  const auto old = logged.write("old.toml", rules);
  std::string text = std::string(base) + std::string(rules);
  text.replace(text.find("pg.internal:5432"), 16, "pg.elsewhere:5432");
  std::ofstream(logged.state.path / "away.toml") << text;
  Result result = cpctl(
      {"diff", old.native(), (logged.state.path / "away.toml").native(), "--replay", logged.log.native()});
  INFO(result.out << result.err);
  CHECK(result.status == 0);
  CHECK(contains(result.out, " 0 wider"));
  CHECK_FALSE(contains(result.out, " 0 narrower"));
  std::ofstream(logged.state.path / "through.toml") << text << "[defaults]\nunknown_host = \"passthrough\"\n";
  result = cpctl(
      {"diff", old.native(), (logged.state.path / "through.toml").native(), "--replay", logged.log.native()});
  CHECK(result.status == 1);
  CHECK(contains(result.out, "wider: "));
  CHECK(contains(result.out, " 0 narrower"));
}

TEST_CASE("diff: rules that move, come and go; peers, profiles and credentials") {
  Logged logged(std::vector<std::string>{});
  const auto old = logged.write("old.toml", rules);
  const std::string_view text = rules;
  const std::size_t second = text.find("[[rule]]", 1), last = text.rfind("[[rule]]");
  std::string moved(text.substr(0, second));
  moved += text.substr(last);  // reads comes before the other two
  moved += text.substr(second, last - second);
  Result result = cpctl({"diff", old.native(), logged.write("new.toml", moved).native()});
  CHECK(
      contains(result.out, "moved rule \"reads\"\n    place: behind \"few-columns\" -> behind \"no-ddl\"\n"));
  CHECK_FALSE(contains(result.out, "moved rule \"one-row\""));
  result = cpctl({"diff", old.native(),
                  logged
                      .write("new.toml", std::string(text.substr(0, last)) +
                                             "[peer.other]\nprofile = \"data\"\nlabels = { team = \"a\" }\n")
                      .native()});
  CHECK(contains(result.out, "removed rule \"reads\""));
  CHECK(contains(result.out, "added peer \"other\"\n    profile: data\n    labels: team = \"a\"\n"));
}

}  // namespace clawpatrol::cpctl
