#include "daemon/gateway/dns/lookups.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>

#include <unistd.h>

#include "daemon/gateway/dns/answer_cache.h"
#include "daemon/gateway/dns/hosts_file.h"
#include "daemon/gateway/dns/limits.h"
#include "daemon/ring/task_group.h"

using namespace clawpatrol;
using namespace std::chrono_literals;

namespace {

// Names beginning with "slow" are answered once open() has been called.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_open = false;
  std::vector<std::string> order;
  std::map<char, int> running, most;  // by the name's last letter, which stands for the peer

  void open() {
    std::lock_guard lock(mutex);
    is_open = true;
    changed.notify_all();
  }
  Resolved ask(const std::string& name) {
    std::unique_lock lock(mutex);
    order.push_back(name);
    char peer = name.back();
    most[peer] = std::max(most[peer], ++running[peer]);
    if (name.starts_with("slow")) changed.wait(lock, [this] { return is_open; });
    --running[peer];
    return {Resolved::Outcome::found, {*Address::parse("8.8.8.8")}};
  }
};

Task<void> resolve_into(Lookups& lookups, Ring& ring, std::uint32_t peer, std::string name, Deadline deadline,
                        std::optional<Resolved>& into) {
  into = co_await lookups.resolve(ring, peer, std::move(name), deadline);
}

Task<void> stop_after(Ring& ring, TaskGroup& group) {
  co_await group.join();
  ring.stop();
}

// A slow name of peer 1's, of its own for each of the results.
std::string slow(const std::vector<std::optional<Resolved>>& results, const std::optional<Resolved>& result) {
  return "slow" + std::to_string(&result - results.data()) + ".1";
}

struct Bench {
  std::shared_ptr<Gate> gate = std::make_shared<Gate>();
  std::unique_ptr<Ring> ring = *Ring::create({});
  TaskGroup tasks{*ring}, end{*ring};
  std::optional<Lookups> lookups;

  explicit Bench(Lookups::Options options = {}) {
    options.ask = [its_gate = gate](const std::string& name) { return its_gate->ask(name); };
    lookups.emplace(options);
  }
  ~Bench() {
    gate->open();
    lookups.reset();
  }
  void run(std::function<void()> start) {
    ring->post([this, start] {
      start();
      end.spawn(stop_after(*ring, tasks));
    });
    ring->run();
  }
};

}  // namespace

TEST_CASE("a lookup comes back to the ring that asked") {
  Bench bench;
  std::optional<Resolved> one;
  bench.run([&] {
    bench.tasks.spawn(resolve_into(*bench.lookups, *bench.ring, 1, "x.1", Deadline::after(10s), one));
  });
  REQUIRE(one);
  CHECK(one->outcome == Resolved::Outcome::found);
  CHECK(one->addresses.size() == 1);
}

TEST_CASE("attack 28: one peer's slow names do not hold up another's") {
  Bench bench({.threads = 4, .threads_for_first = 0, .running_per_peer = 2, .ask = {}, .is_local = {}});
  std::vector<std::optional<Resolved>> hostile(40);
  std::optional<Resolved> other;
  bench.run([&] {
    for (auto& result : hostile)
      bench.tasks.spawn(
          resolve_into(*bench.lookups, *bench.ring, 1, slow(hostile, result), Deadline::after(50ms), result));
    bench.tasks.spawn(resolve_into(*bench.lookups, *bench.ring, 2, "fast.2", Deadline::after(10s), other));
  });
  REQUIRE(other);
  CHECK(other->outcome == Resolved::Outcome::found);
  for (const auto& result : hostile) CHECK(result->outcome == Resolved::Outcome::failed);
  std::lock_guard lock(bench.gate->mutex);
  CHECK(bench.gate->most['1'] == 2);
}

