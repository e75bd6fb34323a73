// What a session does that no attack is: limits, large messages, reload, audit, and plain use.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <ranges>
#include <sstream>

#include "daemon/gateway/postgres/names.h"
#include "parsers/postgres/build.h"
#include "tests/daemon/gateway/postgres/lab.h"

namespace clawpatrol::postgres {

using namespace lab;
using Rows = std::vector<std::string>;

namespace {

std::uint64_t counted(Gateway& gateway, std::string_view reason) {
  std::uint64_t total = 0;
  for (const Refusals::Row& row : gateway.shared().refusals.rows())
    if (row.reason == reason) total += row.count;
  return total;
}

std::size_t guarded(Gateway& gateway, const std::string& guard) {
  const std::string log = gateway.audit_log();
  std::size_t count = 0;
  for (std::size_t at = 0; (at = log.find("\"guard\":\"" + guard + "\"", at)) != log.npos; ++at) ++count;
  return count;
}

}  // namespace

TEST_CASE("a name means what was settled, or what its own batch proposed") {
  Names<int> names;
  CHECK(names.find("a", 1) == std::shared_ptr<int>());
  auto one = std::make_shared<int>(1), two = std::make_shared<int>(2);
  names.propose("a", 10, 1, one);
  CHECK(names.find("a", 1) == one);
  CHECK_FALSE(names.find("a", 2).has_value());
  names.propose("a", 11, 2, two);
  CHECK(names.find("a", 2) == two);
  names.drop("a", 10);
  CHECK(names.find("a", 2) == two);
  CHECK_FALSE(names.find("a", 3).has_value());
  names.accept("a", 11);
  CHECK(names.find("a", 3) == two);
  names.propose("a", 12, 3, nullptr);
  names.drop("a", 12);
  CHECK(names.find("a", 4) == two);
  names.set("a", nullptr);
  CHECK(names.size() == 0);
}

TEST_CASE("a syntax error reads as one, with its position, and the session goes on") {
  Gateway gateway({.rules = careful});
  Agent agent(gateway.port(), {});
  auto answer = agent.query("SELECT 1 FROMM x WHERE");
  CHECK(code(answer) == "42601");
  CHECK(field(answer, 'M').find("syntax error") != std::string::npos);
  CHECK_FALSE(field(answer, 'P').empty());
  agent.send(parse("SELEC 1") + bind() + execute() + raw('S'));
  CHECK(kinds(agent.until('Z')) == "EZ");
  CHECK(rows(agent.query("SELECT 'on'")) == Rows{"on"});
  CHECK(kinds(agent.query("")) == "IZ");
  CHECK(kinds(agent.query("-- nothing")) == "IZ");
}

TEST_CASE("which limit a text is over is told") {
  Gateway gateway({.rules = careful, .user = "agent_ro", .password = ""});
  Agent agent(gateway.port(), {});
  std::string many = "SELECT 1";
  for (int i = 0; i < 20'000; ++i) many += "+1";
  const auto answer = agent.query(many);
  CHECK(code(answer) == "54000");
  CHECK(field(answer, 'D').starts_with("more than 32768 tokens, "));
  CHECK(field(answer, 'D').find("action a-") != std::string::npos);
}

TEST_CASE("a text over the limit is refused where a rule must see it, and streams where none must") {
  const std::string limits = "[limits]\nstatement = \"16KiB\"\nbuffer = \"32KiB\"\n";
  const std::string large = "SELECT length('" + std::string(100'000, 'x') + "')::text";
  Gateway gateway({.rules = careful, .user = "agent_ro", .password = "", .settings = limits});
  Agent agent(gateway.port(), {});
  CHECK(code(agent.query(large)) == "54000");
  agent.send(parse(large, "big") + bind("big") + execute() + raw('S'));
  CHECK(kinds(agent.until('Z')) == "EZ");
  CHECK(rows(agent.query("SELECT 'still here'")) == Rows{"still here"});
  gateway.use(allow_all);
  CHECK(rows(agent.query(large)) == Rows{"100000"});
  agent.send(parse(large, "big") + bind("big") + execute() + raw('S'));
  CHECK(rows(agent.until('Z')) == Rows{"100000"});
  agent.send(parse("SELECT length($1)::text", "length") + bind("length", "", {std::string(200'000, 'y')}) +
             execute() + raw('S'));
  CHECK(rows(agent.until('Z')) == Rows{"200000"});
}

TEST_CASE("large results pass whole, and COPY both ways") {
  Gateway gateway({.rules = allow_all});
  Agent agent(gateway.port(), {});
  CHECK(rows(agent.query("SELECT repeat('z', 3000000)"))[0].size() == 3'000'000);
  CHECK(rows(agent.query("SELECT i::text FROM generate_series(1, 50000) i")).size() == 50'000);
  agent.query("CREATE TEMP TABLE t (n int)");
  agent.send(q("COPY t FROM STDIN"));
  agent.until('G');
  std::string data;
  for (int i = 0; i < 20'000; ++i) data += raw('d', std::to_string(i) + "\n");
  agent.send(data + raw('c'));
  CHECK(tag(agent.until('Z')) == "COPY 20000");
  auto out = agent.query("COPY t TO STDOUT");
  CHECK(std::ranges::count(out, 'd', &Message::type) == 20'000);
}

TEST_CASE("a deep pipeline is answered in order, past the limit on messages in flight") {
  Gateway gateway(
      {.rules = allow_all, .user = "agent_ro", .password = "", .settings = "[limits]\nin_flight = 16\n"});
  Agent agent(gateway.port(), {});
  std::string batch;
  for (int i = 0; i < 200; ++i) batch += parse("SELECT '" + std::to_string(i) + "'") + bind() + execute();
  agent.send(batch + raw('S'));
  auto answer = agent.until('Z');
  Rows expected;
  for (int i = 0; i < 200; ++i) expected.push_back(std::to_string(i));
  CHECK(rows(answer) == expected);
}

TEST_CASE("no more messages than the limit are with the server at once") {
  Gateway gateway(
      {.rules = allow_all, .user = "agent_ro", .password = "", .settings = "[limits]\nin_flight = 16\n"});
  Agent agent(gateway.port(), {});
  const std::string slow = q("SELECT pg_sleep(0.5)"), quick = q("SELECT 1");
  std::string batch = slow;
  for (int i = 0; i < 50; ++i) batch += quick;
  agent.send(batch);
  const auto flow = gateway.shared().flows.all().front();
  const std::size_t sixteen = slow.size() + 15 * quick.size();
  while (flow->bytes_up < sixteen) std::this_thread::yield();
  CHECK(flow->bytes_up == sixteen);
  for (int i = 0; i < 51; ++i) CHECK(code(agent.until('Z')).empty());
}

TEST_CASE("prepared statements are bounded in bytes") {
  Gateway gateway({.rules = allow_all,
                   .user = "agent_ro",
                   .password = "",
                   .settings = "[limits]\nprepared = \"64KiB\"\n"});
  Agent agent(gateway.port(), {});
  std::string first_error;
  for (int i = 0; i < 100 && first_error.empty(); ++i) {
    agent.send(parse("SELECT '" + std::string(1000, 'p') + "'", "p" + std::to_string(i)) + raw('S'));
    first_error = code(agent.until('Z'));
  }
  CHECK(first_error == "54000");
  CHECK(counted(gateway, "too many prepared statements") == 1);
  CHECK(guarded(gateway, "too many prepared statements") == 1);
  CHECK(code(agent.query("DEALLOCATE ALL")).empty());
  agent.send(parse("SELECT 'again'", "p0") + bind("p0") + execute() + raw('S'));
  CHECK(rows(agent.until('Z')) == Rows{"again"});
}

TEST_CASE("a reload judges open connections anew, and closes those whose grant is gone") {
  Gateway gateway({.rules = allow_all});
  Agent agent(gateway.port(), {});
  CHECK(code(agent.query("DROP TABLE IF EXISTS nothing")).empty());
  gateway.use(careful);
  CHECK(code(agent.query("DROP TABLE IF EXISTS nothing")) == "42501");
  REQUIRE(gateway.shared().credentials->set("pg", "another"));
  auto farewell = agent.query("SELECT 1");
  CHECK(code(farewell) == "57P01");
  CHECK(agent.closed());
  Agent idle(gateway.port(), {});
  for (const auto& flow : gateway.shared().flows.all()) flow->ask_to_close("the operator said so");
  farewell = idle.until('Z');
  CHECK(field(farewell, 'M').find("the operator said so") != std::string::npos);
}

TEST_CASE("rules of a reload that ask for what was not made of a prepared statement get it") {
  Server::instance().admin(
      "CREATE TABLE IF NOT EXISTS people (name text, salary int); TRUNCATE people; GRANT SELECT ON people TO "
      "PUBLIC; INSERT INTO people SELECT 'p' || n, n FROM generate_series(1, 4) n");
  Gateway gateway({.rules = allow_all});
  Agent agent(gateway.port(), {});
  agent.send(parse("SELECT name FROM people ORDER BY 1", "names") +
             parse("SELECT salary FROM people ORDER BY 1", "pay") + raw('S'));
  CHECK(kinds(agent.until('Z')) == "11Z");
  for (const char* text :
       {"BEGIN", "PREPARE n AS SELECT name FROM people ORDER BY 1", "PREPARE s AS SELECT salary FROM people",
        "DECLARE cn CURSOR FOR SELECT name FROM people ORDER BY 1",
        "DECLARE cs CURSOR FOR SELECT salary FROM people"})
    CHECK(code(agent.query(text)).empty());
  agent.send(bind("names", "pn") + execute("pn", 1) + raw('H'));
  CHECK(rows(agent.until('s')) == std::vector<std::string>{"p1"});
  gateway.use(R"toml(
[[rule]]
name = "no-pay"
endpoint = "pg-prod"
condition = "!('people.salary' in sql.columns) && !('x' in sql.literals)"
verdict = "allow"
)toml");
  agent.send(execute("pn", 1) + raw('H'));
  CHECK(rows(agent.until('s')) == std::vector<std::string>{"p2"});
  agent.send(raw('S'));
  agent.until('Z');
  CHECK(rows(agent.query("EXECUTE n")).size() == 4);
  CHECK(rows(agent.query("FETCH cn")) == std::vector<std::string>{"p1"});
  CHECK(rows(agent.query("SELECT name FROM people")).size() == 4);
  agent.send(bind("names") + execute() + raw('S'));
  CHECK(rows(agent.until('Z')).size() == 4);
  for (const char* text : {"EXECUTE s", "FETCH cs", "SELECT salary FROM people", "SELECT 'x'"}) {
    INFO(text);
    CHECK(code(agent.query("SAVEPOINT p")).empty());
    CHECK(code(agent.query(text)) == "42501");
    CHECK(code(agent.query("ROLLBACK TO p")).empty());
  }
  agent.send(bind("pay") + execute() + raw('S'));
  CHECK(code(agent.until('Z')) == "42501");
}

TEST_CASE("Describe after a reload does not parse again what is now denied") {
  Gateway gateway({.rules = allow_all});
  Agent agent(gateway.port(), {});
  agent.send(parse("TRUNCATE users", "t") + parse("SELECT 1", "s") + raw('S'));
  agent.until('Z');
  agent.query("DO 'BEGIN END'");  // code that was not read: names are parsed again before they are used
  gateway.use(careful);
  agent.send(raw('D', std::string("St\0", 3)) + raw('S'));
  auto answer = agent.until('Z');
  CHECK(kinds(answer) == "EZ");
  CHECK(field(answer, 'M') == "Nothing is dropped here");
  agent.send(raw('D', std::string("Ss\0", 3)) + raw('S'));
  CHECK(kinds(agent.until('Z')) == "tTZ");
}

TEST_CASE("a named portal may be bound again in the batch behind the one that ends it") {
  Gateway gateway({.rules = allow_all});
  Agent agent(gateway.port(), {});
  const std::string batch = bind("s", "p") + execute("p") + raw('S');
  agent.send(parse("SELECT i::text FROM generate_series(1, 50000) i", "s") + raw('S') + batch + batch +
             batch);
  agent.until('Z');
  for (int i = 0; i < 3; ++i) CHECK(rows(agent.until('Z')).size() == 50'000);
  agent.send(q("BEGIN") + batch + batch);
  agent.until('Z');
  CHECK(rows(agent.until('Z')).size() == 50'000);
  CHECK(code(agent.until('Z')) == "42P03");
}

TEST_CASE("past the handshake and the idle limit an agent is told, and it is counted") {
  Gateway gateway({.rules = allow_all, .settings = "[limits]\nhandshake = \"1s\"\nidle = \"1s\"\n"});
  Agent silent(gateway.port());
  CHECK(code(silent.until('E')) == "57014");
  CHECK(silent.closed());
  CHECK(counted(gateway, "no startup packet in time") == 1);
  Agent idle(gateway.port(), {});
  CHECK(code(idle.until('E')) == "57P05");
  CHECK(idle.closed());
  CHECK(counted(gateway, "idle for too long") == 1);
}

TEST_CASE("an agent that waits for its answer is not idle, and one that owes a COPY's data is") {
  Gateway gateway({.rules = allow_all, .settings = "[limits]\nidle = \"1s\"\n"});
  Agent waiting(gateway.port(), {});
  Agent copying(gateway.port(), {});
  waiting.send(q("SELECT pg_sleep(1.5)"));
  copying.send(q("COPY ledger FROM STDIN"));
  CHECK(code(waiting.until('Z')).empty());
  CHECK(rows(waiting.query("SELECT 'and goes on'")) == Rows{"and goes on"});
  copying.until('G');
  CHECK(copying.closed());
  CHECK(counted(gateway, "idle for too long") == 1);
}

TEST_CASE("an agent that owes the rest of a message is idle, and no word of ours goes into it") {
  Gateway gateway({.rules = allow_all, .settings = "[limits]\nidle = \"1s\"\n"});
  const std::string of_400000_bytes{'\0', '\x06', '\x1a', '\x80'};
  Agent asking(gateway.port(), {});
  asking.send("Q" + of_400000_bytes + "SELECT '" + std::string(300'000, 'x'));
  Agent copying(gateway.port(), {});
  copying.send(q("COPY ledger FROM STDIN"));
  copying.until('G');
  copying.send("d" + of_400000_bytes + "1\n");
  CHECK(asking.closed());
  CHECK(copying.closed());
  CHECK(counted(gateway, "idle for too long") == 2);
}

TEST_CASE("attack 27: a long text stands in the log once, whoever sends it") {
  Gateway gateway({.rules = allow_all});
  const std::string text = "SELECT length('" + std::string(3000, 'x') + "')::text";
  for (int i = 0; i < 3; ++i) {
    Agent agent(gateway.port(), {});
    agent.send(q(text) + q(text));
    agent.until('Z');
    CHECK(rows(agent.until('Z')) == Rows{"3000"});
  }
  const std::string log = gateway.audit_log();
  std::size_t texts = 0, references = 0;
  for (std::size_t at = 0; (at = log.find(std::string(3000, 'x'), at)) != log.npos; ++at) ++texts;
  for (std::size_t at = 0; (at = log.find("\"statement_sha256\"", at)) != log.npos; ++at) ++references;
  CHECK(texts == 1);
  CHECK(references == 6);
}

TEST_CASE("attack 27: a line outlives no long text that it names, though the log rotates between the two") {
  Gateway gateway({.rules = allow_all});
  const std::string text = "SELECT length('" + std::string(3000, 'x') + "')::text";
  Agent agent(gateway.port(), {});
  agent.query(text);
  gateway.shared().audit->set_limits({.segment_bytes = 1});  // each group begins one
  agent.query(text);
  agent.query("SELECT 1");  // whose group holds what was left of the one before
  const std::string log = gateway.audit_log();
  std::size_t texts = 0;
  for (std::size_t at = 0; (at = log.find(std::string(3000, 'x'), at)) != log.npos; ++at) ++texts;
  CHECK(texts == 2);
}

namespace {

std::string member(const std::string& line, const std::string& name) {
  const std::string begin = "\"" + name + "\":\"";
  const std::size_t at = line.find(begin);
  if (at == line.npos) return "";
  return line.substr(at + begin.size(), line.find('"', at + begin.size()) - at - begin.size());
}

// The outcome's code of each action that was allowed; fails where one has none, two, or one before its line.
std::map<std::string, std::string> outcomes(const std::string& log) {
  std::map<std::string, std::string> codes;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const std::string id = member(line, "id");
    if (member(line, "verdict") == "allow") CHECK(codes.emplace(id, "none").second);
    if (member(line, "type") != "outcome") continue;
    INFO(line);
    REQUIRE(codes.contains(id));
    CHECK(codes[id] == "none");
    codes[id] = member(line, "code");
  }
  for (const auto& [id, code] : codes) {
    INFO(id << " in " << log);
    CHECK(code != "none");
  }
  return codes;
}

std::size_t count_of(const std::map<std::string, std::string>& outcomes, std::string_view code) {
  return std::ranges::count(outcomes | std::views::values, code);
}

// Once every connection has ended, and what it noted is written.
std::string whole_log(Gateway& gateway) {
  while (gateway.shared().flows.size() > 0) std::this_thread::yield();
  refused_login(gateway, {{"replication", "perhaps"}});  // its group takes the outcomes along
  return gateway.audit_log();
}

}  // namespace

TEST_CASE("every action has its line before, and its outcome after") {
  Gateway gateway({.rules = R"toml(
[[rule]]
name = "no-drop"
endpoint = "pg-prod"
priority = 10
condition = "sql.verb == 'drop'"
verdict = "deny"
[[rule]]
name = "rest"
endpoint = "pg-prod"
verdict = "allow"
)toml"});
  Agent agent(gateway.port(), {});
  agent.query("SELECT 'seen'; SELECT 2");
  agent.query("SELECT 1; DROP TABLE users");
  agent.query("SELECT 1/0; SELECT 'never run'");
  agent.send(raw('X'));
  CHECK(agent.closed());
  const std::string log = whole_log(gateway);
  CHECK(log.find("\"type\":\"login\"") != std::string::npos);
  CHECK(log.find("SELECT 'seen'") != std::string::npos);
  CHECK(log.find("\"verdict\":\"denied-with\"") != std::string::npos);
  const auto codes = outcomes(log);
  CHECK(count_of(codes, "00000") == 3);  // the login among them
  CHECK(count_of(codes, "22012") == 1);
  CHECK(count_of(codes, "skipped") == 1);
}

TEST_CASE("what a connection's end left without an answer has an outcome that says so") {
  Gateway gateway({.rules = allow_all});
  {
    Agent killed(gateway.port(), {});
    killed.send(q("SELECT pg_sleep(20); SELECT 'behind it'") + parse("SELECT 1") + bind() + execute() +
                raw('S'));
    while (Server::instance().admin("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%behind it%' "
                                    "AND pid <> pg_backend_pid()") != "1")
      std::this_thread::yield();
    for (const auto& flow : gateway.shared().flows.all()) flow->ask_to_close("the operator said so");
    CHECK(killed.closed());
    Agent copying(gateway.port(), {});
    copying.send(q("COPY ledger FROM STDIN"));
    copying.until('G');
    copying.send(raw('d', "1\n") + q("SELECT 'within a COPY'"));
    CHECK(copying.closed());
    Agent calling(gateway.port(), {});
    calling.query("SELECT 1");
  }
  const auto codes = outcomes(whole_log(gateway));
  CHECK(count_of(codes, "ended") == 5);
  CHECK(count_of(codes, "00000") == 4);
}

TEST_CASE("what cannot be recorded is not sent, in either protocol, and the session goes on") {
  Gateway gateway(
      {.rules = allow_all, .user = "agent_ro", .password = "", .settings = {}, .audit_bytes = 4000});
  Server::instance().admin("TRUNCATE ledger");
  Agent agent(gateway.port(), {});
  std::size_t inserted = 0;
  std::vector<Message> answer;
  do {
    answer = agent.query("INSERT INTO ledger VALUES (1)");
    inserted += code(answer).empty();
  } while (code(answer).empty());
  CHECK(inserted > 0);
  CHECK(code(answer) == "53100");
  CHECK(kinds(answer) == "EZ");
  agent.send(parse("INSERT INTO ledger VALUES (2)") + bind() + execute() + raw('S'));
  answer = agent.until('Z');
  CHECK(code(answer) == "53100");
  CHECK(kinds(answer) == "EZ");
  agent.send(q("BEGIN") + q("INSERT INTO ledger VALUES (3)") + q("COMMIT"));
  for (int i = 0; i < 3; ++i) CHECK(code(agent.until('Z')) == "53100");
  CHECK(Server::instance().admin("SELECT count(*) FROM ledger") == std::to_string(inserted));
}

TEST_CASE("bytes that are no message end the connection with the protocol's error") {
  Gateway gateway({.rules = allow_all});
  for (const std::string& bytes : {std::string("z\0\0\0\4", 5), std::string("Q\0\0\0\1", 5),
                                   raw('Q', "no end"), raw('p', "late"), raw('S', "x"), raw('E', "x")}) {
    Agent agent(gateway.port(), {});
    agent.send(q("SELECT 'before'") + bytes);
    CHECK(rows(agent.until('Z')) == Rows{"before"});
    auto last = agent.until('Z');
    CHECK(code(last) == "08P01");
    CHECK(field(last, 'S') == "FATAL");
    CHECK(agent.closed());
  }
  CHECK(counted(gateway, "protocol error") == 6);
  CHECK(guarded(gateway, "protocol error") == 6);
}

TEST_CASE("the server's errors name statements and portals as the agent does") {
  Gateway gateway({.rules = allow_all});
  Agent agent(gateway.port(), {});
  agent.send(parse("SELECT $1::text", "one") + bind("one", "p") + execute("p") + raw('S'));
  auto answer = agent.until('Z');
  CHECK(field(answer, 'M') ==
        "bind message supplies 0 parameters, but prepared statement \"one\" requires 1");
  CHECK_FALSE(field(answer, 'R').empty());
  agent.query("CREATE TEMP TABLE t (n int)");
  agent.send(parse("INSERT INTO t VALUES (1)", "add") + bind("add", "again") + execute("again") +
             execute("again") + raw('S'));
  CHECK(field(agent.until('Z'), 'M') == "portal \"again\" cannot be run");
  // A portal that goes with its transaction, which ends while more is on its way.
  agent.send(bind("add", "gone") + raw('S') + execute("gone") + raw('S'));
  agent.until('Z');
  CHECK(field(agent.until('Z'), 'M') == "portal \"gone\" does not exist");
  CHECK(field(agent.query("DEALLOCATE add; DEALLOCATE add"), 'M') ==
        "prepared statement \"add\" does not exist");
  // Text of the agent's own stays as it is.
  CHECK(field(agent.query("SELECT '_clawpatrol_99'::int"), 'M') ==
        "invalid input syntax for type integer: \"_clawpatrol_99\"");
}

TEST_CASE("what closes all portals leaves the one that it runs in") {
  Gateway gateway({.rules = allow_all});
  Agent agent(gateway.port(), {});
  agent.send(parse("CLOSE ALL", "all") + bind("all", "p") + bind("all", "q") + execute("p") +
             bind("all", "q") + bind("all", "p") + raw('S'));
  auto answer = agent.until('Z');
  CHECK(kinds(answer) == "122C2EZ");
  CHECK(code(answer) == "42P03");
}

TEST_CASE("a cursor's name is free once its transaction has ended, unless it is WITH HOLD") {
  Gateway gateway({.rules = allow_all});
  Agent agent(gateway.port(), {});
  const std::string portal = parse("SELECT 'portal'", "s") + bind("s", "c") + execute("c") + raw('S');
  agent.query("BEGIN");
  agent.query("DECLARE c CURSOR FOR SELECT 1");
  agent.send(portal);
  CHECK(code(agent.until('Z')) == "42P03");
  agent.query("ROLLBACK");
  agent.send(close("s") + portal);
  CHECK(rows(agent.until('Z')) == Rows{"portal"});
  agent.query("BEGIN");
  agent.query("DECLARE c CURSOR WITH HOLD FOR SELECT 1");
  agent.query("COMMIT");
  agent.send(close("s") + portal);
  CHECK(code(agent.until('Z')) == "42P03");
  agent.query("CLOSE c");
  agent.send(close("s") + portal);
  CHECK(rows(agent.until('Z')) == Rows{"portal"});
}

TEST_CASE("LISTEN and NOTIFY pass") {
  Gateway gateway({.rules = allow_all});
  Agent agent(gateway.port(), {});
  agent.query("LISTEN channel");
  Server::instance().admin("NOTIFY channel, 'hello'");
  auto got = agent.until('A');
  CHECK(got.back().body.find("hello") != std::string::npos);
}

}  // namespace clawpatrol::postgres
