// The production filter, packet by packet, through BPF_PROG_TEST_RUN. Runs in a namespace of its own.
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <net/if.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <map>

#include "bpf/shared.h"
#include "daemon/netd/sockets.h"
#include "daemon/netd/steering.h"
#include "packets.h"

using namespace clawpatrol;
using namespace clawpatrol::netd;
using namespace clawpatrol::packets;

namespace {

constexpr std::uint32_t agent = 7, neighbour = 8;
constexpr std::uint32_t passes = DROP_NONE;
constexpr std::uint32_t unmarked = 1000;  // ARP and neighbour discovery
constexpr std::uint32_t not_run = 2000;   // newer kernels will not test-run a frame without a whole IP header

Address at(const char* text) {
  return Address::parse(text).value();
}

class Filter {
 public:
  Filter() : steering_(Steering::load(listen_port).value()) {
    interface_ = static_cast<int>(if_nametoindex("agent0"));
    REQUIRE(interface_ > 1);
    table_.interfaces = {{interface_, 14}};
    table_.identities = {{{interface_, at("10.9.0.7")}, agent},
                         {{interface_, at("fd09::7")}, agent},
                         {{interface_, at("10.9.0.8")}, neighbour},
                         {{interface_, at("fd09::8")}, neighbour},
                         {{interface_ + 1, at("10.86.0.2")}, 9}};
    table_.own = {{*Prefix::parse("10.86.0.0/24"), 0},
                  {*Prefix::parse("10.86.0.1/32"), STEER_OWN_SERVICES},
                  {*Prefix::parse("fd86::1/128"), STEER_OWN_SERVICES},
                  {*Prefix::parse("192.0.2.1/32"), 0},
                  {*Prefix::parse("2001:db8::1/128"), 0}};
    REQUIRE(steering_.tell(table_));
  }

  void open_sockets() {
    listener_ = make_listener().value();
    dns_v4_ = make_dns_socket(Family::v4).value();
    dns_v6_ = make_dns_socket(Family::v6).value();
    REQUIRE(steering_.set_socket(0, listener_.get()));
    REQUIRE(steering_.set_socket(STEER_SLOT_DNS_V4, dns_v4_.get()));
    REQUIRE(steering_.set_socket(STEER_SLOT_DNS_V6, dns_v6_.get()));
    REQUIRE(steering_.set_workers(1));
  }
  void attach() { REQUIRE(steering_.attach_lookup()); }
  void close_sockets() {
    listener_.reset();
    dns_v4_.reset();
    dns_v6_.reset();
  }

  // What the filter does with one frame, and that it counts what it drops, once, for the right peer.
  std::uint32_t judge(const std::string& bytes, std::uint32_t peer = agent, int interface = 0) {
    auto before = counts();
    __sk_buff context{};
    context.ifindex = static_cast<std::uint32_t>(interface != 0 ? interface : interface_);
    __sk_buff result{};
    bpf_test_run_opts options{};
    options.sz = sizeof options;
    options.data_in = bytes.data();
    options.data_size_in = static_cast<std::uint32_t>(bytes.size());
    options.ctx_in = &context;
    options.ctx_size_in = sizeof context;
    options.ctx_out = &result;
    options.ctx_size_out = sizeof result;
    options.repeat = 1;
    int code = bpf_prog_test_run_opts(steering_.filter_program(), &options);
    if (code == -EINVAL) return not_run;
    REQUIRE(code == 0);
    auto after = counts();
    if (options.retval == 0) {
      CHECK(before == after);
      return result.mark == STEER_MARK ? passes : unmarked;
    }
    REQUIRE(options.retval == 2);
    for (const auto& [key, count] : after) {
      std::uint64_t old = before.contains(key) ? before[key] : 0;
      if (count == old) continue;
      CHECK(count == old + 1);
      CHECK(key.first == peer);
      return key.second;
    }
    FAIL("dropped and not counted");
    return 0;
  }

