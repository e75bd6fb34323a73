#include "daemon/audit/log.h"

#include <sys/stat.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <future>
#include <mutex>
#include <thread>

#include "tests/daemon/audit/scratch_log.h"

using namespace clawpatrol;
using namespace clawpatrol::audit;

namespace {

std::expected<void, Error> synced(Log& log, std::uint64_t seq) {
  std::promise<std::expected<void, Error>> done;
  log.sync(seq, [&](std::expected<void, Error> result) { done.set_value(std::move(result)); });
  return done.get_future().get();
}

}  // namespace

TEST_CASE("a group is numbered lines of JSON, in the kernel when append returns") {
  ScratchLog scratch;
  auto log = scratch.open();
  CHECK(log->append(bodies(1, 3)).value() == 4);
  CHECK(log->append(bodies(4, 1)).value() == 5);
  auto lines = split_lines(read_file(scratch.segments().at(0)));
  REQUIRE(lines.size() == 5);
  CHECK(lines[0].starts_with(R"({"v":1,"seq":1,"prev":"0000000000000000","event":"started","time":"20)"));
  CHECK(lines[1].starts_with(R"({"v":1,"seq":2,"prev":")"));
  CHECK(lines[1].ends_with(R"(,"id":"a-1","verdict":"allow"})"));
  CHECK(lines[2].ends_with(R"("verdict":"allow"})"));
  CHECK(lines[3].find(R"("verdict":"allow","mac":")") != std::string::npos);
  CHECK(lines[4].find(R"("verdict":"allow","mac":")") != std::string::npos);
  CHECK(log->head().seq == 5);
  CHECK(lines[4].find(log->head().mac) != std::string::npos);
  CHECK(log->append({}).value() == 5);
}

TEST_CASE("the log and its key are their owner's alone") {
  ScratchLog scratch;
  auto log = scratch.open();
  auto mode = [](const std::filesystem::path& path) {
    struct stat info{};
    ::stat(path.c_str(), &info);
    return info.st_mode & 07777;
  };
  CHECK(mode(scratch.options.directory) == 0700);
  CHECK(mode(scratch.options.key_file) == 0600);
  CHECK(mode(scratch.segments().at(0)) == 0600);
  CHECK(Log::open(scratch.options).error().what.find("in use by another process") != std::string::npos);
}

TEST_CASE("a line that would break or forge the log is refused and harms nothing") {
  ScratchLog scratch;
  auto log = scratch.open();
  for (std::string line :
       {std::string("\"a\":\"x\ny\""), std::string("\"a\":\"\x7f\""), std::string("\"a\":\"\xc3\xa9\""),
        std::string(1, '\0'), std::string(), "\"a\":1,\"mac\":\"" + std::string(32, '0') + "\""}) {
    CHECK_FALSE(log->append(std::vector<std::string>{body(1), line}));
  }
  CHECK(log->healthy());
  CHECK(log->append(bodies(1, 1)).value() == 2);
  log.reset();
  CHECK(scratch.verified().intact());
}

TEST_CASE("a restart goes on with the chain in a new segment that says so") {
  ScratchLog scratch;
  std::string first_boot, head;
  {
    auto log = scratch.open();
    REQUIRE(log->append(bodies(1, 3)));
    first_boot = log->head().boot;
    head = log->head().mac;
  }
  auto log = scratch.open();
  CHECK(log->head().seq == 5);
  CHECK(log->head().boot != first_boot);
  REQUIRE(log->append(bodies(4, 2)));
  auto lines = split_lines(read_file(scratch.segments().at(1)));
  CHECK(lines.at(0).find(R"("event":"recovered")") != std::string::npos);
  CHECK(lines.at(0).find(R"("abandoned":0)") != std::string::npos);
  CHECK(lines.at(0).find(R"("head":")" + head) != std::string::npos);
  Report report = scratch.verified(log->head());
  CHECK(kinds(report) == "");
  CHECK(report.head_check == HeadCheck::found);
  CHECK(report.lines == 7);
  CHECK(report.breaks.size() == 1);
}

TEST_CASE("the chain goes on across rotated segments, and what is pruned leaves a remainder that verifies") {
  ScratchLog scratch;
  scratch.options.segment_bytes = 2000;
  scratch.options.keep_bytes = 5 * 4096;
  std::mutex mutex;
  std::vector<Head> heads;
  scratch.options.on_head = [&](const Head& head) {
    std::lock_guard lock(mutex);
    heads.push_back(head);
  };
  auto log = scratch.open();
  for (int at = 0; at < 100; ++at) {
    REQUIRE(log->append(bodies(at * 3, 3)));
    if (at % 10 == 0) REQUIRE(synced(*log, log->head().seq));
  }
  REQUIRE(synced(*log, log->head().seq));
  Head last = log->head();
  log.reset();
  CHECK(scratch.segments().size() >= 2);
  CHECK(scratch.segments().size() <= 6);
  Report report = scratch.verified(last);
  CHECK(kinds(report) == "");
  CHECK(report.first_seq > 1);
  CHECK(report.head_check == HeadCheck::found);
  CHECK(scratch.verified(heads.front()).head_check == HeadCheck::pruned);
  CHECK(scratch.verified(heads.back()).head_check == HeadCheck::found);
  CHECK(heads.size() > 3);
  CHECK(heads.back() == last);
}

TEST_CASE("attack 27: nothing younger than asked for is pruned, however much is written") {
  ScratchLog scratch;
  std::atomic<std::int64_t> clock = 1'700'000'000'000'000'000;
  constexpr std::int64_t hour = 3'600'000'000'000;
  scratch.options.segment_bytes = 2000;
  scratch.options.keep_bytes = 5 * 4096;
  scratch.options.keep_for = std::chrono::hours(2);
  scratch.options.unix_ns = [&clock] { return clock.load(); };
  auto log = scratch.open();
  for (int at = 0; at < 30 && log->pressure() == Pressure::none; ++at) REQUIRE(log->append(bodies(at, 3)));
  CHECK(log->pressure() == Pressure::crowded);
  for (int at = 0; at < 50; ++at) REQUIRE(log->append(bodies(at * 3, 3)));
  REQUIRE(synced(*log, log->head().seq));
  CHECK(log->oldest_seq() == 1);
  CHECK(log->kept_bytes() > 5 * 4096);
  CHECK_FALSE(scratch.verified().older_pruned());

  // The denied do not write: what has become old makes room even so.
  clock += 3 * hour;
  // By the log's own thread, which looks once a second; it tells nobody when.
  for (int at = 0; at < 500 && log->pressure() != Pressure::none; ++at)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(log->pressure() == Pressure::none);
  for (int at = 0; at < 10; ++at) REQUIRE(log->append(bodies(at * 3, 3)));
  REQUIRE(synced(*log, log->head().seq));
  CHECK(log->oldest_seq() > 1);
  CHECK(log->kept_bytes() < 6 * 4096);
  log.reset();
  Report report = scratch.verified();
  CHECK(report.intact());
  CHECK(report.older_pruned());
}

TEST_CASE("attack 27: a full log at the disk's reserve is told apart, and limits change while it is open") {
  ScratchLog scratch;
  scratch.options.segment_bytes = 2000;
  scratch.options.keep_bytes = 2 * 4096;
  scratch.options.reserve_bytes = 0;
  scratch.options.keep_for = std::chrono::hours(2);
  std::mutex mutex;
  std::string said;
  std::vector<journal::Message> messages;
  scratch.options.warn = [&](journal::Message message, std::string_view line) {
    std::lock_guard lock(mutex);
    said += line;
    messages.push_back(message);
  };
  auto log = scratch.open();
  auto reaches = [&](Pressure wanted) {  // by the log's own thread, as above
    for (int at = 0; at < 500 && log->pressure() != wanted; ++at)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return log->pressure() == wanted;
  };
  for (int at = 0; at < 20; ++at) REQUIRE(log->append(bodies(at, 3)));
  CHECK(reaches(Pressure::crowded));
  Limits limits{.segment_bytes = 2000,
                .keep_bytes = 2 * 4096,
                .reserve_bytes = std::size_t{1} << 62,
                .keep_for = std::chrono::hours(2)};
  log->set_limits(limits);
  CHECK(reaches(Pressure::full));
  limits.keep_bytes = 1 << 20;
  log->set_limits(limits);
  CHECK(reaches(Pressure::none));
  std::lock_guard lock(mutex);
  CHECK(said.find("peers that wrote more than their share are denied") != std::string::npos);
  CHECK(said.find("everything is denied") != std::string::npos);
  using journal::Message;  // the disk is "low" for as long as so much is to be left of it
  std::erase(messages, Message::disk_low);
  std::erase(messages, Message::ordinary);
  CHECK(messages == std::vector{Message::audit_crowded, Message::audit_full});
}

TEST_CASE("a group larger than a segment is written whole") {
  ScratchLog scratch;
  scratch.options.segment_bytes = 1000;
  auto log = scratch.open();
  for (int at = 0; at < 4; ++at) REQUIRE(log->append(bodies(at * 50, 50)));
  CHECK(scratch.segments().size() == 4);
  CHECK(kinds(scratch.verified(log->head())) == "");
}

TEST_CASE("many threads append and wait for their lines to be synced") {
  ScratchLog scratch;
  scratch.options.segment_bytes = 20000;
  auto log = scratch.open();
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int at = 0; at < 50; ++at) {
        auto seq = log->append(bodies(1000 * thread + at, 2));
        if (seq && synced(*log, *seq)) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(good == 200);
  Report report = scratch.verified(log->head());
  CHECK(kinds(report) == "");
  CHECK(report.lines - report.segments == 400);
}

TEST_CASE("attack 24: a second daemon cannot write the same log") {
  ScratchLog scratch;
  auto first = scratch.open();
  CHECK_FALSE(Log::open(scratch.options));
  first.reset();
  CHECK(Log::open(scratch.options));
}

TEST_CASE("a log without its key, or with another one, is not gone on with") {
  ScratchLog scratch;
  scratch.open().reset();
  std::filesystem::rename(scratch.options.key_file, scratch.root / "old-key");
  auto gone = Log::open(scratch.options);
  REQUIRE_FALSE(gone);
  CHECK(gone.error().what.find("is gone") != std::string::npos);
  REQUIRE(Key::make(scratch.options.key_file));
  auto other = Log::open(scratch.options);
  REQUIRE_FALSE(other);
  CHECK(other.error().what.find("another key") != std::string::npos);
  CHECK(kinds(scratch.verified()) == "foreign key");
}

TEST_CASE("there is a warning when space runs low") {
  ScratchLog scratch;
  std::promise<std::pair<journal::Message, std::string>> warned;
  std::once_flag once;
  scratch.options.reserve_bytes = std::size_t{1} << 62;
  scratch.options.warn = [&](journal::Message message, std::string_view line) {
    std::call_once(once, [&] { warned.set_value({message, std::string(line)}); });
  };
  auto log = scratch.open();
  const auto [message, line] = warned.get_future().get();
  CHECK(message == journal::Message::disk_low);
  CHECK(line.find("left on the disk") != std::string::npos);
  CHECK(log->free_bytes() > 0);
  CHECK(log->append(bodies(1, 1)));
}

TEST_CASE("a head can be written down and read back") {
  ScratchLog scratch;
  auto log = scratch.open();
  CHECK(parse_head(head_text(log->head())) == log->head());
  for (const char* text : {"", "1", "1:", "x:y:z", "1:00:00"}) CHECK_FALSE(parse_head(text));
}
