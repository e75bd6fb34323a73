#include "daemon/journal/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <map>
#include <string>

#include "tests/temporary_directory.h"

namespace clawpatrol::journal {

namespace {

// What the journal is to a program: a socket that takes datagrams, read by the protocol's own rules.
class FakeJournal {
 public:
  FakeJournal() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path().c_str());
    fd_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    REQUIRE(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  std::filesystem::path path() const { return directory_.path / "socket"; }
  void vanish() { fd_.reset(); }

  // The next entry's fields; none: there is no entry, or it is not of the protocol.
  std::multimap<std::string, std::string> take() {
    std::string entry(std::size_t{1} << 20, '\0');
    const ssize_t size = ::recv(fd_.get(), entry.data(), entry.size(), 0);
    std::multimap<std::string, std::string> fields;
    std::string_view left(entry.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    while (!left.empty()) {
      const std::size_t key_end = left.find_first_of("=\n");
      REQUIRE(key_end != left.npos);
      const std::string key(left.substr(0, key_end));
      std::size_t length = 0;
      if (left[key_end] == '=') {
        left.remove_prefix(key_end + 1);
        length = left.find('\n');
      } else {
        left.remove_prefix(key_end + 1);
        REQUIRE(left.size() > 8);
        for (int at = 7; at >= 0; --at)
          length = length << 8 | static_cast<unsigned char>(left[static_cast<std::size_t>(at)]);
        left.remove_prefix(8);
      }
      REQUIRE(length < left.size());
      REQUIRE(left[length] == '\n');
      fields.emplace(key, left.substr(0, length));
      left.remove_prefix(length + 1);
    }
    return fields;
  }

 private:
  tests::TemporaryDirectory directory_;
  Fd fd_;
};

using Fields = std::multimap<std::string, std::string>;
const Described& lost = *description_of(Message::netd_lost);

}  // namespace

TEST_CASE("a message with an id is one entry of the journal") {
  FakeJournal journal;
  const Socket socket = Socket::connect(journal.path());
  REQUIRE(socket.send("clawpatrold", lost, "no clawpatrol-netd"));
  CHECK(journal.take() == Fields{{"MESSAGE_ID", std::string(lost.id)},
                                 {"PRIORITY", "3"},
                                 {"SYSLOG_IDENTIFIER", "clawpatrold"},
                                 {"MESSAGE", "no clawpatrol-netd"}});
  CHECK(journal.take().empty());
}

TEST_CASE("a newline in a message begins no field") {
  FakeJournal journal;
  const Socket socket = Socket::connect(journal.path());
  const std::string forged =
      "peer 'x\nMESSAGE_ID=00000000000000000000000000000000\nPRIORITY=7\n\nMESSAGE=all is well' is gone";
  REQUIRE(socket.send("clawpatrold", lost, forged));
  CHECK(journal.take() == Fields{{"MESSAGE_ID", std::string(lost.id)},
                                 {"PRIORITY", "3"},
                                 {"SYSLOG_IDENTIFIER", "clawpatrold"},
                                 {"MESSAGE", forged}});
}

TEST_CASE("what the journal does not take at once is left to who asked, and nothing waits for it") {
  FakeJournal journal;
  const Socket socket = Socket::connect(journal.path());
  CHECK(socket.send("p", lost, std::string(Socket::longest_text, 'x')));
  CHECK(journal.take().find("MESSAGE")->second.size() == Socket::longest_text);
  CHECK_FALSE(socket.send("p", lost, std::string(Socket::longest_text + 1, 'x')));
  int taken = 0;
  while (taken < 1000 && socket.send("p", lost, "one of too many")) ++taken;
  CHECK(taken > 0);
  CHECK(taken < 1000);
  journal.vanish();
  CHECK_FALSE(socket.send("p", lost, "nobody is there"));
  CHECK_FALSE(Socket::connect("/nonexistent/socket").send("p", lost, "nobody was there"));
  CHECK_FALSE(Socket::connect("/" + std::string(200, 'x')).send("p", lost, "no such name"));
  CHECK_FALSE(Socket().send("p", lost, "not connected"));
}

TEST_CASE("a message that is too long is divided where a line ends, and nothing of it is lost") {
  CHECK(first_part("short\n") == "short\n");
  const std::string whole(Socket::longest_text, 'x');
  CHECK(first_part(whole) == whole);
  const std::string lines = std::string(1000, 'a') + "\n" + std::string(Socket::longest_text, 'b');
  CHECK(first_part(lines) == lines.substr(0, 1001));
  const std::string edge = std::string(Socket::longest_text - 1, 'a') + "\nrest";
  CHECK(first_part(edge).size() == Socket::longest_text);
  CHECK(first_part(std::string(Socket::longest_text, 'a') + "\nrest").size() == Socket::longest_text);
}

TEST_CASE("standard error is the journal where $JOURNAL_STREAM names what is open there, and only there") {
  const Fd file(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  struct stat info{};
  REQUIRE(::fstat(file.get(), &info) == 0);
  const std::string stream = std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
  CHECK(leads_to_journal(file.get(), stream));
  CHECK_FALSE(leads_to_journal(file.get(), ""));
  CHECK_FALSE(leads_to_journal(file.get(), stream + "0"));
  CHECK_FALSE(
      leads_to_journal(file.get(), std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino + 1)));
  CHECK_FALSE(leads_to_journal(-1, stream));
}

}  // namespace clawpatrol::journal