  // The same frame many times, as fast as the kernel goes: how many of them are dropped for `reason`.
  std::uint64_t flood(const std::string& bytes, int times, std::uint32_t peer, std::uint32_t reason) {
    __sk_buff context{};
    context.ifindex = static_cast<std::uint32_t>(interface_);
    bpf_test_run_opts options{};
    options.sz = sizeof options;
    options.data_in = bytes.data();
    options.data_size_in = static_cast<std::uint32_t>(bytes.size());
    options.ctx_in = &context;
    options.ctx_size_in = sizeof context;
    options.repeat = times;
    std::uint64_t before = counts()[{peer, reason}];
    REQUIRE(bpf_prog_test_run_opts(steering_.filter_program(), &options) == 0);
    return counts()[{peer, reason}] - before;
  }

  SteeringTable table_;
  Steering steering_;
  int interface_ = 0;

 private:
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> counts() {
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> rows;
    for (const Drop& drop : steering_.drops().value()) rows[{drop.peer, drop.reason}] = drop.packets;
    return rows;
  }
  Fd listener_, dns_v4_, dns_v6_;
};

class OpenFilter : public Filter {
 public:
  OpenFilter() {
    open_sockets();
    attach();
  }
};

std::string v4(std::uint8_t protocol, std::string payload, const char* to = "1.2.3.4",
               const char* from = "10.9.0.7") {
  return frame(Ip{.source = from, .destination = to, .protocol = protocol, .payload = std::move(payload)});
}

std::string v6(std::uint8_t protocol, std::string payload, const char* to = "2001:db8:f::9",
               const char* from = "fd09::7") {
  return frame(Ip{.source = from, .destination = to, .protocol = protocol, .payload = std::move(payload)});
}

std::string discovery(std::uint8_t type, const char* from, std::uint8_t hop_limit = 255) {
  return frame(Ip{.source = from,
                  .destination = "ff02::1:ff00:1",
                  .protocol = 58,
                  .payload = icmp(type, 0, std::string(16, 'x')),
                  .hop_limit = hop_limit});
}

std::string too_big_v4(const char* quoted_destination, std::uint8_t words = 5) {
  std::string quoted =
      ip({.source = "1.2.3.4", .destination = quoted_destination, .payload = tcp(1), .header_words = words});
  return v4(1, icmp(3, 4, quoted));
}

std::string too_big_v6(const char* quoted_destination, std::uint8_t protocol = 6) {
  std::string quoted = ip({.source = "2001:db8:f::9",
                           .destination = quoted_destination,
                           .protocol = protocol,
                           .payload = tcp(1)});
  return v6(58, icmp(2, 0, quoted));
}

}  // namespace

TEST_CASE_METHOD(OpenFilter, "TCP and DNS to any destination are steered, IPv4 and IPv6") {
  CHECK(judge(v4(6, tcp(5432))) == passes);
  CHECK(judge(v6(6, tcp(5432))) == passes);
  CHECK(judge(v4(6, tcp(5432, ack))) == passes);
  CHECK(judge(v6(6, tcp(5432, ack))) == passes);
  CHECK(judge(v4(17, udp(53))) == passes);
  CHECK(judge(v6(17, udp(53))) == passes);
  CHECK(judge(v4(6, tcp(53), "10.86.0.1")) == passes);
  CHECK(judge(v4(17, udp(53), "10.86.0.1")) == passes);
}

TEST_CASE_METHOD(OpenFilter, "other UDP and QUIC are dropped and counted apart") {
  CHECK(judge(v4(17, udp(123))) == DROP_UDP);
  CHECK(judge(v6(17, udp(5353))) == DROP_UDP);
  CHECK(judge(v4(17, udp(443))) == DROP_QUIC);
  CHECK(judge(v6(17, udp(443))) == DROP_QUIC);
}

TEST_CASE_METHOD(OpenFilter, "other protocols are dropped") {
  for (int protocol : {0, 2, 4, 41, 47, 50, 58, 89, 132, 136, 255})
    CHECK(judge(v4(static_cast<std::uint8_t>(protocol), tcp(1))) == DROP_PROTOCOL);
  for (int protocol : {1, 2, 4, 41, 47, 50, 59, 89, 132, 136, 255})
    CHECK(judge(v6(static_cast<std::uint8_t>(protocol), tcp(1))) == DROP_PROTOCOL);
}

