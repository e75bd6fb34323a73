#include "policy/config/units.h"

#include <catch2/catch.hpp>

using namespace clawpatrol::config;

TEST_CASE("durations and sizes are whole numbers with a unit") {
  CHECK(parse_duration("90s") == 90'000'000'000);
  CHECK(parse_duration("500ms") == 500'000'000);
  CHECK(parse_duration("10m") == 600'000'000'000);
  CHECK(parse_duration("1h") == 3'600'000'000'000);
  CHECK(parse_duration("7d") == 604'800'000'000'000);
  CHECK(parse_duration("0s") == 0);
  CHECK(parse_size("1MiB") == 1 << 20);
  CHECK(parse_size("4KiB") == 4096);
  CHECK(parse_size("512B") == 512);
  CHECK(parse_size("2GiB") == std::int64_t{2} << 30);
}

TEST_CASE("what has no unit, another one, a sign, a fraction or no room is refused") {
  for (const char* text : {"", "5", "s", "1.5s", "-1s", "+1s", " 1s", "1s ", "1 s", "1S", "1min", "1h30m",
                           "1us", "0x1s", "9223372036854775807d", "106752d", "99999999999999999999s"})
    CHECK_FALSE(parse_duration(text));
  for (const char* text : {"", "5", "B", "1MB", "1kB", "1mib", "1.5MiB", "-1B", "8589934592GiB", "1e3B"})
    CHECK_FALSE(parse_size(text));
}

TEST_CASE("quantities are shown in the largest unit that divides them") {
  CHECK(duration_text(std::chrono::seconds(90)) == "90s");
  CHECK(duration_text(std::chrono::seconds(600)) == "10m");
  CHECK(duration_text(std::chrono::nanoseconds(0)) == "0s");
  CHECK(size_text(1 << 20) == "1MiB");
  CHECK(size_text(1536) == "1536B");
  CHECK(size_text(0) == "0B");
}
