// Disks that fail. write and fdatasync are replaced in this program, so that they fail when a test says so.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "tests/daemon/audit/scratch_log.h"

using namespace clawpatrol;
using namespace clawpatrol::audit;

namespace {

struct Faults {
  std::atomic<long> writable{-1};      // bytes that may still be written; -1: no limit
  std::atomic<long> longest_write{0};  // of one call; 0: no limit
  std::atomic<int> sync_error{0};
  std::atomic<int> syncs{0};
};
Faults faults;

// Only the log's own files, so that the test's output gets through.
bool is_segment(int fd) {
  char link[64], path[256];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = ::readlink(link, path, sizeof path);
  return size > 0 && std::string_view(path, static_cast<std::size_t>(size)).find("/audit/audit-") !=
                         std::string_view::npos;
}

}  // namespace

extern "C" ssize_t write(int fd, const void* bytes, size_t size) {
  bool limited = faults.writable >= 0 || faults.longest_write > 0;
  if (!limited || !is_segment(fd)) return ::syscall(SYS_write, fd, bytes, size);
  if (faults.longest_write > 0) size = std::min(size, static_cast<size_t>(faults.longest_write));
  if (faults.writable == 0) {
    errno = ENOSPC;
    return -1;
  }
  if (faults.writable > 0) {
    size = std::min(size, static_cast<size_t>(faults.writable));
    faults.writable -= static_cast<long>(size);
  }
  return ::syscall(SYS_write, fd, bytes, size);
}

extern "C" int fdatasync(int fd) {
  ++faults.syncs;
  if (faults.sync_error != 0) {
    errno = faults.sync_error;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

namespace {

struct FailingLog : ScratchLog {
  FailingLog() {
    options.retry_interval = std::chrono::milliseconds(1);
    options.warn = [this](journal::Message message, std::string_view line) {
      std::lock_guard lock(mutex);
      messages.push_back(message);
      warned.emplace_back(line);
      if (line.find("goes on in") == line.npos) return;
      ++replaced;
      changed.notify_all();
    };
  }
  ~FailingLog() { mend(); }
  void mend() { faults.writable = -1, faults.longest_write = 0, faults.sync_error = 0; }
  bool wait_until_replaced(int times) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(10), [&] { return replaced >= times; });
  }
  std::mutex mutex;
  std::condition_variable changed;
  int replaced = 0;
  std::vector<std::string> warned;
  std::vector<journal::Message> messages;  // of each of them
};

std::expected<void, Error> synced(Log& log, std::uint64_t seq) {
  std::promise<std::expected<void, Error>> done;
  log.sync(seq, [&](std::expected<void, Error> result) { done.set_value(std::move(result)); });
  return done.get_future().get();
}

}  // namespace

TEST_CASE("short writes are gone on with") {
  FailingLog scratch;
  auto log = scratch.open();
  faults.longest_write = 7;
  REQUIRE(log->append(bodies(1, 5)));
  scratch.mend();
  CHECK(kinds(scratch.verified(log->head())) == "");
}

TEST_CASE("attack 26: when the disk is full everything is denied, and that file is never written again") {
  FailingLog scratch;
  auto log = scratch.open();
  REQUIRE(log->append(bodies(1, 3)));
  faults.writable = 100;  // the next group is torn
  auto torn = log->append(bodies(4, 3));
  REQUIRE_FALSE(torn);
  CHECK(torn.error().code == ENOSPC);
  CHECK_FALSE(log->healthy());
  CHECK(log->failure().find("No space left on device") != std::string::npos);
  CHECK_FALSE(log->append(bodies(7, 1)));
  CHECK_FALSE(synced(*log, 4));
  std::string given_up = read_file(scratch.segments()[0]);
  CHECK(log->head().seq == 4);

  scratch.mend();
  REQUIRE(scratch.wait_until_replaced(1));
  CHECK(log->failure().empty());
  {
    std::lock_guard lock(scratch.mutex);
    REQUIRE(scratch.warned.size() == 2);  // said once, however often it was tried again
    CHECK(scratch.warned[0].find("No space left on device: everything is denied") != std::string::npos);
    CHECK(scratch.messages == std::vector{journal::Message::audit_failed, journal::Message::ordinary});
  }
  CHECK(log->append(bodies(7, 2)).value() == 7);  // 5 is the new segment's first line
  CHECK(synced(*log, 7));
  CHECK(read_file(scratch.segments()[0]) == given_up);
  Report report = scratch.verified(log->head());
  CHECK(kinds(report) == "");
  REQUIRE(report.breaks.size() == 1);
  CHECK(report.breaks[0].event == "replaced");
  CHECK(report.breaks[0].abandoned == 100);
  CHECK(read_file(scratch.segments()[1]).find("No space left on device") != std::string::npos);
}

