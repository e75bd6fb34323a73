// A daemon that is killed while it writes.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <random>
#include <set>

#include "daemon/ring/fd.h"
#include "tests/daemon/audit/scratch_log.h"

using namespace clawpatrol;
using namespace clawpatrol::audit;

namespace {

// Appends for ever; after each append that returned, its last sequence number goes into the pipe.
[[noreturn]] void append_until_killed(const Options& options, int report, unsigned seed) {
  auto log = Log::open(options);
  if (!log) ::_exit(1);
  std::mt19937 random(seed);
  for (int at = 0;; ++at) {
    auto seq = (*log)->append(bodies(at, 1 + static_cast<int>(random() % 12)));
    if (!seq || ::write(report, &*seq, sizeof *seq) != sizeof *seq) ::_exit(2);
  }
}

// The last number that the child reported before it was killed, after at least `appends` of them.
std::uint64_t run_and_kill(const Options& options, unsigned seed, int appends) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  Fd in(ends[0]), out(ends[1]);
  pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) append_until_killed(options, out.get(), seed);
  out.reset();
  std::uint64_t seq = 0, last = 0;
  for (int at = 0; at < appends; ++at) {
    if (::read(in.get(), &seq, sizeof seq) != sizeof seq) break;
    last = seq;
  }
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status));
  while (::read(in.get(), &seq, sizeof seq) == sizeof seq) last = seq;
  return last;
}

}  // namespace

TEST_CASE(
    "attack 26: a daemon killed at random has lost no line that append returned for, and the chain goes on") {
  ScratchLog scratch;
  scratch.options.segment_bytes = 20000;
  std::mt19937 random(7);
  for (unsigned round = 0; round < 40; ++round) {
    std::uint64_t last = run_and_kill(scratch.options, round, static_cast<int>(random() % 300));
    Report report = scratch.verified();
    INFO("round " << round << ", reported " << last);
    REQUIRE((kinds(report) == "" || kinds(report) == "torn tail"));
    REQUIRE(report.last_seq >= last);
  }
  Head head = scratch.open()->head();
  Report report = scratch.verified(head);
  CHECK(kinds(report) == "");
  CHECK(report.head_check == HeadCheck::found);
  CHECK(report.breaks.size() >= 30);
}