TEST_CASE_METHOD(OpenFilter, "attack 23: a source that is not of a peer of this very interface is dropped") {
  CHECK(judge(v4(6, tcp(5432), "1.2.3.4", "10.86.0.2"), 0) == DROP_SPOOFED);  // a WireGuard peer's
  CHECK(judge(v4(6, tcp(5432), "1.2.3.4", "10.9.0.9"), 0) == DROP_SPOOFED);
  CHECK(judge(v4(6, tcp(5432), "1.2.3.4", "127.0.0.1"), 0) == DROP_SPOOFED);
  CHECK(judge(v6(6, tcp(5432), "2001:db8:f::9", "fd09::9"), 0) == DROP_SPOOFED);
  CHECK(judge(v6(17, udp(53), "2001:db8:f::9", "fe80::1"), 0) == DROP_SPOOFED);
  CHECK(judge(v4(17, udp(53), "1.2.3.4", "0.0.0.0"), 0) == DROP_SPOOFED);
}

TEST_CASE_METHOD(OpenFilter, "attack 23: an IPv4 peer's address in an IPv6 header is nobody's") {
  std::string packet = v6(6, tcp(5432));
  std::string mapped = std::string(10, '\0') + "\xff\xff" + std::string("\x0a\x09\0\x07", 4);
  packet.replace(14 + 8, 16, mapped);
  CHECK(judge(packet, 0) == DROP_SPOOFED);
}

TEST_CASE_METHOD(OpenFilter, "attack 23: IPv4 options and IPv6 extension headers are dropped") {
  for (int words = 6; words <= 15; words++)
    CHECK(judge(frame(Ip{.source = "10.9.0.7",
                         .destination = "1.2.3.4",
                         .payload = tcp(1),
                         .header_words = static_cast<std::uint8_t>(words)})) == DROP_OPTIONS);
  for (int next : {0, 43, 51, 60, 135, 139, 140})
    CHECK(judge(v6(static_cast<std::uint8_t>(next), tcp(1))) == DROP_OPTIONS);
}

TEST_CASE_METHOD(OpenFilter, "fragments are dropped, first, middle and last; `do not fragment` is not one") {
  auto fragment = [](std::uint16_t field) {
    return frame(Ip{.source = "10.9.0.7", .destination = "1.2.3.4", .payload = tcp(1), .fragment = field});
  };
  CHECK(judge(fragment(0x2000)) == DROP_FRAGMENT);
  CHECK(judge(fragment(0x2001)) == DROP_FRAGMENT);
  CHECK(judge(fragment(0x0001)) == DROP_FRAGMENT);
  CHECK(judge(fragment(0x4000)) == passes);
  CHECK(judge(v6(44, std::string("\x06\0\0\0\0\0\0\1", 8) + tcp(1))) == DROP_FRAGMENT);
}

TEST_CASE_METHOD(OpenFilter,
                 "attack 14: the gateway's own and other peers' addresses serve DNS and two files where they "
                 "serve agents, and nothing else") {
  CHECK(judge(v4(6, tcp(22), "10.86.0.1")) == DROP_OWN_ADDRESS);
  CHECK(judge(v4(6, tcp(22, ack), "10.86.0.1")) == DROP_OWN_ADDRESS);
  CHECK(judge(v4(17, udp(123), "10.86.0.1")) == DROP_OWN_ADDRESS);
  CHECK(judge(v4(6, tcp(22), "192.0.2.1")) == DROP_OWN_ADDRESS);
  CHECK(judge(v4(6, tcp(53), "192.0.2.1")) == DROP_OWN_ADDRESS);
  CHECK(judge(v4(17, udp(53), "192.0.2.1")) == DROP_OWN_ADDRESS);
  CHECK(judge(v4(6, tcp(5432), "10.86.0.77")) == DROP_OWN_ADDRESS);  // perhaps a peer's
  CHECK(judge(v6(6, tcp(22), "fd86::1")) == DROP_OWN_ADDRESS);
  CHECK(judge(v6(6, tcp(22), "2001:db8::1")) == DROP_OWN_ADDRESS);
  CHECK(judge(v6(6, tcp(53), "fd86::1")) == passes);
  CHECK(judge(v4(6, tcp(80), "10.86.0.1")) == passes);
  CHECK(judge(v6(6, tcp(80), "fd86::1")) == passes);
  CHECK(judge(v4(6, tcp(80), "192.0.2.1")) == DROP_OWN_ADDRESS);
  CHECK(judge(v4(6, tcp(443), "10.86.0.1")) == DROP_OWN_ADDRESS);
  CHECK(judge(v4(17, udp(80), "10.86.0.1")) == DROP_OWN_ADDRESS);
}

