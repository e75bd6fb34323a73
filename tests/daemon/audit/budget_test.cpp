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

TEST_CASE("attack 27: in a crowded log a peer has its share, and no more until time gives it back") {
  PeerBudget budget(
      {.bytes_per_second = 1'000'000, .burst = 1'000'000, .share = 1000, .share_time = seconds(100)});
  PeerBudget::Clock::time_point now{seconds(1000)};
  for (int at = 0; at < 10; ++at) CHECK(budget.spend(1, 500, now));  // there is room
  CHECK_FALSE(budget.spend(1, 100, now, Pressure::crowded));
  CHECK(budget.spend(2, 900, now, Pressure::crowded));
  CHECK_FALSE(budget.spend(2, 101, now, Pressure::crowded));
  CHECK(budget.take_overruns(now).size() == 2);
  CHECK(budget.spend(1, 100, now + seconds(10), Pressure::crowded));
  CHECK_FALSE(budget.spend(1, 1, now + seconds(10), Pressure::crowded));
  CHECK(budget.spend(1, 1, now + seconds(10)));
  CHECK_FALSE(budget.spend(3, 1, now, Pressure::full));
}

TEST_CASE("a budget changes while it is in use") {
  PeerBudget budget({.bytes_per_second = 10, .burst = 10});
  PeerBudget::Clock::time_point now{seconds(100)};
  REQUIRE(budget.spend(1, 10, now));
  CHECK_FALSE(budget.spend(1, 100, now + seconds(1)));
  budget.set_options({.bytes_per_second = 1000, .burst = 1000});
  CHECK(budget.spend(1, 900, now + seconds(2)));
  budget.set_options({.bytes_per_second = 10, .burst = 10});
  CHECK_FALSE(budget.spend(1, 11, now + seconds(9)));
}
