// The command line against a daemon that says what the test wants.
#include "cpctl/cli.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <fstream>

#include "tests/cpctl/fake_daemon.h"

namespace clawpatrol::cpctl {
namespace {

const std::string health =
    R"({"v":1,"type":"status","version":"0.1.0","pid":7,"uptime_s":192,"workers":2,"generation":3,)"
    R"("digest":"9f86d081884c7d659a2feaa0c55ad015","mode":"enforce","flows":1,"flow_limit":4096,"flows_refused":0,)"
    R"("audit":{"healthy":true,"seq":12345,"free_bytes":1073741824,"low_space":false,"kept_bytes":2097152,"oldest_seq":9,"pressure":"none"},)"
    R"("netd":{"connected":true,"peers":1},)"
    R"("refusals":[{"reason":"too many connections","peer":"builder-1","count":12}],)"
    R"("drops":[{"reason":"not TCP or DNS","peer":"","packets":1030,"bytes":9},{"reason":"spoofed source","peer":"builder-1","packets":8,"bytes":9}]})";
const std::string flow =
    R"({"v":1,"type":"flow","id":7,"peer":"builder-1","endpoint":"pg-prod","state":"idle","destination":"pg:5432",)"
    R"("upstream":"10.0.0.1:5432","protocol":"postgres","opened":"2026-11-22T01:02:03.000004Z","age_s":65,)"
    R"("bytes_up":1228,"bytes_down":34816,"actions":9,"denied":1,"waits_at":"handler.cpp:12","last":{"v":1,)"
    R"("type":"action","id":"a-18f3","time":"2026-11-22T01:02:04.000000Z","verdict":"deny","rule":"pg-no-ddl",)"
    R"("text":"DROP TABLE users\u001b[2J\u202e"}})";

TEST_CASE(
    "status shows health first, then the live flows with peer, endpoint, bytes, verdict, rule and last "
    "action") {
  FakeDaemon daemon;
  daemon.on("status", {health, flow});
  Result result = cpctl(daemon, {"status"});
  CHECK(result.status == 0);
  CHECK(result.err.empty());
  CHECK(
      result.out ==
      "clawpatrold 0.1.0  up 3m12s  enforce  generation 3 9f86d081884c  2 workers\n"
      "audit ok, lines 9 to 12,345 in 2.0 MiB, 1.0 GiB free  netd ok, 1 peer\n"
      "refused  12 too many connections (builder-1)\n"
      "dropped  1,030 not TCP or DNS\n"
      "         8 spoofed source (builder-1)\n"
      "\n"
      "FLOW  PEER       ENDPOINT    AGE  STATE       UP      DOWN  ACTION  VERDICT  RULE       LAST ACTION\n"
      "   7  builder-1  pg-prod   1m05s  idle   1.2 KiB  34.0 KiB  a-18f3  deny     pg-no-ddl  "
      "DROP TABLE users\\u{1b}[2J\\u{202e}\n");
}

TEST_CASE("status says whom a refusal met, how often each, and how many kinds it leaves out") {
  FakeDaemon daemon;
  daemon.on("status",
            {R"({"v":1,"type":"status","mode":"observe","refusals":[)"
             R"({"reason":"a","peer":"builder-1","count":9},{"reason":"a","peer":"builder-2","count":3},)"
             R"({"reason":"b","peer":"","count":4},{"reason":"c","peer":"","count":3},)"
             R"({"reason":"d","peer":"","count":2},{"reason":"e","peer":"","count":1}]})"});
  const std::string out = cpctl(daemon, {"status"}).out;
  CHECK(contains(out, "refused  12 a (builder-1 9, builder-2 3)\n"));
  CHECK(contains(out, "\n         and 1 more kind: cpctl status -o json\n"));
  CHECK(contains(out, "observe (rules deny nothing)"));
}

TEST_CASE("facets are listed as a condition names them") {
  Result result = cpctl({"facets"});
  CHECK(result.status == 0);
  CHECK(contains(result.out, "FACET"));
  CHECK(
      contains(result.out, "\nsql.tables         list(string)               SQL (postgres)  every relation"));
  CHECK(contains(cpctl({"facets", "-o", "json"}).out,
                 R"({"v":1,"type":"facet","name":"dns.name","value_type":"string","of":"DNS","meaning":)"));
}

TEST_CASE("-o json passes the daemon's lines on, each versioned, without the end") {
  FakeDaemon daemon;
  daemon.on("status", {health, flow});
  Result result = cpctl(daemon, {"status", "-o", "json"});
  CHECK(result.status == 0);
  CHECK(result.out == health + "\n" + flow + "\n");
}

TEST_CASE("attack 27: a line that is not ASCII is written anew for -o json, so that it is") {
  FakeDaemon daemon;
  daemon.on("flows", {"{\"v\":1,\"type\":\"flow\",\"peer\":\"a\u202e\"}"});
  Result result = cpctl(daemon, {"-o", "json", "flows"});
  CHECK(result.out == "{\"v\":1,\"type\":\"flow\",\"peer\":\"a\\u202e\"}\n");
}

TEST_CASE("empty states say what to do next") {
  FakeDaemon daemon;
  for (const char* command : {"flows", "creds_list", "audit_tail"})
    daemon.on(command, std::vector<std::string>{});
  daemon.on(
      "status",
      {R"({"v":1,"type":"status","audit":{"healthy":false,"failure":"disk full"},"netd":{"connected":false,"peers":0}})"});
  CHECK(contains(cpctl(daemon, {"flows"}).out, "no live flows; `cpctl flows -f`"));
  CHECK(contains(cpctl(daemon, {"creds", "list"}).out, "`cpctl creds set NAME`"));
  CHECK(contains(cpctl(daemon, {"audit", "tail"}).out, "audit log is empty"));
  Result status = cpctl(daemon, {"status"});
  CHECK(contains(status.out, "no live flows; add an agent with `cpctl peers add NAME`"));
  CHECK(contains(status.out, "audit FAILING: everything is denied: disk full"));
  CHECK(contains(status.out, "netd NOT CONNECTED"));
}

TEST_CASE("status says whom an operator keeps out") {
  FakeDaemon daemon;
  daemon.on("status", {R"({"v":1,"type":"status","mode":"enforce","netd":{"connected":true,"peers":0}})"});
  FakeDaemon netd("peers.sock", daemon.directory.path);
  const auto says = [&](const char* answer) {
    netd.on("list", {answer});
    return cpctl(daemon, {"status"}).out;
  };
  const std::string locked = says(R"({"ok":true,"locked_down":true,"peers":[{"name":"a","paused":false}]})");
  CHECK(locked.find("kept out  every peer, by a lockdown: `cpctl unlock --all` ends it\n") !=
        std::string::npos);
  CHECK(locked.find("peers add") == std::string::npos);
  CHECK(
      says(
          R"({"ok":true,"locked_down":false,"peers":[{"name":"a","paused":true},{"name":"b","paused":true}]})")
          .find("kept out  a, b: `cpctl peers resume NAME` ends it\n") != std::string::npos);
  CHECK(says(R"({"ok":true,"locked_down":false,"peers":[{"name":"a","paused":false}]})").find("kept out") ==
        std::string::npos);
  netd.on("list", {R"({"ok":true,"locked_down":false,"peers":[{"name":"a","paused":true},{"name":"b"}]})"});
  CHECK(contains(cpctl(daemon, {"status", "-o", "json"}).out,
                 R"({"v":1,"type":"kept_out","everybody":false,"paused":["a"]})"));
}

TEST_CASE("exit status 3: no daemon, and what to do about it") {
  TemporaryDirectory empty;
  Result result = cpctl({"--run", empty.path.native(), "status"});
  CHECK(result.status == 3);
  CHECK(result.out.empty());
  CHECK(contains(result.err, "cannot reach clawpatrold"));
  CHECK(contains(result.err, "hint: Start it with `systemctl start clawpatrold`"));
  result = cpctl({"--run", empty.path.native(), "peers", "list"});
  CHECK(result.status == 3);
  CHECK(contains(result.err, "clawpatrol-netd"));
  result = cpctl({"--run", empty.path.native(), "-o", "json", "status"});
  CHECK(result.status == 3);
  CHECK(result.err.starts_with(R"({"v":1,"type":"error","error":{"message":"cannot reach)"));
}

TEST_CASE("exit status 3: a daemon that hangs up, and one that is not ours to ask") {
  FakeDaemon daemon;
  daemon.on("flows", control::answer_failure("forbidden", "uid 7 may not use the control socket"));
  CHECK(cpctl(daemon, {"flows"}).status == 3);
  TemporaryDirectory directory;
  Fd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (directory.path / "control.sock").native().copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(listen(listener.get(), 1) == 0);
  std::thread hangs_up([&] { Fd accepted(accept(listener.get(), nullptr, nullptr)); });
  Result result = cpctl({"--run", directory.path.native(), "status"});
  hangs_up.join();
  CHECK(result.status == 3);
  CHECK(contains(result.err, "hung up"));
}

TEST_CASE("exit status 2: usage") {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"bogus"},
                                             {"explain"},
                                             {"flows", "show"},
                                             {"flows", "kill", "x"},
                                             {"peers"},
                                             {"creds", "set"},
                                             {"status", "-o", "xml"},
                                             {"audit", "tail", "-n", "-1"},
                                             {"audit", "verify", "--head", "nonsense"}}) {
    Result result = cpctl(arguments);
    INFO((arguments.empty() ? "" : arguments[0]) << result.err);
    CHECK(result.status == 2);
    CHECK_FALSE(result.err.empty());
  }
  const auto said = [](const std::vector<std::string>& arguments) { return cpctl(arguments).err; };
  CHECK(said({"statsu"}) == "cpctl: no such command: 'statsu'\nhint: Did you mean 'status'?\n");
  CHECK(said({"peers", "lst", "x"}) ==
        "cpctl: no such command of peers: 'lst'\nhint: Did you mean 'list'?\n");
  CHECK(contains(said({"peers"}), "cpctl: peers: a command is missing\nhint: Known: 'add', 'rotate'"));
  CHECK(said({"peers", "add", "x", "--profle=y"}) ==
        "cpctl: no such option of peers add: '--profle'\nhint: Did you mean '--profile'?\n");
  CHECK(said({"status", "--ouput", "json"}) ==
        "cpctl: no such option of status: '--ouput'\nhint: Did you mean '--output'?\n");
  CHECK(said({"explain", "a-1", "b"}) ==
        "cpctl: explain takes nothing more: 'b'\nhint: Run `cpctl explain --help`.\n");
  CHECK(said({"explain"}) == "cpctl: ACTION is required\nhint: Run `cpctl explain --help`.\n");
  const auto about = [&](const std::vector<std::string>& arguments, const std::string& what) {
    CAPTURE(what);
    CHECK(said(arguments).starts_with("cpctl: " + what + "\nhint: "));
  };
  about({"rules", "suggest", "--since"}, "--since: its value is missing");
  about({"rules", "suggest", "--since", "1h", "--since", "2h"}, "--since: given more than once");
  about({"audit", "tail", "-n", "x"}, "--lines: 'x' is not a whole number from 0 to 100000");
  about({"flows", "kill", "abc"}, "ID: 'abc' is not a whole number");
  about({"flows", "kill", "99999999999999999999"}, "ID: '99999999999999999999' is not a whole number");
  about({"status", "--watch=maybe"}, "--watch takes no value: 'maybe'");
  about({"check", "--format", "xml"}, "--format: 'xml' is none of human, json, github, sarif");
  about({"peers", "add", "x", "--ttl", "999999d"}, "--ttl: A duration is at most 106751 days.");
  CHECK(said({"x\x1b[2J"}).find('\x1b') == std::string::npos);
  CHECK(cpctl({"--help"}).status == 0);
  CHECK(cpctl({"--version"}).out == "cpctl 0.1.0\n");
}

TEST_CASE("exit status 1: what the daemon refuses, in its words") {
  FakeDaemon daemon;
  daemon.on("flow_kill", control::answer_failure("not_found", "there is no flow 9",
                                                 "See the live ones with `cpctl flows`."));
  Result result = cpctl(daemon, {"flows", "kill", "9"});
  CHECK(result.status == 1);
  CHECK(result.err == "cpctl: there is no flow 9\nhint: See the live ones with `cpctl flows`.\n");
  result = cpctl(daemon, {"explain", "a-1"});
  CHECK(result.status == 1);
  CHECK(contains(result.err, "no such command"));
}

TEST_CASE("explain says which rule, why, which were tried, and the facets") {
  FakeDaemon daemon;
  daemon.on(
      "explain",
      {R"({"v":1,"type":"explanation","source":"memory","action":{"id":"a-18f3","time":"2026-11-22T01:02:04Z",)"
       R"("peer":"builder-1","endpoint":"pg-prod","action_type":"statement","kind":"admin","verdict":"deny",)"
       R"("rule":"pg-no-ddl","reason":"Schema changes land by migration","generation":3,"text":"DROP TABLE users"},)"
       R"("decision":{"condition":"'drop' in sql.verbs","place":{"file":"clawpatrol.toml","line":41}},)"
       R"("tried_known":true,"tried":[{"rule":"first","outcome":"no","verdict":"allow","decided":false,"cause":"",)"
       R"("place":{"file":"clawpatrol.toml","line":30}},{"rule":"pg-no-ddl","outcome":"matched","verdict":"deny",)"
       R"("decided":true,"cause":"","place":{"file":"clawpatrol.toml","line":41}}],)"
       R"("facets":{"sql.verb":"drop","sql.tables":{"items":["users"],"open":true},"sql.params":{"unknown":"pending"},)"
       R"("sql.verbs":["drop"],"sql.unbounded":false},"now":{"generation":4,"verdict":"allow","rule":"x"}})"});
  Result result = cpctl(daemon, {"explain", "a-18f3"});
  CHECK(result.status == 0);
  CHECK(result.out == R"(a-18f3  deny  2026-11-22T01:02:04Z
  statement (admin) of peer builder-1 at endpoint pg-prod

    DROP TABLE users

decided by rule "pg-no-ddl" at clawpatrol.toml:41
  Schema changes land by migration
  when
    'drop' in sql.verbs
  policy generation 3

rules tried, in order:
   OUTCOME  RULE       VERDICT  AT
   no       first      allow    clawpatrol.toml:30
>  matched  pg-no-ddl  deny     clawpatrol.toml:41

facets:
  sql.verb       drop
  sql.tables     users (open: there may be others)
  sql.params     unknown: pending
  sql.verbs      drop
  sql.unbounded  false

the generation now in force (4) says: allow by rule "x"
)");
  CHECK(daemon.seen().back() == R"({"v":1,"command":"explain","action":"a-18f3"}|)");
}

TEST_CASE(
    "explain shows the value of each part of a condition, why rules did not match, and what would have "
    "allowed it") {
  FakeDaemon daemon;
  daemon.on(
      "explain",
      {R"~({"v":1,"type":"explanation","source":"memory","action":{"id":"a-1","time":"2026-11-22T01:02:04Z",)~"
       R"~("peer":"b","endpoint":"pg","action_type":"statement","kind":"write","verdict":"deny","rule":"no-bulk",)~"
       R"~("reason":"no","generation":3,"text":"DELETE FROM t"},"decision":{"condition":"sql.unbounded &&\n  )~"
       R"~(sql.verbs.exists(v, v in ['delete'])","place":{"file":"c.toml","line":9},"steps":[)~"
       R"~({"depth":0,"text":"sql.unbounded &&\n  sql.verbs.exists(v, v in ['delete'])","value":"true"},)~"
       R"~({"depth":1,"text":"sql.unbounded","value":"true"},)~"
       R"~({"depth":1,"text":"sql.verbs.exists(v, v in ['delete'])","value":"true"},)~"
       R"~({"depth":2,"text":"sql.verbs","value":"['delete']\u001b[2J"},)~"
       R"~({"depth":2,"text":"v in ['delete']","value":"true","binding":"v = 'delete'"},)~"
       R"~({"depth":1,"text":"sql.user == 'x'","skipped":true}]},)~"
       R"~("tried_known":true,"tried":[{"rule":"reads","outcome":"no","verdict":"allow","decided":false,)~"
       R"~("cause":"","because":[{"text":"action.kind == 'read'","value":"false","facets":{"action.kind":"'write'"}}],)~"
       R"~("place":{"file":"c.toml","line":3}},{"rule":"no-bulk","outcome":"matched","verdict":"deny",)~"
       R"~("decided":true,"cause":"","place":{"file":"c.toml","line":9}}],"allowing":[)~"
       R"~({"rule":"reads","outcome":"no","because":[{"text":"action.kind == 'read'","value":"false",)~"
       R"~("facets":{"action.kind":"'write'"}}],"place":{"file":"c.toml","line":3}},)~"
       R"~({"rule":"rest","outcome":"matched","because":[],"place":{"file":"c.toml","line":20}}],"facets":{}})~"});
  Result result = cpctl(daemon, {"explain", "a-1"});
  CHECK(result.status == 0);
  CHECK(contains(result.out, R"(  when
    sql.unbounded && sql.verbs.exists(v, v in ['delete'])
      sql.unbounded                         true
      sql.verbs.exists(v, v in ['delete'])  true
        sql.verbs                           ['delete']\u{1b}[2J
        v in ['delete']  with v = 'delete'  true
      sql.user == 'x'                       not asked
)"));
  CHECK(contains(result.out, R"(rules tried, in order:
   OUTCOME  RULE     VERDICT  AT
   no       reads    allow    c.toml:3
      action.kind == 'read' is false: action.kind is 'write'
>  matched  no-bulk  deny     c.toml:9

what would have allowed it:
  rule "reads" at c.toml:3, but
      action.kind == 'read' is false: action.kind is 'write'
  rule "rest" at c.toml:20, had no rule before it decided
)"));
}

TEST_CASE("explain says so where no rule allows such actions") {
  FakeDaemon daemon;
  daemon.on(
      "explain",
      {R"({"v":1,"type":"explanation","source":"memory","action":{"id":"a-1","time":"","peer":"b","endpoint":"pg",)"
       R"("action_type":"statement","kind":"write","verdict":"deny"},"decision":{},"tried_known":true,"tried":[],)"
       R"("allowing":[],"facets":{}})"});
  CHECK(contains(cpctl(daemon, {"explain", "a-1"}).out,
                 "what would have allowed it: nothing; no rule allows any statement at endpoint pg\n"));
}

TEST_CASE("flows -f prints actions as they come, and says what it missed") {
  FakeDaemon daemon;
  daemon.on("actions",
            {R"({"v":1,"type":"action","id":"a-1","time":"2026-11-22T01:02:04Z","peer":"p","endpoint":"e",)"
             R"("verdict":"allow","rule":"reads","text":"SELECT 1"})",
             R"({"v":1,"type":"idle"})", R"({"v":1,"type":"missed","count":2})"});
  Result result = cpctl(daemon, {"flows", "-f"});
  CHECK(result.status == 0);
  CHECK(contains(result.out,
                 "01:02:04  a-1             allow  p             e           reads             SELECT 1\n"));
  CHECK(contains(result.out, "2 actions came too fast"));
  CHECK_FALSE(contains(cpctl(daemon, {"flows", "-f", "-o", "json"}).out, "idle"));
}

TEST_CASE("ca show says what an operator compares, ca export the certificate and nothing beside it") {
  FakeDaemon daemon;
  const std::string pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
  control::JsonObject line = control::message_of_type("ca");
  line.add("subject", "CN=Claw Patrol CA 1a2b3c4d")
      .add("fingerprint", "AB:CD")
      .add("begins", "2026-01-01T00:00:00Z");
  daemon.on("ca", {line.add("ends", "2036-01-01T00:00:00Z").add("certificate", pem).text()});
  const std::string shown = cpctl(daemon, {"ca", "show"}).out;
  for (const char* part : {"CN=Claw Patrol CA 1a2b3c4d", "AB:CD", "good until   2036-01-01T00:00:00Z"})
    CHECK(contains(shown, part));
  CHECK_FALSE(contains(shown, "BEGIN"));
  CHECK(cpctl(daemon, {"ca", "export"}).out == pem);
  CHECK(contains(cpctl(daemon, {"ca", "show", "-o", "json"}).out, R"("type":"ca")"));
}

TEST_CASE("creds list says how the tokens stand that the gateway gets") {
  FakeDaemon daemon;
  const std::string begin = R"({"v":1,"type":"credential","set":true,"version":1,"configured":true,"name":")";
  daemon.on(
      "creds_list",
      {begin + R"(a","token":"none"})", begin + R"(b","token":"held","token_ends":"2026-11-22T13:00:00Z"})",
       begin + R"(c","token":"failed","token_problem":"no such\u001b[2J name"})",
       begin + R"(d","token":"held","token_ends":"2026-11-22T13:00:00Z","token_problem":"status 500"})",
       begin + R"(e"})"});
  const std::string out = cpctl(daemon, {"creds", "list"}).out;
  CHECK(contains(out, "when first asked for"));
  CHECK(contains(out, "until 2026-11-22T13:00:00Z"));
  CHECK(contains(out, "failed: no such\\u{1b}[2J name"));
  CHECK(contains(out, "; then: status 500"));
}

