#include "daemon/gateway/leaves.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <condition_variable>
#include <fstream>

#include "daemon/credentials/store.h"
#include "daemon/gateway/authority_file.h"
#include "tests/temporary_directory.h"

using namespace clawpatrol;
using namespace std::chrono_literals;

namespace {

std::int64_t now() {
  return std::time(nullptr);
}

tls::Authority& authority() {
  static const std::unique_ptr<tls::Authority> made = *tls::Authority::open(*tls::make_authority(now()));
  return *made;
}

// What one thread waits for of another.
struct Arrivals {
  std::mutex mutex;
  std::condition_variable arrived;
  std::vector<Leaves::Leaf> leaves;
  Leaves::Done receiver() {
    return [this](Leaves::Leaf leaf) {
      std::lock_guard lock(mutex);
      leaves.push_back(std::move(leaf));
      arrived.notify_all();
    };
  }
  void wait_for(std::size_t count) {
    std::unique_lock lock(mutex);
    REQUIRE(arrived.wait_for(lock, 30s, [&] { return leaves.size() >= count; }));
  }
};

struct Directory : tests::TemporaryDirectory {
  std::string read(const char* name) const {
    std::ifstream in(path / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

}  // namespace

TEST_CASE("a leaf is made once, and found until it is due for renewal") {
  Arrivals arrivals;
  Leaves leaves(authority());
  CHECK_FALSE(leaves.find("a.example", tls::KeyKind::ecdsa, now()));
  REQUIRE(leaves.ask(1, "a.example", tls::KeyKind::ecdsa, Clock::now(), arrivals.receiver()));
  REQUIRE(leaves.ask(2, "a.example", tls::KeyKind::ecdsa, Clock::now(), arrivals.receiver()));
  arrivals.wait_for(2);
  REQUIRE(arrivals.leaves[0]);
  CHECK(arrivals.leaves[0] == arrivals.leaves[1]);
  CHECK(leaves.find("a.example", tls::KeyKind::ecdsa, now()) == arrivals.leaves[0]);
  CHECK_FALSE(leaves.find("a.example", tls::KeyKind::rsa, now()));
  CHECK_FALSE(leaves.find("b.example", tls::KeyKind::ecdsa, now()));
  CHECK_FALSE(leaves.find("a.example", tls::KeyKind::ecdsa, arrivals.leaves[0]->renew_at_unix));
}

TEST_CASE("what cannot be made is told, and not kept") {
  Arrivals arrivals;
  Leaves leaves(authority());
  REQUIRE(leaves.ask(1, "no name", tls::KeyKind::ecdsa, Clock::now(), arrivals.receiver()));
  arrivals.wait_for(1);
  CHECK_FALSE(arrivals.leaves[0]);
  CHECK(leaves.size() == 0);
}

TEST_CASE("attack 28: leaves are bounded in all, and by the second for one peer, who is no other's trouble") {
  Arrivals arrivals;
  Leaves leaves(authority(),
                {.kept = 3, .waiting_of_peer = 100, .burst_of_peer = 5, .per_second_of_peer = 10});
  const auto then = Clock::now();
  std::size_t taken = 0;
  const auto ask = [&](std::uint32_t peer, Clock::time_point when) {
    const bool accepted = leaves.ask(peer, "n" + std::to_string(taken) + ".example", tls::KeyKind::ecdsa,
                                     when, arrivals.receiver());
    taken += accepted;
    return accepted;
  };
  for (int i = 0; i < 5; ++i) CHECK(ask(1, then));
  CHECK_FALSE(ask(1, then));
  CHECK(ask(2, then));
  CHECK(ask(1, then + 100ms));
  CHECK_FALSE(ask(1, then + 100ms));
  arrivals.wait_for(taken);
  CHECK(taken == 7);
  // The last is kept after its arrival has been told.
  REQUIRE(ask(3, then));
  arrivals.wait_for(taken);
  CHECK(leaves.size() <= 3);
  CHECK(leaves.made() == 8);
}

TEST_CASE("attack 28: who asks for ever-new names pushes out its own, and no other peer's") {
  Arrivals arrivals;
  Leaves leaves(authority(), {.kept = 4});
  std::size_t asked = 0;
  const auto ask = [&](std::uint32_t peer, const std::string& name) {
    REQUIRE(leaves.ask(peer, name, tls::KeyKind::ecdsa, Clock::now(), arrivals.receiver()));
    arrivals.wait_for(++asked);
  };
  ask(2, "others.example");
  for (int number = 0; number < 20; ++number) ask(1, "n" + std::to_string(number) + ".example");
  ask(3, "third.example");
  ask(1, "last.example");  // the one before it is kept when this one is begun
  CHECK(leaves.find("others.example", tls::KeyKind::ecdsa, now()));
  CHECK(leaves.find("third.example", tls::KeyKind::ecdsa, now()));
  CHECK_FALSE(leaves.find("n0.example", tls::KeyKind::ecdsa, now()));
  CHECK_FALSE(leaves.find("n17.example", tls::KeyKind::ecdsa, now()));
  CHECK(leaves.size() <= 4);
}

TEST_CASE("an authority is made at the first start, kept, and sealed") {
  Directory directory;
  auto store = credentials::Store::open(directory.path / "credentials");
  REQUIRE(store);
  auto state = PrivateDirectory::open(directory.path);
  REQUIRE(state);
  auto first = open_authority(*state, now());
  REQUIRE(first);
  auto again = open_authority(*state, now());
  REQUIRE(again);
  CHECK((*first)->fingerprint() == (*again)->fingerprint());
  CHECK(directory.read("ca.crt") == (*first)->certificate_pem());
  const std::string sealed = directory.read("ca.key");
  CHECK(sealed.size() > 100);
  CHECK(sealed.find("PRIVATE KEY") == std::string::npos);
  // Of PKCS #8 and SEC 1 both: the name of the curve would be there in the clear.
  CHECK(sealed.find("\x2a\x86\x48\xce\x3d") == std::string::npos);
  struct stat info{};
  REQUIRE(::stat((directory.path / "ca.key").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("an authority that lacks a half, or does not open, is an error and never a new one") {
  Directory directory;
  REQUIRE(credentials::Store::open(directory.path / "credentials"));
  auto state = PrivateDirectory::open(directory.path);
  REQUIRE(state);
  auto made = open_authority(*state, now());
  REQUIRE(made);
  const std::int64_t ends = (*made)->ends_unix();
  CHECK(authority_ending(**made, ends - tls::authority_soon_days * 86400) == "");
  CHECK(authority_ending(**made, ends - 10 * 86400).find("ends in 10 days") != std::string::npos);
  auto ended = open_authority(*state, ends);
  REQUIRE_FALSE(ended);
  CHECK(ended.error().what.find("its certificate has ended") != std::string::npos);
  const std::string key = directory.read("ca.key");
  std::string changed = key;
  changed.back() ^= 1;
  REQUIRE(state->replace("ca.key", changed));
  auto refused = open_authority(*state, now());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what.find("does not open with the key of the credentials") != std::string::npos);
  REQUIRE(state->remove("ca.key"));
  refused = open_authority(*state, now());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what.find("ca.key is gone") != std::string::npos);
  REQUIRE(state->replace("ca.key", key));
  CHECK(open_authority(*state, now()));
}