TEST_CASE_METHOD(OpenFilter, "attack 14: an address that is added later is protected once it is told") {
  CHECK(judge(v4(6, tcp(22), "192.0.2.99")) == passes);
  table_.own[*Prefix::parse("192.0.2.99/32")] = 0;
  REQUIRE(steering_.tell(table_));
  CHECK(judge(v4(6, tcp(22), "192.0.2.99")) == DROP_OWN_ADDRESS);
  table_.own.erase(*Prefix::parse("192.0.2.99/32"));
  REQUIRE(steering_.tell(table_));
  CHECK(judge(v4(6, tcp(22), "192.0.2.99")) == passes);
}

TEST_CASE_METHOD(OpenFilter, "destinations that no upstream has are dropped") {
  for (const char* to : {"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.86.0.53", "224.0.0.1", "239.1.1.1",
                         "240.0.0.1", "255.255.255.255"})
    CHECK(judge(v4(6, tcp(5432), to)) == DROP_DESTINATION);
  for (const char* to : {"::", "::1", "::7f00:1", "fe80::1", "febf::1", "ff02::1", "ff0e::1"})
    CHECK(judge(v6(6, tcp(5432), to)) == DROP_DESTINATION);
  std::string packet = v6(6, tcp(5432));
  packet.replace(14 + 24, 16, std::string(10, '\0') + "\xff\xff\x01\x02\x03\x04");
  CHECK(judge(packet) == DROP_DESTINATION);
}

TEST_CASE_METHOD(OpenFilter, "ping reaches the gateway's agent services only") {
  CHECK(judge(v4(1, icmp(8), "10.86.0.1")) == passes);
  CHECK(judge(v6(58, icmp(128), "fd86::1")) == passes);
  CHECK(judge(v4(1, icmp(8), "1.2.3.4")) == DROP_ICMP);
  CHECK(judge(v6(58, icmp(128))) == DROP_ICMP);
  CHECK(judge(v4(1, icmp(8), "192.0.2.1")) == DROP_OWN_ADDRESS);
  CHECK(judge(v6(58, icmp(128), "2001:db8::1")) == DROP_OWN_ADDRESS);
  for (int type : {0, 4, 5, 9, 10, 11, 12, 13, 17})
    CHECK(judge(v4(1, icmp(static_cast<std::uint8_t>(type)), "10.86.0.1")) == DROP_ICMP);
  for (int type : {1, 3, 4, 129, 130, 131, 132, 133, 134, 137, 139, 143})
    CHECK(judge(v6(58, icmp(static_cast<std::uint8_t>(type)), "fd86::1")) == DROP_ICMP);
  for (int code : {0, 1, 3, 13})
    CHECK(judge(v4(1, icmp(3, static_cast<std::uint8_t>(code)), "10.86.0.1")) == DROP_ICMP);
}