TEST_CASE("creds set sends the value as a body, less one newline, and prints it nowhere") {
  FakeDaemon daemon;
  daemon.on("creds_set",
            {R"({"v":1,"type":"credential","name":"pg","set":true,"version":2,"configured":true})"});
  for (const auto& [input, body] :
       std::vector<std::pair<std::string, std::string>>{{"s3cret\n", "s3cret"},
                                                        {"s3cret", "s3cret"},
                                                        {"s3cret\n\n", "s3cret\n"},
                                                        {" s3cret \r\n", " s3cret "}}) {
    Result result = cpctl(daemon, {"creds", "set", "pg"}, input);
    CHECK(result.status == 0);
    CHECK(result.out == "credential 'pg' is set (version 2)\n");
    CHECK_FALSE(contains(result.out + result.err, "s3cret"));
    CHECK(daemon.seen().back() ==
          R"({"v":1,"command":"creds_set","name":"pg","body":)" + std::to_string(body.size()) + "}|" + body);
  }
  std::size_t requests = daemon.seen().size();
  CHECK(cpctl(daemon, {"creds", "set", "pg"}, "\n").status == 1);
  CHECK(cpctl(daemon, {"creds", "set", "pg"}, "").status == 1);
  CHECK(cpctl(daemon, {"creds", "set", "pg"}, std::string(65 << 10, 'x')).status == 1);
  CHECK(daemon.seen().size() == requests);
}

