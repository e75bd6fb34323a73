// Tokens from a server that the test plays itself, over TLS on loopback.
#include "daemon/gateway/tokens.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/daemon/gateway/tokens_desk.h"

using namespace clawpatrol;
using namespace clawpatrol::lab;
using namespace std::chrono_literals;

TEST_CASE("a token is fetched once, for all who ask meanwhile and after") {
  Gate gate;
  TokenServer server(
      [&](const std::string&) {
        gate.pass();
        return granted("first-token");
      },
      today());
  Desk desk;
  desk.set();
  std::vector<std::future<Given>> asked;
  for (int i = 0; i < 20; ++i) asked.push_back(desk.ask(desk.config(server)));
  gate.until_somebody_waits();
  CHECK(desk.tokens().report("c").fetching);
  gate.open();
  for (auto& each : asked) CHECK(each.get().token == "first-token");
  CHECK(desk.give(desk.config(server)).token == "first-token");
  REQUIRE(server.requests().size() == 1);
  CHECK(server.requests()[0].find("grant_type=client_credentials") != std::string::npos);
  const Tokens::Report report = desk.tokens().report("c");
  CHECK(report.held);
  CHECK_FALSE(report.fetching);
  CHECK(report.ends_unix > today() + 3500);
  CHECK(report.ends_unix <= today() + 3600);
}

TEST_CASE("who fetched what is in the audit log, and no secret") {
  TokenServer server([](const std::string&) { return granted("first-token"); }, today());
  Desk desk;
  desk.set();
  REQUIRE(desk.give(desk.config(server)).token == "first-token");
  const std::string log = desk.log();
  const std::string line = R"("type":"token","credential":"c","peer":"tester","server":"127.0.0.1:)" +
                           std::to_string(server.port()) + "\",\"phase\":";
  CHECK(log.find(line + "\"asked\"") != std::string::npos);
  CHECK(log.find(line + "\"done\",\"ends\":\"20") != std::string::npos);
  for (const char* secret : {"first-token", "the-clients-s3cret", "bWU6dGhl"})
    CHECK(log.find(secret) == std::string::npos);
}

TEST_CASE("where it cannot be recorded, nobody is asked for a token") {
  TokenServer server([](const std::string&) { return granted("first-token"); }, today());
  Desk desk;
  desk.set();
  {
    const FullDisk full;
    CHECK(desk.give(desk.config(server)).problem.find("it cannot be recorded") != std::string::npos);
  }
  CHECK(server.requests().empty());
}

TEST_CASE("a token is fetched anew ahead of its end, and nobody waits for it") {
  std::atomic<int> count{0};
  Gate gate;
  TokenServer server(
      [&](const std::string&) {
        if (++count == 2) gate.pass();
        return granted("token-" + std::to_string(count));
      },
      today());
  Hands hands;
  Desk desk(hands.options());
  desk.set();
  CHECK(desk.give(desk.config(server)).token == "token-1");
  hands.move(3200);
  CHECK(desk.give(desk.config(server)).token == "token-1");
  CHECK(server.requests().size() == 1);
  hands.move(150);  // within the last five minutes
  CHECK(desk.give(desk.config(server)).token == "token-1");
  gate.until_somebody_waits();
  for (int i = 0; i < 3; ++i) CHECK(desk.give(desk.config(server)).token == "token-1");
  gate.open();
  CHECK(comes([&] { return desk.give(desk.config(server)).token == "token-2"; }));
  CHECK(server.requests().size() == 2);
  // Both may still be said by a server.
  const CredentialConfig config = desk.config(server);
  const auto sent = desk.tokens().sent({&config}).value();
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].value->secret.reveal() == "token-2");
  CHECK(sent[1].value->secret.reveal() == "token-1");
  CHECK(sent[0].value->token != sent[1].value->token);
}

