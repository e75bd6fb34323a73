#include "daemon/gateway/heartbeat.h"

#include <catch2/catch.hpp>

using clawpatrol::Heartbeat;

namespace {

// A ring that runs what was posted when it is turned.
struct StandIn {
  std::vector<std::function<void()>> posted;
  Heartbeat::Post post() {
    return [this](std::function<void()> action) { posted.push_back(std::move(action)); };
  }
  void turn() {
    for (auto& action : posted) action();
    posted.clear();
  }
};

}  // namespace

TEST_CASE("the heart beats while every ring turns") {
  StandIn first, second;
  Heartbeat heartbeat({first.post(), second.post()});
  for (int i = 0; i < 3; ++i) {
    CHECK(heartbeat.felt());
    first.turn();
    second.turn();
  }
}

TEST_CASE("one ring that hangs stops it, and nothing gathers in any") {
  StandIn first, second;
  Heartbeat heartbeat({first.post(), second.post()});
  CHECK(heartbeat.felt());
  first.turn();
  for (int i = 0; i < 5; ++i) CHECK_FALSE(heartbeat.felt());
  CHECK(first.posted.empty());
  CHECK(second.posted.size() == 1);
  second.turn();
  CHECK(heartbeat.felt());
}

TEST_CASE("what a ring runs late, after the heartbeat is gone, does no harm") {
  StandIn late;
  {
    CHECK(Heartbeat({late.post()}).felt());
  }
  late.turn();
}
