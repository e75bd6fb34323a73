// What an agent's connection costs while it rests, in bytes of the heap.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CLAWPATROL_HEAP_IS_NOT_GLIBCS
#endif
#endif

#ifndef CLAWPATROL_HEAP_IS_NOT_GLIBCS

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>

#include "tests/daemon/gateway/http/lab.h"
#include "tests/daemon/tls/pair.h"

using namespace clawpatrol;
using namespace clawpatrol::http::lab;

namespace {

constexpr int warm = 50, counted = 300;
constexpr std::size_t most = 24 << 10;  // bytes a connection

const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 1026\r\n\r\n" + std::string(1024, 'x') + "ok";

std::size_t heap() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

struct Ports {
  std::uint16_t gateway = 0, server = 0;
};

// A connection on which one request has been answered.
struct Agent {
  Side side;
  tls::Client client;
  Agent(const Ports& ports, const std::string& request)
      : side(connect_to(ports.gateway)), client(tls::test_authority().certificate_pem()) {
    SSL* ssl = client.begin("api.example");
    SSL_set_fd(ssl, side.fd());
    if (SSL_connect(ssl) != 1) _exit(2);
    if (SSL_write(ssl, request.data(), static_cast<int>(request.size())) <= 0) _exit(3);
    for (std::string heard; !heard.ends_with("ok");) {
      const std::string part = client.read();
      if (part.empty()) _exit(4);
      heard += part;
    }
  }
};

// In a process of its own, whose memory is not the gateway's: one connection for each order, held until there
// are no more orders.
[[noreturn]] void be_agents(int orders, int done) {
  Ports ports;
  if (::read(orders, &ports, sizeof ports) != sizeof ports) _exit(1);
  const std::string request =
      "GET /some/path?with=a&query=too HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(ports.server) +
      "\r\nUser-Agent: agent/1.0\r\nAccept: */*\r\nX-Long: " + std::string(900, 'y') + "\r\n\r\n";
  std::vector<std::unique_ptr<Agent>> agents;
  for (char order = 0; ::read(orders, &order, 1) == 1;) {
    agents.push_back(std::make_unique<Agent>(ports, request));
    if (::write(done, &order, 1) != 1) _exit(5);
  }
  _exit(0);
}

struct Pipe {
  std::array<int, 2> ends{};
  Pipe() { REQUIRE(::pipe(ends.data()) == 0); }
  ~Pipe() {
    for (int end : ends) ::close(end);
  }
  int out() const { return ends[0]; }
  int in() const { return ends[1]; }
};

}  // namespace

TEST_CASE("an idle TLS connection holds no buffer, and little else") {
  Pipe orders, done;
  (void)tls::test_authority();  // the same for both
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::close(orders.in());
    be_agents(orders.out(), done.in());
  }
  std::size_t grown = 0;
  {
    Gateway gateway({.rules = allow_all, .wire = Wire::tls});
    const Ports ports{gateway.port(), gateway.server_port()};
    REQUIRE(::write(orders.in(), &ports, sizeof ports) == sizeof ports);
    std::optional<Side> server;
    for (int i = 0; i < warm + counted; ++i) {
      if (i == warm) grown = heap();
      char order = 0;
      REQUIRE(::write(orders.in(), &order, 1) == 1);
      if (!server) server.emplace(gateway.server());
      REQUIRE(server->head().starts_with("GET /some/path?"));
      server->send(ok);
      REQUIRE(::read(done.out(), &order, 1) == 1);
    }
    REQUIRE(gateway.shared().flows.size() == warm + counted);
    grown = (heap() - grown) / counted;
    ::close(std::exchange(orders.ends[1], -1));
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 0);
  CAPTURE(grown);
  CHECK(grown < most);
  if (::getenv("CLAWPATROL_SHOW_HEAP")) WARN(grown << " bytes a connection");
}

#endif
