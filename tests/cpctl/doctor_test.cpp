#include "cpctl/doctor.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>

#include "fake_daemon.h"

using namespace clawpatrol;
using namespace clawpatrol::cpctl;

namespace {

Policy a_policy() {
  Policy policy;
  policy.gateway.subnet = {*Prefix::parse("10.86.0.0/24")};
  policy.gateway.virtual_ = {*Prefix::parse("198.18.0.0/16")};
  return policy;
}

control::Message message(const std::string& text) {
  return *control::Message::parse(text);
}

bool has(const Findings& findings, Health health, std::string_view subject) {
  return std::ranges::any_of(findings, [&](const Finding& finding) {
    // Who is told that something is wrong is told what mends it.
    return finding.health == health && finding.subject == subject &&
           finding.mend.empty() == (health == Health::good);
  });
}

}  // namespace

TEST_CASE("doctor: a release of the kernel is two numbers") {
  CHECK(kernel_version("6.1.0-39-cloud-amd64") == std::pair(6, 1));
  CHECK(kernel_version("6.18.5") == std::pair(6, 18));
  CHECK_FALSE(kernel_version("six"));
  CHECK_FALSE(kernel_version("6"));
}

TEST_CASE("doctor: a route that overlaps the gateway's networks by another interface is a conflict") {
  const std::string head =
      "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";
  auto look = [&](const std::string& row) {
    Findings findings;
    look_at_routes(a_policy(), head + row, findings);
    return findings;
  };
  CHECK(has(look("eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"), Health::good, "routes"));
  CHECK(has(look("wg-cp0\t0000560A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"), Health::good, "routes"));
  CHECK(has(look("eth1\t0000560A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"), Health::bad, "routes"));
  CHECK(has(look("eth1\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n"), Health::bad, "routes"));
  CHECK(has(look("nonsense\n"), Health::good, "routes"));
}

TEST_CASE("doctor: a resolver that is the gateway itself is a loop") {
  auto look = [](const char* text) {
    Findings findings;
    look_at_resolver(a_policy(), text, findings);
    return findings;
  };
  CHECK(has(look("nameserver 192.0.2.53\n"), Health::good, "resolver"));
  CHECK(has(look("nameserver 192.0.2.53\nnameserver 10.86.0.1\n"), Health::bad, "resolver"));
  CHECK(has(look("search example.com\n"), Health::warning, "resolver"));
}

TEST_CASE("doctor: what the daemons say of themselves") {
  Findings findings;
  const std::int64_t now = 1'800'000'000;
  look_at_gateway(message(R"({"type":"status","version":"1","mode":"observe","netd":{"connected":false},)"
                          R"("audit":{"healthy":false,"failure":"disk full"},"ca_ends_unix":1800864000})"),
                  std::nullopt, now, findings);
  CHECK(has(findings, Health::warning, "mode"));
  CHECK(has(findings, Health::bad, "clawpatrol-netd"));
  CHECK(has(findings, Health::bad, "audit log"));
  CHECK(has(findings, Health::warning, "certificate authority"));
  findings.clear();
  look_at_netd(
      message(
          R"({"peers":[{"name":"a","blocked":"paused by an operator"}],"unsteered":[{"interface":"eth9","why":"gone"}]})"),
      std::nullopt, findings);
  CHECK(has(findings, Health::bad, "steering"));
  CHECK(has(findings, Health::warning, "peer a"));
}

TEST_CASE("doctor: memory that may not be locked, or soon may not, is told with the limit that mends it") {
  auto look = [](bool all, const std::string& soft, const std::string& locked_kib) {
    Findings findings;
    look_at_locked_memory(
        {.all = all,
         .limits = "Limit                     Soft Limit           Hard Limit           Units     \n"
                   "Max open files            1024                 524288               files     \n"
                   "Max locked memory         " +
                   soft + "              8388608              bytes     \n",
         .status =
             "Name:\tclawpatrold\nVmPeak:\t  123456 kB\nVmLck:\t    " + locked_kib + " kB\nVmPin:\t0 kB\n"},
        findings);
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].subject == "locked memory");
    return findings[0];
  };
  CHECK(look(true, "8388608", "2048").health == Health::good);
  CHECK(look(true, "unlimited", "9999999").health == Health::good);
  CHECK(look(true, "67108864", "64512").health == Health::good);
  const Finding little = look(true, "67108864", "64513");  // under 1 MiB is left
  CHECK(little.health == Health::warning);
  CHECK(little.mend.find("LimitMEMLOCK=128M") != std::string::npos);
  // The gateway itself says that it could not, whatever seems to be left.
  const Finding refused = look(false, "65536", "12");
  CHECK(refused.health == Health::warning);
  CHECK(refused.said.find("64.0 KiB") != std::string::npos);
  CHECK(refused.mend.find("LimitMEMLOCK=64M") != std::string::npos);
  CHECK(look(false, "unlimited", "0").health == Health::warning);
  // A daemon that does not say, of a process that cannot be looked at.
  Findings findings;
  look_at_locked_memory({}, findings);
  CHECK(has(findings, Health::good, "locked memory"));
  findings.clear();
  look_at_gateway(message(R"({"type":"status","memory_locked":false})"), std::nullopt, 0, findings);
  CHECK(has(findings, Health::warning, "locked memory"));
}

TEST_CASE("doctor: a process with capabilities that it must not have, or without those that it needs") {
  // This process: as root it has too many; without any it lacks netd's.
  Findings findings;
  look_at_netd(message(R"({"peers":[]})"), ::getpid(), findings);
  CHECK(has(findings, Health::bad, "clawpatrol-netd's privileges"));
}

TEST_CASE("doctor: an endpoint that nobody answers at is told, with its name") {
  Policy policy = a_policy();
  HostPort host;
  host.host = "127.0.0.1";
  host.port = 1;
  policy.endpoints["nowhere"].hosts = {host};
  Findings findings;
  look_at_upstreams(policy, 0, findings);
  CHECK(has(findings, Health::warning, "endpoint nowhere"));
}

TEST_CASE("doctor ends with 1 where something is bad, and says so in JSON too") {
  TemporaryDirectory empty;
  std::ofstream(empty.path / "clawpatrol.toml") << "schema = 1\n";
  Result result = cpctl::cpctl({"doctor", "--run", empty.path.native(), "--state", empty.path.native(),
                                "--config", empty.path.native()});
  CHECK(result.status == 1);
  CHECK(result.out.find("systemctl status clawpatrold") != std::string::npos);
  CHECK(result.out.find('\x1b') == std::string::npos);
  result = cpctl::cpctl({"doctor", "-o", "json", "--run", empty.path.native(), "--state", empty.path.native(),
                         "--config", empty.path.native()});
  CHECK(result.out.find(R"("type":"finding","health":"bad","subject":"clawpatrold")") != std::string::npos);
}

TEST_CASE("doctor tells who is no operator to come as one, and why both daemons refuse") {
  FakeDaemon gateway;
  gateway.on("status", control::answer_failure("forbidden", "uid 7 may not use the control socket"));
  FakeDaemon netd("peers.sock", gateway.directory.path);
  netd.on("list", {R"({"v":1,"ok":false,"code":"forbidden","error":"permission denied by netd"})"});
  const std::string out = cpctl::cpctl(gateway, {"doctor"}).out;
  CHECK(out.find("uid 7 may not use the control socket") != std::string::npos);
  CHECK(out.find("permission denied by netd") != std::string::npos);
  CHECK(out.find("sudo cpctl doctor") != std::string::npos);
  CHECK(out.find("systemctl status clawpatrol") == std::string::npos);
}
