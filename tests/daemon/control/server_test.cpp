#include "daemon/control/server.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <thread>

#include "daemon/control/client.h"
#include "tests/temporary_directory.h"

namespace clawpatrol::control {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds patience{5000};

struct TemporaryDirectory : tests::TemporaryDirectory {
  TemporaryDirectory() { chmod(path.c_str(), 0755); }
};

// A server on a thread of its own, with a few commands that need no gateway.
class Fixture {
 public:
  explicit Fixture(const std::function<void(Server::Options&)>& adjust = nullptr) {
    loop_ = std::move(*Loop::create());
    options.path = directory_.path / "control.sock";
    options.group = getegid();
    options.stream_tick = milliseconds(2);
    if (adjust) adjust(options);
    auto listening =
        Server::listen(*loop_, options, [this](const Request& request) { return handle(request); });
    if (!listening) FAIL(listening.error().what);
    server_ = std::move(*listening);
    thread_ = std::thread([this] { loop_->run(); });
  }
  ~Fixture() {
    loop_->stop();
    thread_.join();
    server_.reset();
  }

  Client client() const {
    auto connected = Client::connect(options.path);
    REQUIRE(connected);
    return std::move(*connected);
  }
  // Runs on the loop's thread, and waits for it.
  std::size_t clients() {
    std::size_t count = 0;
    std::atomic<bool> done{false};
    loop_->post([&] {
      count = server_->clients();
      done = true;
      done.notify_one();
    });
    done.wait(false);
    return count;
  }
  bool clients_become(std::size_t wanted) {
    auto deadline = Loop::Clock::now() + patience;
    while (Loop::Clock::now() < deadline) {
      if (clients() == wanted) return true;
      std::this_thread::yield();
    }
    return false;
  }

  Server::Options options;
  std::atomic<std::uint64_t> produced{0};
  std::atomic<int> ticks{0};

