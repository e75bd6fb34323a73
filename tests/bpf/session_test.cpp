// netd's end of the daemon's socket and the daemon's own, against each other.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "bpf/shared.h"
#include "daemon/gateway/netd_session.h"
#include "daemon/netd/daemon_door.h"

using namespace clawpatrol;
using namespace clawpatrol::netd;

namespace {

struct TemporaryDirectory {
  char path[32] = "/tmp/netd-session-XXXXXX";
  TemporaryDirectory() { REQUIRE(::mkdtemp(path)); }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
};

PeerEntry entry(std::uint32_t id, const char* name, const char* address) {
  PeerEntry peer;
  peer.id = id;
  peer.name = name;
  peer.addresses = {*Address::parse(address)};
  return peer;
}

struct Gateway {
  TemporaryDirectory directory;
  Poller poller;
  std::vector<PeerEntry> peers{entry(1, "one", "10.86.0.2")};
  std::vector<Drop> drops;
  std::string reload_problem;
  int event = ::eventfd(0, EFD_CLOEXEC);
  DaemonDoor door;

  explicit Gateway(std::uint32_t uid = ::getuid())
      : door(poller, uid,
             {[this](std::uint32_t workers) -> std::expected<std::vector<HandedDescriptor>, Error> {
                std::vector<HandedDescriptor> list{{DescriptorRole::keep, 0, event},
                                                   {DescriptorRole::dns_udp_v6, 0, event}};
                for (std::uint32_t i = 0; i < workers; i++)
                  list.push_back({DescriptorRole::tcp_listener, i, event});
                return list;
              },
              [] {
                Message message;
                message.type = MessageType::welcome;
                message.welcome.incarnation = 42;
                Address address = *Address::parse("10.86.0.1");
                std::memcpy(message.welcome.address_v4, address.bytes.data(), 16);
                return message;
              },
              [this] { return peers; }, [this] { return drops; },
              [this] {
                ReloadAnswer answer{.done = reload_problem.empty(), .problems = {}};
                if (!answer.done) answer.problems.push_back(reload_problem);
                return answer;
              }}) {
    REQUIRE(door.open(path()));
  }
  ~Gateway() { ::close(event); }
  std::filesystem::path path() const { return std::filesystem::path(directory.path) / "netd.sock"; }

