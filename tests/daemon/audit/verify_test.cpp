#include "daemon/audit/verify.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/daemon/audit/scratch_log.h"

using namespace clawpatrol;
using namespace clawpatrol::audit;

namespace {

// Two segments: 1 (start), 2-4, 5, 6-8, 9-11 | 12 (start), 13-15, 16. Groups of three and of one.
struct Written : ScratchLog {
  Written() {
    {
      auto log = open();
      append(*log, 1, 3), append(*log, 4, 1), append(*log, 5, 3), append(*log, 8, 3);
      early = log->head();
    }
    auto log = open();
    append(*log, 11, 3), append(*log, 14, 1);
    head = log->head();
  }
  static void append(Log& log, int first, int count) {
    if (!log.append(bodies(first, count))) throw std::runtime_error("append");
  }
  std::vector<std::string> lines(std::size_t segment) const {
    return split_lines(read_file(segments().at(segment)));
  }
  void put(std::size_t segment, const std::vector<std::string>& lines) const {
    write_file(segments().at(segment), join_lines(lines));
  }
  Head early, head;
};

}  // namespace

TEST_CASE("what nobody touched is intact") {
  Written log;
  Report report = log.verified(log.head);
  CHECK(kinds(report) == "");
  CHECK(report.segments == 2);
  CHECK(report.lines == 16);
  CHECK(report.groups == 8);
  CHECK(report.first_seq == 1);
  CHECK(report.last_seq == 16);
  CHECK(report.head == log.head);
  CHECK(log.verified(log.early).head_check == HeadCheck::found);
}

TEST_CASE("attack 26: a changed line is found, with its file, line and number") {
  for (std::size_t at = 1; at < 11; ++at) {
    Written log;
    auto lines = log.lines(0);
    auto where = lines[at].find("allow");
    lines[at].replace(where, 5, "DENY!");
    log.put(0, lines);
    Report report = log.verified();
    REQUIRE(kinds(report) == "changed");
    CHECK(report.findings[0].file == log.segments()[0].filename());
    CHECK(report.findings[0].line == at + 1);
    CHECK(report.findings[0].seq == at + 1);
  }
}

TEST_CASE("attack 26: two changed lines in different groups are two findings") {
  Written log;
  auto lines = log.lines(0);
  for (std::size_t at : {2u, 6u}) lines[at].replace(lines[at].find("allow"), 5, "DENY!");
  log.put(0, lines);
  Report report = log.verified();
  REQUIRE(kinds(report) == "changed, changed");
  CHECK(report.findings[0].line == 3);
  CHECK(report.findings[1].line == 7);
}

TEST_CASE("attack 26: a changed number is a changed line, not a missing one") {
  Written log;
  auto lines = log.lines(0);
  lines[6].replace(lines[6].find("\"seq\":7"), 7, "\"seq\":9");
  log.put(0, lines);
  Report report = log.verified();
  REQUIRE(kinds(report) == "changed");
  CHECK(report.findings[0].line == 7);
}

TEST_CASE("attack 26: a changed MAC is found where it stands and nowhere else") {
  Written log;
  auto lines = log.lines(0);
  char& digit = lines[7][lines[7].size() - 10];
  digit = digit == '0' ? '1' : '0';
  log.put(0, lines);
  Report report = log.verified();
  REQUIRE(kinds(report) == "changed");
  CHECK(report.findings[0].line == 8);
}

TEST_CASE("attack 26: a removed line is told from a changed one") {
  for (std::size_t at = 1; at < 10; ++at) {
    Written log;
    auto lines = log.lines(0);
    lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(at));
    log.put(0, lines);
    Report report = log.verified();
    REQUIRE(kinds(report) == "removed");
    CHECK(report.findings[0].line == at + 1);  // the line now there
    CHECK(report.findings[0].seq == at + 1);   // the first that is missing
  }
}

