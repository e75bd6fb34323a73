#include <catch2/catch.hpp>
#include <chrono>
#include <future>

#include "tests/daemon/gateway/http/lab.h"

using namespace clawpatrol::http::lab;

namespace {

std::string get(const Gateway& gateway, const std::string& target = "/", const std::string& fields = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: " + gateway.authority() + "\r\n" + fields + "\r\n";
}

const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

const char* by_body = R"toml(
[[rule]]
name = "no-drop"
endpoint = "api"
priority = 5
condition = "http.method != 'GET' && http.body.contains('drop')"
verdict = "deny"
reason = "Nothing is dropped here"

[[rule]]
name = "rest"
endpoint = "api"
verdict = "allow"
)toml";

}  // namespace

TEST_CASE("requests that rules allow are handed on one after the other, on one connection each way") {
  Gateway gateway({.rules = allow_all});
  Side agent = gateway.agent();
  agent.send(get(gateway, "/a%2e?b=c", "Keep-Alive: 3\r\nX-A: 1\r\nConnection: keep-alive\r\n"));
  Side server = gateway.server();
  CHECK(server.head() == "GET /a%2e?b=c HTTP/1.1\r\nHost: " + gateway.authority() + "\r\nX-A: 1\r\n\r\n");
  server.send(
      "HTTP/1.1 200 Whatever\r\nContent-Length: 2\r\nAlt-Svc: h3=\":443\"\r\nKeep-Alive: 1\r\nX-B: "
      "2\r\n\r\nok");
  CHECK(agent.until("ok") == "HTTP/1.1 200 OK\r\nX-B: 2\r\nContent-Length: 2\r\n\r\nok");
  agent.send("POST / HTTP/1.1\r\nHost: " + gateway.authority() +
             "\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nX-Sum: 9\r\n\r\n");
  CHECK(server.head() ==
        "POST / HTTP/1.1\r\nHost: " + gateway.authority() + "\r\nTransfer-Encoding: chunked\r\n\r\n");
  CHECK(server.until("X-Sum: 9\r\n\r\n") == "3\r\nabc\r\n1\r\nd\r\n0\r\nX-Sum: 9\r\n\r\n");
  server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-End: 1\r\n\r\n");
  CHECK(agent.until("X-End: 1\r\n\r\n") ==
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-End: 1\r\n\r\n");
  agent.end_sending();
  CHECK(agent.rest() == "");
  CHECK(gateway.server_is_quiet());
  CHECK(gateway.logs(R"("type":"request","kind":"read","verdict":"allow","rule":"all")"));
  CHECK(gateway.logs(R"("path":"/a.","raw_path":"/a%2e")"));
  CHECK(gateway.logs(R"("type":"outcome","ok":true,"bytes_up":4,"bytes_down":2,"code":"200")"));
}

TEST_CASE("pipelined requests are answered in their order") {
  Gateway gateway({.rules = allow_all});
  Side agent = gateway.agent();
  agent.send(get(gateway, "/1") + get(gateway, "/2") + get(gateway, "/3"));
  Side server = gateway.server();
  for (const char* number : {"1", "2", "3"}) {
    CHECK(server.head().starts_with(std::string("GET /") + number + " "));
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + std::string(number));
    CHECK(agent.head() == "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n");
    CHECK(agent.exactly(1) == number);
  }
}

