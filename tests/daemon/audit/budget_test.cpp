#include "daemon/audit/budget.h"

#include <catch2/catch.hpp>

using namespace clawpatrol::audit;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("attack 27: past its budget one peer is refused, and no other") {
  PeerBudget budget({.bytes_per_second = 1000, .burst = 2000});
  PeerBudget::Clock::time_point now{seconds(100)};
  int passed = 0;
  for (int at = 0; at < 100; ++at) passed += budget.spend(1, 100, now) ? 1 : 0;
  CHECK(passed == 20);
  CHECK(budget.spend(2, 2000, now));
  CHECK_FALSE(budget.spend(1, 100, now + milliseconds(99)));
  CHECK(budget.spend(1, 100, now + milliseconds(101)));
  CHECK_FALSE(budget.spend(3, 2001, now));
}

TEST_CASE("attack 27: what was refused is told in one counted line a second") {
  PeerBudget budget({.bytes_per_second = 1000, .burst = 1000});
  PeerBudget::Clock::time_point now{seconds(100)};
  REQUIRE(budget.spend(7, 1000, now));
  for (int at = 0; at < 50; ++at) CHECK_FALSE(budget.spend(7, 10, now));
  auto overruns = budget.take_overruns(now);
  REQUIRE(overruns.size() == 1);
  CHECK(overruns[0].peer_id == 7);
  CHECK(overruns[0].lines == 50);
  CHECK(overruns[0].bytes == 500);
  CHECK_FALSE(budget.spend(7, 900, now + milliseconds(500)));
  CHECK(budget.take_overruns(now + milliseconds(500)).empty());
  CHECK(budget.take_overruns(now + milliseconds(1001)).size() == 1);
  CHECK(budget.take_overruns(now + seconds(10)).empty());
}

TEST_CASE("a clock that a worker cached a moment ago takes nothing away and gives nothing twice") {
  PeerBudget budget({.bytes_per_second = 1000, .burst = 1000});
  PeerBudget::Clock::time_point now{seconds(100)};
  REQUIRE(budget.spend(1, 1000, now));
  CHECK_FALSE(budget.spend(1, 1, now - seconds(5)));
  CHECK_FALSE(budget.spend(1, 1, now));
  CHECK(budget.spend(1, 1000, now + seconds(1)));
  CHECK_FALSE(budget.spend(1, 1, now + seconds(1)));
}