TEST_CASE("what is used is fetched anew without anybody asking; what is not is left to end") {
  std::atomic<int> count{0};
  TokenServer server([&](const std::string&) { return granted("token-" + std::to_string(++count)); },
                     today());
  Hands hands;
  Desk desk(hands.options());
  desk.set();
  CredentialConfig config = desk.config(server);
  auto policy = std::make_shared<Policy>();
  policy->credentials.emplace("c", config);
  desk.shared().policy.replace(policy);
  CHECK(desk.give(config).token == "token-1");
  CHECK(desk.give(config).token == "token-1");
  hands.move(3400);
  CHECK(comes([&] { return server.requests().size() == 2; }));
  CHECK(comes([&] { return !desk.tokens().report("c").fetching; }));
  hands.move(3400);  // nobody has asked since
  ::poll(nullptr, 0, 2500);
  CHECK(server.requests().size() == 2);
  hands.move(300);
  CHECK_FALSE(desk.tokens().report("c").held);
  CHECK(desk.give(config).token == "token-3");
}

TEST_CASE("a token that has ended is given to nobody, whichever clock says so") {
  std::atomic<int> count{0};
  TokenServer server([&](const std::string&) { return granted("token-" + std::to_string(++count), 60); },
                     today());
  Hands hands;
  Desk desk(hands.options());
  desk.set();
  CHECK(desk.give(desk.config(server)).token == "token-1");
  hands.steady_s += 55;
  CHECK(desk.give(desk.config(server)).token == "token-2");
  hands.wall_s += 120;
  CHECK(desk.give(desk.config(server)).token == "token-3");
  hands.wall_s -= 4000;
  CHECK(desk.give(desk.config(server)).token == "token-3");
  hands.steady_s += 60;
  CHECK(desk.give(desk.config(server)).token == "token-4");
}

TEST_CASE("a token of seconds is used for them") {
  std::atomic<int> count{0};
  TokenServer server([&](const std::string&) { return granted("token-" + std::to_string(++count), 1); },
                     today());
  Desk desk;
  desk.set();
  CHECK(desk.give(desk.config(server)).token == "token-1");
  ::poll(nullptr, 0, 1000);
  CHECK(desk.give(desk.config(server)).token != "token-1");
}

