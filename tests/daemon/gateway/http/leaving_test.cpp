// Agents that leave before they are answered, those that only send no more, and servers that say nothing.
#include <catch2/catch.hpp>
#include <chrono>
#include <ctime>
#include <thread>

#include "tests/daemon/gateway/http/lab.h"
#include "tests/daemon/http2/frames.h"
#include "tests/daemon/tls/pair.h"

using namespace clawpatrol::http::lab;
using namespace clawpatrol::tests;
namespace tls = clawpatrol::tls;

namespace {

std::string get(const Gateway& gateway, const std::string& target = "/") {
  return "GET " + target + " HTTP/1.1\r\nHost: " + gateway.authority() + "\r\n\r\n";
}

const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const char* left = "the agent left before it was answered";

// OpenSSL's client on a connection to the gateway.
class TlsAgent {
 public:
  explicit TlsAgent(const Gateway& gateway, int version = TLS1_3_VERSION)
      : side_(gateway.agent()), client_(tls::test_authority().certificate_pem()) {
    SSL_CTX_set_max_proto_version(client_.context(), version);
    SSL_set_fd(client_.begin("api.example"), side_.fd());
    REQUIRE(SSL_connect(client_.ssl()) == 1);
  }
  void send(const std::string& text) {
    REQUIRE(SSL_write(client_.ssl(), text.data(), static_cast<int>(text.size())) > 0);
  }
  void say_goodbye() { SSL_shutdown(client_.ssl()); }
  std::string until(std::string_view end) {
    std::string heard;
    for (std::string part = client_.read(); !part.empty(); part = client_.read()) {
      heard += part;
      if (heard.contains(end)) break;
    }
    return heard;
  }
  Side& side() { return side_; }

 private:
  Side side_;
  tls::Client client_;
};

}  // namespace

TEST_CASE("an agent that is reset while the server thinks has its request broken off there") {
  Gateway gateway({.rules = allow_all});
  for (const std::string& request :
       {get(gateway), "POST / HTTP/1.1\r\nHost: " + gateway.authority() + "\r\nContent-Length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: " + gateway.authority() +
            "\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"}) {
    CAPTURE(request);
    Side agent = gateway.agent();
    agent.send(request);
    Side server = gateway.server();
    CHECK(server.until(request.substr(request.size() - 6)) == request);
    CHECK(server.is_quiet());
    agent.reset();
    CHECK(server.rest() == "");
  }
  CHECK(gateway.logs(left));
}

TEST_CASE("an agent that leaves in the midst of a response that pauses is seen to") {
  Gateway gateway({.rules = allow_all});
  Side agent = gateway.agent();
  agent.send(get(gateway));
  Side server = gateway.server();
  server.head();
  server.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
  CHECK(agent.until("data: 1\n\n").starts_with("HTTP/1.1 200"));
  agent.reset();
  CHECK(server.rest() == "");
}

TEST_CASE("what was sent behind a request whose agent left goes nowhere") {
  Gateway gateway({.rules = allow_all});
  Side agent = gateway.agent();
  agent.send(get(gateway, "/1") + get(gateway, "/2"));
  Side server = gateway.server();
  CHECK(server.head() == get(gateway, "/1"));
  agent.reset();
  CHECK(server.rest() == "");
  CHECK(gateway.server_is_quiet());
}

TEST_CASE("an agent that sends no more may still read, and is answered") {
  Gateway gateway({.rules = allow_all});
  Side agent = gateway.agent();
  agent.send(get(gateway, "/1") + get(gateway, "/2"));
  agent.end_sending();
  Side server = gateway.server();
  CHECK(server.head() == get(gateway, "/1"));
  CHECK(server.is_quiet());
  server.send(ok);
  CHECK(server.head() == get(gateway, "/2"));
  CHECK(server.is_quiet());
  server.send(ok);
  CHECK(agent.rest() == ok + ok);
  CHECK_FALSE(agent.was_reset());
}

