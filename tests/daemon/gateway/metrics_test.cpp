#include "daemon/gateway/metrics.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "daemon/gateway/metrics_door.h"

using namespace clawpatrol;

namespace {

// What asks the door, from another thread, as Prometheus does.
std::string asked(std::uint16_t port, const std::string& request) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return "no connection";
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "not sent";
  std::string answer;
  char part[4096];
  for (ssize_t size; (size = ::recv(fd.get(), part, sizeof part, 0)) > 0;)
    answer.append(part, static_cast<std::size_t>(size));
  return answer;
}

}  // namespace

TEST_CASE("metrics: what a name says is escaped, and every family stands once, with its samples behind it") {
  CHECK(escaped_label("a\"b\\c\nd") == "a\\\"b\\\\c\\nd");
  Shared shared;
  shared.refusals.count("too many connections", 0);
  StatusFacts facts;
  facts.uptime_s = 7;
  facts.netd_connected = true;
  facts.drops = {{.peer_id = 0, .reason = "spoofed \"source\"", .packets = 3, .bytes = 99}};
  auto facets = std::make_shared<FlowFacets>();
  facets->endpoint.name = "pg";
  for (int i = 0; i < 3; ++i) {
    ActionRecord record;
    record.id = static_cast<std::uint64_t>(i + 1);
    record.facets = facets;
    record.kind = ActionKind::read;
    record.verdict = i == 0 ? ActionVerdict::deny : ActionVerdict::allow;
    shared.actions.add(std::move(record));
  }
  const std::string text = metrics_text(shared, facts);
  CHECK(text.find("clawpatrol_actions_total{endpoint=\"pg\",kind=\"read\",verdict=\"allow\"} 2\n") !=
        std::string::npos);
  CHECK(text.find("clawpatrol_actions_total{endpoint=\"pg\",kind=\"read\",verdict=\"deny\"} 1\n") !=
        std::string::npos);
  CHECK(text.find("clawpatrol_refusals_total{peer=\"\",reason=\"too many connections\"} 1\n") !=
        std::string::npos);
  CHECK(text.find("clawpatrol_dropped_packets_total{peer=\"\",reason=\"spoofed \\\"source\\\"\"} 3\n") !=
        std::string::npos);
  CHECK(text.find("clawpatrol_uptime_seconds 7\n") != std::string::npos);
  std::set<std::string> families;
  std::string current, line;
  for (std::istringstream lines(text); std::getline(lines, line);) {
    std::istringstream words(line);
    std::string first, second, name;
    words >> first >> second >> name;
    if (first == "#") {
      if (second == "HELP") CHECK(families.insert(name).second);
      current = name;
    } else {
      CHECK(first.substr(0, first.find('{')) == current);
    }
  }
  CHECK(families.size() > 10);
}

TEST_CASE("metrics: the bytes of flows that are gone still count") {
  Shared shared;
  auto flow = shared.flows.open(1, LimitsConfig());
  REQUIRE(flow);
  flow->bytes_up = 10;
  flow->bytes_down = 5;
  CHECK(shared.flows.bytes().up == 10);
  shared.flows.close(*flow);
  CHECK(shared.flows.bytes().up == 10);
  CHECK(shared.flows.bytes().down == 5);
}

TEST_CASE("metrics over HTTP: on loopback alone, whatever is asked, and nobody holds it up") {
  auto loop = control::Loop::create();
  REQUIRE(loop);
  for (const char* address : {"0.0.0.0:9", "192.0.2.1:9", "localhost:9", "[::]:9", "nonsense"})
    CHECK_FALSE(MetricsDoor::listen(**loop, address, [] { return std::string(); }));
  std::unique_ptr<MetricsDoor> door;
  for (std::uint16_t port = 20000; !door && port < 20100; ++port)
    if (auto made = MetricsDoor::listen(**loop, "127.0.0.1:" + std::to_string(port),
                                        [] { return std::string("a 1\n"); }))
      door = std::move(*made);
  REQUIRE(door);
  const std::uint16_t port = door->port();
  std::string answer, too_long;
  std::thread caller([&] {
    answer = asked(port, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    too_long = asked(port, std::string(64 << 10, 'x'));
    (*loop)->stop();
  });
  (*loop)->run();
  caller.join();
  CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(answer.find("Content-Length: 4\r\n") != std::string::npos);
  CHECK(answer.ends_with("\r\n\r\na 1\n"));
  CHECK_FALSE(too_long.starts_with("HTTP"));
  door.reset();
}
