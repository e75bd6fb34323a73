#include "cpctl/table.h"

#include <catch2/catch.hpp>

#include "cpctl/printable.h"
#include "cpctl/units.h"

namespace clawpatrol::cpctl {
namespace {

Console no_terminal() {
  return Console({-1, -1, -1}, Format::text);
}

Table sample() {
  Table table({{"ID", Align::right},
               {"PEER", Align::left, 4},
               {"STATE", Align::left, 0, 2},
               {"TEXT", Align::left, 6}});
  table.row({{"1"}, {"builder-1"}, {"idle"}, {"SELECT * FROM a_long_table_name"}});
  table.row({{"1234"}, {"日本"}, {""}, {""}});
  return table;
}

TEST_CASE("columns are aligned, and nothing is cut where the output is no terminal") {
  Console console = no_terminal();
  CHECK(sample().lines(console, std::nullopt) ==
        std::vector<std::string>{
            "  ID  PEER       STATE  TEXT",
            "   1  builder-1  idle   SELECT * FROM a_long_table_name",
            "1234  日本",
        });
}

TEST_CASE("the last column gives way first, then those before it, then whole columns") {
  Console console = no_terminal();
  auto at = [&](std::size_t width) { return sample().lines(console, width)[1]; };
  CHECK(at(40) == "   1  builder-1  idle   SELECT * FROM a…");
  CHECK(at(28) == "   1  builde…  idle   SELEC…");
  for (std::size_t width = 18; width < 60; ++width) {
    for (const std::string& line : sample().lines(console, width)) {
      INFO(width << ": " << line);
      CHECK(display_width(line) <= width);
    }
  }
  CHECK(sample().lines(console, 20)[0].find("STATE") == std::string::npos);
}

TEST_CASE("of a path its end is kept") {
  Console console = no_terminal();
  Table table({{"AT", Align::left, 6, 0, Keeps::end}, {"N"}});
  table.row({{"/etc/clawpatrol/clawpatrol.toml:41"}, {"1"}});
  table.row({{"/日本語/日本語/日本語.toml:7"}, {"2"}});
  CHECK(table.lines(console, 16)[1] == "…trol.toml:41  1");
  CHECK(table.lines(console, 16)[2] == "…本語.toml:7   2");
  CHECK(clipped_to_end("abc", 3) == "abc");
  CHECK(clipped_to_end("abc", 2) == "…c");
  CHECK(clipped_to_end("abc", 0).empty());
}

TEST_CASE("a terminal narrower than what may not be cut is not a crash") {
  Console console = no_terminal();
  CHECK(sample().lines(console, 1).size() == 3);
  CHECK(Table({{"A"}}).lines(console, 0).size() == 1);
}

TEST_CASE("sizes, durations and counts as people read them") {
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(1023) == "1023 B");
  CHECK(bytes_text(1024) == "1.0 KiB");
  CHECK(bytes_text(1'048'575) == "1.0 MiB");
  CHECK(bytes_text(150 * 1024) == "150 KiB");
  CHECK(bytes_text(UINT64_MAX) == "16.0 EiB");
  CHECK(duration_text(0) == "0s");
  CHECK(duration_text(192) == "3m12s");
  CHECK(duration_text(7500) == "2h05m");
  CHECK(duration_text(3 * 86400 + 4 * 3600) == "3d4h");
  CHECK(count_text(999) == "999");
  CHECK(count_text(1234567) == "1,234,567");
  CHECK(counted(1, "packet") == "1 packet");
  CHECK(counted(0, "packet") == "0 packets");
}

}  // namespace
}  // namespace clawpatrol::cpctl
