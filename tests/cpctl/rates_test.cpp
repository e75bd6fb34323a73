#include "cpctl/rates.h"

#include <catch2/catch.hpp>

#include "daemon/control/message.h"

namespace clawpatrol::cpctl {
namespace {

using namespace std::chrono_literals;

control::Message flow(int id, int up, int down) {
  return *control::Message::parse("{\"type\":\"flow\",\"id\":" + std::to_string(id) + ",\"bytes_up\":" +
                                  std::to_string(up) + ",\"bytes_down\":" + std::to_string(down) + "}");
}

TEST_CASE("a flow's rate is what moved since it was seen, both ways, by the second") {
  Rates rates;
  std::chrono::steady_clock::time_point start{};
  rates.take({flow(1, 100, 100)}, start);
  CHECK_FALSE(rates.of(flow(1, 100, 100)));
  rates.take({flow(1, 600, 1600), flow(2, 5, 5)}, start + 2s);
  CHECK(rates.of(flow(1, 0, 0)) == 1000);
  CHECK_FALSE(rates.of(flow(2, 0, 0)));
  CHECK_FALSE(rates.of(flow(3, 0, 0)));
}

TEST_CASE("a number that another daemon gave to another flow has no rate") {
  Rates rates;
  std::chrono::steady_clock::time_point start{};
  rates.take({flow(1, 1000, 0)}, start);
  rates.take({flow(1, 10, 0)}, start + 1s);
  CHECK_FALSE(rates.of(flow(1, 0, 0)));
}

TEST_CASE("the busiest comes first, and what is alike by its number") {
  Rates rates;
  std::chrono::steady_clock::time_point start{};
  rates.take({flow(1, 0, 0), flow(2, 0, 0), flow(3, 0, 0)}, start);
  rates.take({flow(1, 0, 0), flow(2, 10, 0), flow(3, 0, 20), flow(4, 99, 99)}, start + 1s);
  std::vector<std::uint64_t> order;
  for (const control::Message& one :
       rates.busiest_first({flow(1, 0, 0), flow(2, 0, 0), flow(3, 0, 0), flow(4, 0, 0)}))
    order.push_back(one.natural_or_zero("id"));
  CHECK(order == std::vector<std::uint64_t>{3, 2, 1, 4});
}

}  // namespace
}  // namespace clawpatrol::cpctl
