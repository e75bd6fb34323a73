// Agents of HTTP/2, as they write their frames, through the whole gateway.
#include <catch2/catch.hpp>

#include "daemon/gateway/http/problem.h"
#include "tests/daemon/gateway/http/lab.h"
#include "tests/daemon/http2/frames.h"

using namespace clawpatrol::http::lab;
using namespace clawpatrol::tests;

namespace {

const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAlt-Svc: h3=\":443\"\r\n\r\nok";

Pairs fields(const Gateway& gateway, const std::string& method, const std::string& path) {
  return {{":method", method}, {":scheme", "http"}, {":path", path}, {":authority", gateway.authority()}};
}

const char* by_path = R"toml(
[[rule]]
name = "no-secrets"
endpoint = "api"
priority = 5
condition = "http.path == '/secrets'"
verdict = "deny"
reason = "Not for agents"

[[rule]]
name = "no-drop"
endpoint = "api"
priority = 5
condition = "http.method == 'POST' && http.body.contains('drop')"
verdict = "deny"

[[rule]]
name = "rest"
endpoint = "api"
verdict = "allow"
)toml";

}  // namespace

TEST_CASE("an agent's HTTP/2 reaches a server of HTTP/1.1: body, cookies and trailers with it") {
  Gateway gateway({.rules = allow_all, .version = clawpatrol::http::Version::http2});
  Side agent = gateway.agent();
  Pairs post = fields(gateway, "POST", "/x?y");
  post.insert(post.end(), {{"cookie", "a=1"}, {"te", "trailers"}, {"cookie", "b=2"}});
  agent.send(with_settings(head(1, post, end_headers) + frame(data, 0, 1, "abc") + frame(data, 0, 1, "def") +
                           head(1, {{"x-sum", "6"}})));
  Side server = gateway.server();
  const std::string request = server.until("x-sum: 6\r\n\r\n");
  CHECK(
      request.starts_with("POST /x?y HTTP/1.1\r\nHost: " + gateway.authority() + "\r\ncookie: a=1; b=2\r\n"));
  CHECK(request.contains("Transfer-Encoding: chunked\r\n"));
  CHECK(request.contains("abc"));
  CHECK(request.ends_with("0\r\nx-sum: 6\r\n\r\n"));
  server.send(ok);
  agent.until(frame(data, end_stream, 1, "ok"));
  CHECK(gateway.logs(R"("type":"outcome","ok":true,"bytes_up":6,"bytes_down":2,"code":"200")"));
}

TEST_CASE("streams of one connection are judged each for itself, and answered as they are ready") {
  Gateway gateway({.rules = by_path, .version = clawpatrol::http::Version::http2});
  Side agent = gateway.agent();
  agent.send(
      with_settings(head(1, fields(gateway, "GET", "/slow")) + head(3, fields(gateway, "GET", "/secrets")) +
                    head(5, fields(gateway, "POST", "/a"), end_headers) +
                    frame(data, end_stream, 5, "please drop it") + head(7, fields(gateway, "GET", "/fast"))));
  Side first = gateway.server(), second = gateway.server();
  const std::string one = first.head(), other = second.head();
  CHECK((one + other).contains("GET /slow "));
  CHECK((one + other).contains("GET /fast "));
  (one.contains("/fast") ? first : second).send(ok);
  const std::string heard = agent.until(frame(data, end_stream, 7, "ok"));
  CHECK(heard.contains("urn:clawpatrol:denied"));
  CHECK(heard.contains("Not for agents"));
  CHECK(heard.contains("no-drop"));
  (one.contains("/slow") ? first : second).send(ok);
  agent.until(frame(data, end_stream, 1, "ok"));
  CHECK(gateway.server_is_quiet());
}

TEST_CASE(
    "attack 11: a stream of HTTP/2 for another host than its connection's is 421, and its neighbours go on") {
  Gateway gateway({.rules = allow_all, .version = clawpatrol::http::Version::http2});
  Side agent = gateway.agent();
  Pairs other = fields(gateway, "GET", "/");
  other[3].second = "other.internal";
  Pairs ported = fields(gateway, "GET", "/");
  ported[3].second = "127.0.0.1:1";
  agent.send(with_settings(head(1, other) + head(3, ported) + head(5, fields(gateway, "GET", "/"))));
  Side server = gateway.server();
  CHECK(server.head().starts_with("GET / HTTP/1.1\r\nHost: " + gateway.authority()));
  server.send(ok);
  const std::string heard = agent.until(frame(data, end_stream, 5, "ok"));
  const std::size_t found = heard.find("urn:clawpatrol:misdirected");
  REQUIRE(found != std::string::npos);
  CHECK(heard.find("urn:clawpatrol:misdirected", found + 1) != std::string::npos);
  CHECK(gateway.server_is_quiet());
  CHECK(gateway.logs(R"("guard":"names that disagree")"));
}