 private:
  Answer handle(const Request& request) {
    if (request.command == "echo") {
      JsonObject line = message_of_type("echo");
      line.add("uid", request.caller.uid).add("bytes", request.body.size()).add("body", request.body);
      return answer_line(line.text());
    }
    if (request.command == "flood") {
      return [this](Output& output) {
        output.line(message_of_type("flood").add("pad", std::string(4096, 'x')).text());
        ++produced;
        return Progress::more;
      };
    }
    if (request.command == "stream") {
      return [this, sent = 0](Output& output) mutable {
        ++ticks;
        if (sent == 3) return Progress::done;
        output.line(message_of_type("item").add("n", ++sent).text());
        return Progress::waiting;
      };
    }
    if (request.command == "follow") return [](Output&) { return Progress::waiting; };
    if (request.command == "fail") return answer_failure("no", "it cannot be done", "Do something else.");
    if (request.command == "many")
      return answer_lines(std::vector<std::string>(1000, R"({"v":1,"type":"row"})"));
    return nullptr;
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

std::string ask(Client& client, std::string_view command) {
  REQUIRE(client.send(R"({"v":1,"command":")" + std::string(command) + "\"}"));
  return client.next(patience).value_or("(closed)");
}

TEST_CASE("an answer is its lines and then an end") {
  Fixture fixture;
  Client client = fixture.client();
  REQUIRE(client.send(R"({"v":1,"command":"echo","body":3})", "a\nb"));
  CHECK(client.next(patience) ==
        R"({"v":1,"type":"echo","uid":)" + std::to_string(geteuid()) + R"(,"bytes":3,"body":"a\nb"})");
  CHECK(client.next(patience) == R"({"v":1,"type":"end","ok":true})");
}

TEST_CASE("a failure is in the end line, with what to do") {
  Fixture fixture;
  Client client = fixture.client();
  CHECK(ask(client, "fail") == R"({"v":1,"type":"end","ok":false,"error":{"code":"no","message":)"
                               R"("it cannot be done","hint":"Do something else."}})");
  CHECK(ask(client, "nonsense").find("unknown_command") != std::string::npos);
  CHECK(ask(client, "echo").find("\"echo\"") != std::string::npos);
}

TEST_CASE("a request may come byte by byte, and many at once") {
  Fixture fixture;
  Client client = fixture.client();
  std::string request = R"({"v":1,"command":"echo","body":2})"
                        "\nhi";
  for (char c : request) REQUIRE(::send(client.fd(), &c, 1, MSG_NOSIGNAL) == 1);
  CHECK(client.next(patience)->find("\"hi\"") != std::string::npos);
  CHECK(client.next(patience));
  std::string many;
  for (int i = 0; i < 40; ++i) many += request;
  REQUIRE(::send(client.fd(), many.data(), many.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(many.size()));
  shutdown(client.fd(), SHUT_WR);
  int lines = 0;
  while (client.next(patience)) ++lines;
  CHECK(lines == 80);
  CHECK(fixture.clients_become(0));
}

TEST_CASE("a long answer comes whole") {
  Fixture fixture;
  Client client = fixture.client();
  REQUIRE(client.send(R"({"v":1,"command":"many"})"));
  for (int i = 0; i < 1000; ++i) REQUIRE(client.next(patience) == R"({"v":1,"type":"row"})");
  CHECK(client.next(patience) == R"({"v":1,"type":"end","ok":true})");
}

TEST_CASE("a stream says what it has as it comes, and ends when its reader goes") {
  Fixture fixture;
  {
    Client client = fixture.client();
    CHECK(ask(client, "stream") == R"({"v":1,"type":"item","n":1})");
    CHECK(client.next(patience) == R"({"v":1,"type":"item","n":2})");
    CHECK(client.next(patience) == R"({"v":1,"type":"item","n":3})");
    CHECK(client.next(patience) == R"({"v":1,"type":"end","ok":true})");
    REQUIRE(client.send(R"({"v":1,"command":"follow"})"));
    CHECK(fixture.clients_become(1));
  }
  CHECK(fixture.clients_become(0));
}

TEST_CASE("a client that does not read costs bounded memory and is hung up on") {
  Fixture fixture([](Server::Options& options) { options.write_timeout = milliseconds(700); });
  Client client = fixture.client();
  REQUIRE(client.send(R"({"v":1,"command":"flood"})"));
  Client other = fixture.client();
  CHECK(ask(other, "echo").find("\"echo\"") != std::string::npos);
  CHECK(fixture.clients_become(1));
  // 64 KiB held here, and what the kernel buffers of a Unix socket take.
  CHECK(fixture.produced < 400);
}

TEST_CASE("a request that is never finished is hung up on") {
  Fixture fixture([](Server::Options& options) { options.request_timeout = milliseconds(50); });
  Client client = fixture.client();
  REQUIRE(::send(client.fd(), "{\"v\":1", 6, MSG_NOSIGNAL) == 6);
  CHECK_FALSE(client.next(patience));
}

TEST_CASE("requests over a limit, of another version or unreadable are refused with a reason") {
  Fixture fixture;
  const std::pair<std::string, std::string> cases[] = {
      {std::string(70'000, 'x'), "longer than 65536 bytes"},
      {"{\"v\":1,\"command\":\"" + std::string(70'000, 'x') + "\"}", "longer than 65536 bytes"},
      {"hello", "not JSON"},
      {"[1]", "not a JSON object"},
      {R"({"v":2,"command":"echo"})", "speaks version 1"},
      {R"({"command":"echo"})", "speaks version 1"},
      {R"({"v":1,"command":"echo","body":65537})", "body is longer"},
  };
  for (const auto& [request, reason] : cases) {
    INFO(reason);
    Client client = fixture.client();
    [[maybe_unused]] auto sent = client.send(request);
    std::string line = client.next(patience).value_or("");
    CHECK(line.find("\"ok\":false") != std::string::npos);
    CHECK(line.find(reason) != std::string::npos);
    CHECK_FALSE(client.next(patience));
  }
}

TEST_CASE("clients are limited in number, and the one too many is told so") {
  Fixture fixture([](Server::Options& options) { options.max_clients = 3; });
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(fixture.client());
    CHECK(ask(clients.back(), "echo").find("\"echo\"") != std::string::npos);
  }
  Client extra = fixture.client();
  CHECK(extra.next(patience)->find("too many control connections") != std::string::npos);
  clients.clear();
  REQUIRE(fixture.clients_become(0));
  Client again = fixture.client();
  CHECK(ask(again, "echo").find("\"echo\"") != std::string::npos);
}

// Connects with other credentials: the raw system calls change those of this thread alone.
std::string ask_as(const std::filesystem::path& path, uid_t uid, gid_t gid, std::vector<gid_t> groups) {
  std::string answer;
  std::thread([&] {
    if (syscall(SYS_setgroups, groups.size(), groups.data()) != 0) return;
    if (syscall(SYS_setresgid, gid, gid, gid) != 0 || syscall(SYS_setresuid, uid, uid, uid) != 0) return;
    auto client = Client::connect(path);
    if (!client) {
      answer = client.error().what;
      return;
    }
    [[maybe_unused]] auto sent = client->send(R"({"v":1,"command":"echo"})");
    answer = client->next(patience).value_or("(closed)");
  }).join();
  return answer;
}

TEST_CASE("root and the group are admitted, also by a supplementary group, and nobody else (needs root)") {
  if (geteuid() != 0) {
    WARN("not root: cannot take other credentials");
    return;
  }
  constexpr gid_t group = 4242;
  Fixture fixture([](Server::Options& options) { options.group = group; });
  // Whoever got past the file's mode is still refused.
  REQUIRE(chmod(fixture.options.path.c_str(), 0666) == 0);
  CHECK(ask_as(fixture.options.path, 65534, 65534, {}).find("forbidden") != std::string::npos);
  CHECK(ask_as(fixture.options.path, 65534, 65534, {4241, 4243}).find("forbidden") != std::string::npos);
  CHECK(ask_as(fixture.options.path, 65534, group, {}).find("\"uid\":65534") != std::string::npos);
  CHECK(ask_as(fixture.options.path, 65534, 65534, {7, group}).find("\"uid\":65534") != std::string::npos);
  Client root = fixture.client();
  CHECK(ask(root, "echo").find("\"uid\":0") != std::string::npos);
}

TEST_CASE("the socket is closed to the world, its group is the one given (needs root)") {
  if (geteuid() != 0) {
    WARN("not root: cannot give the socket to another group");
    return;
  }
  Fixture fixture([](Server::Options& options) { options.group = 4242; });
  struct stat made{};
  REQUIRE(stat(fixture.options.path.c_str(), &made) == 0);
  CHECK((made.st_mode & 07777) == 0660);
  CHECK(made.st_gid == 4242);
  CHECK(ask_as(fixture.options.path, 65534, 65534, {}).find("ermission denied") != std::string::npos);
}

TEST_CASE(
    "a daemon that is no operator lets the operators in, and nobody else as far as the backlog (needs "
    "root)") {
  if (geteuid() != 0) {
    WARN("not root: cannot take other credentials");
    return;
  }
  constexpr gid_t operators = 4242, others = 4243;
  constexpr uid_t daemon = 64911;
  TemporaryDirectory directory;
  REQUIRE(chown(directory.path.c_str(), daemon, daemon) == 0);
  Server::Options options;
  options.path = directory.path / "control.sock";
  options.group = operators;
  auto loop = std::move(*Loop::create());
  std::unique_ptr<Server> server;
  std::thread([&] {
    if (syscall(SYS_setgroups, 0, nullptr) != 0 || syscall(SYS_setresgid, daemon, daemon, daemon) != 0 ||
        syscall(SYS_setresuid, daemon, daemon, daemon) != 0)
      return;
    auto made = Server::listen(*loop, options, [](const Request&) { return answer_line("{\"here\":1}"); });
    if (made) server = std::move(*made);
  }).join();
  REQUIRE(server);
  CHECK(server->for_operators());
  struct stat made{};
  REQUIRE(lstat(options.path.c_str(), &made) == 0);
  CHECK((made.st_mode & 07777) == 0660);
  CHECK(made.st_uid == daemon);
  // Nothing runs the loop yet, so that nothing is accepted: what gets into the backlog stays there.
  for (int i = 0; i < 64; ++i)
    REQUIRE(ask_as(options.path, 65534, 65534, {others}).find("ermission denied") != std::string::npos);
  CHECK(ask_as(options.path, 65533, daemon, {}).find("ermission denied") != std::string::npos);
  std::thread running([&] { loop->run(); });
  CHECK(ask_as(options.path, 65534, operators, {}).find("here") != std::string::npos);
  CHECK(ask_as(options.path, 65534, 65534, {7, operators}).find("here") != std::string::npos);
  CHECK(ask_as(options.path, 0, 0, {}).find("here") != std::string::npos);
  loop->stop();
  running.join();
}

TEST_CASE("a stale socket is replaced, one that is served is not, and a file is not touched") {
  TemporaryDirectory directory;
  auto loop = std::move(*Loop::create());
  auto handler = [](const Request&) -> Answer { return nullptr; };
  Server::Options options;
  options.path = directory.path / "control.sock";
  {
    Fd stale(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    options.path.native().copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(bind(stale.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  auto first = Server::listen(*loop, options, handler);
  REQUIRE(first);
  auto second = Server::listen(*loop, options, handler);
  REQUIRE_FALSE(second);
  CHECK(second.error().what.find("another daemon serves it") != std::string::npos);
  CHECK(std::filesystem::exists(options.path));
  first->reset();
  CHECK_FALSE(std::filesystem::exists(options.path));
  close(open(options.path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  auto third = Server::listen(*loop, options, handler);
  REQUIRE_FALSE(third);
  CHECK(third.error().what.find("something else is there") != std::string::npos);
  CHECK(std::filesystem::is_regular_file(options.path));
}

}  // namespace
}  // namespace clawpatrol::control
