#include <arpa/inet.h>
#include <sys/socket.h>

#include "daemon/gateway/dns/tcp.h"
#include "daemon/gateway/dns/udp.h"
#include "daemon/gateway/sockets.h"
#include "tests/daemon/gateway/dns_fixture.h"

using namespace dns_test;

namespace {

constexpr std::uint16_t a = 1, aaaa = 28;

Fd bound(int type, std::string_view address, std::uint16_t& port) {
  socklen_t length = 0;
  sockaddr_storage raw = to_sockaddr({*Address::parse(address), port}, length);
  Fd socket(::socket(raw.ss_family, type | SOCK_CLOEXEC, 0));
  REQUIRE(bind(socket.get(), reinterpret_cast<sockaddr*>(&raw), length) == 0);
  port = local_address(socket.get())->port;
  timeval patience{.tv_sec = 5, .tv_usec = 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return socket;
}

void connect_from(const Fd& socket, std::string_view to, std::uint16_t port) {
  socklen_t length = 0;
  sockaddr_storage raw = to_sockaddr({*Address::parse(to), port}, length);
  REQUIRE(connect(socket.get(), reinterpret_cast<sockaddr*>(&raw), length) == 0);
}

// The service on a ring of its own thread; stops it at the end.
struct Serving {
  Gateway& gateway;
  std::thread thread;
  explicit Serving(Gateway& its, std::function<void()> start)
      : gateway(its), thread([this, start] { gateway.run(start); }) {}
  ~Serving() {
    gateway.shared.name_service->stop();
    thread.join();
  }
};

// A ring that this thread has made may interrupt its calls.
ssize_t receive(const Fd& socket, char* buffer, std::size_t size) {
  ssize_t count = 0;
  do {
    count = recv(socket.get(), buffer, size, 0);
  } while (count < 0 && errno == EINTR);
  return count;
}

std::string ask_over(const Fd& socket, const std::string& query) {
  REQUIRE(send(socket.get(), query.data(), query.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(query.size()));
  char buffer[2048];
  ssize_t size = receive(socket, buffer, sizeof buffer);
  REQUIRE(size > 0);
  return {buffer, static_cast<std::size_t>(size)};
}

bool closed(const Fd& socket) {
  char byte;
  return receive(socket, &byte, 1) <= 0;
}

struct TcpPair {
  Fd client, server;
};

// Over loopback rather than a socketpair, since the peer's address is asked of the socket.
TcpPair connected_pair() {
  std::uint16_t port = 0, any = 0;
  Fd listener = bound(SOCK_STREAM, "127.0.0.1", port);
  REQUIRE(listen(listener.get(), 4) == 0);
  Fd client = bound(SOCK_STREAM, "127.0.0.1", any);
  connect_from(client, "127.0.0.1", port);
  return {std::move(client), Fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC))};
}

}  // namespace

TEST_CASE("an answer over UDP leaves from the address that was asked") {
  Gateway gateway(load(passthrough()));
  gateway.system.names["example.org"] = {"8.8.8.8"};
  std::uint16_t port = 0, any = 0;
  Fd service = bound(SOCK_DGRAM, "0.0.0.0", port);
  Serving serving(
      gateway, [&] { gateway.shared.name_service->listen(*gateway.worker, std::move(service), Family::v4); });
  for (const char* asked : {"127.0.0.1", "127.0.0.77", "127.1.2.3"}) {
    Fd client = bound(SOCK_DGRAM, "127.0.0.1", any = 0);
    connect_from(client, asked, port);  // a connected socket hears this address alone
    std::string query = query_for("pg.internal", a);
    CHECK(read_reply(query, ask_over(client, query)).addresses.size() == 1);
    query = query_for("example.org", a);
    CHECK(read_reply(query, ask_over(client, query)).addresses == std::vector<std::string>{"8.8.8.8"});
  }
}

TEST_CASE("IPv6 is answered as IPv4 is, and who asks is told by the source address alone") {
  Gateway gateway(load(two_profiles));
  std::vector<Peer> peers;
  peers.push_back({.id = 2, .name = "two", .addresses = {*Address::parse("::1")}});
  gateway.shared.peers.replace(peers);
  std::uint16_t port = 0, any = 0;
  Fd service = bound(SOCK_DGRAM, "::", port);
  Serving serving(
      gateway, [&] { gateway.shared.name_service->listen(*gateway.worker, std::move(service), Family::v6); });
  Fd client = bound(SOCK_DGRAM, "::1", any);
  connect_from(client, "::1", port);
  std::string query = query_for("secret.internal", aaaa);
  CHECK(read_reply(query, ask_over(client, query)).addresses.size() == 1);
  query = query_for("pg.internal", aaaa);
  CHECK(read_reply(query, ask_over(client, query)).rcode == 3);
}

