#include "daemon/audit/reader.h"

#include <catch2/catch.hpp>
#include <thread>

#include "tests/daemon/audit/scratch_log.h"

using namespace clawpatrol;
using namespace clawpatrol::audit;
using std::chrono::milliseconds;

namespace {

struct Rotating : ScratchLog {
  Rotating() { options.segment_bytes = 1000; }
};

bool speaks_of(const std::string& line, int number) {
  return line.find(body(number)) != line.npos;
}

}  // namespace

TEST_CASE("the last lines are found across segments") {
  Rotating scratch;
  auto log = scratch.open();
  for (int at = 1; at <= 40; ++at) REQUIRE(log->append(bodies(at, 1)));
  REQUIRE(scratch.segments().size() > 3);
  auto lines = last_lines(scratch.options.directory, 15).value();
  REQUIRE(lines.size() == 15);
  CHECK(speaks_of(lines.back(), 40));
  CHECK(last_lines(scratch.options.directory, 1).value().size() == 1);
  CHECK(last_lines(scratch.options.directory, 0).value().empty());
  CHECK(last_lines(scratch.options.directory, 1000).value().size() == 40 + scratch.segments().size());
  CHECK_FALSE(last_lines(scratch.root / "absent", 1));
}

TEST_CASE("an action is found with its outcome, and only by its whole id") {
  Rotating scratch;
  auto log = scratch.open();
  for (int at = 1; at <= 40; ++at) REQUIRE(log->append(bodies(at, 1)));
  std::vector<std::string> outcome = {R"("id":"a-4","ok":true)"};
  REQUIRE(log->append(outcome));
  CHECK(find_action(scratch.options.directory, "a-40").value().size() == 1);
  CHECK(find_action(scratch.options.directory, "a-4").value().size() == 2);
  CHECK(find_action(scratch.options.directory, "a-").value().empty());
  CHECK(find_action(scratch.options.directory, "").value().empty());
  CHECK(find_action(scratch.options.directory, R"(a-4","ok)").value().empty());
}

TEST_CASE("a follower sees every line once, across rotation and restarts") {
  Rotating scratch;
  auto log = scratch.open();
  REQUIRE(log->append(bodies(1, 1)));
  auto follower = Follower::open(scratch.options.directory).value();
  CHECK(follower->next(milliseconds(0)).value().empty());
  std::thread writer([&] {
    for (int at = 2; at <= 200; ++at) {
      if (at == 100) log.reset();
      if (at == 100) log = scratch.open();
      if (!log->append(bodies(at, 1))) return;
    }
  });
  int next = 2;
  while (next <= 200) {
    auto lines = follower->next(milliseconds(5000));
    REQUIRE(lines);
    REQUIRE_FALSE(lines->empty());
    for (const std::string& line : *lines) {
      if (line.find("\"event\"") != line.npos) continue;
      REQUIRE(speaks_of(line, next));
      ++next;
    }
  }
  writer.join();
  CHECK(follower->next(milliseconds(0)).value().empty());
}

TEST_CASE("attack 27: nothing of a damaged line reaches a screen raw") {
  CHECK(shown("{\"a\":\"b\"}") == "{\"a\":\"b\"}");
  CHECK(shown("\x1b[2J\xe2\x80\xae\r") == "\\x1b[2J\\xe2\\x80\\xae\\x0d");
}
