#include "daemon/ring/ring.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <string>
#include <thread>

#include "daemon/ring/restrictions.h"
#include "daemon/ring/task_group.h"

using namespace clawpatrol;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<Ring> make_ring() {
  auto ring = Ring::create({});
  REQUIRE(ring.has_value());
  return std::move(*ring);
}

struct Pair {
  Fd left, right;
  Pair() {
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    left = Fd(fds[0]);
    right = Fd(fds[1]);
  }
};

Task<void> echo(Ring& ring, int fd) {
  std::array<char, 4096> buffer;
  while (true) {
    std::int32_t got = co_await ring.recv(fd, buffer, Deadline::never());
    if (got <= 0) break;
    auto sent =
        co_await ring.send_all(fd, {buffer.data(), static_cast<std::size_t>(got)}, Deadline::after(5s));
    if (!sent) break;
  }
  ring.stop();
}

Task<void> converse(Ring& ring, int fd, std::string& heard) {
  std::array<char, 64> buffer;
  for (std::string_view word : {"one", "two", "three"}) {
    (void)co_await ring.send_all(fd, word, Deadline::after(5s));
    std::int32_t got = co_await ring.recv(fd, buffer, Deadline::after(5s));
    if (got > 0) heard.append(buffer.data(), static_cast<std::size_t>(got));
  }
  shutdown(fd, SHUT_RDWR);
}

Task<void> receive_once(Ring& ring, int fd, Deadline deadline, std::int32_t& result) {
  std::array<char, 16> buffer;
  result = co_await ring.recv(fd, buffer, deadline);
  ring.stop();
}

Task<void> sleep_and_stop(Ring& ring, Deadline deadline, std::int32_t& result) {
  result = co_await ring.sleep_until(deadline);
  ring.stop();
}

Task<void> wait_for(Event& event, Deadline deadline, int& woken) {
  if (co_await event.wait(deadline)) ++woken;
}

Task<void> join_and_stop(Ring& ring, TaskGroup& group) {
  co_await group.join();
  ring.stop();
}

}  // namespace

TEST_CASE("two tasks converse over one ring") {
  auto ring = make_ring();
  Pair pair;
  std::string heard;
  Task<void> server = echo(*ring, pair.left.get());
  Task<void> client = converse(*ring, pair.right.get(), heard);
  ring->run();
  CHECK(heard == "onetwothree");
  CHECK(server.done());
  CHECK(client.done());
}

TEST_CASE("a receive past its deadline ends with ETIMEDOUT once the kernel has let go") {
  auto ring = make_ring();
  Pair pair;
  std::int32_t result = 0;
  Task<void> task = receive_once(*ring, pair.left.get(), Deadline::after(30ms), result);
  ring->run();
  CHECK(result == -ETIMEDOUT);
}

TEST_CASE("a receive ends when its socket is shut down") {
  auto ring = make_ring();
  Pair pair;
  std::int32_t result = -1;
  Task<void> task = receive_once(*ring, pair.left.get(), Deadline::never(), result);
  ring->post([&] { shutdown(pair.left.get(), SHUT_RDWR); });
  ring->run();
  CHECK(result == 0);
}

TEST_CASE("sleeping ends at its deadline, not before") {
  auto ring = make_ring();
  std::int32_t result = 0;
  auto begun = Clock::now();
  Task<void> task = sleep_and_stop(*ring, Deadline::after(40ms), result);
  ring->run();
  CHECK(result == -ETIMEDOUT);
  CHECK(Clock::now() - begun >= 40ms);
}

TEST_CASE("an event wakes every waiter and remembers nothing") {
  auto ring = make_ring();
  Event event(*ring);
  int woken = 0;
  Task<void> first = wait_for(event, Deadline::never(), woken);
  Task<void> second = wait_for(event, Deadline::after(10s), woken);
  ring->post([&] {
    event.notify();
    ring->stop();
  });
  ring->run();
  CHECK(woken == 2);
  int late = 0;
  Task<void> third = wait_for(event, Deadline::after(20ms), late);
  Task<void> stopper = [](Ring& r) -> Task<void> {
    (void)co_await r.sleep_until(Deadline::after(80ms));
    r.stop();
  }(*ring);
  ring->run();
  CHECK(late == 0);
  CHECK(third.done());
}

TEST_CASE("post and stop work from another thread") {
  auto ring = make_ring();
  int ran = 0;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) ring->post([&] { ++ran; });
    ring->stop();
  });
  ring->run();
  other.join();
  CHECK(ran == 1000);
}

TEST_CASE("end-of-turn work runs before what waits on it is submitted") {
  auto ring = make_ring();
  Pair pair;
  std::string order;
  ring->on_turn_end([&] {
    if (order == "a") {
      order += 'b';
      ring->post([&] { ring->stop(); });
    }
  });
  ring->post([&] { order += 'a'; });
  ring->run();
  CHECK(order == "ab");
}

