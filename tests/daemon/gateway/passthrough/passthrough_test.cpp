// Needs root: an upstream at public addresses lives in a network namespace of its own, as does the gateway.
#include "daemon/gateway/passthrough.h"

#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <fstream>
#include <future>
#include <iterator>

#include "daemon/gateway/grant.h"
#include "daemon/gateway/sockets.h"
#include "tests/daemon/gateway/dns_fixture.h"

using namespace dns_test;

namespace {

// 77 is ctest's "skipped".
[[maybe_unused]] const bool is_root = [] {
  if (geteuid() == 0) return true;
  fputs("skipped: passthrough tests need root for network namespaces\n", stdout);
  std::exit(77);
}();

constexpr std::uint16_t port = 4711;

void sh(const std::string& command) {
  INFO(command);
  REQUIRE(std::system(command.c_str()) == 0);
}

Fd listener_at(std::string_view text) {
  socklen_t length = 0;
  sockaddr_storage raw = to_sockaddr({*Address::parse(text), port}, length);
  Fd socket(::socket(raw.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  timeval patience{.tv_sec = 5, .tv_usec = 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  REQUIRE(bind(socket.get(), reinterpret_cast<sockaddr*>(&raw), length) == 0);
  REQUIRE(listen(socket.get(), 16) == 0);
  return socket;
}

// 8.8.8.1 is the gateway; 8.8.8.8 and 8.8.8.7 are upstreams in another namespace, which its sockets keep
// alive.
struct Upstreams {
  Fd eight, seven;

  Upstreams() {
    REQUIRE(unshare(CLONE_NEWNET) == 0);
    std::promise<int> id;
    std::promise<void> plugged;
    std::thread other([&] {
      unshare(CLONE_NEWNET);
      id.set_value(static_cast<int>(syscall(SYS_gettid)));
      plugged.get_future().wait();
      sh("ip addr add 8.8.8.8/24 dev dnsup && ip addr add 8.8.8.7/24 dev dnsup && ip link set dnsup up");
      eight = listener_at("8.8.8.8");
      seven = listener_at("8.8.8.7");
    });
    int thread = id.get_future().get();
    sh("ip link set lo up && ip link add dnsgw type veth peer name dnsup netns " + std::to_string(thread) +
       " && ip addr add 8.8.8.1/24 dev dnsgw && ip link set dnsgw up");
    plugged.set_value();
    other.join();
  }
};

struct Agent {
  Fd socket;
  void say(std::string_view text) {
    REQUIRE(send(socket.get(), text.data(), text.size(), 0) == ssize_t(text.size()));
  }
  std::string hear(std::size_t count) { return read_from(socket, count); }
  static std::string read_from(const Fd& from, std::size_t count) {
    std::string got(count, '\0');
    std::size_t have = 0;
    while (have < count) {
      ssize_t size = recv(from.get(), got.data() + have, count - have, 0);
      if (size <= 0) break;
      have += static_cast<std::size_t>(size);
    }
    got.resize(have);
    return got;
  }
  bool is_reset() const {
    char byte;
    return recv(socket.get(), &byte, 1, 0) < 0 && errno == ECONNRESET;
  }
  bool is_ended() const {
    char byte;
    return recv(socket.get(), &byte, 1, 0) == 0;
  }
};

bool nobody_came(const Fd& listener) {
  return accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK) < 0;
}

Fd accepted(const Fd& listener) {
  Fd socket(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  REQUIRE(socket);
  timeval patience{.tv_sec = 5, .tv_usec = 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return socket;
}

bool no_more_bytes(const Fd& socket) {
  char byte;
  return recv(socket.get(), &byte, 1, 0) <= 0;
}

// A gateway whose ring runs on a thread of its own.
struct Running : Gateway {
  std::thread thread;
  explicit Running(std::shared_ptr<Policy> policy) : Gateway(std::move(policy)) {
    thread = std::thread([this] { worker->ring().run(); });
  }
  ~Running() {
    shared.name_service->stop();
    for (const auto& flow : shared.flows.all()) flow->ask_to_close("the test is over");
    TaskGroup group(worker->ring());
    worker->ring().post([&] { group.spawn(stop_when_done(*worker)); });
    thread.join();
  }
};

// One connection of peer "one" to `destination`.
struct Connection {
  Agent agent;
  std::shared_ptr<Flow> flow;

  Connection(Running& gateway, std::string_view destination) {
    Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(listen(listener.get(), 1) == 0);  // binds to a free port of every address
    auto at = local_address(listener.get());
    socklen_t length = 0;
    sockaddr_storage raw = to_sockaddr({*Address::parse("127.0.0.1"), at->port}, length);
    agent.socket = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    timeval patience{.tv_sec = 5, .tv_usec = 0};
    setsockopt(agent.socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    REQUIRE(connect(agent.socket.get(), reinterpret_cast<sockaddr*>(&raw), length) == 0);
    auto served = std::make_shared<Fd>(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));

    flow = gateway.shared.flows.open(1, gateway.shared.policy.current()->limits);
    ClaimedFlow claimed;
    claimed.flow = flow;
    claimed.peer = gateway.one;
    claimed.peer_facets = {.name = "one", .profile = "data", .address = "127.0.0.1", .labels = {}};
    claimed.dest = {std::string(destination), port};
    claimed.destination = *Address::parse(destination);
    gateway.worker->ring().post([worker = gateway.worker.get(), served, claimed] {
      worker->flows().spawn(serve_passthrough(*worker, std::move(*served), claimed));
    });
  }
};

// In a thread of its own, so that the namespaces end with it.
void in_namespaces(std::function<void(Upstreams&)> body) {
  std::thread([&] {
    Upstreams upstreams;
    body(upstreams);
  }).join();
}

// A ClientHello for "example.org", or for another name of the same length.
std::string client_hello(const std::string& name) {
  std::ifstream in(CLAWPATROL_SOURCE "/tests/fuzz/corpus/tls/" +
                   std::string(name.empty() ? "noname" : "name"));
  std::string bytes(std::istreambuf_iterator<char>(in), {});
  if (!name.empty()) bytes.replace(bytes.find("example.org"), 11, name);
  return bytes;
}

}  // namespace

TEST_CASE("an opaque connection is recorded before it is made, and relayed both ways to its ends") {
  in_namespaces([](Upstreams& up) {
    Running gateway(load(passthrough()));
    Connection one(gateway, "8.8.8.8");
    one.agent.say("hello");
    Fd server = accepted(up.eight);
    CHECK(Agent::read_from(server, 5) == "hello");
    std::string log = gateway.audit_text();
    CHECK(log.find("\"type\":\"connect\"") != std::string::npos);
    CHECK(log.find("8.8.8.8") != std::string::npos);
    shutdown(one.agent.socket.get(), SHUT_WR);
    CHECK(no_more_bytes(server));
    // The other direction still stands.
    REQUIRE(send(server.get(), "world", 5, 0) == 5);
    CHECK(one.agent.hear(5) == "world");
    server.reset();
    CHECK(one.agent.is_ended());
    CHECK(one.flow->bytes_up == 5);
    CHECK(one.flow->bytes_down == 5);
  });
}

TEST_CASE("a server that speaks first is heard, and a reset is passed on as a reset") {
  in_namespaces([](Upstreams& up) {
    Running gateway(load(passthrough()));
    Connection one(gateway, "8.8.8.8");
    Fd server = accepted(up.eight);
    REQUIRE(send(server.get(), "SSH-2.0-x", 9, 0) == 9);
    CHECK(one.agent.hear(9) == "SSH-2.0-x");
    reset(std::move(server));
    CHECK(one.agent.is_reset());
  });
  in_namespaces([](Upstreams& up) {
    Running gateway(load(passthrough()));
    Connection one(gateway, "8.8.8.8");
    one.agent.say("x");
    Fd server = accepted(up.eight);
    CHECK(Agent::read_from(server, 1) == "x");
    reset(std::move(one.agent.socket));
    char byte;
    CHECK(recv(server.get(), &byte, 1, 0) == -1);
    CHECK(errno == ECONNRESET);
  });
}

TEST_CASE("attack 14: an address of the gateway is refused, also one that it was given a moment ago") {
  in_namespaces([](Upstreams& up) {
    Running gateway(load(passthrough()));
    sh("ip addr add 8.8.8.99/32 dev dnsgw");
    for (const char* own : {"8.8.8.1", "8.8.8.99", "127.0.0.1"}) {
      Connection one(gateway, own);
      one.agent.say("x");
      CHECK(one.agent.is_reset());
    }
    CHECK(gateway.refusals("guard: an address of the gateway itself") == 2);
    CHECK(nobody_came(up.eight));
  });
}

TEST_CASE("attack 13: under passthrough an endpoint's real address is refused on every port") {
  in_namespaces([](Upstreams& up) {
    Running gateway(load(passthrough()));
    gateway.shared.name_service->seen().resolved("secret.internal", {*Address::parse("8.8.8.8")},
                                                 Clock::now());
    Connection one(gateway, "8.8.8.8");
    one.agent.say("x");
    CHECK(one.agent.is_reset());
    CHECK(nobody_came(up.eight));
    CHECK(gateway.refusals("guard: an address of an endpoint") == 1);
    CHECK(gateway.audit_text().find("guard: an address of an endpoint") != std::string::npos);
  });
}

TEST_CASE("attack 20: a passthrough connection ends when the guard or a rule turns against its address") {
  const std::pair<const char*, std::function<void(Shared&)>> changes[] = {
      {"an endpoint resolves to it",
       [](Shared& shared) {
         shared.name_service->seen().resolved("secret.internal", {*Address::parse("8.8.8.8")}, Clock::now());
       }},
      {"an endpoint is it, on another port",
       [](Shared& shared) {
         auto next = load(passthrough());
         next->endpoints.at("pg").hosts.push_back(
             {.host = "8.8.8.8", .port = 5433, .address = Address::parse("8.8.8.8")});
         shared.policy.replace(next);
       }},
      {"the rules", [](Shared& shared) {
         shared.policy.replace(
             load(passthrough("[[rule]]\nname = \"no\"\non = [\"connect\"]\nverdict = \"deny\"\n")));
       }}};
  for (const auto& [what, change] : changes) {
    INFO(what);
    in_namespaces([&change](Upstreams& up) {
      Running gateway(load(passthrough()));
      Connection one(gateway, "8.8.8.8");
      one.agent.say("x");
      Fd server = accepted(up.eight);
      CHECK(Agent::read_from(server, 1) == "x");
      close_orphans(gateway.shared);
      one.agent.say("y");
      CHECK(Agent::read_from(server, 1) == "y");
      change(gateway.shared);
      close_orphans(gateway.shared);
      CHECK(one.agent.is_reset());
    });
  }
}

TEST_CASE(
    "attack 13: TLS without a name, for an endpoint's name or for one that does not resolve is refused") {
  in_namespaces([](Upstreams& up) {
    Running gateway(load(passthrough()));
    for (const char* name : {"", "pg.internal", "nowhere.org"}) {
      std::string wanted = name;
      Connection one(gateway, "8.8.8.8");
      one.agent.say(client_hello(wanted));
      CHECK(one.agent.is_reset());
    }
    CHECK(gateway.refusals("guard: TLS without a server name") == 1);
    CHECK(gateway.refusals("guard: TLS for a name of an endpoint") == 1);
    CHECK(gateway.refusals("guard: TLS for a name that does not resolve") == 1);
    CHECK(nobody_came(up.eight));
  });
}

TEST_CASE("attack 13: a ClientHello in SSL 2.0's form, however it is cut, is TLS without a name") {
  in_namespaces([](Upstreams& up) {
    Running gateway(load(passthrough()));
    const std::string hello("\x80\x2e\x01\x03\x03\x00\x03\x00\x00\x00\x20", 11);
    for (std::size_t cut : {1, 2, 3, 4, 11}) {
      Connection one(gateway, "8.8.8.8");
      one.agent.say(hello.substr(0, cut));
      if (cut < 4) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));  // so that it comes in two segments
        send(one.agent.socket.get(), hello.data() + cut, hello.size() - cut, MSG_NOSIGNAL);
      }
      CHECK(one.agent.is_reset());
    }
    CHECK(gateway.refusals("guard: TLS without a server name") == 5);
    CHECK(nobody_came(up.eight));
  });
}

TEST_CASE("attack 13: TLS goes to what its name resolves to, whatever address was dialled") {
  in_namespaces([](Upstreams& up) {
    Running gateway(load(passthrough()));
    gateway.system.names["example.org"] = {"8.8.8.7"};
    std::string hello = client_hello("example.org");
    {
      Connection one(gateway, "8.8.8.8");
      one.agent.say(hello);
      Fd server = accepted(up.seven);
      CHECK(Agent::read_from(server, hello.size()) == hello);
    }
    CHECK(nobody_came(up.eight));
    CHECK(gateway.audit_text().find("example.org") != std::string::npos);
    gateway.system.names["example.com"] = {"8.8.8.7", "8.8.8.8"};
    Connection two(gateway, "8.8.8.8");
    two.agent.say(client_hello("example.com"));
    CHECK(accepted(up.eight));
  });
}

TEST_CASE("attack 13: TLS that begins late must be for a name of the address that was dialled") {
  in_namespaces([](Upstreams& up) {
    Running gateway(load(passthrough()));
    gateway.system.names["example.org"] = {"8.8.8.7"};
    gateway.system.names["example.com"] = {"8.8.8.8"};
    for (const char* name : {"example.org", "pg.internal"}) {
      std::string wanted = name;
      Connection one(gateway, "8.8.8.8");
      Fd server = accepted(up.eight);  // only once the client has been silent for a while
      one.agent.say(client_hello(wanted));
      CHECK(no_more_bytes(server));
      CHECK(one.agent.is_reset());
    }
    Connection two(gateway, "8.8.8.8");
    Fd server = accepted(up.eight);
    std::string hello = client_hello("example.com");
    two.agent.say(hello);
    CHECK(Agent::read_from(server, hello.size()) == hello);
  });
}

TEST_CASE("a rule decides over opaque connections") {
  in_namespaces([](Upstreams& up) {
    Running gateway(load(passthrough(R"toml(
[[rule]]
name = "no-4711"
on = ["connect"]
condition = "dest.port == 4711"
verdict = "deny"
reason = "not that one"
)toml")));
    Connection one(gateway, "8.8.8.8");
    one.agent.say("x");
    CHECK(one.agent.is_reset());
    CHECK(nobody_came(up.eight));
    CHECK(gateway.audit_text().find("no-4711") != std::string::npos);
  });
}

TEST_CASE("a flow that is asked to close before it is connected dials nobody") {
  in_namespaces([](Upstreams& up) {
    Running gateway(load(passthrough()));
    Connection one(gateway, "8.8.8.8");
    one.flow->ask_to_close("the operator said so");
    CHECK(one.agent.is_reset());
    CHECK(nobody_came(up.eight));
  });
}

TEST_CASE("a flow that is asked to close is cut on both sides") {
  in_namespaces([](Upstreams& up) {
    Running gateway(load(passthrough()));
    Connection one(gateway, "8.8.8.8");
    one.agent.say("x");
    Fd server = accepted(up.eight);
    CHECK(Agent::read_from(server, 1) == "x");
    one.flow->ask_to_close("the operator said so");
    CHECK(no_more_bytes(server));
    CHECK(one.agent.is_reset());
  });
}