TEST_CASE("unknown peers, answers and noise get nothing over UDP, and the next query is served") {
  Gateway gateway(load(two_profiles));
  std::uint16_t port = 0, any = 0;
  Fd service = bound(SOCK_DGRAM, "0.0.0.0", port);
  Serving serving(
      gateway, [&] { gateway.shared.name_service->listen(*gateway.worker, std::move(service), Family::v4); });
  Fd stranger = bound(SOCK_DGRAM, "127.0.0.9", any);
  connect_from(stranger, "127.0.0.1", port);
  std::string query = query_for("pg.internal", a);
  REQUIRE(send(stranger.get(), query.data(), query.size(), MSG_NOSIGNAL) > 0);
  Fd client = bound(SOCK_DGRAM, "127.0.0.1", any = 0);
  connect_from(client, "127.0.0.1", port);
  std::string answer = query;
  answer[2] = static_cast<char>(0x81);
  for (const std::string& noise : {std::string(), std::string("x"), answer, std::string(9000, 'x')})
    send(client.get(), noise.data(), noise.size(), 0);
  CHECK(read_reply(query, ask_over(client, query)).addresses.size() == 1);
  CHECK(gateway.refusals("dns: unknown peer") == 1);
  char byte;
  CHECK(recv(stranger.get(), &byte, 1, MSG_DONTWAIT) == -1);
}

TEST_CASE("a second socket of a family takes over from the first") {
  Gateway gateway(load(two_profiles));
  std::uint16_t first = 0, second = 0, any = 0;
  Fd old_service = bound(SOCK_DGRAM, "127.0.0.1", first), service = bound(SOCK_DGRAM, "127.0.0.1", second);
  Serving serving(gateway, [&] {
    gateway.shared.name_service->listen(*gateway.worker, std::move(old_service), Family::v4);
    gateway.shared.name_service->listen(*gateway.worker, std::move(service), Family::v4);
  });
  Fd client = bound(SOCK_DGRAM, "127.0.0.1", any);
  connect_from(client, "127.0.0.1", second);
  std::string query = query_for("pg.internal", a);
  CHECK(read_reply(query, ask_over(client, query)).addresses.size() == 1);
}

TEST_CASE("queries over TCP are answered in order, however they are cut") {
  Gateway gateway(load(passthrough()));
  gateway.system.names["example.org"] = {"8.8.8.8"};
  TcpPair pair = connected_pair();
  Serving serving(gateway, [&] {
    gateway.worker->flows().spawn(serve_dns_tcp(*gateway.worker, std::move(pair.server), gateway.one));
  });
  std::string first = query_for("example.org", a), second = query_for("pg.internal", aaaa);
  std::string stream = dns::framed(first) + dns::framed(second);
  for (char byte : stream) REQUIRE(send(pair.client.get(), &byte, 1, MSG_NOSIGNAL) == 1);
  std::string got;
  std::vector<std::string> answers;
  while (answers.size() < 2) {
    char buffer[4096];
    ssize_t size = receive(pair.client, buffer, sizeof buffer);
    REQUIRE(size > 0);
    got.append(buffer, static_cast<std::size_t>(size));
    while (got.size() >= 2 && got.size() >= 2u + Reader(got).u16()) {
      std::size_t length = Reader(got).u16();
      answers.push_back(got.substr(2, length));
      got.erase(0, 2 + length);
    }
  }
  CHECK(read_reply(first, answers[0]).addresses == std::vector<std::string>{"8.8.8.8"});
  CHECK(read_reply(second, answers[1]).addresses.size() == 1);
}

TEST_CASE("a stream that is not DNS is closed without an answer") {
  Gateway gateway(load(two_profiles));
  TcpPair pair = connected_pair();
  Serving serving(gateway, [&] {
    gateway.worker->flows().spawn(serve_dns_tcp(*gateway.worker, std::move(pair.server), gateway.one));
  });
  REQUIRE(send(pair.client.get(), "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL) == 18);
  CHECK(closed(pair.client));
}

TEST_CASE(
    "attack 28: a peer's TCP connections to the resolver are limited, and stopping ends those that rest") {
  Gateway gateway(load(two_profiles));
  std::vector<TcpPair> pairs;
  for (std::size_t i = 0; i < NameService::tcp_connections_per_peer + 1; ++i)
    pairs.push_back(connected_pair());
  {
    Serving serving(gateway, [&] {
      for (TcpPair& pair : pairs)
        gateway.worker->flows().spawn(serve_dns_tcp(*gateway.worker, std::move(pair.server), gateway.one));
    });
    CHECK(closed(pairs.back().client));
  }
  CHECK(gateway.refusals("dns: too many TCP connections") == 1);
  for (const TcpPair& pair : pairs) CHECK(closed(pair.client));
}