  NetdSession connect() {
    auto session = NetdSession::connect(path());
    REQUIRE(session);
    return std::move(*session);
  }
  // Lets both ends work until neither has anything to do.
  std::vector<SessionEvent> settle(NetdSession& session) {
    std::vector<SessionEvent> all;
    for (int quiet = 0; quiet < 200;) {  // a message need not be an event
      poller.turn(std::chrono::milliseconds(0));
      auto some = session.on_readable();
      quiet = some.empty() ? quiet + 1 : 0;
      for (SessionEvent& event_ : some) all.push_back(std::move(event_));
    }
    return all;
  }
};

template <class Kind>
std::vector<const Kind*> only(const std::vector<SessionEvent>& events) {
  std::vector<const Kind*> list;
  for (const SessionEvent& event : events)
    if (const Kind* kind = std::get_if<Kind>(&event)) list.push_back(kind);
  return list;
}

std::size_t open_descriptors() {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

// A raw caller, who says what a NetdSession never would.
struct Caller {
  Fd fd{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  explicit Caller(const Gateway& gateway) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, gateway.path().c_str(), sizeof address.sun_path - 1);
    REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  bool closed() {
    char byte;
    ssize_t size;
    while ((size = ::recv(fd.get(), &byte, 1, 0)) > 0) {
    }
    return size == 0 || errno == ECONNRESET;
  }
};

Message hello() {
  Message message;
  message.type = MessageType::hello;
  message.hello.workers = 2;
  return message;
}

}  // namespace

TEST_CASE("hello brings welcome, every descriptor and all peers") {
  Gateway gateway;
  NetdSession session = gateway.connect();
  REQUIRE(session.send_hello(3));
  auto events = gateway.settle(session);
  REQUIRE(only<SessionWelcome>(events).size() == 1);
  CHECK(only<SessionWelcome>(events)[0]->incarnation == 42);
  CHECK(only<SessionWelcome>(events)[0]->address_v4->text() == "10.86.0.1");
  CHECK_FALSE(only<SessionWelcome>(events)[0]->address_v6);
  CHECK(only<SessionListener>(events).size() == 3);
  CHECK(only<SessionListener>(events)[2]->worker == 2);
  CHECK(only<SessionKeep>(events).size() == 1);
  REQUIRE(only<SessionDnsSocket>(events).size() == 1);
  CHECK(only<SessionDnsSocket>(events)[0]->v6);
  REQUIRE(only<SessionPeers>(events).size() == 1);
  REQUIRE(only<SessionPeers>(events)[0]->peers.size() == 1);
  CHECK(only<SessionPeers>(events)[0]->peers[0].name == "one");
  CHECK(only<SessionPeers>(events)[0]->peers[0].addresses == std::vector{*Address::parse("10.86.0.2")});
}

TEST_CASE("changes of peers arrive as whole lists") {
  Gateway gateway;
  NetdSession session = gateway.connect();
  REQUIRE(session.send_hello(1));
  (void)gateway.settle(session);
  gateway.peers = {entry(2, "two", "fd86::3"), entry(3, "three", "10.86.0.4")};
  gateway.door.peers_changed();
  auto events = gateway.settle(session);
  REQUIRE(only<SessionPeers>(events).size() == 1);
  REQUIRE(only<SessionPeers>(events)[0]->peers.size() == 2);
  CHECK(only<SessionPeers>(events)[0]->peers[0].id == 2);
  std::uint64_t key = only<SessionPeers>(events)[0]->peers[0].key_fingerprint;
  gateway.peers[0].public_key = "another";
  gateway.door.peers_changed();
  auto again = gateway.settle(session);
  REQUIRE(only<SessionPeers>(again).size() == 1);
  CHECK(only<SessionPeers>(again)[0]->peers[0].key_fingerprint != key);
}

TEST_CASE("what an operator did is told, once there is a session") {
  Gateway gateway;
  gateway.door.operated(PeerOperation::add, 7, "too-early");
  NetdSession session = gateway.connect();
  REQUIRE(session.send_hello(1));
  (void)gateway.settle(session);
  gateway.door.operated(PeerOperation::remove, 1000, std::string(80, 'n'));
  auto events = gateway.settle(session);
  REQUIRE(only<SessionOperated>(events).size() == 1);
  CHECK(only<SessionOperated>(events)[0]->operation == PeerOperation::remove);
  CHECK(only<SessionOperated>(events)[0]->uid == 1000);
  CHECK(only<SessionOperated>(events)[0]->peer == std::string(63, 'n'));
}

TEST_CASE("statistics and reload are answered") {
  Gateway gateway;
  gateway.drops = {{1, DROP_UDP, 3, 300}, {0, DROP_SPOOFED, 1, 60}};
  gateway.reload_problem = std::string(500, 'x');
  NetdSession session = gateway.connect();
  REQUIRE(session.send_hello(1));
  (void)gateway.settle(session);
  REQUIRE(session.request_statistics());
  REQUIRE(session.request_reload());
  auto events = gateway.settle(session);
  REQUIRE(only<SessionStatistics>(events).size() == 1);
  REQUIRE(only<SessionStatistics>(events)[0]->rows.size() == 2);
  CHECK(only<SessionStatistics>(events)[0]->rows[0].reason_text == "UDP that is not DNS");
  REQUIRE(only<SessionReloaded>(events).size() == 1);
  CHECK(only<SessionReloaded>(events)[0]->problem == std::string(191, 'x'));
}

TEST_CASE("a thousand peers and more rows than a socket holds arrive whole") {
  Gateway gateway;
  gateway.peers.clear();
  for (std::uint32_t i = 1; i <= 4000; i++) gateway.peers.push_back(entry(i, "p", "10.86.0.2"));
  for (std::uint32_t i = 0; i < 9000; i++) gateway.drops.push_back({i, DROP_UDP, 1, 1});
  NetdSession session = gateway.connect();
  REQUIRE(session.send_hello(16));
  REQUIRE(session.request_statistics());
  auto events = gateway.settle(session);
  REQUIRE(only<SessionPeers>(events).size() == 1);
  CHECK(only<SessionPeers>(events)[0]->peers.size() == 4000);
  REQUIRE(only<SessionStatistics>(events).size() == 1);
  CHECK(only<SessionStatistics>(events)[0]->rows.size() == 9000);
}

TEST_CASE("attack 24: one session at a time, the next when the last is over") {
  Gateway gateway;
  NetdSession first = gateway.connect();
  REQUIRE(first.send_hello(1));
  CHECK(gateway.settle(first).size() > 2);
  NetdSession second = gateway.connect();
  REQUIRE(second.send_hello(1));
  CHECK(gateway.settle(second).empty());
  first = gateway.connect();  // the old one closes; the newest of those who wait is served
  REQUIRE(first.send_hello(1));
  CHECK(only<SessionWelcome>(gateway.settle(first)).size() == 1);
  CHECK(only<SessionClosed>(gateway.settle(second)).size() == 1);
}

TEST_CASE("attack 25: another uid is turned away") {
  Gateway gateway(::getuid() + 1);
  NetdSession session = gateway.connect();
  (void)session.send_hello(1);
  auto events = gateway.settle(session);
  CHECK(events.size() == 1);
  CHECK(only<SessionClosed>(events).size() == 1);
}

TEST_CASE("attack 25: a descriptor from the daemon is closed, and its session ended") {
  Gateway gateway;
  for (int count : {1, 2, 64}) {
    Caller caller(gateway);
    gateway.poller.turn(std::chrono::milliseconds(0));
    std::size_t before = open_descriptors();
    Message message = hello();
    std::vector<char> control(CMSG_SPACE(sizeof(int) * static_cast<std::size_t>(count)));
    iovec part{&message, sizeof message};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * static_cast<std::size_t>(count));
    for (int i = 0; i < count; i++)
      std::memcpy(CMSG_DATA(rights) + static_cast<std::size_t>(i) * sizeof(int), &gateway.event, sizeof(int));
    REQUIRE(::sendmsg(caller.fd.get(), &header, 0) > 0);
    gateway.poller.turn(std::chrono::milliseconds(0));
    CHECK(caller.closed());
    CHECK(open_descriptors() == before - 1);  // the session's own
  }
}

