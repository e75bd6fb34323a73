#include "daemon/control/loop.h"

#include <poll.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <string>
#include <thread>

namespace clawpatrol::control {
namespace {

using std::chrono::milliseconds;

struct Pair {
  Fd near, far;
  Pair() {
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    near.reset(fds[0]);
    far.reset(fds[1]);
  }
};

std::unique_ptr<Loop> make_loop() {
  auto loop = Loop::create();
  REQUIRE(loop);
  return std::move(*loop);
}

TEST_CASE("posts from another thread run on the loop, in order") {
  auto loop = make_loop();
  std::string order;
  std::thread other([&] {
    for (char c = 'a'; c <= 'e'; ++c) loop->post([&order, c] { order += c; });
    loop->post([&] { loop->stop(); });
  });
  loop->run();
  other.join();
  CHECK(order == "abcde");
}

TEST_CASE("stop before run is not lost") {
  auto loop = make_loop();
  loop->stop();
  loop->run();
  SUCCEED();
}

TEST_CASE("timers run in the order in which they are due, and a cancelled one does not") {
  auto loop = make_loop();
  std::string order;
  loop->after(milliseconds(6), [&] { loop->stop(); });
  loop->after(milliseconds(2), [&] { order += 'b'; });
  loop->after(milliseconds(1), [&] { order += 'a'; });
  Loop::TimerId never = loop->after(milliseconds(3), [&] { order += 'x'; });
  loop->after(milliseconds(0), [&] { loop->cancel(never); });
  loop->run();
  CHECK(order == "ab");
}

TEST_CASE("a repeating timer may cancel itself") {
  auto loop = make_loop();
  int count = 0;
  Loop::TimerId timer = 0;
  timer = loop->every(milliseconds(1), [&] {
    if (++count < 3) return;
    loop->cancel(timer);
    loop->after(milliseconds(4), [&] { loop->stop(); });
  });
  loop->run();
  CHECK(count == 3);
}

TEST_CASE("a callback may forget its own descriptor and another that is ready in the same turn") {
  auto loop = make_loop();
  Pair one, two;
  int calls = 0;
  auto once = [&](short) {
    ++calls;
    loop->forget(one.near.get());
    loop->forget(two.near.get());
    loop->stop();
  };
  loop->watch(one.near.get(), POLLIN, once);
  loop->watch(two.near.get(), POLLIN, once);
  REQUIRE(write(one.far.get(), "x", 1) == 1);
  REQUIRE(write(two.far.get(), "x", 1) == 1);
  loop->run();
  CHECK(calls == 1);
}

TEST_CASE("events of a descriptor do not reach the one that took its number within the turn") {
  auto loop = make_loop();
  Pair one, two;
  bool wrong = false;
  auto swap_the_other = [&](Fd& other) {
    loop->forget(other.get());
    loop->watch(other.get(), POLLIN, [&](short) { wrong = true; });
    loop->stop();
  };
  loop->watch(one.near.get(), POLLIN, [&](short) { swap_the_other(two.near); });
  loop->watch(two.near.get(), POLLIN, [&](short) { swap_the_other(one.near); });
  REQUIRE(write(one.far.get(), "x", 1) == 1);
  REQUIRE(write(two.far.get(), "x", 1) == 1);
  loop->run();
  CHECK_FALSE(wrong);
}

TEST_CASE("signals arrive as calls") {
  auto loop = make_loop();
  int got = 0;
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, nullptr, &before);
  REQUIRE(loop->on_signals({SIGUSR2}, [&](int signal) {
    got = signal;
    loop->stop();
  }));
  raise(SIGUSR2);
  loop->run();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  CHECK(got == SIGUSR2);
}

}  // namespace
}  // namespace clawpatrol::control
