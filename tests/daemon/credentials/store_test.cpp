#include "daemon/credentials/store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <thread>

#include "daemon/credentials/credential_file.h"
#include "tests/temporary_directory.h"

using namespace clawpatrol;
using namespace clawpatrol::credentials;

namespace {

struct Scratch {
  Scratch() { ::unsetenv("CREDENTIALS_DIRECTORY"); }
  std::unique_ptr<Store> open() const {
    auto store = Store::open(directory());
    if (!store) throw std::runtime_error(store.error().what);
    return std::move(*store);
  }
  std::filesystem::path directory() const { return root / "credentials"; }
  std::filesystem::path file(const std::string& name) const { return directory() / (name + ".credential"); }
  std::filesystem::path key() const { return root / "credential-key"; }
  clawpatrol::tests::TemporaryDirectory made;
  std::filesystem::path root = made.path;
};

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_file(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::string value_of(const Store& store, std::string_view name) {
  auto secret = store.get(name);
  return secret ? std::string(secret->reveal()) : "error: " + secret.error().what;
}

mode_t mode_of(const std::filesystem::path& path) {
  struct stat info{};
  ::stat(path.c_str(), &info);
  return info.st_mode & 07777;
}

}  // namespace

TEST_CASE("what is set can be read back, after a restart too") {
  Scratch scratch;
  std::string longest(longest_value, 'x');
  {
    auto store = scratch.open();
    CHECK(store->set("pg-reader", "s3cret \xc3\xa9")->version == 1);
    CHECK(store->set("long", longest)->version == 2);
    CHECK(value_of(*store, "pg-reader") == "s3cret \xc3\xa9");
  }
  auto store = scratch.open();
  CHECK(value_of(*store, "pg-reader") == "s3cret \xc3\xa9");
  CHECK(value_of(*store, "long") == longest);
  auto list = store->list();
  REQUIRE(list.size() == 2);
  CHECK(list[0].name == "long");
  CHECK(list[1].version == 1);
  CHECK(list[1].set_at_unix > 1'600'000'000);
  CHECK(store->get("absent").error().code == ENOENT);
  CHECK(store->version("absent") == 0);
}

TEST_CASE("files tell nothing of a value, and are their owner's alone") {
  Scratch scratch;
  auto store = scratch.open();
  REQUIRE(store->set("name", "hunter2hunter2"));
  for (const auto& entry : std::filesystem::directory_iterator(scratch.directory())) {
    CHECK(read_file(entry).find("hunter2") == std::string::npos);
    CHECK(mode_of(entry) == 0600);
  }
  CHECK(mode_of(scratch.directory()) == 0700);
  CHECK(mode_of(scratch.key()) == 0600);
  std::string first = read_file(scratch.file("name"));
  REQUIRE(store->set("name", "hunter2hunter2"));
  CHECK(read_file(scratch.file("name")).substr(40) != first.substr(40));
}

TEST_CASE("attack 20: a version is never given twice, over removal and restarts") {
  Scratch scratch;
  std::set<std::uint64_t> versions;
  std::uint64_t last = 0;
  for (int round = 0; round < 5; ++round) {
    auto store = scratch.open();
    for (const char* name : {"a", "b", "a"}) {
      auto info = store->set(name, "value");
      REQUIRE(info);
      CHECK(info->version > last);
      last = info->version;
      CHECK(store->version(name) == last);
      versions.insert(last);
    }
    REQUIRE(store->remove("a"));
    CHECK(store->version("a") == 0);
    CHECK(store->get("a").error().code == ENOENT);
    CHECK(store->remove("a").error().code == ENOENT);
    CHECK(store->remove("a").error().what == "no credential is set under the name 'a'");
  }
  CHECK(versions.size() == 15);
}

TEST_CASE("attack 18: values that could split a request are refused, and not repeated in the error") {
  Scratch scratch;
  auto store = scratch.open();
  std::string nul("secret\0tail", 11);
  for (std::string value :
       {std::string(), std::string("secret\n"), std::string("secret\r\nX: y"), nul, std::string("secret\x7f"),
        std::string("secret\x1b"), "secret" + std::string(longest_value, 'x')}) {
    auto refused = store->set("name", value);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what.find("secret") == std::string::npos);
    CHECK(store->version("name") == 0);
  }
}

TEST_CASE("a name is never a path") {
  Scratch scratch;
  auto store = scratch.open();
  std::string nul("a\0b", 3);
  for (std::string name : {std::string(), std::string(".."), std::string("../x"), std::string("/versions"),
                           std::string("a/b"), std::string(".hidden"), std::string("-x"), nul,
                           std::string("a b"), std::string("\xc3\xa9"), std::string(129, 'a')}) {
    CHECK_FALSE(store->set(name, "value"));
    CHECK_FALSE(store->get(name));
    CHECK_FALSE(store->remove(name));
    CHECK(store->version(name) == 0);
  }
  for (std::string name :
       {std::string("a"), std::string("A.b-c_9"), std::string("versions"), std::string(128, 'a')}) {
    CHECK(store->set(name, "value"));
    CHECK(value_of(*store, name) == "value");
  }
}

TEST_CASE("a changed file is not opened, whichever byte it was") {
  Scratch scratch;
  auto store = scratch.open();
  REQUIRE(store->set("name", "s3cret"));
  const std::string whole = read_file(scratch.file("name"));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    write_file(scratch.file("name"), changed);
    INFO(at);
    CHECK(store->get("name").error().code == EBADMSG);
  }
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_file(scratch.file("name"), whole.substr(0, size));
    CHECK_FALSE(store->get("name"));
  }
  write_file(scratch.file("name"), whole);
  CHECK(value_of(*store, "name") == "s3cret");
}

