#include "daemon/files/private_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>

#include "tests/temporary_directory.h"

using namespace clawpatrol;

namespace {

using Scratch = tests::TemporaryDirectory;

std::string read(const PrivateDirectory& directory, const std::string& name) {
  std::array<char, 64> buffer{};
  auto size = directory.read(name, buffer);
  if (!size) return "error: " + size.error().what;
  return std::string(buffer.data(), *size);
}

}  // namespace

TEST_CASE("a file is replaced whole, kept from others, and leaves no aside behind") {
  Scratch scratch;
  auto directory = PrivateDirectory::open(scratch.path / "private");
  REQUIRE(directory);
  REQUIRE(directory->replace("name", "one"));
  REQUIRE(directory->replace("name", "two"));
  CHECK(read(*directory, "name") == "two");
  struct stat info{};
  REQUIRE(::stat((directory->path() / "name").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  CHECK(directory->names().value() == std::vector<std::string>{"name"});
  CHECK(directory->create("name", "three").error().code == EEXIST);
  CHECK(directory->names().value() == std::vector<std::string>{"name"});
  CHECK(read(*directory, "name") == "two");
}

TEST_CASE("what others could read or write is refused, not repaired") {
  Scratch scratch;
  auto directory = PrivateDirectory::open(scratch.path / "private");
  REQUIRE(directory);
  REQUIRE(directory->replace("name", "secret"));
  std::filesystem::path file = directory->path() / "name";

  ::chmod(file.c_str(), 0640);
  CHECK(read(*directory, "name").find("open to others") != std::string::npos);
  ::chmod(file.c_str(), 0600);
  if (::geteuid() == 0) {
    REQUIRE(::chown(file.c_str(), 65534, 0) == 0);
    CHECK(read(*directory, "name").find("belongs to another user") != std::string::npos);
    REQUIRE(::chown(file.c_str(), 0, 0) == 0);
  }
  REQUIRE(::symlink("name", (directory->path() / "link").c_str()) == 0);
  CHECK(directory->read("link", {}).error().code == ELOOP);
  REQUIRE(::mkfifo((directory->path() / "pipe").c_str(), 0600) == 0);
  CHECK(read(*directory, "pipe").find("not a regular file") != std::string::npos);
  std::filesystem::create_hard_link(file, directory->path() / "twin");
  CHECK(read(*directory, "name").find("another name") != std::string::npos);

  ::chmod(directory->path().c_str(), 0750);
  CHECK_FALSE(PrivateDirectory::open(directory->path()));
  CHECK(PrivateDirectory::open(directory->path(), Others::may_list));
  ::chmod(directory->path().c_str(), 0770);
  CHECK_FALSE(PrivateDirectory::open(directory->path(), Others::may_list));
  std::filesystem::create_directory_symlink(directory->path(), scratch.path / "link");
  CHECK_FALSE(PrivateDirectory::open(scratch.path / "link"));
}

TEST_CASE("a file longer than its reader expects is refused") {
  Scratch scratch;
  auto directory = PrivateDirectory::open(scratch.path / "private");
  REQUIRE(directory->replace("name", std::string(64, 'x')));
  CHECK(read(*directory, "name") == std::string(64, 'x'));
  REQUIRE(directory->replace("name", std::string(65, 'x')));
  CHECK(read(*directory, "name").find("too long") != std::string::npos);
  CHECK(directory->read("absent", {}).error().code == ENOENT);
}

TEST_CASE("a locked directory is one holder's alone") {
  Scratch scratch;
  auto first = PrivateDirectory::open(scratch.path / "private");
  REQUIRE(first->lock());
  {
    auto second = PrivateDirectory::open(scratch.path / "private");
    CHECK(second->lock().error().what.find("in use") != std::string::npos);
  }
  *first = *PrivateDirectory::open(scratch.path / "private");
  CHECK(PrivateDirectory::open(scratch.path / "private")->lock());
}