TEST_CASE("a malformed stream is refused and recorded, and comes to no server") {
  Gateway gateway({.rules = allow_all, .version = clawpatrol::http::Version::http2});
  Side agent = gateway.agent();
  Pairs split = fields(gateway, "GET", "/"), two = fields(gateway, "GET", "/");
  split.push_back({"x", "a\r\nhost: b"});
  two.push_back({"host", "b"});
  agent.send(with_settings(head(1, split) + head(3, two)));
  agent.until("urn:clawpatrol:malformed");
  CHECK(gateway.logs(R"("guard":"malformed request")"));
  CHECK(gateway.server_is_quiet());
}

TEST_CASE("a stream that the agent breaks off is broken off at the server") {
  Gateway gateway({.rules = allow_all, .version = clawpatrol::http::Version::http2});
  Side agent = gateway.agent();
  agent.send(with_settings(head(1, fields(gateway, "GET", "/slow"))));
  Side server = gateway.server();
  server.head();
  agent.send(frame(rst_stream, 0, 1, std::string("\0\0\0\x8", 4)));
  CHECK(server.rest() == "");
  CHECK(gateway.logs(R"("type":"outcome","ok":false)"));
}

namespace {

// A response of HTTP/2 to a stream, in a server's words.
std::string answer(int stream, const std::string& body, const Pairs& trailers = {}) {
  const Pairs fields = {{":status", "200"}, {"content-type", "application/grpc"}};
  if (trailers.empty()) return head(stream, fields, end_headers) + frame(data, end_stream, stream, body);
  return head(stream, fields, end_headers) + frame(data, 0, stream, body) + head(stream, trailers);
}

}  // namespace

TEST_CASE(
    "an agent that begins with HTTP/2 in the clear has its streams on one connection of HTTP/2 to the "
    "server") {
  Gateway gateway({.rules = allow_all});
  Side agent = gateway.agent();
  Pairs post = fields(gateway, "POST", "/e");
  post.push_back({"te", "trailers"});
  agent.send(with_settings(head(1, post, end_headers)));
  Side server = gateway.server();
  server.until(preface);
  server.send(frame(settings, 0, 0, ""));
  server.until("/e");
  agent.send(head(3, fields(gateway, "GET", "/b")));
  server.until("/b");
  CHECK(gateway.server_is_quiet());  // no second connection
  // Both ways at once, before either has ended: as gRPC streams.
  server.send(head(1, {{":status", "200"}}, end_headers) + frame(data, 0, 1, "from the server"));
  agent.until("from the server");
  agent.send(frame(data, 0, 1, "from the agent"));
  server.until("from the agent");
  agent.send(frame(data, end_stream, 1, "bye"));
  server.until("bye");
  server.send(head(1, {{"grpc-status", "0"}}) + answer(3, "b"));
  CHECK(gateway.logs(R"("ok":true,"bytes_up":17,"bytes_down":15,"code":"200")"));
}

TEST_CASE("a server's GOAWAY sends on a new connection what it has not looked at") {
  Gateway gateway({.rules = allow_all});
  Side agent = gateway.agent();
  agent.send(with_settings(head(1, fields(gateway, "DELETE", "/1"))));
  Side first = gateway.server();
  first.until(preface);
  first.until("/1");
  first.send(frame(settings, 0, 0, "") + frame(goaway, 0, 0, std::string(8, '\0')));
  Side second = gateway.server();
  second.until(preface);
  second.until("/1");
  second.send(frame(settings, 0, 0, "") + answer(1, "ok"));
  agent.until("ok");
}

namespace {

const std::string refused("\0\0\0\7", 4);

}  // namespace

TEST_CASE("a server that takes one request on each connection, and ends it, is sent them all") {
  Gateway gateway({.rules = allow_all});
  Side agent = gateway.agent();
  std::string requests;
  for (int i = 0; i < 4; ++i) requests += head(2 * i + 1, fields(gateway, "GET", "/a"));
  agent.send(with_settings(requests));
  for (int i = 0; i < 4; ++i) {
    Side server = gateway.server();
    server.until(preface);
    server.until("/a");
    server.send(frame(settings, 0, 0, "") + answer(1, "ok") +
                frame(goaway, 0, 0, std::string("\0\0\0\1\0\0\0\0", 8)));
    server.hang_up();
  }
  std::string heard;
  while (std::ranges::count(heard, 'k') < 4) heard += agent.until("ok");
  CHECK_FALSE(heard.contains("urn:clawpatrol"));
}