TEST_CASE("one file in another's place, or an old one in a new one's, is not opened") {
  Scratch scratch;
  auto store = scratch.open();
  REQUIRE(store->set("weak", "weak value"));
  REQUIRE(store->set("strong", "strong value"));
  std::filesystem::copy_file(scratch.file("strong"), scratch.file("weak"),
                             std::filesystem::copy_options::overwrite_existing);
  CHECK(store->get("weak").error().code == EBADMSG);
  std::string old = read_file(scratch.file("strong"));
  REQUIRE(store->set("strong", "stronger value"));
  write_file(scratch.file("strong"), old);
  CHECK(store->get("strong").error().what.find("not the one that was set last") != std::string::npos);
  CHECK(store->get("strong").error().what.find("value\"") == std::string::npos);
  REQUIRE(store->remove("strong"));
  write_file(scratch.file("strong"), old);
  ::chmod(scratch.file("strong").c_str(), 0600);
  CHECK_FALSE(store->get("strong"));
}

TEST_CASE("one damaged credential does not take the others away") {
  Scratch scratch;
  {
    auto store = scratch.open();
    REQUIRE(store->set("good", "one"));
    REQUIRE(store->set("bad", "two"));
  }
  write_file(scratch.file("bad"), "junk");
  auto store = scratch.open();
  CHECK(value_of(*store, "good") == "one");
  CHECK(store->version("bad") == 0);
  CHECK(store->get("bad").error().code == EBADMSG);
  CHECK(store->set("bad", "again"));
  CHECK(value_of(*store, "bad") == "again");
}

TEST_CASE("without its key, or under another, a store is not opened, and the key is not made anew") {
  Scratch scratch;
  REQUIRE(scratch.open()->set("name", "value"));
  std::string key = read_file(scratch.key());
  std::filesystem::remove(scratch.key());
  auto gone = Store::open(scratch.directory());
  REQUIRE_FALSE(gone);
  CHECK(gone.error().what.find("is gone") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(scratch.key()));
  write_file(scratch.key(), std::string(32, 'k'));
  ::chmod(scratch.key().c_str(), 0600);
  auto other = Store::open(scratch.directory());
  REQUIRE_FALSE(other);
  CHECK(other.error().code == EBADMSG);
  write_file(scratch.key(), key.substr(1));
  CHECK_FALSE(Store::open(scratch.directory()));
  write_file(scratch.key(), key);
  CHECK(value_of(*scratch.open(), "name") == "value");
}

TEST_CASE("the key comes from $CREDENTIALS_DIRECTORY where there is one") {
  Scratch scratch;
  std::filesystem::path given = scratch.root / "given";
  std::filesystem::create_directory(given);
  write_file(given / "credential-key", "a passphrase of at least 32 bytes.\n");
  ::setenv("CREDENTIALS_DIRECTORY", given.c_str(), 1);
  ::chmod((given / "credential-key").c_str(), 0444);
  CHECK_FALSE(Store::open(scratch.directory()));
  ::chmod((given / "credential-key").c_str(), 0440);
  REQUIRE(scratch.open()->set("name", "value"));
  CHECK_FALSE(std::filesystem::exists(scratch.key()));
  CHECK(value_of(*scratch.open(), "name") == "value");
  CHECK(key_is_handed_over());
  ::unsetenv("CREDENTIALS_DIRECTORY");
  CHECK_FALSE(key_is_handed_over());
  ::setenv("CREDENTIALS_DIRECTORY", scratch.root.c_str(), 1);  // of a service that is given other ones alone
  CHECK_FALSE(key_is_handed_over());
  ::unsetenv("CREDENTIALS_DIRECTORY");
  CHECK_FALSE(Store::open(scratch.directory()));
  ::setenv("CREDENTIALS_DIRECTORY", given.c_str(), 1);
  ::chmod((given / "credential-key").c_str(), 0640);
  write_file(given / "credential-key", "too short");
  CHECK_FALSE(Store::open(scratch.directory()));
  ::unsetenv("CREDENTIALS_DIRECTORY");
}

