// On a terminal: colour, width, redrawing in place, no echo. The terminal is a pseudo-terminal of the test's
// own.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include <cstdlib>

#include "cpctl/printable.h"
#include "tests/cpctl/fake_daemon.h"

namespace clawpatrol::cpctl {
namespace {

class Terminal {
 public:
  explicit Terminal(unsigned short columns) {
    master_.reset(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    REQUIRE(master_);
    REQUIRE(grantpt(master_.get()) == 0);
    REQUIRE(unlockpt(master_.get()) == 0);
    char name[64];
    REQUIRE(ptsname_r(master_.get(), name, sizeof name) == 0);
    slave.reset(open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
    REQUIRE(slave);
    resize(columns);
  }
  void resize(unsigned short columns) {
    winsize size{24, columns, 0, 0};
    REQUIRE(ioctl(master_.get(), TIOCSWINSZ, &size) == 0);
  }
  void type(std::string_view keys) {
    REQUIRE(write(master_.get(), keys.data(), keys.size()) == static_cast<ssize_t>(keys.size()));
  }
  // What was written so far, or until `wanted` is in it.
  std::string read_until(std::string_view wanted = "") {
    char piece[4096];
    for (;;) {
      if (!wanted.empty() && contains(text_, wanted)) return text_;
      pollfd polled{master_.get(), POLLIN, 0};
      if (poll(&polled, 1, wanted.empty() ? 0 : 5000) <= 0) return text_;
      ssize_t count = read(master_.get(), piece, sizeof piece);
      if (count <= 0) return text_;
      text_.append(piece, static_cast<std::size_t>(count));
    }
  }
  Fd slave;

 private:
  Fd master_;
  std::string text_;
};

int run_on(Terminal& terminal, const FakeDaemon& daemon, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"--run", daemon.directory.path.native()});
  return run(arguments, {terminal.slave.get(), terminal.slave.get(), terminal.slave.get()});
}

// A narrow terminal may cut, never wrap: lines without their escape sequences.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      while (i < text.size() && !std::isalpha(static_cast<unsigned char>(text[i]))) ++i;
    } else if (text[i] == '\n') {
      lines.emplace_back();
    } else if (text[i] != '\r') {
      lines.back() += text[i];
    }
  }
  return lines;
}

const std::string flow =
    R"({"v":1,"type":"flow","id":7,"peer":"builder-with-a-long-name","endpoint":"pg-production","state":"in a query",)"
    R"("age_s":65,"bytes_up":1228,"bytes_down":34816,"last":{"id":"a-18f3aa","verdict":"deny","rule":"a-rule-with-a-long-name",)"
    R"("text":"SELECT some, quite, long, list, of, columns FROM a_table JOIN another_table USING (id) WHERE x = 1"}})";

const std::string outcome =
    R"({"v":1,"type":"audit_line","line":{"v":1,"seq":9,"prev":"0123456789abcdef","time":"2026-11-22T01:02:04.000000Z",)"
    R"("id":"a-18f3aabbccddee","type":"outcome","ok":true,"bytes_up":1228,"bytes_down":34816,"code":"00000","mac":"00"}})";

TEST_CASE("a table follows the width of the terminal and never wraps, nor does a line of the log") {
  setenv("TERM", "xterm-256color", 1);
  unsetenv("NO_COLOR");
  FakeDaemon daemon;
  daemon.on("flows", {flow});
  daemon.on("audit_tail", {outcome});
  for (unsigned short columns : std::initializer_list<unsigned short>{60, 80, 100, 140, 200}) {
    Terminal terminal(columns);
    CHECK(run_on(terminal, daemon, {"flows"}) == 0);
    CHECK(run_on(terminal, daemon, {"audit", "tail"}) == 0);
    std::string text = terminal.read_until();
    CHECK(contains(text, "\x1b[31m"));
    for (const std::string& line : lines_of(text)) {
      INFO(columns << ": " << line);
      CHECK(display_width(line) <= columns);
    }
  }
}

TEST_CASE("at 80 columns a live flow says who, what was decided, and by which rule") {
  setenv("TERM", "xterm-256color", 1);
  unsetenv("NO_COLOR");
  FakeDaemon daemon;
  daemon.on(
      "flows",
      {R"~({"v":1,"type":"flow","id":7,"peer":"builder-1","endpoint":"pg-prod","state":"active","age_s":65,)~"
       R"~("bytes_up":1228,"bytes_down":34816,"last":{"id":"a-18f3aabbccddee","verdict":"allow",)~"
       R"~("rule":"read-and-update-users","text":"SELECT pg_sleep(60)"}})~"});
  Terminal terminal(80);
  CHECK(run_on(terminal, daemon, {"flows"}) == 0);
  const auto lines = lines_of(terminal.read_until("SELECT"));
  REQUIRE(lines.size() >= 2);
  INFO(lines[1]);
  CHECK(lines[1].starts_with("   7  builder-1  pg-prod "));
  CHECK(contains(lines[1], " allow    read-and-update-users  SELECT "));
}

TEST_CASE("NO_COLOR, TERM=dumb and -o json have no colour") {
  FakeDaemon daemon;
  daemon.on("flows", {flow});
  Terminal terminal(140);
  setenv("NO_COLOR", "1", 1);
  run_on(terminal, daemon, {"flows"});
  unsetenv("NO_COLOR");
  setenv("TERM", "dumb", 1);
  run_on(terminal, daemon, {"flows"});
  setenv("TERM", "xterm-256color", 1);
  run_on(terminal, daemon, {"flows", "-o", "json"});
  CHECK_FALSE(contains(terminal.read_until(), "\x1b"));
}