TEST_CASE("attack 28: what one peer may have waiting is bounded") {
  Bench bench({.threads = 1, .running_per_peer = 1, .waiting_per_peer = 5, .ask = {}, .is_local = {}});
  std::vector<std::optional<Resolved>> results(20);
  bench.run([&] {
    for (auto& result : results)
      bench.tasks.spawn(
          resolve_into(*bench.lookups, *bench.ring, 1, slow(results, result), Deadline::after(50ms), result));
  });
  auto crowded =
      std::ranges::count_if(results, [](const auto& r) { return r->outcome == Resolved::Outcome::crowded; });
  CHECK(crowded >= 14);
  CHECK(crowded <= 15);
}

TEST_CASE("attack 28: the last threads are for peers for whom nothing runs") {
  Bench bench({.threads = 4, .threads_for_first = 2, .running_per_peer = 3, .ask = {}, .is_local = {}});
  std::vector<std::optional<Resolved>> hostile(4);
  std::optional<Resolved> second, third;
  bench.run([&] {
    for (auto& result : hostile)
      bench.tasks.spawn(resolve_into(*bench.lookups, *bench.ring, 1, slow(hostile, result),
                                     Deadline::after(100ms), result));
    bench.tasks.spawn(resolve_into(*bench.lookups, *bench.ring, 2, "slow.2", Deadline::after(100ms), second));
    bench.tasks.spawn(resolve_into(*bench.lookups, *bench.ring, 3, "fast.3", Deadline::after(10s), third));
  });
  CHECK(third->outcome == Resolved::Outcome::found);
  std::lock_guard lock(bench.gate->mutex);
  CHECK(bench.gate->most['1'] <= 2);
  CHECK(bench.gate->most['2'] <= 1);
}

TEST_CASE("attack 28: names of /etc/hosts wait for no slow name, not even the peer's own") {
  Bench bench({.threads = 1, .running_per_peer = 1, .ask = {}, .is_local = [](const std::string& name) {
                 return name == "pg.1";
               }});
  std::vector<std::optional<Resolved>> hostile(10);
  std::optional<Resolved> local;
  bench.run([&] {
    for (auto& result : hostile)
      bench.tasks.spawn(resolve_into(*bench.lookups, *bench.ring, 1, slow(hostile, result),
                                     Deadline::after(100ms), result));
    bench.tasks.spawn(resolve_into(*bench.lookups, *bench.ring, 1, "pg.1", Deadline::after(10s), local));
  });
  CHECK(local->outcome == Resolved::Outcome::found);
}

TEST_CASE("a name that nobody waits for any more is not asked") {
  Bench bench({.threads = 1, .running_per_peer = 1, .ask = {}, .is_local = {}});
  std::vector<std::optional<Resolved>> gone(5);
  bench.run([&] {
    for (auto& result : gone)
      bench.tasks.spawn(
          resolve_into(*bench.lookups, *bench.ring, 1, slow(gone, result), Deadline::after(20ms), result));
  });
  bench.gate->open();
  std::optional<Resolved> other;
  bench.run([&] {
    bench.tasks.spawn(resolve_into(*bench.lookups, *bench.ring, 2, "fast.2", Deadline::after(10s), other));
  });
  CHECK(other->outcome == Resolved::Outcome::found);
  std::lock_guard lock(bench.gate->mutex);
  CHECK(bench.gate->order == std::vector<std::string>{"slow0.1", "fast.2"});
}

TEST_CASE("who asks for a name that is being asked waits for the same answer") {
  Bench bench({.threads = 1, .running_per_peer = 1, .waiting_per_peer = 1, .ask = {}, .is_local = {}});
  std::vector<std::optional<Resolved>> results(100);
  bench.run([&] {
    for (auto& result : results)
      bench.tasks.spawn(resolve_into(*bench.lookups, *bench.ring, 1, "slow.1", Deadline::after(10s), result));
    bench.gate->open();
  });
  for (const auto& result : results) CHECK(result->outcome == Resolved::Outcome::found);
  CHECK(bench.gate->order.size() == 1);
}

