#include "daemon/gateway/commands.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <regex>
#include <thread>

#include "daemon/gateway/command_views.h"
#include "daemon/gateway/explanation.h"
#include "daemon/gateway/postgres/salted_passwords.h"
#include "tests/temporary_directory.h"

namespace clawpatrol {
namespace {

constexpr std::string_view configuration = R"(schema = 1
[gateway]
subnet = ["10.86.0.0/24"]
endpoint = "gw.example.com:51820"
[peer.builder-1]
profile = "data"
[profile.data]
credentials = ["pg-reader"]
[endpoint.pg-prod]
type = "postgres"
hosts = ["127.0.0.1:5432"]
tls = "disable"
[credential.pg-reader]
type = "postgres"
endpoint = "pg-prod"
user = "agent_ro"
[[rule]]
name = "reads"
endpoint = "pg-prod"
condition = "action.kind == 'read'"
verdict = "allow"
reason = "reading is fine"
[[rule]]
name = "no-ddl"
endpoint = "pg-prod"
condition = "'drop' in sql.verbs"
verdict = "deny"
reason = "Schema changes land by migration"
)";

struct Answered {
  std::vector<std::string> lines;
  std::string failure;
  control::Message first() const {
    REQUIRE_FALSE(lines.empty());
    auto message = control::Message::parse(lines[0]);
    REQUIRE(message);
    return *message;
  }
};

void collect(const control::Output& output, Answered& answered) {
  std::string_view text = output.lines();
  while (!text.empty()) {
    std::size_t end = text.find('\n');
    answered.lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  if (!output.failure().empty()) answered.failure = output.failure();
}

struct Fixture {
  tests::TemporaryDirectory made;
  std::filesystem::path directory = made.path;
  Fixture() {
    LoadResult loaded = load_policy_text(configuration);
    INFO(loaded.diagnostics.render());
    REQUIRE(loaded.policy);
    loaded.policy->generation = 3;
    policy = loaded.policy;
    shared.policy.replace(loaded.policy);
    audit::Options options;
    options.directory = directory / "audit";
    options.key_file = directory / "audit.key";
    auto log = audit::Log::open(options);
    REQUIRE(log);
    shared.audit = std::move(*log);
    auto store = credentials::Store::open(directory / "credentials");
    REQUIRE(store);
    shared.credentials = std::move(*store);
    commands = std::make_unique<Commands>(
        shared, CommandSources{.audit_directory = directory / "audit",
                               .workers = 2,
                               .reload = [this] { return reload; },
                               .rollback = [this](std::uint64_t number) { return roll_back(number); },
                               .generations = [this]() -> const Generations& { return generations; },
                               .netd_connected = [] { return true; },
                               .drops = [this] { return drops; }});
  }

  control::Answer begin(const std::string& members, std::string_view body = "") {
    auto fields = control::Message::parse("{\"v\":1," + members + "}");
    REQUIRE(fields);
    return commands->handle(
        {fields->text_or_empty("command"), *fields, body, {.uid = 1234, .gid = 5, .pid = 6}});
  }
  Answered ask(const std::string& members, std::string_view body = "") {
    control::Answer answer = begin(members, body);
    REQUIRE(answer);
    Answered answered;
    for (auto progress = control::Progress::more; progress != control::Progress::done;) {
      control::Output output;
      progress = answer(output);
      collect(output, answered);
      if (progress == control::Progress::waiting) std::this_thread::yield();
    }
    return answered;
  }
  std::expected<std::shared_ptr<const Policy>, Error> roll_back(std::uint64_t number) {
    auto found = number ? generations.find(number) : generations.before(policy->generation);
    if (!found) return std::unexpected(Error{0, "generation 1 is not kept"});
    return found;
  }
  // Everything that the audit log says.
  std::string audit_text() const {
    std::string all;
    for (const auto& entry : std::filesystem::directory_iterator(directory / "audit")) {
      std::ifstream in(entry.path());
      all.append(std::istreambuf_iterator<char>(in), {});
    }
    return all;
  }
  ActionRecord drop_table() const {
    SqlFacets sql;
    sql.statement = std::string("DROP TABLE users");
    sql.verb = std::string("drop");
    sql.verbs = NameList{{"drop"}, false};
    sql.tables = NameList{{"users"}, true};
    ActionRecord record;
    record.id = *parse_action_id("a-18f3");
    record.flow = 7;
    record.type = ActionType::statement;
    record.kind = ActionKind::admin;
    record.verdict = ActionVerdict::deny;
    record.policy = policy;
    record.facets = std::make_shared<const FlowFacets>(
        FlowFacets{{"builder-1", "data", "10.86.0.2", {{"team", "platform"}}},
                   {"pg-prod", "postgres"},
                   {"pg.internal", 5432},
                   "pg-reader",
                   std::nullopt});
    record.rule = &*std::ranges::find(policy->rules, "no-ddl", &Rule::name);
    record.reason = "Schema changes land by migration";
    record.sql = std::make_shared<const SqlFacets>(std::move(sql));
    record.sql_params = std::make_shared<const SqlParams>(Unknown::pending);
    return record;
  }

  std::shared_ptr<const Policy> policy;
  Shared shared;
  Generations generations;
  ReloadOutcome reload{.done = true, .diagnostics = ""};
  std::vector<DropCount> drops;
  std::unique_ptr<Commands> commands;
};

std::string masked(std::string text) {
  text = std::regex_replace(text, std::regex(R"re(\d{4}-\d\d-\d\dT[0-9:.]+Z)re"), "TIME");
  text = std::regex_replace(text, std::regex(R"re("(pid|uptime_s|free_bytes|kept_bytes|age_s)":\d+)re"),
                            "\"$1\":N");
  // Of the machine, and what it lets the process lock.
  text = std::regex_replace(text, std::regex(R"re("memory_locked":(true|false))re"), "\"memory_locked\":B");
  return std::regex_replace(text, std::regex(R"re([0-9a-f]{32,64})re"), "HEX");
}

TEST_CASE("status keeps its schema: health, then one line a flow") {
  Fixture fixture;
  fixture.drops = {{.peer_id = 0, .reason = "fragment", .packets = 3, .bytes = 99}};
  fixture.shared.refusals.count("too many connections", 9);
  auto flow = fixture.shared.flows.open(1, {});
  flow->peer = "builder-1";
  flow->endpoint = "pg-prod";
  flow->destination = "pg.internal:5432";
  flow->protocol = "postgres";
  flow->bytes_up = 12;
  flow->set_state("idle");
  flow->set_upstream("10.0.0.1:5432");
  flow->set_last(fixture.shared.actions.add(fixture.drop_table()));
  Answered answered = fixture.ask(R"("command":"status")");
  REQUIRE(answered.lines.size() == 2);
  CHECK(
      masked(answered.lines[0]) ==
      R"({"v":1,"type":"status","version":"0.1.0","pid":N,"uptime_s":N,"workers":2,"generation":3,"digest":"HEX","ca_sha256":"","ca_ends_unix":0,"memory_locked":B,"newest_generation":0,)"
      R"("mode":"enforce","flows":1,"flow_limit":4096,"flows_refused":0,)"
      R"("audit":{"healthy":true,"seq":1,"free_bytes":N,"low_space":false,"kept_bytes":N,"oldest_seq":1,"pressure":"none"},"netd":{"connected":true,"peers":0},)"
      R"("refusals":[{"reason":"too many connections","peer":"","count":1}],)"
      R"("drops":[{"reason":"fragment","peer":"","packets":3,"bytes":99}]})");
  CHECK(
      masked(answered.lines[1]) ==
      R"({"v":1,"type":"flow","id":1,"peer":"builder-1","endpoint":"pg-prod","state":"idle",)"
      R"("destination":"pg.internal:5432","upstream":"10.0.0.1:5432","protocol":"postgres","opened":"TIME","age_s":N,)"
      R"("bytes_up":12,"bytes_down":0,"actions":0,"denied":0,"waits_at":"","last":{"v":1,"type":"action","id":"a-18f3",)"
      R"("time":"TIME","flow":7,"peer":"builder-1","endpoint":"pg-prod","action_type":"statement","kind":"admin",)"
      R"("verdict":"deny","rule":"no-ddl","reason":"Schema changes land by migration","guard":"","generation":3,)"
      R"("parent":"","text":"DROP TABLE users"}})");
  CHECK(fixture.ask(R"("command":"flows")").lines.size() == 1);
  CHECK(fixture.ask(R"("command":"flow","id":1)").lines.size() == 1);
  CHECK(fixture.ask(R"("command":"flow","id":2)").failure.find("not_found") != std::string::npos);
}

TEST_CASE("explain of an action in memory: every rule that was tried, and every facet") {
  Fixture fixture;
  fixture.shared.actions.add(fixture.drop_table());
  Answered answered = fixture.ask(R"("command":"explain","action":"a-18f3")");
  control::Message line = answered.first();
  CHECK(line.text("source") == "memory");
  CHECK(line.flag("tried_known"));
  REQUIRE(line.list("tried").size() == 2);
  CHECK(
      line.list("tried")[0].json() ==
      R"({"rule":"reads","outcome":"no","verdict":"allow","decided":false,"cause":"","because":[{"text":"action.kind == 'read'","value":"false","facets":{"action.kind":"'admin'"}}],"place":{"file":"clawpatrol.toml","line":18}})");
  CHECK(line.list("tried")[1].text("outcome") == "matched");
  CHECK(line.list("tried")[1].flag("decided"));
  CHECK(line.object("decision").text("condition") == "'drop' in sql.verbs");
  std::vector<control::Message> steps = line.object("decision").list("steps");
  REQUIRE(steps.size() == 2);
  CHECK(steps[0].json() == R"({"text":"'drop' in sql.verbs","value":"true","depth":0})");
  CHECK(steps[1].json() == R"({"text":"sql.verbs","value":"['drop']","depth":1})");
  REQUIRE(line.list("allowing").size() == 1);
  CHECK(line.list("allowing")[0].text("rule") == "reads");
  CHECK(line.list("allowing")[0].text("outcome") == "no");
  CHECK(line.list("allowing")[0].list("because").size() == 1);
  CHECK(
      masked(line.object("facets").json()) ==
      R"({"action.kind":"admin","action.type":"statement","peer.name":"builder-1","peer.profile":"data",)"
      R"("peer.address":"10.86.0.2","peer.labels":{"team":"platform"},"endpoint.name":"pg-prod",)"
      R"("endpoint.type":"postgres","dest.host":"pg.internal","dest.port":5432,"credential":"pg-reader","now":"TIME",)"
      R"("sql.statement":"DROP TABLE users","sql.verb":"drop","sql.verbs":["drop"],)"
      R"("sql.tables":{"items":["users"],"open":true},"sql.params":{"unknown":"not known yet"}})");
  CHECK(line.object("now").is_null());
}

TEST_CASE("explain says what the generation now in force would say, once it is another") {
  Fixture fixture;
  fixture.shared.actions.add(fixture.drop_table());
  std::string changed(configuration);
  changed.replace(changed.find("'drop' in"), 9, "'kiss' in");
  auto next = load_policy_text(changed).policy;
  REQUIRE(next);
  next->generation = 4;
  fixture.shared.policy.replace(next);
  control::Message now = fixture.ask(R"("command":"explain","action":"a-18f3")").first().object("now");
  CHECK(now.json() == R"({"generation":4,"verdict":"deny","rule":""})");
}

TEST_CASE("what a guard refused was put to no rule") {
  Fixture fixture;
  ActionRecord record = fixture.drop_table();
  record.rule = nullptr;
  record.guard = "reading settings";
  fixture.shared.actions.add(record);
  control::Message line = fixture.ask(R"("command":"explain","action":"a-18f3")").first();
  CHECK_FALSE(line.flag("tried_known"));
  CHECK(line.text_or_empty("tried_unknown_why").find("no rule can allow it") != std::string::npos);
}

TEST_CASE("explain of an action that is only in the audit log") {
  Fixture fixture;
  std::string lines[] = {
      R"("time":"2026-11-22T01:02:04.000000Z","id":"a-old","flow":7,"peer":"b","endpoint":"pg-prod","type":"statement",)"
      R"("kind":"admin","verdict":"deny","rule":"no-ddl","reason":"no","generation":3,)"
      R"("facets":{"statement":"DROP TABLE \udcff","verb":"drop"})",
      R"("time":"2026-11-22T01:02:04.000000Z","id":"a-old","type":"outcome","ok":false,"code":"42501")"};
  REQUIRE(fixture.shared.audit->append(lines));
  control::Message line = fixture.ask(R"("command":"explain","action":"a-old")").first();
  CHECK(line.text("source") == "audit");
  CHECK(line.object("action").text("text") == "DROP TABLE \\xff");
  CHECK(line.object("decision").text("condition") == "'drop' in sql.verbs");
  CHECK(line.object("outcome").text("code") == "42501");
  CHECK(line.object("facets").text("verb") == "drop");
  Answered none = fixture.ask(R"("command":"explain","action":"a-none")");
  CHECK(none.lines.empty());
  CHECK(none.failure.find("neither in memory nor in the audit log") != std::string::npos);
}

TEST_CASE(
    "creds set, list and rm: recorded with the caller's uid, and the value is in no answer and no line") {
  Fixture fixture;
  Answered set = fixture.ask(R"("command":"creds_set","name":"pg-reader")", "hunter2-value");
  CHECK(set.failure.empty());
  CHECK(masked(set.lines.at(0))
            .starts_with(R"({"v":1,"type":"credential","name":"pg-reader","set":true,"version":)"));
  CHECK(set.first().flag("configured"));
  CHECK(*fixture.shared.credentials->get("pg-reader")->reveal().data() == 'h');
  Answered bad = fixture.ask(R"("command":"creds_set","name":"pg-reader")", "hunter2-value\n");
  CHECK_FALSE(bad.failure.empty());
  Answered list = fixture.ask(R"("command":"creds_list")");
  CHECK(list.lines.size() == 1);
  CHECK(fixture.ask(R"("command":"creds_rm","name":"pg-reader")").failure.empty());
  CHECK_FALSE(fixture.ask(R"("command":"creds_rm","name":"pg-reader")").failure.empty());
  CHECK_FALSE(fixture.ask(R"("command":"creds_list")").first().flag("set"));
  std::string log = fixture.audit_text();
  CHECK(log.find(R"("uid":1234,"pid":6,"command":"creds_set","object":"pg-reader","phase":"asked")") !=
        std::string::npos);
  CHECK(log.find(R"("command":"creds_set","object":"pg-reader","phase":"done")") != std::string::npos);
  CHECK(log.find(R"("command":"creds_set","object":"pg-reader","phase":"failed")") != std::string::npos);
  CHECK(log.find(R"("command":"creds_rm","object":"pg-reader","phase":"done")") != std::string::npos);
  for (const std::string& text : {log, set.lines[0], bad.failure, list.lines[0]}) {
    CHECK(text.find("hunter2") == std::string::npos);
  }
}

TEST_CASE("what cannot be recorded is not done, unless it only takes away") {
  Fixture fixture;
  fixture.ask(R"("command":"creds_set","name":"pg-reader")", "x");
  fixture.shared.audit.reset();
  CHECK(fixture.ask(R"("command":"creds_set","name":"pg-reader")", "y").failure.find("cannot be recorded") !=
        std::string::npos);
  CHECK(fixture.shared.credentials->get("pg-reader")->reveal() == "x");
  CHECK(fixture.ask(R"("command":"creds_rm","name":"pg-reader")").failure.empty());
}

TEST_CASE("what was derived from a credential's value goes with it") {
  Fixture fixture;
  auto derive = [&](std::string_view credential) {
    postgres::SaltedPassword out{};
    REQUIRE(fixture.shared.salted_passwords->get(credential, "pencil", "salt", 10, out));
  };
  derive("pg-reader");
  derive("other");
  CHECK(fixture.ask(R"("command":"creds_set","name":"pg-reader")", "rotated").failure.empty());
  CHECK(fixture.shared.salted_passwords->size() == 1);
  derive("pg-reader");
  CHECK(fixture.ask(R"("command":"creds_rm","name":"pg-reader")").failure.empty());
  CHECK(fixture.shared.salted_passwords->size() == 1);
}

TEST_CASE("a killed flow is asked to close, and that is recorded") {
  Fixture fixture;
  auto flow = fixture.shared.flows.open(1, {});
  flow->set_state("idle");
  std::string why;
  flow->on_close_request([&](std::string said) { why = std::move(said); });
  CHECK(fixture.ask(R"("command":"flow_kill","id":1)").first().text("type") == "closing");
  CHECK(why == "closed by the gateway's operator");
  CHECK(fixture.audit_text().find(R"("command":"flow_kill","object":"1")") != std::string::npos);
  CHECK_FALSE(fixture.ask(R"("command":"flow_kill","id":99)").failure.empty());
}

TEST_CASE("a reload that fails says why and that nothing changed") {
  Fixture fixture;
  CHECK(fixture.ask(R"("command":"reload")").first().natural("generation") == 3u);
  fixture.reload = {.done = false, .diagnostics = "a.toml:1:1: error: no\n"};
  Answered answered = fixture.ask(R"("command":"reload")");
  CHECK(answered.first().text("text") == "a.toml:1:1: error: no\n");
  CHECK(answered.failure.find("\"configuration\"") != std::string::npos);
  CHECK(fixture.audit_text().find(R"("command":"reload","object":"","phase":"failed")") != std::string::npos);
}

TEST_CASE("a reload waits for netd, and says whom it does not admit") {
  Fixture fixture;
  auto netd = std::make_shared<NetdAnswer>();
  fixture.reload.netd = netd;
  control::Answer answer = fixture.begin(R"("command":"reload")");
  control::Output output;
  CHECK(answer(output) == control::Progress::waiting);
  CHECK(output.lines().empty());
  netd->answered = true;
  SECTION("it has followed") {
    CHECK(answer(output) == control::Progress::done);
    CHECK(output.lines().find("peers_problem") == std::string::npos);
  }
  SECTION("it does not admit a peer") {
    netd->problem = "peer 'x' is not admitted: it is the gateway's own";
    CHECK(answer(output) == control::Progress::done);
    CHECK(output.lines().find(R"("peers_problem":"peer 'x' is not admitted)") != std::string::npos);
  }
}

TEST_CASE("a rollback is recorded, and says from what to what; one that cannot be fails") {
  Fixture fixture;
  auto earlier = std::make_shared<Policy>();
  earlier->generation = 2;
  earlier->digest = "0123456789abcdef";
  fixture.generations.add({earlier, 1'000'000'000});
  fixture.generations.add({fixture.policy, 2'000'000'000});
  Answered listed = fixture.ask(R"("command":"generations")");
  REQUIRE(listed.lines.size() == 2);
  CHECK(listed.lines[0] ==
        R"({"v":1,"type":"generation","generation":2,"digest":"0123456789abcdef",)"
        R"("loaded":"1970-01-01T00:00:01.000000Z","in_force":false,"rules":0,"endpoints":0})");
  CHECK(listed.lines[1].find(R"("in_force":true,"rules":2,"endpoints":1)") != std::string::npos);
  CHECK(fixture.ask(R"("command":"rollback","generation":0)").lines ==
        std::vector<std::string>{
            R"({"v":1,"type":"rolled_back","generation":2,"digest":"0123456789abcdef","from":3})"});
  CHECK(fixture.audit_text().find(R"("command":"rollback","object":"","phase":"done")") != std::string::npos);
  CHECK(fixture.ask(R"("command":"rollback","generation":1)").failure.find("not kept") != std::string::npos);
  CHECK(fixture.audit_text().find(R"("command":"rollback","object":"1","phase":"failed")") !=
        std::string::npos);
}

TEST_CASE("rules tell what they are and what they decided") {
  Fixture fixture;
  Decision decision;
  decision.rule = &fixture.policy->rules[1];
  fixture.shared.rule_counts.of(*fixture.policy, 1'000'000'000)
      ->count(*fixture.policy, decision, false, *parse_action_id("a-18f3"), 2'000'000'000);
  Answered rules = fixture.ask(R"("command":"rules")");
  REQUIRE(rules.lines.size() == 2);
  CHECK(rules.lines[0].find(R"("name":"reads")") != std::string::npos);
  CHECK(rules.lines[1] ==
        R"({"v":1,"type":"rule","name":"no-ddl","endpoints":["pg-prod"],"on":["statement","request"],)"
        R"("priority":0,"verdict":"deny","shadow":false,"condition":"'drop' in sql.verbs",)"
        R"("place":{"file":"clawpatrol.toml","line":24},"decided":1,"unevaluable":0,"changed":0,)"
        R"("since":"1970-01-01T00:00:01.000000Z","last_action":"a-18f3",)"
        R"("last_time":"1970-01-01T00:00:02.000000Z"})");
}

TEST_CASE("followers of actions get what comes, and the number of what they missed") {
  Fixture fixture;
  fixture.shared.actions.add(fixture.drop_table());
  control::Answer answer = fixture.begin(R"("command":"actions","follow":true)");
  control::Output nothing;
  CHECK(answer(nothing) == control::Progress::waiting);
  CHECK(nothing.lines().empty());
  for (int i = 0; i < 5000; ++i) fixture.shared.actions.add(fixture.drop_table());
  Answered answered;
  control::Output output;
  CHECK(answer(output) == control::Progress::more);
  collect(output, answered);
  CHECK(answered.first().text("type") == "missed");
  CHECK(answered.first().natural("count") == 904u);
  CHECK(answered.lines.size() == 257);
  CHECK(fixture.ask(R"("command":"actions","last":2)").lines.size() == 2);
}

TEST_CASE("audit tail gives the last lines and goes on with new ones; head is the newest") {
  Fixture fixture;
  for (int i = 0; i < 5; ++i) {
    std::string line[] = {"\"id\":\"a-" + std::to_string(i) + "\""};
    REQUIRE(fixture.shared.audit->append(line));
  }
  Answered tail = fixture.ask(R"("command":"audit_tail","last":2)");
  REQUIRE(tail.lines.size() == 2);
  CHECK(tail.first().object("line").text("id") == "a-3");
  control::Answer follow = fixture.begin(R"("command":"audit_tail","last":1,"follow":true)");
  Answered followed;
  auto until = [&](std::size_t count) {
    for (int i = 0; i < 100'000 && followed.lines.size() < count; ++i) {
      control::Output output;
      if (follow(output) == control::Progress::waiting) std::this_thread::yield();
      collect(output, followed);
    }
    return followed.lines.size() == count;
  };
  REQUIRE(until(1));
  std::string line[] = {std::string("\"id\":\"a-new\"")};
  REQUIRE(fixture.shared.audit->append(line));
  REQUIRE(until(2));
  CHECK(followed.lines[1].find("a-new") != std::string::npos);
  CHECK(fixture.ask(R"("command":"audit_head")").first().text("head") ==
        audit::head_text(fixture.shared.audit->head()));
}

TEST_CASE("the authority is shown, its certificate with it, and its key is not") {
  Fixture fixture;
  CHECK(fixture.ask(R"("command":"ca")").failure.find("no certificate authority") != std::string::npos);
  constexpr std::int64_t now = 1'800'000'000;  // 2027-01-15T08:00:00Z
  fixture.shared.authority = std::move(*tls::Authority::open(std::move(*tls::make_authority(now))));
  const control::Message line = fixture.ask(R"("command":"ca")").first();
  CHECK(line.text_or_empty("subject").starts_with("CN=Claw Patrol CA "));
  CHECK(line.text("certificate") == fixture.shared.authority->certificate_pem());
  CHECK(line.text_or_empty("begins").starts_with("2027-01-14T08:00:00"));
  CHECK(line.text_or_empty("ends").starts_with("2037-01-12T08:00:00"));
  std::string plain;
  for (char c : line.text_or_empty("fingerprint"))
    if (c != ':') plain += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  CHECK(plain == fixture.shared.authority->fingerprint());
  CHECK(line.json().find("PRIVATE") == std::string::npos);
}

TEST_CASE("a command that is not there is nothing") {
  Fixture fixture;
  CHECK_FALSE(fixture.begin(R"("command":"nonsense")"));
  CHECK_FALSE(fixture.begin(R"("noise":1)"));
}

}  // namespace
}  // namespace clawpatrol