TEST_CASE("a group that lacks nothing but its newline does not count") {
  FailingLog scratch;
  auto log = scratch.open();
  REQUIRE(log->append(bodies(1, 1)));
  auto size = static_cast<long>(read_file(scratch.segments()[0]).size());
  REQUIRE(log->append(bodies(2, 1)));
  faults.writable = static_cast<long>(read_file(scratch.segments()[0]).size()) - size - 1;
  REQUIRE_FALSE(log->append(bodies(3, 1)));
  scratch.mend();
  REQUIRE(scratch.wait_until_replaced(1));
  REQUIRE(log->append(bodies(4, 1)));
  CHECK(kinds(scratch.verified(log->head())) == "");
}

TEST_CASE("attack 26: after one failed fsync nothing it covered is ever called synced") {
  FailingLog scratch;
  auto log = scratch.open();
  auto seq = log->append(bodies(1, 3)).value();
  faults.sync_error = EIO;
  auto failed = synced(*log, seq);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == EIO);
  std::string given_up = read_file(scratch.segments()[0]);
  CHECK_FALSE(log->append(bodies(4, 1)));  // replacing it needs a sync as well

  scratch.mend();
  REQUIRE(scratch.wait_until_replaced(1));
  CHECK_FALSE(synced(*log, seq));
  auto later = log->append(bodies(5, 1)).value();
  CHECK(synced(*log, later));
  CHECK(read_file(scratch.segments()[0]) == given_up);
  CHECK(scratch.segments().size() == 2);
  CHECK(kinds(scratch.verified(log->head())) == "");
}

TEST_CASE("a rotation that cannot be made denies until one can") {
  FailingLog scratch;
  scratch.options.segment_bytes = 600;
  auto log = scratch.open();
  REQUIRE(log->append(bodies(1, 1)));
  faults.writable = 10;
  CHECK_FALSE(log->append(bodies(2, 3)));
  CHECK_FALSE(log->healthy());
  CHECK(scratch.segments().size() == 1);
  scratch.mend();
  REQUIRE(scratch.wait_until_replaced(1));
  REQUIRE(log->append(bodies(5, 3)));
  CHECK(kinds(scratch.verified(log->head())) == "");
}

TEST_CASE("a log that fails again and again goes on each time, and all of it verifies") {
  FailingLog scratch;
  auto log = scratch.open();
  for (int round = 1; round <= 20; ++round) {
    faults.writable = round * 37;
    while (log->append(bodies(round, 2))) {
    }
    scratch.mend();
    REQUIRE(scratch.wait_until_replaced(round));
    REQUIRE(log->append(bodies(round, 1)));
  }
  Head head = log->head();
  log.reset();
  CHECK(kinds(scratch.verified(head)) == "");
  scratch.open().reset();
  CHECK(kinds(scratch.verified(head)) == "");
}

TEST_CASE("many who wait share one fdatasync") {
  FailingLog scratch;
  auto log = scratch.open();
  REQUIRE(synced(*log, log->append(bodies(1, 1)).value()));
  int before = faults.syncs;
  std::atomic<int> answered{0};
  std::promise<void> all;
  for (int at = 0; at < 1000; ++at) {
    auto seq = log->append(bodies(at, 1)).value();
    log->sync(seq, [&](const std::expected<void, Error>& result) {
      if (result && ++answered == 1000) all.set_value();
    });
  }
  REQUIRE(all.get_future().wait_for(std::chrono::seconds(10)) == std::future_status::ready);
  CHECK(faults.syncs - before < 500);
}
