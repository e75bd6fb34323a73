// SCRAM by its RFC, cancel keys, audit lines, and logins against the real server.
#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "daemon/gateway/audit_line.h"
#include "daemon/gateway/postgres/cancel_keys.h"
#include "daemon/gateway/postgres/scram.h"
#include "daemon/gateway/postgres/upstream_login.h"
#include "parsers/postgres/build.h"
#include "tests/daemon/gateway/postgres/lab.h"

namespace clawpatrol::postgres {

using namespace std::string_literals;

namespace {

Scram::Salt salted_by(std::string_view password) {
  return [password](std::string_view salt, int iterations, SaltedPassword& out) {
    return derive_salted_password(password, salt, iterations, out);
  };
}

}  // namespace

TEST_CASE("SCRAM-SHA-256 is RFC 7677's own example") {
  Scram scram("rOprNGfwEbeRWgbNEkqO");
  scram.user = "user";
  CHECK(scram.client_first() == "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  auto last = scram.client_final(
      "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
      salted_by("pencil"));
  REQUIRE(last);
  CHECK(*last ==
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+"
        "Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  CHECK(scram.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
  CHECK_FALSE(scram.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="));
  CHECK_FALSE(scram.verify("e=other-error"));
  CHECK_FALSE(scram.verify(""));
}

TEST_CASE("what SCRAM derives is kept for one credential, password, salt and count, and for no other") {
  SaltedPasswords kept;
  auto get = [&](std::string_view credential, std::string_view password, std::string_view salt, int count) {
    SaltedPassword out{};
    REQUIRE(kept.get(credential, password, salt, count, out));
    SaltedPassword derived{};
    REQUIRE(derive_salted_password(password, salt, count, derived));
    CHECK(out == derived);
    return kept.size();
  };
  CHECK(get("a", "pencil", "salt", 4096) == 1);
  CHECK(get("a", "pencil", "salt", 4096) == 1);
  CHECK(get("a", "pencil2", "salt", 4096) == 2);
  CHECK(get("a", "pencil", "salt2", 4096) == 3);
  CHECK(get("a", "pencil", "salt", 4097) == 4);
  CHECK(get("b", "pencil", "salt", 4096) == 5);
  kept.forget("a");
  CHECK(kept.size() == 1);
  CHECK(get("b", "pencil", "salt", 4096) == 1);
  for (int i = 0; i < 100; ++i) get("c", "p" + std::to_string(i), "salt", 10);
  CHECK(kept.size() == 64);
}

TEST_CASE("a server that bends SCRAM is not believed") {
  Scram scram("abc");
  auto x = salted_by("x");
  CHECK_FALSE(scram.client_final("r=abc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", x));  // adds nothing of its own
  CHECK_FALSE(scram.client_final("r=xyzdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", x));  // not an answer to ours
  CHECK_FALSE(scram.client_final("r=abcdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1", x));     // cheap to guess
  CHECK_FALSE(scram.client_final("r=abcdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=999999999", x));
  CHECK_FALSE(scram.client_final("r=abcdef,s=!,i=4096", x));
  CHECK_FALSE(scram.client_final("m=ext,r=abcdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", x));
  CHECK_FALSE(scram.client_final("", x));
  CHECK_FALSE(scram.verify("v="));
}

TEST_CASE(
    "the client binds the channel where the server offers it, and says that it could where it does not") {
  const std::vector<std::string_view> both = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"},
                                      plain = {"SCRAM-SHA-256"};
  auto first = [](const std::vector<std::string_view>& offered, std::string_view end_point) {
    auto chosen = Scram::choose(offered, end_point);
    if (!chosen) return std::string();
    const std::string said = chosen->client_first();
    return std::string(chosen->mechanism()) + " " + said.substr(0, said.find(",r="));
  };
  CHECK(first(both, "digest") == "SCRAM-SHA-256-PLUS p=tls-server-end-point,,n=");
  CHECK(first(plain, "digest") == "SCRAM-SHA-256 y,,n=");
  CHECK(first(both, "") == "SCRAM-SHA-256 n,,n=");
  CHECK(first({"SCRAM-SHA-256-PLUS"}, "").empty());
  CHECK(first({"SCRAM-SHA-1", "OAUTHBEARER"}, "digest").empty());
  // Against our own server's half, which knows another certificate, and this one.
  SaltedPassword salted{};
  REQUIRE(derive_salted_password("pencil", "salt", 4096, salted));
  for (const auto& [shown, good] : {std::pair("digest", true), {"of who stands between", false}}) {
    auto client = Scram::choose(both, "digest");
    ScramServer server(shown, "salt");
    auto begun = server.first(client->mechanism(), client->client_first());
    REQUIRE(begun);
    auto proof = client->client_final(*begun, salted_by("pencil"));
    REQUIRE(proof);
    auto ended = server.final(*proof, salted);
    CHECK(ended.has_value() == good);
    if (ended) CHECK(client->verify(*ended));
  }
  // One that binds channels, of which somebody has hidden that it does.
  auto hidden = Scram::choose(plain, "digest");
  CHECK_FALSE(ScramServer("digest", "salt").first(hidden->mechanism(), hidden->client_first()));
}

TEST_CASE("the server's half of SCRAM is RFC 7677's own example") {
  ScramServer server("", std::string("\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81"),
                     "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
  CHECK(server.mechanisms() == std::vector<std::string_view>{"SCRAM-SHA-256"});
  auto first = server.first("SCRAM-SHA-256", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  REQUIRE(first);
  CHECK(*first == "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
  SaltedPassword salted{};
  REQUIRE(derive_salted_password("pencil", "\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81",
                                 4096, salted));
  const std::string client_final =
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+"
      "Ute9ytag9zjfMHgsqmmiz7AndVQ=";
  auto final = server.final(client_final, salted);
  REQUIRE(final);
  CHECK(*final == "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
  for (std::size_t at = 0; at < client_final.size(); ++at) {
    std::string changed = client_final;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    CHECK_FALSE(server.final(changed, salted));
  }
  CHECK_FALSE(server.final(client_final + ",x=y", salted));
  salted[0] ^= 1;
  CHECK_FALSE(server.final(client_final, salted));
}

TEST_CASE("a channel that is bound is this one, and one that could be is not passed over") {
  const auto begins = [](std::string_view mechanism, std::string_view client_first,
                         std::string end_point = "end") {
    return ScramServer(std::move(end_point), "salt").first(mechanism, client_first).has_value();
  };
  CHECK(begins("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abc"));
  CHECK(begins("SCRAM-SHA-256", "n,,n=,r=abc"));
  CHECK(begins("SCRAM-SHA-256", "y,,n=,r=abc", ""));
  CHECK_FALSE(begins("SCRAM-SHA-256", "y,,n=,r=abc"));  // who stands between has hidden PLUS
  CHECK_FALSE(begins("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abc", ""));
  CHECK_FALSE(begins("SCRAM-SHA-256", "p=tls-server-end-point,,n=,r=abc"));
  CHECK_FALSE(begins("SCRAM-SHA-256-PLUS", "n,,n=,r=abc"));
  CHECK_FALSE(begins("SCRAM-SHA-256-PLUS", "p=tls-unique,,n=,r=abc"));
  for (const char* lie : {"", "n", "n,", "n,,", "n,,n=", "n,,n=a", "n,,r=abc", "n,,n=,r=", "n,,n=,r=a,b=c",
                          "n,a=other,n=,r=abc", "n,,m=ext,n=,r=abc", "x,,n=,r=abc"})
    CHECK_FALSE(begins("SCRAM-SHA-256", lie));
  CHECK_FALSE(begins("MD5", "n,,n=,r=abc"));
  // Bound to another certificate.
  ScramServer server("end", "salt", "server");
  REQUIRE(server.first("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abc"));
  SaltedPassword salted{};
  REQUIRE(derive_salted_password("{{x}}", "salt", 4096, salted));
  auto other = server.final("c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsb3RoZXI=,r=abcserver,p=AAAA", salted);
  REQUIRE_FALSE(other);
  CHECK(other.error() == "the client is not at the other end of this connection");
}

TEST_CASE("MD5 is as the server computes it") {
  // concat('md5', md5(md5('pencil' || 'user') || '\1\2\3\4')), from a server
  CHECK(md5_answer("user", "pencil", "\1\2\3\4").size() == 35);
  CHECK(md5_answer("user", "pencil", "\1\2\3\4") != md5_answer("user", "pencil", "\1\2\3\5"));
}

namespace {

Frame frame_of(std::string_view bytes) {
  FrameStream stream(Side::backend, 1 << 16);
  return std::get<Parsed<Frame>>(stream.peek(bytes)).event;
}

std::string authentication(std::uint32_t code, std::string_view data = {}) {
  std::string body;
  Writer(body).u32(code).bytes(data);
  return lab::raw('R', body);
}

UpstreamLogin login_over(bool loopback) {
  static SaltedPasswords salted;
  return UpstreamLogin({.user = "u",
                        .credential = "c",
                        .private_path = loopback,
                        .parameters = {},
                        .salted_passwords = salted},
                       credentials::Secret("pencil"));
}

}  // namespace

TEST_CASE("a password goes in the clear over loopback alone") {
  std::string out;
  UpstreamLogin far = login_over(false);
  CHECK(far.take(frame_of(authentication(3)), out) == UpstreamLogin::State::failed);
  CHECK(out.empty());
  UpstreamLogin near = login_over(true);
  CHECK(near.take(frame_of(authentication(3)), out) == UpstreamLogin::State::going_on);
  CHECK(out.find("pencil") != std::string::npos);
}

TEST_CASE("a server that begins SCRAM must finish it") {
  std::string out;
  UpstreamLogin login = login_over(true);
  CHECK(login.take(frame_of(authentication(10, "SCRAM-SHA-256\0\0"s)), out) ==
        UpstreamLogin::State::going_on);
  CHECK(login.take(frame_of(authentication(0)), out) == UpstreamLogin::State::failed);
  UpstreamLogin other = login_over(true);
  CHECK(other.take(frame_of(authentication(10, "SCRAM-SHA-256\0\0"s)), out) ==
        UpstreamLogin::State::going_on);
  out.clear();
  CHECK(other.take(frame_of(authentication(3)), out) == UpstreamLogin::State::failed);
  CHECK(out.empty());
  UpstreamLogin plus = login_over(true);
  CHECK(plus.take(frame_of(authentication(10, "SCRAM-SHA-256-PLUS\0\0"s)), out) ==
        UpstreamLogin::State::failed);
}

TEST_CASE("a server that reads text in another way is not used") {
  for (auto [strings, encoding, good] : {std::tuple("on", "UTF8", true), std::tuple("off", "UTF8", false),
                                         std::tuple("on", "SJIS", false), std::tuple("on", "", false)}) {
    std::string out;
    UpstreamLogin login = login_over(true);
    std::string bytes = authentication(0);
    CHECK(login.take(frame_of(bytes), out) == UpstreamLogin::State::going_on);
    bytes.clear();
    append_parameter_status(bytes, "standard_conforming_strings", strings);
    CHECK(login.take(frame_of(bytes), out) == UpstreamLogin::State::going_on);
    bytes.clear();
    append_parameter_status(bytes, "client_encoding", encoding);
    CHECK(login.take(frame_of(bytes), out) == UpstreamLogin::State::going_on);
    bytes.clear();
    append_ready(bytes, 'I');
    CHECK((login.take(frame_of(bytes), out) == UpstreamLogin::State::logged_in) == good);
  }
}

TEST_CASE("attack 10: a cancel key works for its peer and endpoint, and guessing is limited") {
  CancelKeys keys;
  const CancelKeys::Owner owner{1, "pg"}, other{2, "pg"}, elsewhere{1, "pg2"};
  int asked = 0;
  const auto key = keys.issue(owner, 4, [&](std::function<void()> done) { ++asked, done(); });
  auto now = Clock::now();
  CHECK(keys.find(key.process, key.secret, owner, now));
  CHECK_FALSE(keys.find(key.process, key.secret, other, now));
  CHECK_FALSE(keys.find(key.process, key.secret, elsewhere, now));
  std::string wrong = key.secret;
  wrong[0] = static_cast<char>(wrong[0] ^ 1);
  CHECK_FALSE(keys.find(key.process, wrong, owner, now));
  CHECK_FALSE(keys.find(key.process, key.secret.substr(0, 3), owner, now));
  for (int i = 0; i < 10; ++i) (void)keys.find(key.process, wrong, owner, now);
  auto refused = keys.find(key.process, key.secret, owner, now);
  REQUIRE_FALSE(refused);
  CHECK(refused.error() == CancelKeys::Refusal::too_many);
  CHECK(keys.find(key.process, key.secret, owner, now + std::chrono::seconds(2)));
  keys.withdraw(key);
  CHECK_FALSE(keys.find(key.process, key.secret, owner, now + std::chrono::seconds(30)));
}

TEST_CASE("an audit line is JSON that says who, what and why") {
  SqlFacets facets;
  facets.statement = "select \"x\"\n"s;
  facets.verb = "select"s;
  facets.tables = NameList{{"public.t", "t"}, true};
  FlowFacets flow{.peer = {.name = "p", .profile = "data", .address = "10.0.0.1", .labels = {}},
                  .endpoint = {.name = "e", .type = "postgres"},
                  .dest = {.host = "db", .port = 5432},
                  .credential = "c",
                  .sql = SqlSessionFacets{"app", "u", "claimed"}};
  auto policy = std::make_shared<Policy>();
  policy->generation = 3;
  ActionRecord record;
  record.id = 1;
  record.type = ActionType::statement;
  record.kind = ActionKind::read;
  record.verdict = ActionVerdict::allow;
  record.policy = policy;
  record.sql_params = std::make_shared<const SqlParams>(SqlParams::Value{"a", std::nullopt});
  const std::string line =
      "{" + AuditLines(flow, 9).action(record, facets_json(facets), params_json(*record.sql_params)) + "}";
  const auto json = nlohmann::json::parse(line);
  CHECK(json["facets"]["statement"] == "select \"x\"\n");
  CHECK(json["facets"]["open"] == nlohmann::json::array({"tables"}));
  CHECK(json["facets"]["params"] == nlohmann::json::array({"a", nullptr}));
  CHECK(json["facets"]["declared_user"] == "claimed");
  CHECK(json["id"] == "a-1");
  CHECK(json["verdict"] == "allow");
  CHECK(json["generation"] == 3);
  CHECK(json["peer"] == "p");
  facets.statement = std::string(100'000, 'x');
  CHECK(facets_json(facets).size() < 1000);
  CHECK(nlohmann::json::parse("{" + facets_json(facets) + "}")["statement_sha256"] ==
        sha256_hex(*facets.statement));
  const std::string outcome =
      "{" +
      AuditLines::outcome(
          {.id = 1, .ok = true, .bytes_up = 1, .bytes_down = 2, .code = "00000", .time_unix_ns = 0}) +
      "}";
  CHECK(nlohmann::json::parse(outcome)["bytes_down"] == 2);
}

TEST_CASE("an audit line is bounded, and says of what it left out how much and which") {
  const auto parsed = [](const std::string& members) { return nlohmann::json::parse("{" + members + "}"); };
  SqlParams::Value values(64, std::string(400, '\x01'));
  const std::string cut = params_json(values);
  CHECK(cut.size() < 6 * longest_params + 512);
  CHECK(parsed(cut)["params_count"] == 64);
  const std::string digest = parsed(cut)["params_sha256"];
  values.back() = std::string(399, '\x01') + "x";  // beyond what is shown
  CHECK(parsed(params_json(values))["params_sha256"] != digest);
  values.pop_back();
  CHECK(parsed(params_json(values))["params_sha256"] != digest);
  SqlParams::Value many(70, "1");
  many[69] = "hidden";
  CHECK(parsed(params_json(many))["params_count"] == 70);
  CHECK(parsed(params_json(many))["params"].size() == 64);
  // Neither NULLs nor lengths can be traded for bytes.
  SqlParams::Value one(65, "a"), other(65, "a");
  one[64] = "N", other[64] = std::nullopt;
  CHECK(parsed(params_json(one))["params_sha256"] != parsed(params_json(other))["params_sha256"]);
  CHECK(params_json(SqlParams::Value(3, "short")).find("sha256") == std::string::npos);
  CHECK(params_json(Unknown::undecodable).empty());
  SqlFacets facets;
  facets.tables = NameList{std::vector<std::string>(100, std::string(200, '\x02')), false};
  facets.functions = NameList{{"f"}, false};
  facets.reads = NameList{std::vector<std::string>(100, std::string(200, '\x02')), true};
  const std::string json = facets_json(facets);
  CHECK(json.size() < 2 * longest_facets);
  CHECK(parsed(json)["cut"] == nlohmann::json::array({"tables", "reads", "functions"}));
  CHECK(parsed(json)["open"] == nlohmann::json::array({"reads"}));
}

TEST_CASE("the gateway logs in by SCRAM, MD5, cleartext on loopback and trust; the agent needs no password") {
  for (const char* user : {"agent_scram", "agent_md5", "agent_plain", "agent_ro"}) {
    INFO(user);
    lab::Gateway gateway({.rules = lab::allow_all, .user = user, .password = "pencil", .settings = {}});
    lab::Agent agent(gateway.port(), {});
    CHECK(lab::rows(agent.query("SELECT current_user::text")) == std::vector<std::string>{user});
    CHECK(gateway.audit_log().find("pencil") == std::string::npos);
  }
}

TEST_CASE("what SCRAM derives is kept from one login to the next") {
  lab::Gateway gateway({.rules = lab::allow_all, .user = "agent_scram"});
  for (int i = 0; i < 2; ++i) lab::Agent(gateway.port(), {});
  CHECK(gateway.shared().salted_passwords->size() == 1);
}

TEST_CASE("a login that the server refuses is FATAL in our words and tells no secret") {
  lab::Gateway gateway(
      {.rules = lab::allow_all, .user = "agent_scram", .password = "wr0ng-secret", .settings = {}});
  lab::Agent agent(gateway.port());
  std::string startup;
  append_startup(startup, 0,
                 std::vector<std::pair<std::string, std::string>>{{"user", "x"}, {"database", "app"}});
  agent.send(startup);
  const auto messages = agent.until('Z');
  CHECK(lab::code(messages) == "28000");
  CHECK(lab::field(messages, 'S') == "FATAL");
  CHECK(lab::field(messages, 'M').find("agent_scram") != std::string::npos);
  for (const auto& message : messages) CHECK(message.body.find("wr0ng") == std::string::npos);
  CHECK(agent.closed());
}

TEST_CASE("attack 15: a request for encryption is read once, and with nothing behind it") {
  lab::Gateway gateway({.rules = lab::allow_all});
  std::string ssl;
  Writer(ssl).u32(8).u32(80877103);
  lab::Agent stuffed(gateway.port());
  stuffed.send(ssl + "x");
  CHECK(stuffed.closed());
  lab::Agent twice(gateway.port());
  twice.send(ssl);
  twice.send(ssl);
  CHECK(twice.closed());
}

}  // namespace clawpatrol::postgres