TEST_CASE("agents that send no more cost nothing while the server thinks, and keep nobody from their turn") {
  Gateway gateway({.rules = allow_all});
  const std::string cut =
      "POST / HTTP/1.1\r\nHost: " + gateway.authority() + "\r\nContent-Length: 9\r\n\r\nabc";
  for (const std::string& request : {get(gateway), cut}) {
    CAPTURE(request);
    std::vector<Side> agents, servers;
    for (int i = 0; i < 16; ++i) {
      agents.push_back(gateway.agent());
      agents.back().send(request);
      servers.push_back(gateway.server());
      servers.back().head();
    }
    for (Side& agent : agents) agent.end_sending();
    const std::clock_t before = std::clock();  // what they cost in a while in which nothing happens
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    CHECK(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC < 0.1);
    Side other = gateway.agent();
    other.send(get(gateway, "/other"));
    Side server = gateway.server();
    CHECK(server.head() == get(gateway, "/other"));
    server.send(ok);
    CHECK(other.until("ok") == ok);
  }
}

TEST_CASE(
    "an agent that sends no more in the midst of its body is told that it was cut, and not that a server "
    "failed") {
  Gateway gateway({.rules = allow_all});
  Side agent = gateway.agent();
  agent.send("POST / HTTP/1.1\r\nHost: " + gateway.authority() + "\r\nContent-Length: 9\r\n\r\nabc");
  Side server = gateway.server();
  server.until("abc");
  agent.end_sending();
  const std::string answer = agent.until("body did.");
  CHECK(answer.starts_with("HTTP/1.1 400 "));
  CHECK(gateway.logs(R"("code":"400")"));
}

TEST_CASE("an agent that has sent no more and then is reset is gone") {
  Gateway gateway({.rules = allow_all});
  Side agent = gateway.agent();
  agent.send(get(gateway));
  agent.end_sending();
  Side server = gateway.server();
  server.head();
  CHECK(server.is_quiet());
  agent.reset();
  CHECK(server.rest() == "");
}

TEST_CASE("an agent whose WebSocket has ended and then is reset is gone") {
  Gateway gateway({.rules = allow_all});
  Opened ws = open_websocket(gateway);
  ws.agent.end_sending();
  CHECK(ws.server.rest() == "");
  ws.server.send("\x82\x02go");  // which goes on as long as somebody may read
  CHECK(ws.agent.exactly(4) == "\x82\x02go");
  ws.agent.reset();
  CHECK(gateway.logs(R"("the agent left")"));
}

TEST_CASE("a stream that is broken off before anybody has looked at it comes to no server") {
  Gateway gateway({.rules = allow_all, .version = clawpatrol::http::Version::http2});
  const Pairs fields = {
      {":method", "GET"}, {":scheme", "http"}, {":path", "/left"}, {":authority", gateway.authority()}};
  Pairs other = fields;
  other[2].second = "/stays";
  Side agent = gateway.agent();
  agent.send(with_settings(head(1, fields) + frame(rst_stream, 0, 1, std::string("\0\0\0\x08", 4)) +
                           head(3, other)));
  Side server = gateway.server();
  CHECK(server.head().starts_with("GET /stays "));
  server.send(ok);
  agent.until(frame(data, end_stream, 3, "ok"));
  CHECK(gateway.logs(left));
}

TEST_CASE("TLS that ends without a word is an agent that is gone") {
  Gateway gateway({.rules = allow_all, .wire = Wire::tls});
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsAgent agent(gateway, version);
    agent.send(get(gateway));
    Side server = gateway.server();
    server.head();
    agent.side().end_sending();
    CHECK(server.rest() == "");
  }
  CHECK(gateway.logs(left));
}

TEST_CASE("TLS 1.3 ends by halves: who has said goodbye and still reads is answered") {
  Gateway gateway({.rules = allow_all, .wire = Wire::tls});
  TlsAgent agent(gateway);
  agent.send(get(gateway, "/1") + get(gateway, "/2"));
  agent.say_goodbye();
  agent.side().end_sending();
  Side server = gateway.server();
  for (const char* path : {"/1", "/2"}) {
    CHECK(server.head() == get(gateway, path));
    CHECK(server.is_quiet());
    server.send(ok);
  }
  CHECK(agent.until("okHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") == ok + ok);
}

TEST_CASE("who has said goodbye and closed its socket is gone, in every version of TLS") {
  Gateway gateway({.rules = allow_all, .wire = Wire::tls});
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsAgent agent(gateway, version);
    agent.send(get(gateway));
    Side server = gateway.server();
    server.head();
    agent.say_goodbye();
    agent.side().hang_up();
    CHECK(server.rest() == "");
  }
  TlsAgent old(gateway, TLS1_2_VERSION);
  old.send(get(gateway));
  Side server = gateway.server();
  server.head();
  old.say_goodbye();
  old.side().end_sending();  // though it could still read
  CHECK(server.rest() == "");
}