TEST_CASE("what a rule denies never reaches the server, and the connection goes on") {
  Gateway gateway({.rules = by_body});
  Side agent = gateway.agent();
  agent.send(post(gateway, "please drop it"));
  const std::string head = agent.head();
  CHECK(head.starts_with("HTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json\r\n"));
  CHECK_FALSE(head.contains("Connection: close"));
  const std::string body = agent.until("}\n");
  CHECK(body.starts_with(R"({"type":"urn:clawpatrol:denied","title":"Forbidden","status":403,)"
                         R"("detail":"Nothing is dropped here","rule":"no-drop","id":"a-)"));
  CHECK(gateway.server_is_quiet());
  agent.send(post(gateway, "please keep it"));
  Side server = gateway.server();
  CHECK(server.until("keep it") == post(gateway, "please keep it"));
  server.send(ok);
  CHECK(agent.until("ok").starts_with("HTTP/1.1 200 OK"));
}

TEST_CASE("attack 11: a request for another host or port than the connection's is 421") {
  Gateway gateway({.rules = allow_all});
  for (const char* host : {"127.0.0.2", "other.internal", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.:80"}) {
    CAPTURE(host);
    Side agent = gateway.agent();
    agent.send("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n" + get(gateway));
    CHECK(agent.head().starts_with("HTTP/1.1 421 Misdirected Request\r\n"));
    CHECK(agent.until("}\n").contains("urn:clawpatrol:misdirected"));
    Side server = gateway.server();  // the request behind it, on its own
    CHECK(server.head() == get(gateway));
    server.send(ok);
    CHECK(agent.until("ok").starts_with("HTTP/1.1 200"));
  }
  Side old = gateway.agent();
  old.send("GET / HTTP/1.0\r\n\r\n");
  CHECK(old.rest().starts_with("HTTP/1.1 421"));
  CHECK(gateway.logs(R"("guard":"names that disagree")"));
}

TEST_CASE("malformed requests are 400 and the end of the connection, also behind good ones") {
  Gateway gateway({.rules = allow_all});
  const std::string host = "Host: " + gateway.authority() + "\r\n";
  for (const std::string& bytes :
       {"GET / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\n" + host + " folded: a\r\n\r\n", "GET / HTTP/1.1\n" + host + "\r\n",
        "CONNECT a:443 HTTP/1.1\r\n" + host + "\r\n", "\x16\x03\x01" + std::string(100, 'x')}) {
    CAPTURE(bytes);
    Side agent = gateway.agent();
    agent.send(bytes + get(gateway));
    const std::string answer = agent.rest();
    CHECK(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"));
    CHECK(answer.contains("Connection: close\r\n"));
    CHECK(answer.contains("urn:clawpatrol:malformed"));
    CHECK(answer.find("HTTP/1.1", 5) == std::string::npos);
  }
  CHECK(gateway.server_is_quiet());
  Side agent = gateway.agent();
  agent.send(get(gateway) + "GET / HTTP/1.1\r\nBroken\r\n\r\n");
  Side server = gateway.server();
  server.head();
  server.send(ok);
  CHECK(agent.until("ok").starts_with("HTTP/1.1 200"));
  CHECK(agent.rest().starts_with("HTTP/1.1 400"));
}

TEST_CASE("a body that turns out malformed ends both sides, and the server never sees its end") {
  Gateway gateway({.rules = allow_all});
  Side agent = gateway.agent();
  agent.send("POST / HTTP/1.1\r\nHost: " + gateway.authority() +
             "\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  Side server = gateway.server();
  CHECK(server.until("abc\r\n").ends_with("3\r\nabc\r\n"));
  agent.send("zz\r\n");
  CHECK(server.rest() == "");
  CHECK(agent.rest().starts_with("HTTP/1.1 400"));
}

TEST_CASE("a request whose rules do not read its body does not wait for it") {
  Gateway gateway({.rules = by_body});
  Side agent = gateway.agent();
  const std::string head = "PUT / HTTP/1.1\r\nHost: " + gateway.authority() + "\r\nContent-Length: 6\r\n\r\n";
  agent.send(head + "abc");
  CHECK(gateway.server_is_quiet());  // this one is read
  agent.send("def");
  Side server = gateway.server();
  CHECK(server.until("abcdef") == head + "abcdef");
  server.send(ok);
  agent.until("ok");
  gateway.use(allow_all);
  agent.send(head + "abc");
  Side other = gateway.server();  // another generation, another connection
  CHECK(other.until("abc") == head + "abc");
  agent.send("def");
  CHECK(other.exactly(3) == "def");
  other.send(ok);
  CHECK(agent.until("ok").starts_with("HTTP/1.1 200"));
}

TEST_CASE("a reload that forbids what was allowed lets the request in flight end, and denies the next one") {
  Gateway gateway({.rules = allow_all});
  Side agent = gateway.agent();
  const std::string head =
      "PUT /kept HTTP/1.1\r\nHost: " + gateway.authority() + "\r\nContent-Length: 6\r\n\r\n";
  agent.send(head + "abc");
  Side server = gateway.server();
  CHECK(server.until("abc") == head + "abc");
  gateway.use(R"toml(
[[rule]]
name = "shut"
endpoint = "api"
verdict = "deny"
reason = "shut"
)toml");
  // The rest of its body, and what stands behind it, in one piece.
  agent.send("def" + head + "abcdef" + get(gateway));
  CHECK(server.exactly(3) == "def");
  CHECK(server.is_quiet());
  server.send(ok);
  CHECK(agent.until("ok").starts_with("HTTP/1.1 200 OK\r\n"));
  for (int i = 0; i < 2; ++i) {
    CHECK(agent.head().starts_with("HTTP/1.1 403 Forbidden\r\n"));
    CHECK(agent.until("}\n").contains("\"shut\""));
  }
  CHECK(server.is_quiet());
  CHECK(gateway.server_is_quiet());
  CHECK(gateway.logs(R"("verdict":"allow","rule":"all","generation":1)"));
  CHECK(gateway.logs(R"("verdict":"deny","rule":"shut","reason":"shut","generation":2)"));
  // One that was still being judged, by its body, is judged by the generation that its head met.
  gateway.use(by_body);
  agent.send(head + "abc");
  CHECK(gateway.server_is_quiet());
  gateway.use("");
  agent.send("def" + get(gateway));
  Side other = gateway.server();
  CHECK(other.until("abcdef") == head + "abcdef");
  other.send(ok);
  CHECK(agent.until("ok").starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(agent.head().starts_with("HTTP/1.1 403"));
  CHECK(other.is_quiet());
}

TEST_CASE("a body that is larger than rules may see, or does not come in time, is unknown and denied") {
  Gateway gateway(
      {.rules = by_body, .settings = "[limits]\nbody_inspect = \"1KiB\"\nbody_wait = \"200ms\"\n"});
  Side agent = gateway.agent();
  agent.send("POST / HTTP/1.1\r\nHost: " + gateway.authority() + "\r\nContent-Length: 2000\r\n\r\n");
  CHECK(agent.head().starts_with("HTTP/1.1 403"));  // at once, before a byte of it
  CHECK(agent.until("}\n").contains("over a limit"));
  agent.send(std::string(2000, 'x'));
  agent.send("POST / HTTP/1.1\r\nHost: " + gateway.authority() +
             "\r\nTransfer-Encoding: chunked\r\n\r\n500\r\n" + std::string(0x500, 'x') + "\r\n0\r\n\r\n");
  CHECK(agent.head().starts_with("HTTP/1.1 403"));
  CHECK(agent.until("}\n").contains("over a limit"));
  agent.send("POST / HTTP/1.1\r\nHost: " + gateway.authority() + "\r\nContent-Length: 5\r\n\r\ndr");
  const std::string late = agent.rest();
  CHECK(late.contains("not known yet"));
  CHECK(gateway.server_is_quiet());
}

TEST_CASE("a connection is never used again once the server has said more than it was asked, or ended it") {
  Gateway gateway({.rules = allow_all});
  Side agent = gateway.agent();
  auto ask = [&](const std::string& answer) {
    agent.send(get(gateway));
    Side server = gateway.server();
    CHECK(server.head() == get(gateway));
    server.send(answer);
    CHECK(agent.until("ok").starts_with("HTTP/1.1 200"));
    return server;
  };
  Side chatty = ask(ok + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen");
  Side closing = ask("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
  Side gone = ask(ok);
  gone.hang_up();
  ask(ok);
}

TEST_CASE(
    "a request without a body is sent again where a used connection ends without an answer, and no other") {
  Gateway gateway({.rules = allow_all});
  Side agent = gateway.agent();
  agent.send(get(gateway));
  Side first = gateway.server();
  first.head();
  first.send(ok);
  agent.until("ok");
  agent.send(get(gateway, "/again"));
  CHECK(first.head() == get(gateway, "/again"));
  first.hang_up();
  Side second = gateway.server();
  CHECK(second.head() == get(gateway, "/again"));
  second.send(ok);
  agent.until("ok");
  agent.send(post(gateway, "once"));
  CHECK(second.until("once") == post(gateway, "once"));
  second.hang_up();
  CHECK(agent.head().starts_with("HTTP/1.1 502"));
  CHECK(agent.until("}\n").contains("closed the connection without a response"));
  CHECK(gateway.server_is_quiet());
}

TEST_CASE("responses that are malformed are 502, and those that end early are broken off") {
  Gateway gateway({.rules = allow_all});
  for (const char* answer :
       {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "nonsense\r\n\r\n",
        "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"}) {
    CAPTURE(answer);
    Side agent = gateway.agent();
    agent.send(get(gateway));
    Side server = gateway.server();
    server.head();
    server.send(answer);
    CHECK(agent.head().starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
  }
  Side agent = gateway.agent();
  agent.send(get(gateway));
  Side server = gateway.server();
  server.head();
  server.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  CHECK(agent.until("half").ends_with("half"));
  server.hang_up();
  CHECK(agent.rest() == "");
  CHECK(agent.was_reset());
  CHECK(gateway.logs("closed the connection within a response"));
}

TEST_CASE("100-continue is the server's to give, and an early answer ends the upload") {
  Gateway gateway({.rules = allow_all});
  const std::string head = "POST / HTTP/1.1\r\nHost: " + gateway.authority() +
                           "\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
  Side agent = gateway.agent();
  agent.send(head);
  Side server = gateway.server();
  CHECK(server.head() == head);
  server.send("HTTP/1.1 100 Continue\r\n\r\n");
  CHECK(agent.head() == "HTTP/1.1 100 Continue\r\n\r\n");
  agent.send("body");
  CHECK(server.exactly(4) == "body");
  server.send(ok);
  CHECK(agent.until("ok").starts_with("HTTP/1.1 200"));

  agent.send(head);
  server.head();
  server.send("HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno");
  const std::string refused = agent.rest();
  CHECK(refused.starts_with("HTTP/1.1 413"));
  CHECK(refused.contains("Connection: close"));

  Side early = gateway.agent();
  early.send("POST / HTTP/1.1\r\nHost: " + gateway.authority() + "\r\nContent-Length: 100000000\r\n\r\nabc");
  Side busy = gateway.server();
  busy.until("abc");
  busy.send("HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno");
  CHECK(early.until("no").starts_with("HTTP/1.1 413"));
  CHECK(busy.rest() == "");
}

TEST_CASE("a body flows both ways at once, and bytes that nobody reads stop the sender") {
  Gateway gateway({.rules = allow_all});
  Side agent = gateway.agent();
  agent.send("POST / HTTP/1.1\r\nHost: " + gateway.authority() +
             "\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
  Side server = gateway.server();
  server.until("1\r\na\r\n");
  server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n");
  CHECK(agent.until("b\r\n").ends_with("1\r\nb\r\n"));
  agent.send("1\r\nc\r\n0\r\n\r\n");
  CHECK(server.until("0\r\n\r\n") == "1\r\nc\r\n0\r\n\r\n");
  server.send("0\r\n\r\n");
  CHECK(agent.until("0\r\n\r\n") == "0\r\n\r\n");
}

TEST_CASE("HEAD, 204, 304 and HTTP/1.0 end where they end") {
  Gateway gateway({.rules = allow_all});
  Side agent = gateway.agent();
  agent.send("HEAD / HTTP/1.1\r\nHost: " + gateway.authority() + "\r\n\r\n");
  Side server = gateway.server();
  server.head();
  server.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  CHECK(agent.head() == "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  for (const char* status : {"204 No Content", "304 Not Modified"}) {
    agent.send(get(gateway));
    server.head();
    server.send("HTTP/1.1 " + std::string(status) + "\r\n\r\n");
    CHECK(agent.head() == "HTTP/1.1 " + std::string(status) + "\r\n\r\n");
  }
  Side old = gateway.agent();
  old.send("GET / HTTP/1.0\r\nHost: " + gateway.authority() + "\r\n\r\n");
  server.head();
  server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
  CHECK(old.rest() == "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok");
  agent.send(get(gateway));
  server.head();
  server.send("HTTP/1.0 200 OK\r\n\r\nok");
  server.hang_up();
  CHECK(agent.until("0\r\n\r\n") ==
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
}

TEST_CASE("attack 12: a WebSocket opens by a right 101 alone, and by nothing else") {
  Gateway gateway({.rules = allow_all});
  const std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const std::string upgrade = get(gateway, "/", "Connection: Upgrade\r\nUpgrade: websocket\r\n" + key);
  const std::string right =
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
  const std::string smuggled = get(gateway, "/secret");
  SECTION("right") {
    Side agent = gateway.agent();
    agent.send(upgrade);
    Side server = gateway.server();
    CHECK(server.head() == get(gateway, "/", key + "Upgrade: websocket\r\nConnection: Upgrade\r\n"));
    server.send(right + "\x81\x05hello");
    CHECK(agent.until("hello").starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
    const std::string masked("\x81\x85\0\0\0\0world", 11);
    agent.send(masked);
    CHECK(server.exactly(11) == masked);
    agent.end_sending();
    CHECK(server.rest() == "");
    server.hang_up();
    CHECK(agent.rest() == "");
  }
  SECTION("ended by the server") {
    Side agent = gateway.agent();
    agent.send(upgrade);
    Side server = gateway.server();
    server.head();
    server.send(right);
    agent.head();
    server.hang_up();
    CHECK(agent.rest() == "");
  }
  SECTION("any other status stays HTTP, and what was sent behind the head goes nowhere") {
    for (const char* answer : {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                               "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nok"}) {
      Side agent = gateway.agent();
      agent.send(upgrade + smuggled);
      Side server = gateway.server();
      CHECK(server.head().starts_with("GET / HTTP/1.1"));
      server.send(answer);
      CHECK(agent.until("ok").contains("Connection: close\r\n"));
      CHECK(agent.rest() == "");
      CHECK(server.is_quiet());
    }
    CHECK(gateway.server_is_quiet());
  }
  SECTION("a 101 that is not right closes both sides") {
    for (const std::string& answer :
         {std::string("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
                      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
          std::string("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                      "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n")}) {
      Side agent = gateway.agent();
      agent.send(upgrade + smuggled);
      Side server = gateway.server();
      server.head();
      server.send(answer);
      CHECK(agent.rest().starts_with("HTTP/1.1 502"));
      CHECK(server.rest() == "");
    }
  }
  SECTION("h2c is not asked for, and hop-by-hop fields are not copied") {
    Side agent = gateway.agent();
    agent.send(
        get(gateway, "/", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n"));
    Side server = gateway.server();
    CHECK(server.head() == get(gateway));
    server.send("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    CHECK(agent.rest().starts_with("HTTP/1.1 502"));
  }
  SECTION("without its key it is refused") {
    Side agent = gateway.agent();
    agent.send(get(gateway, "/", "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
    CHECK(agent.rest().starts_with("HTTP/1.1 400"));
    CHECK(gateway.server_is_quiet());
  }
}

TEST_CASE("TRACE, and paths with two readings, are refused and the connection goes on") {
  Gateway gateway({.rules = allow_all});
  Side agent = gateway.agent();
  agent.send("TRACE / HTTP/1.1\r\nHost: " + gateway.authority() + "\r\n\r\n");
  CHECK(agent.head().starts_with("HTTP/1.1 405"));
  agent.until("}\n");
  for (const char* path : {"/a%2fb", "/a//b", "/a;b", "/a\\b", "/a%zz"}) {
    agent.send(get(gateway, path));
    CHECK(agent.head().starts_with("HTTP/1.1 400"));
    agent.until("}\n");
  }
  CHECK(gateway.server_is_quiet());
}

TEST_CASE("what cannot be recorded is not sent") {
  Gateway gateway({.rules = allow_all, .audit_bytes = 100});
  Side agent = gateway.agent();
  agent.send(get(gateway));
  CHECK(agent.head().starts_with("HTTP/1.1 503"));
  CHECK(agent.until("}\n").contains("urn:clawpatrol:unrecorded"));
  CHECK(gateway.server_is_quiet());
}

TEST_CASE("a flow that is asked to close tells its agent, or breaks off what it cannot take back") {
  Gateway gateway({.rules = allow_all});
  auto close_all = [&] {
    for (const auto& flow : gateway.shared().flows.all()) flow->ask_to_close("enough");
  };
  Side idle = gateway.agent();
  idle.send(get(gateway));
  Side server = gateway.server();
  server.head();
  server.send(ok);
  idle.until("ok");
  close_all();
  CHECK(idle.rest() == "");
  Side waiting = gateway.agent();
  waiting.send(get(gateway));
  server.head();
  close_all();
  const std::string told = waiting.rest();
  CHECK(told.starts_with("HTTP/1.1 503"));
  CHECK(told.contains("enough"));
  Side halfway = gateway.agent();
  halfway.send(get(gateway));
  Side next = gateway.server();
  next.head();
  next.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  halfway.until("half");
  close_all();
  halfway.rest();
  CHECK(halfway.was_reset());
}

TEST_CASE(
    "a flow that is asked to leave ends when it is idle, and else with `Connection: close` behind what goes "
    "on") {
  Gateway gateway({.rules = allow_all});
  auto leave_all = [&] {
    for (const auto& flow : gateway.shared().flows.all()) flow->ask_to_leave();
  };
  Side idle = gateway.agent();
  idle.send(get(gateway));
  Side server = gateway.server();
  server.head();
  server.send(ok);
  idle.until("ok");
  leave_all();
  CHECK(idle.rest() == "");
  CHECK_FALSE(idle.was_reset());
  Side busy = gateway.agent();
  busy.send(get(gateway));
  server.head();
  leave_all();
  server.send(ok);
  const std::string answer = busy.rest();
  CHECK(answer.starts_with("HTTP/1.1 200"));
  CHECK(answer.contains("Connection: close"));
  CHECK(answer.ends_with("ok"));
  CHECK_FALSE(busy.was_reset());
  // A request that is here in part comes to its server, and is the last.
  Side half = gateway.agent();
  const std::string request = get(gateway);
  half.send(request.substr(0, request.size() / 2));
  Side sink = gateway.agent();  // what is behind it in the ring's turn has been read by then
  sink.send(get(gateway));
  server.head();
  server.send(ok);
  sink.until("ok");
  leave_all();
  half.send(request.substr(request.size() / 2));
  server.head();
  server.send(ok);
  const std::string last = half.rest();
  CHECK(last.starts_with("HTTP/1.1 200"));
  CHECK(last.contains("Connection: close"));
}

TEST_CASE("attack 29: observing lets requests pass that rules refuse, and nothing that is malformed") {
  Gateway gateway({.rules = by_body, .of_gateway = "mode = \"observe\""});
  Side agent = gateway.agent();
  agent.send(post(gateway, "drop it"));
  Side server = gateway.server();
  CHECK(server.until("drop it") == post(gateway, "drop it"));
  server.send(ok);
  agent.until("ok");
  CHECK(gateway.logs(R"("guard":"observe")"));
  agent.send("GET / HTTP/1.1\r\nHost: other\r\n\r\n");
  CHECK(agent.head().starts_with("HTTP/1.1 421"));
  agent.until("}\n");
  agent.send(get(gateway, "/a%2fb"));
  CHECK(agent.head().starts_with("HTTP/1.1 400"));
}

TEST_CASE(
    "while the gateway observes, the options of a change of Kubernetes are recorded that no rule was for") {
  const std::string options = R"({"kind":"DeleteOptions","gracePeriodSeconds":0})";
  const auto request = [&](const Gateway& gateway) {
    return "DELETE /api/v1/namespaces/dev/pods/a?dryRun=All HTTP/1.1\r\nHost: " + gateway.authority() +
           "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(options.size()) +
           "\r\n\r\n" + options;
  };
  {
    Gateway gateway(
        {.of_endpoint = "tls = \"disable\"", .type = "kubernetes", .of_gateway = "mode = \"observe\""});
    Side agent = gateway.agent();
    agent.send(request(gateway));
    Side server = gateway.server();
    CHECK(server.until(options).ends_with(options));
    CHECK(gateway.logs(
        R"("k8s_params":{"dryRun":["All"]},"k8s_body":{"kind":"DeleteOptions","gracePeriodSeconds":0})"));
  }
  Gateway gateway({.of_endpoint = "tls = \"disable\"", .type = "kubernetes"});
  Side agent = gateway.agent();
  agent.send(request(gateway));
  CHECK(agent.head().starts_with("HTTP/1.1 403"));
  CHECK(gateway.logs(R"("body_unknown":"not known yet")"));  // nobody needed it
}

TEST_CASE("a Kubernetes endpoint denies with a Status object") {
  Gateway gateway({.rules =
                       "[[rule]]\nname = \"r\"\nendpoint = \"api\"\ncondition = \"k8s.verb == 'delete'\"\n"
                       "verdict = \"deny\"\nreason = \"Not that\"\n",
                   .of_endpoint = "tls = \"disable\"",
                   .type = "kubernetes"});
  Side agent = gateway.agent();
  agent.send("DELETE /api/v1/namespaces/prod HTTP/1.1\r\nHost: " + gateway.authority() + "\r\n\r\n");
  CHECK(agent.head().contains("Content-Type: application/json\r\n"));
  const std::string body = agent.until("}\n");
  CHECK(body.starts_with(
      R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Not that)"));
  CHECK(body.ends_with("\"reason\":\"Forbidden\",\"code\":403}\n"));
}

TEST_CASE("attack 28: a body of chunks of a byte each leaves others their turns") {
  using Clock = std::chrono::steady_clock;
  Gateway gateway({.rules = allow_all});
  std::string body;
  for (int i = 0; i < 300'000; ++i) body += "1\r\na\r\n";
  Side agent = gateway.agent();
  agent.send("POST / HTTP/1.1\r\nHost: " + gateway.authority() + "\r\nTransfer-Encoding: chunked\r\n\r\n");
  Side server = gateway.server();
  server.head();
  auto sending = std::async(std::launch::async, [&] { agent.send(body); });
  auto taking = std::async(std::launch::async, [&] { return server.exactly(body.size()).size(); });
  gateway.come_as(clawpatrol::lab::other);
  int answered = 0;
  const auto begun = Clock::now();
  do {
    Side other = gateway.agent();
    other.send("BAD\r\n\r\n");
    CHECK(other.head().starts_with("HTTP/1.1 400"));
    ++answered;
  } while (taking.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready);
  const auto each = (Clock::now() - begun) / answered;
  CHECK(taking.get() == body.size());
  CHECK(each < std::chrono::milliseconds(60));
}
