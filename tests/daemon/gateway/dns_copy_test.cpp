#include "daemon/gateway/copy.h"

#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <random>
#include <thread>

#include "daemon/gateway/sockets.h"
#include "daemon/ring/task_group.h"

using namespace clawpatrol;
using namespace std::chrono_literals;

namespace {

struct Pair {
  Fd near, far;
  Pair() {
    int both[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both) == 0);
    near.reset(both[0]);
    far.reset(both[1]);
  }
};

struct Outcome {
  std::expected<std::uint64_t, Error> copied = 0;
  std::atomic<std::uint64_t> counter{0};
};

Task<void> copy_into(Ring& ring, CopyEnds ends, Idleness idleness, Outcome& outcome) {
  outcome.copied = co_await copy_allowed(ring, ends, outcome.counter, idleness);
  shutdown(ends.to, SHUT_WR);
  ring.stop();
}

// Copies from one pair to the other on a ring of its own thread while `client` runs.
void while_copying(Pair& from, Pair& to, Idleness idleness, Outcome& outcome, std::function<void()> client) {
  auto ring = *Ring::create({});
  TaskGroup group(*ring);
  std::thread thread([&] {
    ring->post([&] { group.spawn(copy_into(*ring, {from.far.get(), to.near.get()}, idleness, outcome)); });
    ring->run();
  });
  client();
  thread.join();
}

}  // namespace

TEST_CASE("what is copied arrives whole, in order, and is counted, and the end is passed on") {
  Pair from, to;
  Outcome outcome;
  std::string sent(3 << 20, '\0');
  std::minstd_rand random(7);
  for (char& c : sent) c = static_cast<char>(random());
  std::string received;
  while_copying(from, to, {}, outcome, [&] {
    std::thread writer([&] {
      std::string_view left = sent;
      while (!left.empty()) {
        ssize_t size =
            send(from.near.get(), left.data(), std::min<std::size_t>(left.size(), 1 + random() % 200000), 0);
        left.remove_prefix(static_cast<std::size_t>(size));
      }
      shutdown(from.near.get(), SHUT_WR);
    });
    char buffer[65536];
    while (true) {
      ssize_t size = recv(to.far.get(), buffer, 1 + random() % sizeof buffer, 0);
      if (size <= 0) break;
      received.append(buffer, static_cast<std::size_t>(size));
    }
    writer.join();
  });
  CHECK(received == sent);
  CHECK(outcome.copied == sent.size());
  CHECK(outcome.counter == sent.size());
}

TEST_CASE("a reader that is gone ends the copying with an error") {
  Pair from, to;
  Outcome outcome;
  to.far.reset();
  while_copying(from, to, {}, outcome, [&] { REQUIRE(send(from.near.get(), "x", 1, MSG_NOSIGNAL) == 1); });
  CHECK_FALSE(outcome.copied);
}

TEST_CASE("a reader that never reads holds a bounded number of bytes") {
  Pair from, to;
  Outcome outcome;
  int small = 4096;
  setsockopt(to.near.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  setsockopt(from.near.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  std::size_t taken = 0;
  while_copying(from, to, {.limit = 100ms}, outcome, [&] {
    std::string chunk(64 << 10, 'x');
    while (true) {
      timeval patience{.tv_sec = 0, .tv_usec = 50'000};
      setsockopt(from.near.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
      ssize_t size = send(from.near.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL);
      if (size <= 0) break;
      taken += static_cast<std::size_t>(size);
      REQUIRE(taken < (1 << 20));
    }
  });
  CHECK_FALSE(outcome.copied);
  CHECK(taken < copy_buffer + (256 << 10));
}

TEST_CASE("a connection on which nothing moves ends at its limit") {
  Pair from, to;
  Outcome outcome;
  while_copying(from, to, {.limit = 60ms}, outcome, [] {});
  REQUIRE_FALSE(outcome.copied);
  CHECK(outcome.copied.error().code == ETIMEDOUT);
}