TEST_CASE("attack 25: messages out of turn and datagrams that are none end the session") {
  Gateway gateway;
  auto ends = [&](std::string_view datagram, bool after_hello) {
    Caller caller(gateway);
    Message first = hello();
    if (after_hello) REQUIRE(::send(caller.fd.get(), &first, sizeof first, 0) > 0);
    REQUIRE(::send(caller.fd.get(), datagram.data(), datagram.size(), 0) ==
            static_cast<ssize_t>(datagram.size()));
    for (int i = 0; i < 3; i++) gateway.poller.turn(std::chrono::milliseconds(0));
    return caller.closed();
  };
  auto bytes = [](const Message& message) {
    return std::string(reinterpret_cast<const char*>(&message), sizeof message);
  };
  Message statistics;
  statistics.type = MessageType::get_statistics;
  CHECK(ends(bytes(statistics), false));
  CHECK_FALSE(ends(bytes(statistics), true));
  CHECK(ends(bytes(hello()), true));
  CHECK(ends("x", false));
  CHECK(ends(bytes(hello()) + "x", false));
  CHECK(ends(std::string(65536, '\1'), true));
}

TEST_CASE("a daemon that does not read is let go, and netd's memory stays bounded") {
  Gateway gateway;
  for (std::uint32_t i = 0; i < 60000; i++) gateway.drops.push_back({i, DROP_UDP, 1, 1});
  Caller caller(gateway);
  Message message = hello();
  REQUIRE(::send(caller.fd.get(), &message, sizeof message, 0) > 0);
  message = Message();
  message.type = MessageType::get_statistics;
  for (int i = 0; i < 4; i++) {
    ::send(caller.fd.get(), &message, sizeof message, MSG_NOSIGNAL);
    gateway.poller.turn(std::chrono::milliseconds(0));
  }
  CHECK(caller.closed());
}