TEST_CASE("completion offers commands, options and the daemons' names, and nothing where nobody answers") {
  FakeDaemon netd("peers.sock");
  netd.on("list", {R"({"v":1,"ok":true,"peers":[{"name":"builder-1"},{"name":"other\u001b"}]})"});
  const std::string run = netd.directory.path.native();
  CHECK(cpctl({"--complete", "--run", run, "peers", "rm", ""}).out == "builder-1\nother\\u{1b}\n");
  CHECK(cpctl({"--complete", "--run", run, "peers", "rm", "b"}).out == "builder-1\n");
  CHECK(cpctl({"--complete", "--run", run, "lockdown", "--peer", ""}).out == "builder-1\nother\\u{1b}\n");
  CHECK(cpctl({"--complete", "pee"}).out == "peers\n");
  CHECK(contains(cpctl({"--complete", "peers", ""}).out, "add\nlist\npause\n"));
  CHECK(contains(cpctl({"--complete", "peers", "add", "--p"}).out, "--profile\n--public-key\n"));
  CHECK(cpctl({"--complete", "--run", "/nowhere", "creds", "rm", ""}).out.empty());
  CHECK(cpctl({"--complete", "check", "--format", ""}).out == "github\nhuman\njson\nsarif\n");
  CHECK(cpctl({"--complete", "peers", "add", "x", "--for", "l"}).out == "linux\n");
  CHECK(cpctl({"--complete", "status", "-o", "j"}).out == "json\n");
  CHECK(cpctl({"--complete", "completions", ""}).out == "bash\nfish\nzsh\n");
  CHECK(cpctl({"--complete", "peers", "add", ""}).out.empty());
  for (const char* shell : {"bash", "zsh", "fish"})
    CHECK(contains(cpctl({"completions", shell}).out, "cpctl --complete"));
  CHECK(cpctl({"completions", "cmd"}).status == 2);
}

