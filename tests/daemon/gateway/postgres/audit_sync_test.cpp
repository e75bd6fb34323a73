// audit.sync, on a disk that takes what is written and does not sync it. fdatasync is replaced in this
// program, so that it fails when a test says so.
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>

#include "tests/daemon/gateway/postgres/lab.h"

namespace {

std::atomic<bool> disk_fails = false;

}  // namespace

extern "C" int fdatasync(int fd) {
  if (disk_fails) {
    errno = EIO;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

namespace clawpatrol::postgres::lab {
namespace {

// What a session is told that begins when the disk has begun to fail.
std::string code_of(std::string_view sync, std::string_view sql) {
  Gateway gateway({.rules = allow_all, .settings = "[audit]\nsync = \"" + std::string(sync) + "\"\n"});
  Agent agent(gateway.port(), {});
  disk_fails = true;
  auto messages = agent.query(sql);
  disk_fails = false;
  return code(messages);
}

}  // namespace

TEST_CASE("audit.sync says what waits for the disk: what changes something, everything, or nothing") {
  const Server& server = Server::instance();
  server.admin("TRUNCATE ledger");
  const char* const write = "INSERT INTO ledger VALUES (1)";
  CHECK(code_of("changes", "SELECT 1") == "");
  CHECK(code_of("changes", write) == "53100");
  CHECK(code_of("changes", "CREATE TABLE made (i int)") == "53100");
  CHECK(code_of("changes", "DO $$ BEGIN END $$") == "53100");
  CHECK(code_of("all", "SELECT 1") == "53100");
  CHECK(server.admin("SELECT count(*) FROM ledger") == "0");
  CHECK(code_of("none", write) == "");
  CHECK(server.admin("SELECT count(*) FROM ledger") == "1");
}

}  // namespace clawpatrol::postgres::lab
