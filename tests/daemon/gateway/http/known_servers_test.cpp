#include <catch2/catch.hpp>

#include "daemon/gateway/http/worker_state.h"

using namespace clawpatrol::http;

TEST_CASE("attack 28: names that an agent makes up do not grow what is known of servers without end") {
  KnownServers known;
  for (std::size_t i = 0; i <= KnownServers::most; ++i)
    known.add(3, "wild name" + std::to_string(i) + " 443");
  CHECK(known.size() <= KnownServers::most);
  CHECK(known.contains(3, "wild name" + std::to_string(KnownServers::most) + " 443"));
}

TEST_CASE("what is known of a server is known under its generation alone") {
  KnownServers known;
  known.add(3, "api one 443");
  CHECK(known.contains(3, "api one 443"));
  CHECK_FALSE(known.contains(4, "api one 443"));
  known.add(4, "api two 443");
  CHECK(known.size() == 1);
  known.add(3, "api one 443");  // of an exchange that began before the reload
  CHECK_FALSE(known.contains(3, "api one 443"));
}