TEST_CASE("the hosts file is read again when it has changed") {
  char path[] = "/tmp/hosts_test_XXXXXX";
  ::close(::mkstemp(path));
  std::ofstream(path) << "127.0.0.1 localhost\n10.0.0.1\tPg.Internal db # old\n::1 six";
  HostsFile hosts(path);
  for (const char* name : {"localhost", "pg.internal", "PG.internal", "db", "six"}) CHECK(hosts.has(name));
  for (const char* name : {"127.0.0.1", "#", "old", "internal", ""}) CHECK_FALSE(hosts.has(name));
  std::ofstream(path) << "10.0.0.1 other.internal\n";
  CHECK(hosts.has("other.internal"));
  CHECK_FALSE(hosts.has("db"));
  std::filesystem::remove(path);
  CHECK_FALSE(hosts.has("other.internal"));
}

TEST_CASE("a lookup that outlives its deadline, its ring and its service touches none of them") {
  auto gate = std::make_shared<Gate>();
  {
    Bench bench;
    bench.gate = gate;
    Lookups::Options options;
    options.ask = [gate](const std::string& name) { return gate->ask(name); };
    bench.lookups.emplace(options);
    std::optional<Resolved> late;
    bench.run([&] {
      bench.tasks.spawn(resolve_into(*bench.lookups, *bench.ring, 1, "slow.1", Deadline::after(20ms), late));
    });
    CHECK(late->outcome == Resolved::Outcome::failed);
    bench.lookups.reset();
  }
  gate->open();
}

TEST_CASE("stopping ends what waits long before its deadline") {
  Bench bench;
  std::optional<Resolved> result;
  auto begun = Clock::now();
  bench.run([&] {
    bench.tasks.spawn(resolve_into(*bench.lookups, *bench.ring, 1, "slow.1", Deadline::after(60s), result));
    bench.lookups->stop();
  });
  CHECK(result->outcome == Resolved::Outcome::failed);
  CHECK(Clock::now() - begun < 30s);
}

TEST_CASE("the system's resolver is asked, /etc/hosts included") {
  Resolved local = ask_system("localhost");
  CHECK(local.outcome == Resolved::Outcome::found);
  CHECK_FALSE(local.addresses.empty());
}

TEST_CASE("the cache is bounded for each peer apart and forgets the least recently used") {
  AnswerCache cache;
  Clock::time_point now = Clock::now();
  Resolved found{Resolved::Outcome::found, {*Address::parse("8.8.8.8")}};
  cache.insert(2, "other", found, now);
  for (int i = 0; i < 1000; ++i) {
    cache.insert(1, std::to_string(i), found, now);
    CHECK(cache.find(1, "0", now).has_value() == (i < 1000));  // kept by being used
  }
  CHECK(cache.bytes(1) <= AnswerCache::bytes_per_peer);
  CHECK_FALSE(cache.find(1, "1", now));
  CHECK(cache.find(1, "999", now));
  CHECK(cache.find(2, "other", now));
}

TEST_CASE("the cache counts lifetimes down and keeps no failure") {
  AnswerCache cache;
  Clock::time_point now = Clock::now();
  cache.insert(1, "x", {Resolved::Outcome::found, {*Address::parse("8.8.8.8")}}, now);
  CHECK(cache.find(1, "x", now + 10s)->left == 20s);
  CHECK_FALSE(cache.find(1, "x", now + 30s));
  cache.insert(1, "y", {Resolved::Outcome::no_such_name}, now);
  CHECK(cache.find(1, "y", now + 4s));
  CHECK_FALSE(cache.find(1, "y", now + 5s));
  cache.insert(1, "z", {Resolved::Outcome::failed}, now);
  CHECK_FALSE(cache.find(1, "z", now));
}

TEST_CASE("a peer's rate is its own and comes back with time") {
  PeerRates rates;
  Clock::time_point now = Clock::now();
  int taken = 0;
  for (int i = 0; i < 20; ++i) taken += rates.take(1, 10, now);
  CHECK(taken == 10);
  CHECK(rates.take(2, 10, now));
  CHECK_FALSE(rates.take(1, 10, now + 50ms));
  CHECK(rates.take(1, 10, now + 200ms));
  CHECK_FALSE(rates.take(3, 0, now));
}