TEST_CASE("what a server refuses again and again, or with its body, the agent may send again itself") {
  Gateway gateway({.rules = allow_all});
  Side agent = gateway.agent();
  agent.send(with_settings(head(1, fields(gateway, "GET", "/1"))));
  Side server = gateway.server();
  server.until(preface);
  server.send(frame(settings, 0, 0, ""));
  for (int stream = 1; stream <= 17; stream += 2) {
    server.until("/1");
    server.send(frame(rst_stream, 0, stream, refused));
  }
  agent.until(frame(rst_stream, 0, 1, refused));
  agent.send(head(3, fields(gateway, "POST", "/2"), end_headers) + frame(data, 0, 3, "some"));
  server.until("some");
  server.send(frame(rst_stream, 0, 19, refused));
  agent.until(frame(rst_stream, 0, 3, refused));
  agent.send(head(5, fields(gateway, "GET", "/3")));
  server.until("/3");
}

TEST_CASE("a gRPC call that is refused ends in the words of gRPC, with its head") {
  const auto answer = clawpatrol::http::answer_of({.status = 403,
                                                   .type = "denied",
                                                   .detail = "Not for 100 % of\nagents: \u00e9",
                                                   .rule = "no-secrets",
                                                   .id = "a-1"},
                                                  clawpatrol::http::ProblemForm::grpc_status, "POST");
  CHECK(answer.head.status == 200);
  CHECK_FALSE(answer.head.has_body);
  CHECK(answer.body.empty());
  CHECK(answer.head.fields ==
        clawpatrol::http::Fields{
            {"Content-Type", "application/grpc"},
            {"grpc-status", "7"},
            {"grpc-message", "Not for 100 %25 of%0Aagents: %C3%A9 (rule \"no-secrets\", action a-1)"}});

  Gateway gateway({.rules = by_path});
  Side agent = gateway.agent();
  Pairs call = fields(gateway, "POST", "/secrets");
  call.push_back({"content-type", "application/grpc+proto"});
  agent.send(with_settings(head(1, call) + frame(ping, 0, 0, "12345678")));
  CHECK(gateway.logs(R"("verdict":"deny")"));
  agent.send(head(3, fields(gateway, "GET", "/secrets")));
  const std::string heard = agent.until("urn:clawpatrol:denied");
  CHECK(heard.find("urn:clawpatrol") == heard.rfind("urn:clawpatrol"));  // the second alone
}

TEST_CASE("attack 15: connections of HTTP/2 to a server are never shared between two of agents") {
  Gateway gateway({.rules = allow_all});
  for (int i = 0; i < 2; ++i) {
    Side agent = gateway.agent();
    agent.send(with_settings(head(1, fields(gateway, "GET", "/a"))));
    Side server = gateway.server();
    server.until(preface);
    server.until("/a");
    server.send(frame(settings, 0, 0, "") + answer(1, "ok"));
    agent.until("ok");
  }
}

TEST_CASE("a server's HTTP/2 that is malformed comes to the agent as a 502 on its stream") {
  Gateway gateway({.rules = allow_all});
  Side agent = gateway.agent();
  agent.send(with_settings(head(1, fields(gateway, "GET", "/a"))));
  Side server = gateway.server();
  server.until("/a");
  server.send(frame(settings, 0, 0, "") + head(1, {{":status", "200"}, {"x", "a\r\nb: c"}}));
  agent.until("urn:clawpatrol:no-response");
}

TEST_CASE("a request with a body that is denied at once is answered, and not broken off before it ends") {
  Gateway gateway({.rules = by_path, .version = clawpatrol::http::Version::http2});
  Side agent = gateway.agent();
  agent.send(with_settings(head(1, fields(gateway, "POST", "/secrets"), end_headers)));
  agent.until("urn:clawpatrol:denied");
  agent.send(frame(data, 0, 1, "abc"));
  agent.send(frame(data, end_stream, 1, "def") + frame(ping, 0, 0, "12345678"));
  CHECK_FALSE(
      agent.until(frame(ping, 1, 0, "12345678")).contains(frame(rst_stream, 0, 1, std::string(4, '\0'))));
}

TEST_CASE("an agent of HTTP/2 that is asked to leave gets GOAWAY, and what goes on is answered") {
  Gateway gateway({.rules = allow_all, .version = clawpatrol::http::Version::http2});
  Side agent = gateway.agent();
  agent.send(with_settings(head(1, fields(gateway, "GET", "/slow"))));
  Side server = gateway.server();
  server.head();
  for (const auto& flow : gateway.shared().flows.all()) flow->ask_to_leave();
  const std::string no_error(4, '\0');
  agent.until(frame(goaway, 0, 0, std::string("\0\0\0\1", 4) + no_error));
  server.send(ok);
  agent.until(frame(data, end_stream, 1, "ok"));
  agent.rest();
  CHECK_FALSE(agent.was_reset());
}