TEST_CASE_METHOD(OpenFilter,
                 "attack 23: a path-MTU error is believed only about a packet to the peer that complains") {
  CHECK(judge(too_big_v4("10.9.0.7")) == passes);
  CHECK(judge(too_big_v6("fd09::7")) == passes);
  CHECK(judge(too_big_v4("10.9.0.8")) == DROP_ICMP);
  CHECK(judge(too_big_v6("fd09::8")) == DROP_ICMP);
  CHECK(judge(too_big_v4("10.86.0.2")) == DROP_ICMP);
  CHECK(judge(too_big_v4("1.2.3.4")) == DROP_ICMP);
  CHECK(judge(too_big_v4("10.9.0.7", 6)) == DROP_ICMP);
  CHECK(judge(too_big_v6("fd09::7", 44)) == DROP_ICMP);
  CHECK(judge(v4(1, icmp(3, 4))) == DROP_MALFORMED);
  CHECK(judge(v6(58, icmp(2, 0))) == DROP_MALFORMED);
}

TEST_CASE_METHOD(OpenFilter,
                 "ARP and neighbour discovery pass on Ethernet, unmarked; router messages never") {
  CHECK(judge(frame(0x0806, std::string(28, '\0')), 0) == unmarked);
  CHECK(judge(discovery(135, "fe80::1"), 0) == unmarked);
  CHECK(judge(discovery(136, "fe80::1"), 0) == unmarked);
  CHECK(judge(discovery(135, "::"), 0) == unmarked);
  CHECK(judge(discovery(135, "fd09::7")) == unmarked);
  CHECK(judge(discovery(135, "fd09::9"), 0) == DROP_SPOOFED);
  CHECK(judge(discovery(135, "fe80::1", 254), 0) == DROP_SPOOFED);
  CHECK(judge(discovery(134, "fe80::1"), 0) == DROP_SPOOFED);
  CHECK(judge(discovery(137, "fe80::1"), 0) == DROP_SPOOFED);
  CHECK(judge(discovery(134, "fd09::7")) == DROP_DESTINATION);
}

TEST_CASE_METHOD(OpenFilter, "on a link without Ethernet there is no ARP and no neighbour discovery") {
  // BPF_PROG_TEST_RUN always puts an Ethernet header in front; what counts is what the map says.
  table_.interfaces = {{interface_, 0}};
  REQUIRE(steering_.tell(table_));
  CHECK(judge(frame(0x0806, std::string(28, '\0')), 0) == DROP_LINK);
}

TEST_CASE_METHOD(OpenFilter, "other link protocols are dropped") {
  for (int type : {0x88cc, 0x8863, 0x8847, 0x88e5, 0x22f0})
    CHECK(judge(frame(static_cast<std::uint16_t>(type), std::string(60, 'x')), 0) == DROP_LINK);
}

TEST_CASE_METHOD(OpenFilter, "headers that are cut or lie are dropped, at every length") {
  std::string four = v4(6, tcp(5432)), six = v6(6, tcp(5432));
  auto cut = [&](const std::string& bytes, std::size_t ip_end) {
    for (std::size_t size = 15; size < bytes.size(); size++) {
      std::uint32_t result = judge(bytes.substr(0, size), size < ip_end ? 0 : agent);
      if (size >= ip_end || result != not_run) CHECK(result == DROP_MALFORMED);
    }
  };
  cut(four, 34);
  cut(six, 54);
  std::string wrong = four;
  wrong[14] = 0x65;  // IPv6's version behind IPv4's ethertype
  CHECK(judge(wrong, 0) == DROP_MALFORMED);
  wrong[14] = 0x44;  // a header of four words
  CHECK(judge(wrong, 0) == DROP_MALFORMED);
  std::string offset = four;
  offset[14 + 20 + 12] = 0x40;  // TCP's own header of four words
  CHECK(judge(offset) == DROP_MALFORMED);
  CHECK(judge(v4(17, "abc")) == DROP_MALFORMED);
  CHECK(judge(v4(1, "a"), agent) == DROP_MALFORMED);
}

TEST_CASE_METHOD(OpenFilter, "packets of an interface that is not steered are dropped") {
  CHECK(judge(v4(6, tcp(5432)), 0, static_cast<int>(if_nametoindex("agent1"))) == DROP_INTERFACE);
}

