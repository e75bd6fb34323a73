#include "daemon/netd/options.h"

#include <catch2/catch.hpp>
#include <vector>

using namespace clawpatrol::netd;

namespace {

std::expected<Options, std::string> parsed(std::vector<std::string> words) {
  words.insert(words.begin(), "clawpatrol-netd");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  return parse_options(static_cast<int>(words.size()), arguments.data());
}

}  // namespace

TEST_CASE("the rates of a peer are options, and numbers that cannot be are refused") {
  auto plain = parsed({});
  REQUIRE(plain);
  CHECK(plain->rates.connections_per_second == 1000);
  CHECK(plain->rates.datagram_burst == 500);
  auto given = parsed({"--connections-per-second", "5", "--connection-burst=7", "--datagrams-per-second", "9",
                       "--datagram-burst", "1000000"});
  REQUIRE(given);
  CHECK(given->rates.connections_per_second == 5);
  CHECK(given->rates.connection_burst == 7);
  CHECK(given->rates.datagrams_per_second == 9);
  CHECK(given->rates.datagram_burst == 1'000'000);
  for (const char* wrong : {"0", "-1", "1000001", "", "5x", " 5", "99999999999999999999"}) {
    INFO(wrong);
    CHECK_FALSE(parsed({"--connection-burst", wrong}));
  }
}

TEST_CASE("a bucket holds its burst") {
  constexpr Rates plain;
  constexpr Bucket connections = bucket_of(plain.connections_per_second, plain.connection_burst);
  CHECK(connections.interval_ns == 1'000'000);
  CHECK(connections.burst_ns == 2'000'000'000);
  CHECK(bucket_of(1'000'000, 1).burst_ns == 1000);
  CHECK(bucket_of(1, 1'000'000).burst_ns == 1'000'000'000'000'000);
}
