#include "daemon/gateway/upstream_places.h"

#include <catch2/catch.hpp>
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

TEST_CASE("connections fit within the descriptors that there are") {
  CHECK(most_connections(descriptors_beside + 2 * 4096) == 4096);
  CHECK(most_connections(1024) == (1024 - descriptors_beside) / 2);
  CHECK(most_connections(descriptors_beside) == 0);
  CHECK(most_connections(0) == 0);
  CHECK(raise_descriptor_limit() >= 1024);
}
