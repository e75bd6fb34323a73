#include "daemon/ring/timers.h"

#include <catch2/catch.hpp>
#include <memory>
#include <random>
#include <vector>

using namespace clawpatrol;
using namespace std::chrono_literals;

namespace {

struct Alarm final : Timer {
  void expire() override { ++rung; }
  int rung = 0;
};

}  // namespace

TEST_CASE("a timer expires once, at or after its deadline, and within one resolution of it") {
  Timers timers;
  auto start = Clock::now();
  Alarm alarm;
  timers.arm(alarm, Deadline::at(start + 100ms));
  timers.advance(start + 99ms);
  CHECK(alarm.rung == 0);
  timers.advance(start + 100ms + 2 * Timers::resolution);
  CHECK(alarm.rung == 1);
  timers.advance(start + 10s);
  CHECK(alarm.rung == 1);
}

TEST_CASE("a timer further away than the wheel is round waits for its turn") {
  Timers timers;
  auto start = Clock::now();
  Alarm alarm;
  timers.arm(alarm, Deadline::at(start + 60s));
  for (auto now = start; now < start + 60s; now += 500ms) timers.advance(now);
  CHECK(alarm.rung == 0);
  timers.advance(start + 60s + 2 * Timers::resolution);
  CHECK(alarm.rung == 1);
}

TEST_CASE("next is never later than the earliest deadline by more than one resolution") {
  Timers timers;
  CHECK_FALSE(timers.next().has_value());
  auto start = Clock::now();
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    Alarm alarm;
    auto when = start + std::chrono::milliseconds(random() % 15000);
    timers.arm(alarm, Deadline::at(when));
    REQUIRE(timers.next().has_value());
    CHECK(*timers.next() <= std::max(when, start) + 2 * Timers::resolution);
  }
}

TEST_CASE("disarming and destroying armed timers is safe, also from within expire") {
  struct Killer final : Timer {
    std::vector<std::unique_ptr<Alarm>>* victims = nullptr;
    void expire() override { victims->clear(); }
  };
  Timers timers;
  auto start = Clock::now();
  std::vector<std::unique_ptr<Alarm>> victims;
  Killer killer;
  killer.victims = &victims;
  timers.arm(killer, Deadline::at(start + 10ms));
  for (int i = 0; i < 100; ++i) {
    victims.push_back(std::make_unique<Alarm>());
    timers.arm(*victims.back(), Deadline::at(start + 10ms));
  }
  timers.advance(start + 1s);
  CHECK(victims.empty());
}

TEST_CASE("a deadline of never is not armed") {
  Timers timers;
  Alarm alarm;
  timers.arm(alarm, Deadline::never());
  CHECK_FALSE(alarm.armed());
}