TEST_CASE("what a server answers wrongly is said, at once to who asks again soon, and tried again later") {
  struct Row {
    std::string answer, wanted;
  };
  const Row rows[] = {
      {http_answer("500 Internal Server Error", "<html>"), "the server answers with status 500"},
      {http_answer("401 Unauthorized",
                   R"({"error":"invalid_client","error_description":"the-clients-s3cret"})"),
       "the server refuses: invalid_client (401)"},
      {http_answer("302 Found", ""), "the server sends it elsewhere (302)"},
      {http_answer("200 OK", "access_token=x"), "the answer is not one JSON document"},
      {http_answer("200 OK", std::string(70'000, ' ')), "the token server's answer is longer than 64 KiB"},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(200'000, 'x'), "the token server's answer is malformed"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "is malformed"},
      {"nonsense\r\n\r\n", "the token server's answer is malformed"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "the token server ended the connection early"},
      {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "is malformed"},
      {"", "the token server ended the connection early"},
  };
  for (const Row& row : rows) {
    INFO(row.wanted);
    std::atomic<int> count{0};
    TokenServer server([&](const std::string&) { return ++count == 1 ? row.answer : granted("good-token"); },
                       today());
    Hands hands;
    Desk desk(hands.options());
    desk.set();
    const std::string problem = desk.give(desk.config(server)).problem;
    CHECK(problem.starts_with("cannot use credential 'c': no token: "));
    CHECK(problem.find(row.wanted) != std::string::npos);
    CHECK(problem.find("s3cret") == std::string::npos);
    CHECK(desk.give(desk.config(server)).problem == problem);
    CHECK(server.requests().size() == 1);
    CHECK(desk.tokens().report("c").problem.find(row.wanted) != std::string::npos);
    hands.move(2);
    CHECK(desk.give(desk.config(server)).token == "good-token");
    CHECK(desk.tokens().report("c").problem.empty());
    CHECK(desk.log().find("\"phase\":\"failed\",\"why\":") != std::string::npos);
  }
}

TEST_CASE("a chunked answer behind interim ones is read") {
  TokenServer server(
      [](const std::string&) {
        return "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
               "1a\r\n{\"access_token\":\"a-token\",\r\n19\r\n\"token_type\":\"bearer\"}   \r\n0\r\n\r\n";
      },
      today());
  Desk desk;
  desk.set();
  CHECK(desk.give(desk.config(server)).token == "a-token");
}

TEST_CASE("a failure does not take away the token that is still good") {
  std::atomic<int> count{0};
  TokenServer server(
      [&](const std::string&) {
        return ++count == 2 ? http_answer("503 Service Unavailable", "")
                            : granted("token-" + std::to_string(count));
      },
      today());
  Hands hands;
  Desk desk(hands.options());
  desk.set();
  CHECK(desk.give(desk.config(server)).token == "token-1");
  hands.move(3400);
  CHECK(desk.give(desk.config(server)).token == "token-1");
  CHECK(comes([&] { return !desk.tokens().report("c").problem.empty(); }));
  CHECK(desk.tokens().report("c").held);
  CHECK(desk.give(desk.config(server)).token == "token-1");
  CHECK(server.requests().size() == 2);
  hands.move(2);
  desk.give(desk.config(server));
  CHECK(comes([&] { return desk.give(desk.config(server)).token == "token-3"; }));
}

TEST_CASE("a token that a server does not take is followed by another, once a minute at most") {
  std::atomic<int> count{0};
  TokenServer server([&](const std::string&) { return granted("token-" + std::to_string(++count)); },
                     today());
  Hands hands;
  Desk desk(hands.options());
  desk.set();
  const std::uint64_t first = desk.give(desk.config(server)).value->token;
  desk.tokens().doubt("c", first);
  desk.tokens().doubt("another", first);
  CHECK(desk.give(desk.config(server)).token == "token-1");
  CHECK_FALSE(desk.tokens().report("c").fetching);
  hands.move(60);
  desk.tokens().doubt("c", first + 1);  // of another
  CHECK_FALSE(desk.tokens().report("c").fetching);
  desk.tokens().doubt("c", first);
  CHECK(comes([&] { return desk.give(desk.config(server)).token == "token-2"; }));
  desk.tokens().doubt("c", first);  // said late
  desk.tokens().doubt("c", first + 1);
  CHECK_FALSE(desk.tokens().report("c").fetching);
  CHECK(server.requests().size() == 2);
}

TEST_CASE(
    "attack 16: an agent that is told 401 again and again pushes no good token out of what is looked for") {
  std::atomic<int> count{0};
  TokenServer server([&](const std::string&) { return granted("token-" + std::to_string(++count)); },
                     today());
  Hands hands;
  Desk desk(hands.options());
  desk.set();
  const CredentialConfig config = desk.config(server);
  Given given = desk.give(config);
  for (int turn = 0; turn < 12; ++turn) {
    hands.move(60);
    const std::uint64_t doubted = given.value->token;
    desk.tokens().doubt("c", doubted);
    comes([&] { return !desk.tokens().report("c").fetching; });
    given = desk.give(config);
  }
  CHECK(count == 9);  // no more while eight that it replaced are good
  const auto texts = desk.looked_for(config);
  for (int number = 1; number <= count; ++number) {
    const std::string token = "token-" + std::to_string(number);
    INFO(token);
    CHECK(std::ranges::count(texts, token) == 1);
  }
}

TEST_CASE("a server that nobody vouches for, or that is not there, sees no secret") {
  TokenServer ended([](const std::string&) { return granted("first-token"); }, today() - 100 * 86'400);
  TokenServer stranger([](const std::string&) { return granted("first-token"); }, today());
  Desk desk;
  desk.set();
  CHECK(desk.give(desk.config(ended)).problem.find("certificate has expired") != std::string::npos);
  CHECK(ended.requests().empty());
  CredentialConfig config = desk.config(stranger);
  config.tokens->ca = ended.ca();
  CHECK(desk.give(config).problem.find("is refused") != std::string::npos);
  CHECK(stranger.requests().empty());
  config.tokens->port = 1;
  CHECK(desk.give(config).problem.find("connect: '127.0.0.1'") != std::string::npos);
}

TEST_CASE("a slow server is waited for a while; what it gives is for the next") {
  Gate gate;
  TokenServer server(
      [&](const std::string&) {
        gate.pass();
        return granted("late-token");
      },
      today());
  Tokens::Options options;
  options.wait = 200ms;
  Desk desk(options);
  desk.set();
  CHECK(desk.give(desk.config(server)).problem ==
        "cannot use credential 'c': no token: the token server did not answer in time");
  gate.open();
  CHECK(comes([&] { return desk.give(desk.config(server)).token == "late-token"; }));
  CHECK(server.requests().size() == 1);
}

TEST_CASE("a server that never answers is left in the end") {
  Gate gate;
  TokenServer server(
      [&](const std::string&) {
        gate.pass();
        return std::string();
      },
      today());
  Tokens::Options options;
  options.fetch = 300ms;
  Desk desk(options);
  desk.set();
  CHECK(desk.give(desk.config(server)).problem.find("no token: receive from the token server") !=
        std::string::npos);
  gate.open();
}

TEST_CASE(
    "attack 20: a value that is set anew, or removed, while its token is fetched: nobody gets that token") {
  Gate gate;
  std::atomic<int> count{0};
  TokenServer server(
      [&](const std::string&) {
        if (++count == 1) gate.pass();
        return granted(count == 1 ? "old-token" : "new-token");
      },
      today());
  Desk desk;
  desk.set();
  auto old = desk.ask(desk.config(server));
  gate.until_somebody_waits();
  SECTION("set anew") {
    desk.set("another-s3cret");
    auto next = desk.ask(desk.config(server));
    CHECK(old.get().problem.find("has changed") != std::string::npos);
    gate.open();
    CHECK(next.get().token == "new-token");
    REQUIRE(server.requests().size() == 2);
    CHECK(server.requests()[0].find(basic("the-clients-s3cret")) != std::string::npos);
    CHECK(server.requests()[1].find(basic("another-s3cret")) != std::string::npos);
  }
  SECTION("removed") {
    REQUIRE(desk.shared().credentials->remove("c"));
    desk.tokens().forget("c");
    CHECK(old.get().problem.find("has changed") != std::string::npos);
    gate.open();
    CHECK(desk.give(desk.config(server)).problem.find("no value is set") != std::string::npos);
    CHECK_FALSE(desk.tokens().report("c").held);
  }
  SECTION("and nobody has said so yet") {
    REQUIRE(desk.shared().credentials->set("c", "another-s3cret"));
    gate.open();
    CHECK(old.get().problem.find("has changed") != std::string::npos);
    CHECK(desk.give(desk.config(server)).token == "new-token");
  }
}

TEST_CASE("a configuration that changes while a token is fetched: it is fetched from where it says now") {
  Gate gate;
  TokenServer first(
      [&](const std::string&) {
        gate.pass();
        return granted("first-token");
      },
      today());
  TokenServer second([](const std::string&) { return granted("second-token"); }, today());
  Desk desk;
  desk.set();
  auto old = desk.ask(desk.config(first));
  gate.until_somebody_waits();
  auto next = desk.ask(desk.config(second));
  CHECK(old.get().problem.find("has changed") != std::string::npos);
  CHECK(next.get().token == "second-token");
  gate.open();
  CHECK(desk.give(desk.config(second)).token == "second-token");
  CredentialConfig scoped = desk.config(second);
  scoped.tokens->scopes = {"read"};
  desk.give(scoped);
  REQUIRE(second.requests().size() == 2);
  CHECK(second.requests()[1].find("&scope=read") != std::string::npos);
}

namespace {

const std::string with_refresh = R"({"client_secret": "the-clients-s3cret", "refresh_token": "refresh-0"})";

// Takes each refresh token once, as a strict server does.
struct Rotating {
  std::atomic<int> next{0};
  std::string operator()(const std::string& request) {
    if (request.find("refresh_token=refresh-" + std::to_string(next)) == std::string::npos)
      return http_answer("400 Bad Request", R"({"error":"invalid_grant"})");
    const std::string number = std::to_string(++next);
    return granted("token-" + number, 60, R"(,"refresh_token":"refresh-)" + number + "\"");
  }
};

}  // namespace

TEST_CASE(
    "a refresh token that a server gives in place of another is kept, sealed, and shown the next time") {
  Rotating rotating;
  TokenServer server([&](const std::string& request) { return rotating(request); }, today());
  Desk desk;
  desk.set(with_refresh);
  const CredentialConfig config = desk.config(server, OAuthGrant::refresh_token);
  CHECK(desk.give(config).token == "token-1");
  const auto file = desk.directory() / "credentials" / "c.successor";
  REQUIRE(std::filesystem::exists(file));
  std::stringstream sealed;
  sealed << std::ifstream(file).rdbuf();
  CHECK(sealed.str().find("refresh") == std::string::npos);
  desk.start_again();
  CHECK(desk.give(config).token == "token-2");
  // What may be said by a server: the token, and what will be shown for the next; and those of before.
  CHECK(desk.looked_for(config) == std::vector<std::string>{"token-2", "refresh-2", "token-1", "refresh-1"});
  CHECK(desk.log().find("refresh-") == std::string::npos);

  // A value that the operator sets is a new beginning.
  rotating.next = 7;
  desk.set(R"({"refresh_token": "refresh-7"})");
  CHECK_FALSE(std::filesystem::exists(file));
  CHECK(desk.give(config).token == "token-8");
  REQUIRE(desk.shared().credentials->remove("c"));
  CHECK_FALSE(std::filesystem::exists(file));
}

TEST_CASE("a refresh token that cannot be kept yet is not lost, and its token waits until it is kept") {
  Rotating rotating;
  Hands hands;
  Desk desk(hands.options());
  const auto file = desk.directory() / "credentials" / "c.successor";
  TokenServer server(
      [&](const std::string& request) {
        std::filesystem::create_directory(file);  // nothing can be put in its place
        return rotating(request);
      },
      today());
  desk.set(with_refresh);
  const CredentialConfig config = desk.config(server, OAuthGrant::refresh_token);
  CHECK(desk.give(config).problem.find("which came with it, cannot be kept") != std::string::npos);
  CHECK_FALSE(desk.tokens().report("c").held);
  std::filesystem::remove(file);
  hands.move(2);
  CHECK(desk.give(config).token == "token-1");
  CHECK(server.requests().size() == 1);
  CHECK(desk.shared().credentials->successor("c", desk.shared().credentials->version("c"))->reveal() ==
        "refresh-1");
}

TEST_CASE("attack 16: a token that the process before this one gave is looked for until it has ended") {
  std::atomic<int> count{0};
  TokenServer server([&](const std::string&) { return granted("token-" + std::to_string(++count)); },
                     today());
  Hands hands;
  Desk desk(hands.options());
  desk.set();
  const CredentialConfig config = desk.config(server);
  REQUIRE(desk.give(config).token == "token-1");
  std::stringstream sealed;
  sealed << std::ifstream(desk.tokens_file()).rdbuf();
  CHECK(sealed.str().size() > 60);
  CHECK(sealed.str().find("token-1") == std::string::npos);

  using Texts = std::vector<std::string>;
  SECTION("it is given to nobody, and the next one is looked for beside it") {
    hands.move(600);
    desk.start_again();
    CHECK(desk.looked_for(config) == Texts{"token-1"});
    CHECK_FALSE(desk.tokens().report("c").held);
    CHECK(desk.give(config).token == "token-2");
    desk.start_again();
    CHECK(desk.looked_for(config) == Texts{"token-1", "token-2"});
    CredentialConfig fixed = config;  // as it would be configured now, without tokens
    fixed.type = CredentialType::bearer;
    fixed.tokens.reset();
    CHECK(desk.looked_for(fixed) == Texts{"token-1", "token-2"});
  }
  SECTION("until ten minutes after its end, and its file is gone then") {
    hands.move(3600 + 590);
    desk.start_again();
    ::poll(nullptr, 0, 1500);
    CHECK(desk.looked_for(config) == Texts{"token-1"});
    CHECK(desk.is_filed());
    hands.move(20);
    CHECK(comes([&] { return desk.looked_for(config).empty() && !desk.is_filed(); }));
  }
  SECTION("one that has ended meanwhile is not read") {
    hands.move(3600 + 610);
    desk.start_again();
    CHECK(desk.looked_for(config).empty());
    CHECK(comes([&] { return !desk.is_filed(); }));
  }
  SECTION("a clock that was set back makes it last no longer than it would have from now on") {
    hands.wall_s -= 100'000;
    desk.start_again();
    hands.move(3600 + 590);
    ::poll(nullptr, 0, 1500);
    CHECK(desk.looked_for(config) == Texts{"token-1"});
    hands.move(20);
    CHECK(comes([&] { return desk.looked_for(config).empty(); }));
  }
  SECTION("a clock of the wall that runs ahead while the process lives ends nothing") {
    hands.wall_s += 100'000;
    ::poll(nullptr, 0, 1500);
    CHECK(desk.looked_for(config) == Texts{"token-1"});
    CHECK(desk.give(config).token == "token-2");
    desk.start_again();
    CHECK(desk.looked_for(config) == Texts{"token-1", "token-2"});
  }
  SECTION("also of a credential whose value was set anew, or removed") {
    desk.set("another-s3cret");
    desk.start_again();
    CHECK(desk.looked_for(config) == Texts{"token-1"});
    REQUIRE(desk.shared().credentials->remove("c"));
    desk.tokens().forget("c");
    desk.start_again();
    CHECK(desk.looked_for(config) == Texts{"token-1"});
    CHECK(desk.give(config).problem.find("no value is set") != std::string::npos);
  }
}

TEST_CASE("the refresh token that will be shown next is looked for as long as nothing came after it") {
  Rotating rotating;
  TokenServer server([&](const std::string& request) { return rotating(request); }, today());
  Hands hands;
  Desk desk(hands.options());
  desk.set(with_refresh);
  const CredentialConfig config = desk.config(server, OAuthGrant::refresh_token);
  REQUIRE(desk.give(config).token == "token-1");
  hands.move(7 * 86'400);
  ::poll(nullptr, 0, 1500);
  CHECK(desk.looked_for(config).back() == "refresh-1");
  desk.start_again();
  ::poll(nullptr, 0, 1500);
  CHECK(desk.looked_for(config).back() == "refresh-1");
  REQUIRE(desk.give(config).token == "token-2");
  CHECK(comes([&] { return desk.looked_for(config) == std::vector<std::string>{"token-2", "refresh-2"}; }));
}

TEST_CASE("attack 16: a token that cannot be written down is given to nobody, and not asked for twice") {
  std::atomic<int> count{0};
  TokenServer server([&](const std::string&) { return granted("token-" + std::to_string(++count)); },
                     today());
  Hands hands;
  Desk desk(hands.options());
  desk.set();
  const CredentialConfig config = desk.config(server);
  std::filesystem::create_directory(desk.tokens_file());  // nothing can be put in its place
  const std::string problem = desk.give(config).problem;
  CHECK(problem.find("no token: it cannot be kept on the disk: ") != std::string::npos);
  CHECK(problem.find("c.tokens") != std::string::npos);
  CHECK_FALSE(desk.tokens().report("c").held);
  std::filesystem::remove(desk.tokens_file());
  hands.move(2);
  CHECK(desk.give(config).token == "token-1");
  CHECK(count == 1);

  // One that has ended while it could not be written down is not given then either.
  hands.move(3600);
  std::filesystem::remove(desk.tokens_file());
  std::filesystem::create_directory(desk.tokens_file());
  CHECK_FALSE(desk.give(config).problem.empty());
  CHECK(count == 2);
  std::filesystem::remove(desk.tokens_file());
  hands.move(3600);
  CHECK(desk.give(config).token == "token-3");
}

TEST_CASE("more tokens that are good than can be written down: no more are given") {
  std::atomic<int> count{0};
  TokenServer server(
      [&](const std::string&) { return granted(std::to_string(++count) + std::string(8000, 'x')); }, today());
  Hands hands;
  Desk desk(hands.options());
  const CredentialConfig config = desk.config(server);
  std::string problem;
  for (int round = 0; round < 40 && problem.empty(); ++round) {
    desk.set("secret-" + std::to_string(round));
    problem = desk.give(config).problem;
  }
  CHECK(problem.find("more than 256 KiB of them may still be good") != std::string::npos);
  CHECK(count == 33);
  CHECK(desk.looked_for(config).size() == 32);
  hands.move(3600 + 610);
  CHECK(comes([&] { return desk.looked_for(config).empty(); }));
  CHECK(desk.give(config).problem.empty());
}

TEST_CASE(
    "attack 16: while what was given before cannot be read, nothing passes as if it had not been given") {
  TokenServer server([&](const std::string&) { return granted("a-token"); }, today());
  Desk desk;
  desk.set();
  const CredentialConfig config = desk.config(server);
  REQUIRE(desk.give(config).token == "a-token");
  std::stringstream read;
  read << std::ifstream(desk.tokens_file()).rdbuf();
  const std::string whole = read.str();
  auto put = [&](const std::string& bytes) {
    std::ofstream(desk.tokens_file(), std::ios::binary | std::ios::trunc) << bytes;
  };
  auto seal = [&](const std::string& name, const std::string& bytes) {
    REQUIRE((*credentials::Store::open(desk.directory() / "credentials"))->keep_tokens(name, bytes));
  };
  struct Damage {
    const char* what;
    std::function<void()> does;
  };
  const Damage damages[] = {
      {"cut short", [&] { put(whole.substr(0, whole.size() / 2)); }},
      {"empty", [&] { put(""); }},
      {"another byte",
       [&] {
         std::string changed = whole;
         changed[changed.size() - 20] ^= 1;
         put(changed);
       }},
      {"of another credential, under the same key",
       [&] {
         seal("other", "something");
         std::filesystem::rename(desk.directory() / "credentials" / "other.tokens", desk.tokens_file());
       }},
      {"sealed, and of no form that is known", [&] { seal("c", "something"); }},
      {"readable by others",
       [&] { std::filesystem::permissions(desk.tokens_file(), std::filesystem::perms(0644)); }},
  };
  const std::string wanted = "its tokens of before the start cannot be read: ";
  for (const Damage& damage : damages) {
    INFO(damage.what);
    desk.end();
    damage.does();
    desk.start_again();
    const auto texts = desk.looked_for(config);
    REQUIRE(texts.size() == 1);
    CHECK(texts[0].starts_with("error: cannot use credential 'c': " + wanted));
    CHECK(desk.give(config).problem.find(wanted) != std::string::npos);
    CHECK(desk.tokens().report("c").problem.starts_with(wanted));
    CHECK(desk.is_filed());
    // Mended, while the gateway runs.
    put(whole);
    std::filesystem::permissions(desk.tokens_file(), std::filesystem::perms(0600));
    CHECK(comes([&] { return desk.looked_for(config) == std::vector<std::string>{"a-token"}; }));
  }
  desk.end();
  put("");
  desk.start_again();
  std::filesystem::remove(desk.tokens_file());
  CHECK(comes([&] { return desk.looked_for(config).empty(); }));
  CHECK(desk.give(config).token == "a-token");
}

TEST_CASE("who waits when the gateway ends is refused, and a fetch ends with it") {
  Gate gate;
  TokenServer server(
      [&](const std::string&) {
        gate.pass();
        return granted("first-token");
      },
      today());
  Desk desk;
  desk.set();
  auto asked = desk.ask(desk.config(server));
  gate.until_somebody_waits();
  const auto begun = Clock::now();
  desk.tokens().stop();
  CHECK(asked.get().problem == "the gateway is shutting down");
  desk.stop();
  CHECK(Clock::now() - begun < 5s);
  gate.open();
}