TEST_CASE("reload prints the problems and says whether it was done") {
  FakeDaemon daemon;
  daemon.on("reload", [](control::Output& output) {
    output.line(R"({"v":1,"type":"diagnostics","text":"a.toml:1:2: error: no\n\n1 error\n"})");
    output.fail("configuration", "the configuration was not taken", "Mend it.");
    return control::Progress::done;
  });
  Result result = cpctl(daemon, {"reload"});
  CHECK(result.status == 1);
  CHECK(result.out == "a.toml:1:2: error: no\n\n1 error\n");
  daemon.on("reload", {R"({"v":1,"type":"reloaded","generation":4,"digest":"0123456789abcdef"})"});
  CHECK(cpctl(daemon, {"reload"}).out == "generation 4 is in force (0123456789ab)\n");
}

TEST_CASE("generations and rollback: what is in force, and that the files are as they were") {
  FakeDaemon daemon;
  daemon.on("generations",
            {R"({"v":1,"type":"generation","generation":8,"digest":"0123456789abcdef",)"
             R"("loaded":"2026-11-22T01:02:03.000000Z","in_force":true,"rules":12,"endpoints":2})",
             R"({"v":1,"type":"generation","generation":9,"digest":"fedcba9876543210",)"
             R"("loaded":"2026-11-22T02:02:03.000000Z","in_force":false,"rules":13,"endpoints":2})"});
  CHECK(cpctl(daemon, {"generations"}).out ==
        "   GENERATION  LOADED                RULES  DIGEST\n"
        ">           8  2026-11-22T01:02:03Z     12  0123456789ab\n"
        "            9  2026-11-22T02:02:03Z     13  fedcba987654\n");
  daemon.on("rollback",
            {R"({"v":1,"type":"rolled_back","generation":7,"digest":"0123456789abcdef","from":8})"});
  const Result result = cpctl(daemon, {"rollback", "7"});
  CHECK(result.status == 0);
  CHECK(contains(result.out, "generation 7 is in force again (0123456789ab), instead of 8\n"));
  CHECK(contains(result.out, "mend them before the next `cpctl reload`"));
  CHECK(contains(daemon.seen().back(), R"("command":"rollback","generation":7)"));
  CHECK(cpctl(daemon, {"rollback", "x"}).status == 2);
}