TEST_CASE("attack 26: a whole removed group is a removal") {
  Written log;
  auto lines = log.lines(0);
  lines.erase(lines.begin() + 5, lines.begin() + 8);
  log.put(0, lines);
  Report report = log.verified();
  REQUIRE(kinds(report) == "removed");
  CHECK(report.findings[0].what == "seq 6 to 8 are missing before this line");
}

TEST_CASE("attack 26: lines in another order are told from removed ones") {
  for (std::size_t at = 1; at < 9; ++at) {
    Written log;
    auto lines = log.lines(0);
    std::swap(lines[at], lines[at + 1]);
    log.put(0, lines);
    Report report = log.verified();
    INFO(at);
    REQUIRE(kinds(report) == "reordered");
    CHECK(report.findings[0].line == at + 2);
  }
}

TEST_CASE("attack 26: a line put in is found, whether ours or not") {
  Written log;
  auto lines = log.lines(0);
  lines.insert(lines.begin() + 4, R"({"hello":"world"})");
  log.put(0, lines);
  CHECK(kinds(log.verified()) == "inserted");
  lines.erase(lines.begin() + 4);
  lines.insert(lines.begin() + 5, lines[2]);
  log.put(0, lines);
  CHECK(kinds(log.verified()) == "inserted");
}

TEST_CASE("attack 26: a segment cut at its end is found by the one after it") {
  Written log;
  auto lines = log.lines(0);
  lines.resize(8);
  log.put(0, lines);
  Report report = log.verified();
  REQUIRE(kinds(report) == "cut tail");
  CHECK(report.findings[0].seq == 9);
}

TEST_CASE("attack 26: a tail cut at a group's end is found against a head from elsewhere") {
  Written log;
  auto lines = log.lines(1);
  lines.pop_back();
  log.put(1, lines);
  CHECK(kinds(log.verified()) == "");
  CHECK(kinds(log.verified(log.early)) == "");
  Report report = log.verified(log.head);
  CHECK(kinds(report) == "cut tail");
  CHECK(report.head_check == HeadCheck::missing);
  CHECK(report.findings[0].seq == 16);
  std::filesystem::remove(log.segments().at(1));
  CHECK(kinds(log.verified(log.head)) == "cut tail");
}

TEST_CASE("attack 26: a tail cut and written anew by the daemon itself is found against a head") {
  Written log;
  auto lines = log.lines(1);
  lines.pop_back();
  log.put(1, lines);
  {
    auto again = log.open();
    Written::append(*again, 100, 5);
  }
  CHECK(kinds(log.verified()) == "");
  CHECK(kinds(log.verified(log.head)) == "cut tail");
}

TEST_CASE("attack 26: a log that is written whole anew under another key is foreign") {
  Written log;
  ScratchLog other;
  {
    auto writer = other.open();
    Written::append(*writer, 1, 3);
  }
  for (const auto& path : log.segments()) std::filesystem::remove(path);
  std::filesystem::copy(other.segments()[0], log.options.directory);
  CHECK(kinds(log.verified()) == "foreign key");
  CHECK(kinds(log.verified(log.head)) == "foreign key, cut tail");
}

TEST_CASE("attack 26: missing segments are told apart by where they were") {
  Written log;
  for (int at = 0; at < 2; ++at) Written::append(*log.open(), 100, 2);
  REQUIRE(log.segments().size() == 4);
  std::filesystem::path middle = log.segments()[1], first = log.segments()[0];
  std::filesystem::rename(middle, log.root / "middle");
  CHECK(kinds(log.verified()) == "removed");
  std::filesystem::rename(log.root / "middle", middle);
  CHECK(kinds(log.verified()) == "");
  std::filesystem::remove(first);
  CHECK(kinds(log.verified()) == "removed");
}

TEST_CASE("attack 26: segments under each other's names are found") {
  Written log;
  auto paths = log.segments();
  std::filesystem::rename(paths[0], log.root / "aside");
  std::filesystem::rename(paths[1], paths[0]);
  std::filesystem::rename(log.root / "aside", paths[1]);
  CHECK_FALSE(log.verified().intact());
}

