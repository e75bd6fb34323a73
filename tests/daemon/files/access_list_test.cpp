#include "daemon/files/access_list.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <fstream>

#include "tests/temporary_directory.h"

using namespace clawpatrol;

namespace {

constexpr uid_t admitted_user = 64901, other_user = 64902;
constexpr gid_t admitted_group = 64911, other_group = 64912;

// The errno of opening the file for reading and writing as this user, with this group; 0 where it opens.
int open_as(const std::filesystem::path& path, uid_t user, gid_t group) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgroups(0, nullptr) != 0 || ::setresgid(group, group, group) != 0 ||
        ::setresuid(user, user, user) != 0)
      ::_exit(255);
    ::_exit(::open(path.c_str(), O_RDWR) < 0 ? errno : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

// A directory that every user may walk through, on a file system that has access control lists.
struct Scratch : tests::TemporaryDirectory {
  std::filesystem::path file = path / "file";
  Scratch() {
    ::chmod(path.c_str(), 0755);
    std::ofstream(file) << "x";
    ::chmod(file.c_str(), 0600);
  }
};

}  // namespace

TEST_CASE("a file is open to its owner and to who is admitted, and to nobody else") {
  if (::geteuid() != 0) return;  // another user is needed
  Scratch scratch;
  REQUIRE(open_as(scratch.file, admitted_user, other_group) == EACCES);

  REQUIRE(admit(scratch.file, {.user = admitted_user}) == 0);
  CHECK(open_as(scratch.file, admitted_user, other_group) == 0);
  CHECK(open_as(scratch.file, other_user, admitted_group) == EACCES);

  // What was said before is replaced.
  REQUIRE(admit(scratch.file, {.group = admitted_group}) == 0);
  CHECK(open_as(scratch.file, admitted_user, other_group) == EACCES);
  CHECK(open_as(scratch.file, other_user, admitted_group) == 0);
  CHECK(open_as(scratch.file, other_user, 0) == EACCES);  // the file's own group is nobody

  REQUIRE(admit(scratch.file, {.user = admitted_user, .group = admitted_group}) == 0);
  CHECK(open_as(scratch.file, admitted_user, other_group) == 0);
  CHECK(open_as(scratch.file, other_user, admitted_group) == 0);
  CHECK(open_as(scratch.file, other_user, other_group) == EACCES);

  REQUIRE(admit(scratch.file, {}) == 0);
  CHECK(open_as(scratch.file, admitted_user, admitted_group) == EACCES);
}

TEST_CASE("a symbolic link is not followed") {
  if (::geteuid() != 0) return;
  Scratch scratch;
  const auto link = scratch.path / "link";
  std::filesystem::create_symlink(scratch.file, link);
  CHECK(admit(link, {.user = admitted_user}) != 0);
  CHECK(open_as(scratch.file, admitted_user, other_group) == EACCES);
  CHECK(admit(scratch.path / "none", {}) == ENOENT);
}