TEST_CASE("rules: what decided, what never did, and what shadows would have changed") {
  FakeDaemon daemon;
  auto rule = [](std::string name, std::string rest) {
    return R"({"v":1,"type":"rule","name":")" + name + R"(","place":{"file":"a.toml","line":9},)" +
           R"("since":"2026-11-22T01:02:03.000000Z",)" + rest + "}";
  };
  daemon.on(
      "rules",
      {rule("no-ddl",
            R"("verdict":"deny","shadow":false,"decided":1234,"unevaluable":2,"last_action":"a-9")"),
       rule("old", R"("verdict":"allow","shadow":false,"decided":0,"unevaluable":0,"last_action":"")"),
       rule(
           "next",
           R"("verdict":"deny","shadow":true,"decided":5,"unevaluable":0,"changed":3,"last_action":"a-8")")});
  CHECK(cpctl(daemon, {"rules", "hits"}).out ==
        "RULE    VERDICT  DECIDED  UNEVALUABLE  LAST ACTION  AT        SINCE\n"
        "no-ddl  deny       1,234            2  a-9          a.toml:9  2026-11-22T01:02:03\n"
        "old     allow          0            0               a.toml:9  2026-11-22T01:02:03\n");
  CHECK(cpctl(daemon, {"rules", "unused"}).out ==
        "RULE  VERDICT  AT        SINCE\n"
        "old   allow    a.toml:9  2026-11-22T01:02:03\n");
  CHECK(cpctl(daemon, {"rules", "shadow"}).out ==
        "RULE  WOULD  MATCHED  CHANGED  UNEVALUABLE  LAST ACTION  AT        SINCE\n"
        "next  deny         5        3            0  a-8          a.toml:9  2026-11-22T01:02:03\n");
  const Result json = cpctl(daemon, {"-o", "json", "rules", "unused"});
  CHECK(contains(json.out, R"("name":"old")"));
  CHECK_FALSE(contains(json.out, "no-ddl"));
  daemon.on("rules", std::vector<std::string>());
  CHECK(cpctl(daemon, {"rules", "unused"}).out == "every rule of the policy in force has been used\n");
}