TEST_CASE("past its limit at an endpoint a peer's requests wait for their turn, in order") {
  Gateway gateway({.rules = allow_all, .settings = "[limits]\nupstream_per_peer = 1\n"});
  std::vector<Side> agents;
  agents.push_back(gateway.agent());
  agents.back().send(get(gateway, "/0"));
  Side server = gateway.server();
  CHECK(server.head() == get(gateway, "/0"));
  for (int i = 1; i < 4; ++i) {
    agents.push_back(gateway.agent());
    agents.back().send(get(gateway, "/" + std::to_string(i)));
    CHECK(gateway.server_is_quiet());
  }
  agents[2].reset();  // its turn is not waited for
  CHECK(gateway.logs(left));
  for (int i : {0, 1, 3}) {
    if (i > 0) CHECK(server.head() == get(gateway, "/" + std::to_string(i)));
    server.send(ok);
    CHECK(agents[static_cast<std::size_t>(i)].until("ok") == ok);
  }
  CHECK(gateway.server_is_quiet());
}

TEST_CASE("who waits for a place in vain is told so") {
  Gateway gateway(
      {.rules = allow_all, .settings = "[limits]\nupstream_per_peer = 1\nupstream_wait = \"100ms\"\n"});
  Side first = gateway.agent();
  first.send(get(gateway));
  Side server = gateway.server();
  server.head();
  Side second = gateway.agent();
  second.send(get(gateway));
  CHECK(second.head().starts_with("HTTP/1.1 503"));
  CHECK(second.until("}\n").contains("urn:clawpatrol:too-many"));
  CHECK(gateway.logs("none became free in limits.upstream_wait"));
  server.send(ok);
  CHECK(first.until("ok") == ok);
}

TEST_CASE("more streams of one agent than it has places are all answered") {
  using namespace clawpatrol::tests;
  Gateway gateway({.rules = allow_all,
                   .settings = "[limits]\nupstream_per_peer = 2\n",
                   .version = clawpatrol::http::Version::http2});
  Side agent = gateway.agent();
  std::string requests;
  for (int stream = 1; stream < 20; stream += 2)
    requests += head(stream, {{":method", "GET"},
                              {":scheme", "http"},
                              {":path", "/" + std::to_string(stream)},
                              {":authority", gateway.authority()}});
  agent.send(with_settings(requests));
  Side one = gateway.server(), other = gateway.server();
  for (int i = 0; i < 5; ++i)
    for (Side* server : {&one, &other}) {
      CHECK(server->head().starts_with("GET /"));
      server->send(ok);
    }
  for (int i = 0; i < 10; ++i) agent.until("ok");
  CHECK(gateway.server_is_quiet());
}

TEST_CASE("a server that does not answer is waited for so long, and not while the request still goes up") {
  Gateway gateway({.rules = allow_all, .settings = "[limits]\nresponse_wait = \"400ms\"\n"});
  Side agent = gateway.agent();
  agent.send(get(gateway));
  Side server = gateway.server();
  server.head();
  CHECK(agent.head().starts_with("HTTP/1.1 504"));
  CHECK(server.rest() == "");

  Side slow = gateway.agent();
  slow.send("POST / HTTP/1.1\r\nHost: " + gateway.authority() + "\r\nContent-Length: 8\r\n\r\n");
  Side patient = gateway.server();
  patient.head();
  for (int i = 0; i < 8; ++i) {
    CHECK(patient.is_quiet());  // 150 ms
    slow.send("x");
    CHECK(patient.exactly(1) == "x");
  }
  patient.send(ok);
  CHECK(slow.until("ok") == ok);
}

TEST_CASE("the rest of a request that has been answered does not hold its stream for ever") {
  using namespace clawpatrol::tests;
  Gateway gateway({.rules = "", .version = clawpatrol::http::Version::http2});
  Side agent = gateway.agent();
  agent.send(with_settings(
      head(1, {{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", gateway.authority()}},
           end_headers)));
  agent.until("urn:clawpatrol:denied");
  agent.until(frame(rst_stream, 0, 1, std::string(4, '\0')));  // and not ten seconds of silence
}
