// WebSockets through the whole gateway.
#include <catch2/catch.hpp>

#include "daemon/gateway/http/worker_state.h"
#include "parsers/websocket/frame.h"
#include "tests/daemon/gateway/http/lab.h"

using namespace clawpatrol::http::lab;

namespace {

// A client's frame, its mask zeros so that a test can read it.
std::string up(int first, const std::string& payload) {
  return std::string{static_cast<char>(first), static_cast<char>(payload.size() | 0x80)} +
         std::string(4, '\0') + payload;
}
std::string down(int first, const std::string& payload) {
  return std::string{static_cast<char>(first), static_cast<char>(payload.size())} + payload;
}

const char* by_words = R"toml(
[[rule]]
name = "words"
endpoint = "api"
on = ["message"]
condition = "ws.opcode == 'text' && ws.text.contains('secret')"
verdict = "deny"
reason = "No secrets"

[[rule]]
name = "all"
endpoint = "api"
verdict = "allow"
)toml";

}  // namespace

TEST_CASE("a WebSocket's frames go both ways as they are, and are counted in its outcome") {
  Gateway gateway({.rules = allow_all});
  {
    Opened ws = open_websocket(gateway, "Sec-WebSocket-Extensions: x-unknown, permessage-deflate\r\n",
                               "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    CHECK(ws.request.contains("Sec-WebSocket-Extensions: permessage-deflate\r\n"));
    ws.agent.send(up(0xc1, "zzz") + up(0x89, "there?"));
    CHECK(ws.server.exactly(9 + 12) == up(0xc1, "zzz") + up(0x89, "there?"));
    ws.server.send(down(0x8a, "there?") + down(0x82, "binary"));
    CHECK(ws.agent.exactly(8 + 8) == down(0x8a, "there?") + down(0x82, "binary"));
  }
  CHECK(gateway.logs(R"("frames":{"up":{"text":[1,3],"ping":[1,6]},"down":{"binary":[1,6],"pong":[1,6]}})"));
}

TEST_CASE("attack 12: a message that a rule denies goes nowhere, and both sides are told with 1008") {
  Gateway gateway({.rules = by_words});
  Opened ws = open_websocket(gateway, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
  CHECK_FALSE(ws.request.contains("Extensions"));  // messages that rules see are not compressed
  ws.agent.send(up(0x81, "hello"));
  CHECK(ws.server.exactly(11) == up(0x81, "hello"));
  ws.agent.send(up(0x01, "a sec") + up(0x80, "ret") + up(0x81, "behind"));
  CHECK(ws.agent.until("No secrets").starts_with("\x88"));
  CHECK(ws.server.rest() == up(0x88, "\x03\xf0"));
  CHECK(gateway.logs(R"("type":"message","kind":"write","verdict":"deny","rule":"words")"));
  CHECK(gateway.logs("message up text 8 bytes"));
}

TEST_CASE("a rule reads a message's JSON, and what is none is not allowed by it") {
  Gateway gateway({.rules = R"toml(
[[rule]]
name = "no-admin"
endpoint = "api"
on = ["message"]
condition = "ws.json.op == 'admin'"
verdict = "deny"
reason = "No admin"

[[rule]]
name = "all"
endpoint = "api"
verdict = "allow"
)toml"});
  {
    Opened ws = open_websocket(gateway);
    const std::string fine = up(0x81, R"({"op":"say"})");
    ws.agent.send(fine);
    CHECK(ws.server.exactly(fine.size()) == fine);
    ws.agent.send(up(0x81, R"({"op": "\u0061dmin"})"));
    CHECK(ws.agent.until("No admin").starts_with("\x88"));
    CHECK(ws.server.rest() == up(0x88, "\x03\xf0"));
  }
  Opened ws = open_websocket(gateway);
  ws.agent.send(up(0x81, "op admin"));
  CHECK(ws.agent.until("could not be evaluated").starts_with("\x88"));
}

TEST_CASE("attack 12: what a server says is judged too, and what is malformed ends both ways") {
  Gateway gateway({.rules = by_words});
  {
    Opened ws = open_websocket(gateway);
    ws.server.send(down(0x81, "the secret"));
    CHECK(ws.agent.until("No secrets").starts_with("\x88"));
    CHECK(ws.server.rest() == up(0x88, "\x03\xf0"));
  }
  Opened ws = open_websocket(gateway);
  ws.agent.send(down(0x81, "not masked"));
  CHECK(ws.agent.until("without a mask").starts_with("\x88"));
  CHECK(ws.server.rest() == up(0x88, "\x03\xf0"));
}

TEST_CASE("attack 12: an extension that was not offered does not open a WebSocket") {
  Gateway gateway({.rules = allow_all});
  const Opened ws = open_websocket(gateway, "", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
  CHECK(ws.response.starts_with("HTTP/1.1 502"));
}

TEST_CASE("attack 28: what waits for a verdict on a peer's WebSockets counts together, and has a bound") {
  Gateway gateway({.rules = by_words});
  // A message that goes on: it is held as it came, and without its mask.
  const std::string piece(60'000, 'x');
  std::string begun = up(0x01, "");
  for (int i = 0; i < 16; ++i) {
    const std::uint16_t size = 60'000;
    begun += std::string{'\0', '\xfe', static_cast<char>(size >> 8), static_cast<char>(size & 255)} +
             std::string(4, '\0') + piece;
  }
  std::vector<Opened> held;
  const std::size_t fitting = clawpatrol::http::PeerMemory::most_per_peer / (2 * 16 * piece.size());
  for (std::size_t i = 0; i < fitting; ++i) {
    held.push_back(open_websocket(gateway));
    held.back().agent.send(begun);
  }
  Opened last = open_websocket(gateway);
  last.agent.send(begun);
  CHECK(last.agent.until("waits for its verdict").starts_with("\x88"));
  CHECK(last.server.rest() == up(0x88, "\x03\xf0"));
  // So do heads.
  std::string fields;
  for (int i = 0; i < 60; ++i) fields += "X-Field: " + std::string(1000, 'x') + "\r\n";
  const std::string request = "GET / HTTP/1.1\r\nHost: " + gateway.authority() + "\r\n";
  std::vector<Side> waiting, servers;
  while (true) {
    waiting.push_back(gateway.agent());
    waiting.back().send(request + fields + "\r\n");
    if (!waiting.back().is_quiet()) break;
    servers.push_back(gateway.server());
    REQUIRE(waiting.size() < 40);
  }
  CHECK(waiting.back().until("held").starts_with("HTTP/1.1 503"));
  held.clear();  // gives it back
  Opened next = open_websocket(gateway);
  next.agent.send(begun + up(0x80, "end"));
  CHECK(next.server.until("end").size() == begun.size() + up(0x80, "end").size());
}