TEST_CASE("audit tail shows actions, other lines, and damage") {
  FakeDaemon daemon;
  daemon.on(
      "audit_tail",
      {R"({"v":1,"type":"audit_line","line":{"v":1,"seq":2,"prev":"0","time":"2026-11-22T01:02:04Z","id":"a-1",)"
       R"("peer":"p","endpoint":"e","type":"statement","kind":"read","verdict":"allow","rule":"reads",)"
       R"("facets":{"statement":"SELECT 'x\u001b\udcff'"}}})",
       R"({"v":1,"type":"audit_line","line":{"v":1,"seq":3,"prev":"0","time":"2026-11-22T01:02:05Z","type":"operator","uid":0,"command":"reload"}})",
       R"({"v":1,"type":"audit_line","damaged":"{\"v\":"})"});
  Result result = cpctl(daemon, {"audit", "tail", "-n", "3"});
  CHECK(result.status == 0);
  CHECK(contains(result.out, "SELECT 'x\\u{1b}\\xff'"));
  CHECK(contains(result.out, "operator  uid=0  command=reload"));
  CHECK(contains(result.out, "damaged  {\"v\":"));
  CHECK(daemon.seen().back() == R"({"v":1,"command":"audit_tail","last":3,"follow":false}|)");
}

TEST_CASE("docs/cpctl.md is what the command line says (scripts/fix writes it anew: cpctl --markdown)") {
  std::ifstream in(CLAWPATROL_SOURCE "/docs/cpctl.md");
  CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == reference());
}

}  // namespace
}  // namespace clawpatrol::cpctl