TEST_CASE("tokens are sealed under a name of their own, and outlive the value") {
  Scratch scratch;
  const std::string tokens = std::string("t0ken\0\x01\n", 8);
  auto text_of = [](const Store& store, std::string_view name) {
    auto kept = store.tokens(name);
    return kept ? std::string(kept->reveal()) : "error: " + kept.error().what;
  };
  {
    auto store = scratch.open();
    REQUIRE(store->set("name", "value"));
    CHECK(text_of(*store, "name").empty());
    REQUIRE(store->keep_tokens("name", "another"));
    REQUIRE(store->keep_tokens("name", tokens));
    REQUIRE(store->keep_tokens("gone", tokens));
    CHECK(store->with_tokens().empty());  // at the start
    REQUIRE(store->set("name", "value of another version"));
    CHECK(text_of(*store, "name") == tokens);
    REQUIRE(store->remove("name"));
    CHECK(text_of(*store, "name") == tokens);
    REQUIRE(store->keep_tokens("gone", ""));
    REQUIRE(store->keep_tokens("gone", ""));
    CHECK(text_of(*store, "gone").empty());
  }
  const auto file = scratch.directory() / "name.tokens";
  CHECK(mode_of(file) == 0600);
  CHECK(read_file(file).find("t0ken") == std::string::npos);
  write_file(scratch.directory() / ".odd name.tokens", "junk");
  auto store = scratch.open();
  CHECK(store->list().empty());
  CHECK(store->with_tokens() == std::vector<std::string>{"name"});
  CHECK(text_of(*store, "name") == tokens);

  // Neither a value nor another's tokens can be put in their place.
  REQUIRE(store->set("name", "value"));
  std::filesystem::copy_file(scratch.file("name"), file, std::filesystem::copy_options::overwrite_existing);
  CHECK(store->tokens("name").error().code == EBADMSG);
  REQUIRE(store->keep_tokens("other", tokens));
  std::filesystem::copy_file(scratch.directory() / "other.tokens", file,
                             std::filesystem::copy_options::overwrite_existing);
  CHECK(store->tokens("name").error().code == EBADMSG);
  std::filesystem::copy_file(scratch.directory() / "other.tokens", scratch.file("name"),
                             std::filesystem::copy_options::overwrite_existing);
  CHECK(store->get("name").error().code == EBADMSG);
}

TEST_CASE("so many bytes of tokens and no more, under the names of credentials alone") {
  Scratch scratch;
  auto store = scratch.open();
  const std::string longest(longest_tokens, '\x80');
  REQUIRE(store->keep_tokens("name", longest));
  CHECK(store->tokens("name")->reveal() == longest);
  auto refused = store->keep_tokens("name", longest + "x");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == EFBIG);
  CHECK(store->tokens("name")->reveal() == longest);
  for (const char* name : {"", "../x", "a/b", "/versions", ".hidden"}) {
    CHECK_FALSE(store->keep_tokens(name, "x"));
    CHECK_FALSE(store->tokens(name));
  }
  write_file(scratch.directory() / "name.tokens", longest + longest);
  CHECK_FALSE(store->tokens("name"));
}

TEST_CASE("links and open modes are refused") {
  Scratch scratch;
  auto store = scratch.open();
  REQUIRE(store->set("name", "value"));
  std::filesystem::rename(scratch.file("name"), scratch.root / "elsewhere");
  std::filesystem::create_symlink(scratch.root / "elsewhere", scratch.file("name"));
  CHECK_FALSE(store->get("name"));
  std::filesystem::remove(scratch.file("name"));
  std::filesystem::rename(scratch.root / "elsewhere", scratch.file("name"));
  ::chmod(scratch.file("name").c_str(), 0644);
  CHECK_FALSE(store->get("name"));
  ::chmod(scratch.file("name").c_str(), 0600);
  CHECK(value_of(*store, "name") == "value");
  store.reset();
  ::chmod(scratch.directory().c_str(), 0755);
  CHECK_FALSE(Store::open(scratch.directory()));
}

TEST_CASE("one process at a time, and what a crash left half written is swept up") {
  Scratch scratch;
  auto store = scratch.open();
  CHECK_FALSE(Store::open(scratch.directory()));
  store.reset();
  write_file(scratch.directory() / ".name.credential.0123456789abcdef.new", "half");
  store = scratch.open();
  CHECK_FALSE(std::filesystem::exists(scratch.directory() / ".name.credential.0123456789abcdef.new"));
  CHECK(store->list().empty());
}

TEST_CASE("readers see the old value or the new one, whole, while it is set again and again") {
  Scratch scratch;
  auto store = scratch.open();
  REQUIRE(store->set("name", std::string(1000, 'a')));
  std::atomic<bool> done{false};
  std::atomic<int> bad{0}, reads{0};
  std::vector<std::thread> readers;
  for (int at = 0; at < 3; ++at) {
    readers.emplace_back([&] {
      while (!done) {
        std::string value = value_of(*store, "name");
        bool whole = value.size() == 1000 && value.find_first_not_of(value[0]) == std::string::npos;
        bad += whole ? 0 : 1;
        ++reads;
      }
    });
  }
  std::uint64_t last = 0;
  for (int round = 0; round < 50; ++round) {
    auto info = store->set("name", std::string(1000, static_cast<char>('a' + round % 26)));
    if (!info || info->version <= last) ++bad;
    if (info) last = info->version;
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(bad == 0);
  CHECK(reads > 0);
}