TEST_CASE("attack 26: a torn last line is told from a cut or changed one, and recovered from") {
  Written log;
  std::string whole = read_file(log.segments()[1]);
  std::size_t last = whole.rfind('\n', whole.size() - 2) + 1;
  for (std::size_t size : {last + 1, last + 40, whole.size() - 1}) {
    write_file(log.segments()[1], whole.substr(0, size));
    Report report = log.verified();
    REQUIRE(kinds(report) == "torn tail");
    CHECK(report.findings[0].line == 5);
    CHECK(report.findings[0].seq == 16);
  }
  // A group cut at a line's end: never committed either.
  auto lines = split_lines(whole);
  lines.resize(3);
  log.put(1, lines);
  CHECK(kinds(log.verified()) == "torn tail");
  write_file(log.segments()[1], read_file(log.segments()[1]) + R"({"v":1,"seq":15,"pr)");
  CHECK(kinds(log.verified()) == "torn tail");
  std::uint64_t torn = read_file(log.segments()[1]).size();

  {
    auto again = log.open();
    CHECK(again->head().seq == 13);
    Written::append(*again, 100, 2);
  }
  CHECK(read_file(log.segments()[1]).size() == torn);  // evidence, not rewritten
  Report report = log.verified();
  CHECK(kinds(report) == "");
  REQUIRE(report.breaks.size() == 2);
  CHECK(report.breaks[1].event == "recovered");
  CHECK(report.breaks[1].abandoned == torn - whole.find('\n') - 1);
}

TEST_CASE("attack 26: committed lines are not passed off as torn by changing one and restarting") {
  Written log;
  auto lines = log.lines(1);
  lines[3].replace(lines[3].find("allow"), 5, "DENY!");
  log.put(1, lines);
  std::vector<journal::Message> messages;
  log.options.warn = [&](journal::Message message, std::string_view) { messages.push_back(message); };
  log.open().reset();
  CHECK_FALSE(log.verified().intact());
  CHECK(std::ranges::count(messages, journal::Message::audit_damaged) == 1);
}

TEST_CASE("attack 26: bytes added behind the end of an older segment are found") {
  Written log;
  write_file(log.segments()[0], read_file(log.segments()[0]) + "{}\n");
  CHECK(kinds(log.verified()) == "inserted");
}

TEST_CASE("attack 26: whichever single byte is changed, it is found") {
  Written log;
  for (std::size_t segment = 0; segment < 2; ++segment) {
    std::filesystem::path path = log.segments()[segment];
    const std::string whole = read_file(path);
    for (std::size_t at = 0; at < whole.size(); ++at) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ (at % 2 == 0 ? 0x01 : 0x20));
      write_file(path, changed);
      INFO("segment " << segment << ", byte " << at);
      REQUIRE_FALSE(log.verified().intact());
    }
    write_file(path, whole);
  }
  CHECK(log.verified().intact());
}

TEST_CASE("attack 26: wherever the newest segment is cut, a head tells") {
  Written log;
  std::filesystem::path path = log.segments()[1];
  const std::string whole = read_file(path);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_file(path, whole.substr(0, size));
    Report report = log.verified(log.head);
    INFO("cut to " << size);
    REQUIRE(report.head_check == HeadCheck::missing);
    REQUIRE_FALSE(report.intact());
  }
}

TEST_CASE("garbage in place of a log is findings, not a crash") {
  Written log;
  for (const std::string& garbage :
       {std::string(), std::string(100000, '\n'), std::string(5000, '\0'), std::string("{\"v\":1,"),
        std::string("{\"v\":1,\"seq\":99999999999999999999999,\"prev\":\"")}) {
    write_file(log.segments()[0], garbage);
    CHECK_FALSE(log.verified().intact());
  }
}