TEST_CASE("status -w redraws in place, never clears what it is about to draw, and gives the terminal back") {
  FakeDaemon daemon;
  daemon.on("status", {R"({"v":1,"type":"status","version":"0.1.0","netd":{"peers":1}})", flow});
  Terminal terminal(80);
  termios before{};
  tcgetattr(terminal.slave.get(), &before);
  int status = -1;
  std::thread watching([&] { status = run_on(terminal, daemon, {"status", "-w"}); });
  terminal.read_until("a-rule");
  terminal.read_until("\x1b[?2026l");
  terminal.type("q");
  watching.join();
  std::string text = terminal.read_until();
  CHECK(status == 0);
  CHECK(contains(text, "\x1b[?1049h"));
  CHECK(contains(text, "\x1b[?7l"));  // a long line takes one, and no more
  CHECK(text.ends_with("\x1b[?25h\x1b[?1049l"));
  std::size_t first_frame = text.find("\x1b[?2026h");
  CHECK_FALSE(contains(text.substr(first_frame), "\x1b[2J"));
  termios after{};
  tcgetattr(terminal.slave.get(), &after);
  CHECK(after.c_lflag == before.c_lflag);
}

TEST_CASE("top has a column for how busy a flow is") {
  FakeDaemon daemon;
  daemon.on("status", {R"({"v":1,"type":"status","version":"0.1.0","netd":{"peers":1}})", flow});
  Terminal terminal(160);
  int status = -1;
  std::thread watching([&] { status = run_on(terminal, daemon, {"top"}); });
  std::string text = terminal.read_until("0 B/s");  // of the second look: the fake flow moves nothing
  terminal.type("q");
  watching.join();
  CHECK(status == 0);
  CHECK(contains(text, "RATE"));
}

TEST_CASE("creds set asks on a terminal without echo") {
  FakeDaemon daemon;
  daemon.on("creds_set",
            {R"({"v":1,"type":"credential","name":"pg","set":true,"version":1,"configured":true})"});
  Terminal terminal(80);
  int status = -1;
  std::thread asking([&] { status = run_on(terminal, daemon, {"creds", "set", "pg"}); });
  terminal.read_until("(not shown): ");
  // The prompt comes before echo is off; input typed in between would be dropped, so wait for the mode.
  termios now{};
  do {
    std::this_thread::yield();
    tcgetattr(terminal.slave.get(), &now);
  } while ((now.c_lflag & ECHO) != 0);
  terminal.type("hunter2\n");
  asking.join();
  std::string text = terminal.read_until();
  CHECK(status == 0);
  CHECK_FALSE(contains(text, "hunter2"));
  CHECK(contains(text, "is set"));
  CHECK(contains(daemon.seen().back(), "|hunter2"));
  tcgetattr(terminal.slave.get(), &now);
  CHECK((now.c_lflag & ECHO) != 0);
}

std::string words_of(const std::string& text) {
  std::string words;
  for (char c : text) {
    const bool blank = c == ' ' || c == '\n' || c == '\r';
    if (!blank)
      words += c;
    else if (!words.empty() && words.back() != ' ')
      words += ' ';
  }
  return words;
}

std::string letters_of(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n' || c == '\r'; });
  return text;
}

TEST_CASE("doctor's findings stand in columns, and go on under themselves where the terminal is narrow") {
  setenv("TERM", "xterm-256color", 1);
  unsetenv("NO_COLOR");
  FakeDaemon daemon;
  daemon.on("status",
            {R"({"v":1,"type":"status","version":"0.1.0","generation":3,"uptime_s":60,"mode":"observe",)"
             R"("netd":{"connected":false},"audit":{"healthy":false,"failure":"a disk that is full"}})"});
  const std::vector<std::string> asked{"doctor", "--config", daemon.directory.path.native(), "--state",
                                       "/nonexistent/where-there-is-nothing"};
  std::vector<std::string> piped{"--run", daemon.directory.path.native()};
  piped.insert(piped.end(), asked.begin(), asked.end());
  const Result plain = cpctl(piped);
  const std::size_t column = 4 + 2 + std::string_view("clawpatrold's privileges").size() + 1;
  const auto columns = static_cast<unsigned short>(GENERATE(80, 100));
  Terminal terminal(columns);
  CHECK(run_on(terminal, daemon, asked) == 1);
  const std::string text = terminal.read_until();
  std::string whole;
  std::size_t folded = 0;
  for (const std::string& line : lines_of(text)) {
    whole += line + "\n";
    if (line.empty()) continue;
    INFO(line);
    CHECK(display_width(line) <= columns);
    REQUIRE(line.size() > column);
    CHECK(line[column - 1] == ' ');
    CHECK((line[column] != ' ' || line.substr(column).starts_with("   ")));  // under what mends it
    folded += line.starts_with("      ") && line.find("->") == line.npos ? 1 : 0;
  }
  CHECK(folded > 0);
  // No word is cut that a line has room for (a path is longer than 80 columns leave), and where nobody says
  // how wide it is every finding is a line.
  if (columns == 100) CHECK(words_of(whole) == words_of(plain.out));
  CHECK(letters_of(whole) == letters_of(plain.out));
  for (const std::string& line : lines_of(plain.out))
    CHECK((line.empty() || !line.starts_with("      ") || contains(line, "->")));
  // What is not there is not mended by being root.
  CHECK(contains(plain.out, "No such file or directory"));
  CHECK_FALSE(contains(plain.out, "Run this as root"));
}

}  // namespace
}  // namespace clawpatrol::cpctl