TEST_CASE_METHOD(Filter, "with no process of ours nothing passes but ARP and neighbour discovery") {
  CHECK(judge(v4(6, tcp(5432))) == DROP_NO_LISTENER);
  CHECK(judge(v4(6, tcp(5432, ack))) == DROP_NO_LISTENER);
  CHECK(judge(v6(6, tcp(22))) == DROP_NO_LISTENER);
  CHECK(judge(v4(17, udp(53))) == DROP_NO_LISTENER);
  CHECK(judge(v6(17, udp(53))) == DROP_NO_LISTENER);
  open_sockets();
  attach();
  CHECK(judge(v6(6, tcp(22))) == passes);
  CHECK(judge(v6(17, udp(53))) == passes);
  close_sockets();
  CHECK(judge(v4(6, tcp(5432))) == DROP_NO_LISTENER);
  CHECK(judge(v6(6, tcp(22, ack))) == DROP_NO_LISTENER);
  CHECK(judge(v4(17, udp(53))) == DROP_NO_LISTENER);
  CHECK(judge(v6(17, udp(53))) == DROP_NO_LISTENER);
}

TEST_CASE_METHOD(Filter,
                 "with listeners and without the lookup program new connections are dropped: somebody else "
                 "would get them") {
  open_sockets();
  CHECK(judge(v4(6, tcp(5432))) == DROP_NO_LISTENER);
  CHECK(judge(v6(6, tcp(22))) == DROP_NO_LISTENER);
  CHECK(judge(v6(17, udp(53))) == DROP_NO_LISTENER);
  CHECK(judge(v4(17, udp(53))) == DROP_NO_LISTENER);
}

TEST_CASE_METHOD(OpenFilter, "attack 28: a peer spends its own bucket of new connections, not another's") {
  std::uint64_t dropped = flood(v4(6, tcp(5432)), 50000, agent, DROP_RATE);
  CHECK(dropped <= 48000);  // the burst of 2000 passed
  CHECK(dropped > 0);
  CHECK(judge(v4(6, tcp(5432, ack))) == passes);  // what is open goes on
  CHECK(judge(v4(17, udp(53))) == passes);        // its DNS has a bucket of its own
  CHECK(judge(v4(6, tcp(5432), "1.2.3.4", "10.9.0.8"), neighbour) == passes);
}

TEST_CASE_METHOD(OpenFilter, "attack 28: DNS has its bucket too") {
  std::uint64_t dropped = flood(v4(17, udp(53)), 50000, agent, DROP_RATE);
  CHECK(dropped <= 49500);
  CHECK(dropped > 0);
  CHECK(judge(v4(17, udp(53), "1.2.3.4", "10.9.0.8"), neighbour) == passes);
}

TEST_CASE_METHOD(OpenFilter,
                 "attack 20: a removed peer's address is nobody's at once, and its counters are gone") {
  CHECK(judge(v4(17, udp(123))) == DROP_UDP);
  std::erase_if(table_.identities, [](const auto& row) { return row.second == agent; });
  REQUIRE(steering_.tell(table_));
  CHECK(judge(v4(6, tcp(5432)), 0) == DROP_SPOOFED);
  for (const Drop& drop : steering_.drops().value()) CHECK(drop.peer != agent);
}

TEST_CASE_METHOD(OpenFilter, "a filter that cannot be told everything drops everything, until it can") {
  SteeringTable good = table_;
  for (int i = 0; i < STEER_MAX_OWN + 10; i++)
    table_.own[Prefix{Address::from_v4(0x0b000000u + static_cast<std::uint32_t>(i)), 32}] = 0;
  CHECK_FALSE(steering_.tell(table_));
  CHECK(judge(v4(6, tcp(5432)), 0) == DROP_NO_LISTENER);
  REQUIRE(steering_.tell(good));
  CHECK(judge(v4(6, tcp(5432))) == passes);
  CHECK(judge(v4(6, tcp(22), "10.86.0.1")) == DROP_OWN_ADDRESS);
  CHECK(judge(v4(6, tcp(22), "11.0.0.1")) == passes);
}