TEST_CASE("an acceptor hands over every connection and none after close") {
  auto ring = make_ring();
  Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{
      .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  socklen_t length = sizeof address;
  REQUIRE(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
  REQUIRE(listen(listener.get(), 64) == 0);
  getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length);
  std::vector<Fd> accepted;
  Ring::Acceptor acceptor(*ring, listener.get(), [&](Fd fd) {
    accepted.push_back(std::move(fd));
    if (accepted.size() == 10) ring->stop();
  });
  acceptor.start();
  std::vector<Fd> clients;
  for (int i = 0; i < 10; ++i) {
    clients.emplace_back(socket(AF_INET, SOCK_STREAM, 0));
    REQUIRE(connect(clients.back().get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
  }
  ring->run();
  CHECK(accepted.size() == 10);
  Task<void> closing = acceptor.close();
  TaskGroup group(*ring);
  group.spawn(std::move(closing));
  Task<void> stopper = join_and_stop(*ring, group);
  ring->run();
  clients.emplace_back(socket(AF_INET, SOCK_STREAM, 0));
  CHECK(connect(clients.back().get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
  CHECK(accepted.size() == 10);
}

namespace {

Task<void> note_turn(Ring& ring, int fd, const int& turn, std::vector<int>& noted) {
  char byte = 0;
  const std::int32_t got = co_await ring.recv(fd, {&byte, 1}, Deadline::never());
  if (got == 1) noted.push_back(turn);
}

}  // namespace

TEST_CASE("where much has come at once, what is decided leaves after each few of it") {
  auto ring = make_ring();
  int turn = 0;
  ring->on_turn_end([&] { ++turn; });
  std::array<Pair, 64> pairs;
  std::vector<int> noted;
  TaskGroup group(*ring);
  for (Pair& pair : pairs) {
    REQUIRE(send(pair.right.get(), "x", 1, 0) == 1);
    group.spawn(note_turn(*ring, pair.left.get(), turn, noted));
  }
  Task<void> stopper = join_and_stop(*ring, group);
  ring->run();
  REQUIRE(noted.size() == pairs.size());
  for (int each : noted) CHECK(std::ranges::count(noted, each) <= 8);
}

TEST_CASE("operations that complete as they are submitted keep no other from its turn") {
  auto ring = make_ring();
  Pair ended, quiet;
  ended.right = Fd();
  bool over = false;
  const auto ask_on = [](Ring& on, int fd, const bool& enough) -> Task<void> {
    while (!enough) (void)co_await on.poll(fd, POLLIN, Deadline::never());
  };
  std::vector<Task<void>> busy;
  for (int i = 0; i < 32; ++i) busy.push_back(ask_on(*ring, ended.left.get(), over));
  std::int32_t heard = 0;
  const auto hear = [&]() -> Task<void> {
    std::array<char, 8> buffer;
    heard = co_await ring->recv(quiet.left.get(), buffer, Deadline::after(2s));
    over = true;
    ring->stop();
  };
  Task<void> hearing = hear();
  std::thread speaker([&] {
    std::this_thread::sleep_for(20ms);  // so that it comes while the others are busy
    (void)!::write(quiet.right.get(), "hello", 5);
  });
  ring->run();
  speaker.join();
  CHECK(heard == 5);
}

TEST_CASE("a task group knows when its last task has ended") {
  auto ring = make_ring();
  Pair pair;
  TaskGroup group(*ring);
  group.spawn(echo(*ring, pair.left.get()));
  group.spawn(echo(*ring, pair.right.get()));
  CHECK(group.running() == 2);
  ring->post([&] {
    shutdown(pair.left.get(), SHUT_RDWR);
    shutdown(pair.right.get(), SHUT_RDWR);
  });
  Task<void> stopper = join_and_stop(*ring, group);
  ring->run();
  CHECK(group.running() == 0);
}

TEST_CASE("a restricted ring refuses operations that this program never asks for") {
  io_uring ring;
  io_uring_params params{};
  params.flags = IORING_SETUP_R_DISABLED;
  REQUIRE(io_uring_queue_init_params(8, &ring, &params) == 0);
  REQUIRE(restrict_operations(ring) == 0);
  REQUIRE(io_uring_enable_rings(&ring) == 0);
  auto result_of = [&](auto prepare) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring);
    prepare(sqe);
    io_uring_submit(&ring);
    io_uring_cqe* cqe = nullptr;
    REQUIRE(io_uring_wait_cqe(&ring, &cqe) == 0);
    int result = cqe->res;
    io_uring_cqe_seen(&ring, cqe);
    return result;
  };
  CHECK(result_of([](io_uring_sqe* sqe) {
          io_uring_prep_openat(sqe, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
        }) == -EACCES);
  CHECK(result_of([](io_uring_sqe* sqe) { io_uring_prep_socket(sqe, AF_INET, SOCK_STREAM, 0, 0); }) ==
        -EACCES);
  Pair pair;
  CHECK(result_of([&](io_uring_sqe* sqe) { io_uring_prep_send(sqe, pair.left.get(), "x", 1, 0); }) == 1);
  io_uring_queue_exit(&ring);
}
