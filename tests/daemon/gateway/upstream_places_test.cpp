#include "daemon/gateway/upstream_places.h"

#include <catch2/catch.hpp>
#include <deque>
#include <vector>

#include "daemon/gateway/descriptors.h"

using namespace clawpatrol;

TEST_CASE("attack 28: a peer has so many connections at an endpoint, and others have theirs") {
  UpstreamPlaces places;
  std::vector<UpstreamPlaces::Place> held;
  for (int at = 0; at < 3; ++at) held.push_back(*places.take(1, "pg", 3));
  CHECK_FALSE(places.take(1, "pg", 3));
  CHECK(places.take(2, "pg", 3));
  CHECK(places.take(1, "other", 3));
  held.pop_back();
  CHECK(places.take(1, "pg", 3));
  CHECK(places.take(1, "pg", 3));  // the one before has been given back at once
  CHECK_FALSE(places.take(1, "pg", 2));
  held.clear();
  CHECK(places.take(1, "pg", 1));
  CHECK_FALSE(places.take(1, "pg", 0));
}

namespace {

// One who waits, and whether it has been told.
struct Waiting {
  int told = 0;
  UpstreamPlaces::Answer answer;
  Waiting(UpstreamPlaces& places, std::uint32_t peer, std::size_t limit)
      : answer(places.take_or_wait({peer, "web"}, limit, [this] { ++told; })) {}
};

}  // namespace

TEST_CASE("places that become free are given in turn, to who still waits, each peer's to itself") {
  UpstreamPlaces places;
  auto first = places.take(1, "web", 1);
  auto others = places.take(2, "web", 1);
  Waiting second(places, 1, 1), third(places, 1, 1), fourth(places, 1, 1), other(places, 2, 1);
  for (const Waiting* each : {&second, &third, &fourth, &other}) REQUIRE(each->answer.turn);
  CHECK_FALSE(second.answer.turn->take());
  third.answer.turn.reset();
  first.reset();
  CHECK(second.told == 1);
  CHECK(fourth.told + other.told == 0);
  CHECK_FALSE(places.take(1, "web", 1));  // it is the second's, though that has not taken it
  second.answer.turn.reset();             // and does not
  CHECK(fourth.told == 1);
  {
    auto place = fourth.answer.turn->take();
    CHECK(place);
    CHECK_FALSE(fourth.answer.turn->take());
    CHECK_FALSE(places.take(1, "web", 1));
  }
  CHECK(places.take(1, "web", 1));
  CHECK(third.told + other.told == 0);
  others.reset();
  CHECK(other.answer.turn->take());
  CHECK_FALSE(Waiting(places, 3, 0).answer.turn);  // for whom nobody would make room
}

TEST_CASE("attack 28: so many wait for a place and no more, and a limit that came down is kept to") {
  UpstreamPlaces places;
  auto first = places.take(1, "web", 2), second = places.take(1, "web", 2);
  std::deque<Waiting> waiting;
  for (std::size_t i = 0; i < UpstreamPlaces::most_waiting; ++i) waiting.emplace_back(places, 1, 1);
  CHECK(waiting.back().answer.turn);
  Waiting late(places, 1, 1);
  CHECK_FALSE(late.answer.turn);
  CHECK_FALSE(late.answer.place);
  first.reset();
  CHECK(waiting.front().told == 0);
  second.reset();
  CHECK(waiting.front().told == 1);
}

TEST_CASE("connections fit within the descriptors that there are") {
  CHECK(most_connections(descriptors_beside + 2 * 4096) == 4096);
  CHECK(most_connections(1024) == (1024 - descriptors_beside) / 2);
  CHECK(most_connections(descriptors_beside) == 0);
  CHECK(most_connections(0) == 0);
  CHECK(raise_descriptor_limit() >= 1024);
}
