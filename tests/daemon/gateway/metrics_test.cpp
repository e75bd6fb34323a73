#include "daemon/gateway/metrics.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <set>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

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
  shared.latencies.decision.add(std::chrono::microseconds(7));
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
  std::string current, type, line;
  for (std::istringstream lines(text); std::getline(lines, line);) {
    std::istringstream words(line);
    std::string first, second, name, third;
    words >> first >> second >> name >> third;
    if (first == "#") {
      if (second == "HELP") {
        CHECK(families.insert(name).second);
        current = name, type.clear();
      } else {
        CHECK(second == "TYPE");
        CHECK(name == current);
        type = third;
        CHECK((type == "counter" || type == "gauge" || type == "histogram"));
      }
      continue;
    }
    INFO(line);
    const std::string of = first.substr(0, first.find('{'));
    CHECK_FALSE(type.empty());  // it stands before the first sample
    if (type == "histogram")
      CHECK((of == current + "_bucket" || of == current + "_sum" || of == current + "_count"));
    else
      CHECK(of == current);
    if (type == "counter") CHECK(current.ends_with("_total"));
  }
  CHECK(families.size() > 10);
}

TEST_CASE("metrics: a histogram's buckets are cumulative, its bounds inclusive, and the last is the count") {
  using namespace std::chrono_literals;
  Shared shared;
  Histogram& of = shared.latencies.added;
  for (std::chrono::nanoseconds taken : {-1ns, 0ns, 5000ns, 5001ns, 3'000'000ns, 60'000'000'000ns})
    of.add(taken);
  const std::string text = metrics_text(shared, StatusFacts());
  std::vector<std::pair<std::string, std::uint64_t>> buckets;
  std::string line, sum, count;
  const std::string name = "clawpatrol_added_latency_seconds";
  for (std::istringstream lines(text); std::getline(lines, line);) {
    const std::string begins = name + "_bucket{le=\"";
    if (line.starts_with(begins)) {
      const std::size_t end = line.find("\"} ");
      REQUIRE(end != std::string::npos);
      buckets.emplace_back(line.substr(begins.size(), end - begins.size()),
                           std::stoull(line.substr(end + 3)));
    }
    if (line.starts_with(name + "_sum ")) sum = line.substr(name.size() + 5);
    if (line.starts_with(name + "_count ")) count = line.substr(name.size() + 7);
  }
  REQUIRE(buckets.size() == Histogram::bounds.size() + 1);
  for (std::size_t i = 1; i < buckets.size(); ++i) {
    CHECK(buckets[i].second >= buckets[i - 1].second);
    if (i + 1 < buckets.size()) CHECK(std::stod(buckets[i].first) > std::stod(buckets[i - 1].first));
  }
  CHECK(std::stod(buckets[0].first) == Approx(5e-6));
  CHECK(buckets[0].second == 3);  // a clock that went back counts as nothing
  CHECK(buckets[1].second == 4);
  CHECK(buckets[buckets.size() - 2].second == 5);
  CHECK(buckets.back() == std::pair<std::string, std::uint64_t>("+Inf", 6));
  CHECK(count == "6");
  CHECK(std::stod(sum) == Approx(60.003010001).epsilon(1e-9));
}

TEST_CASE(
    "metrics: a histogram that is read while others add to it never has a bucket below the one before") {
  Histogram of;
  std::atomic<bool> stop = false;
  std::vector<std::thread> adding;
  for (int worker = 0; worker < 2; ++worker)
    adding.emplace_back([&] {
      for (std::int64_t i = 0; !stop; ++i) of.add(std::chrono::nanoseconds((i * 7919) % 20'000'000));
    });
  bool grows = true;
  std::uint64_t last = 0;
  for (int i = 0; i < 2000; ++i) {
    const Histogram::Counts counts = of.counts();
    grows = grows && std::ranges::is_sorted(counts.up_to) && counts.up_to.back() >= last;
    last = counts.up_to.back();
  }
  stop = true;
  for (std::thread& each : adding) each.join();
  CHECK(grows);
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
