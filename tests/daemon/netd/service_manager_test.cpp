#include "daemon/netd/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "daemon/netd/configuration.h"
#include "daemon/netd/first_network.h"
#include "daemon/netd/sockets.h"
#include "tests/temporary_directory.h"

using namespace clawpatrol;
using namespace clawpatrol::netd;

namespace {

// systemd's end of the socket.
class Listener {
 public:
  Listener() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path().c_str());
    fd_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    REQUIRE(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  std::string path() const { return directory_.path / "notify"; }

  struct Heard {
    std::string text;
    bool with_descriptor;
  };
  Heard next() {
    char text[256];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    iovec part{text, sizeof text};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t size = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    REQUIRE(size >= 0);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
      ::close(fd);
    }
    return {std::string(text, static_cast<std::size_t>(size)), header != nullptr};
  }

 private:
  tests::TemporaryDirectory directory_;
  Fd fd_;
};

}  // namespace

TEST_CASE("systemd is told, and given descriptors by name") {
  Listener systemd;
  ::setenv("NOTIFY_SOCKET", systemd.path().c_str(), 1);
  ServiceManager service = ServiceManager::from_environment();
  CHECK(std::getenv("NOTIFY_SOCKET") == nullptr);
  service.notify("READY=1");
  CHECK(systemd.next().text == "READY=1");
  service.keep("listener-0", 0);
  auto kept = systemd.next();
  CHECK(kept.text == "FDSTORE=1\nFDNAME=listener-0\nFDPOLL=0");
  CHECK(kept.with_descriptor);
  service.forget("listener-0");
  auto forgotten = systemd.next();
  CHECK(forgotten.text == "FDSTOREREMOVE=1\nFDNAME=listener-0");
  CHECK_FALSE(forgotten.with_descriptor);
}

TEST_CASE("what systemd held is found by its name, once") {
  CHECK(held_names("2", "listener-0:lookup") == std::vector<std::string>{"listener-0", "lookup"});
  CHECK(held_names("2", "listener-0") == std::vector<std::string>{"listener-0", ""});
  CHECK(held_names("", "a").empty());
  CHECK(held_names("-1", "a").empty());
  CHECK(held_names("100000", "a").empty());
  CHECK(held_names("2x", "a:b").empty());
}

TEST_CASE("descriptors that are for another process are not taken") {
  ::setenv("LISTEN_PID", "1", 1);
  ::setenv("LISTEN_FDS", "1", 1);
  ::setenv("LISTEN_FDNAMES", "listener-0", 1);
  ServiceManager service = ServiceManager::from_environment();
  CHECK_FALSE(service.take("listener-0"));
  CHECK(std::getenv("LISTEN_FDS") == nullptr);
}

TEST_CASE("a descriptor that is not our listener is not taken for it") {
  Fd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK_FALSE(is_our_listener(fd.get()));
  REQUIRE(::listen(fd.get(), 1) == 0);  // on another port, and not transparent
  CHECK_FALSE(is_our_listener(fd.get()));
  CHECK_FALSE(is_our_listener(0));
}

TEST_CASE("the subnet of a first start overlaps nothing that the machine has a route to") {
  auto taken = [](std::vector<const char*> texts) {
    std::vector<Prefix> all;
    for (const char* text : texts) all.push_back(*Prefix::parse(text));
    return all;
  };
  CHECK(free_subnet(taken({}))->text() == "10.86.0.0/24");
  CHECK(free_subnet(taken({"10.86.0.0/16", "10.87.0.128/25"}))->text() == "10.88.0.0/24");
  CHECK(free_subnet(taken({"10.0.0.0/8"}))->text() == "172.16.0.0/24");
  CHECK(free_subnet(taken({"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/23"}))->text() == "192.168.2.0/24");
  CHECK_FALSE(free_subnet(taken({"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"})));
}

TEST_CASE("a first network is written where there is none, and nowhere else") {
  const tests::TemporaryDirectory directory;
  const std::filesystem::path& config = directory.path;
  auto put = [&](const char* file, const char* text) {
    FILE* out = std::fopen((config / file).c_str(), "w");
    REQUIRE(out);
    std::fputs(text, out);
    std::fclose(out);
  };
  put("clawpatrol.toml", "schema = 1\n");
  auto chosen = choose_first_network(config);
  REQUIRE(chosen);
  REQUIRE(*chosen);
  CHECK(says_its_network(config));
  CHECK(load_network(config));
  CHECK(**chosen != "");
  CHECK_FALSE(*choose_first_network(config));  // it is there
  std::filesystem::remove_all(config / "conf.d");
  put("clawpatrol.toml", "schema = 1\n[gateway]\nsubnet = [\"10.1.0.0/24\"]\nendpoint = \"a.example:1\"\n");
  CHECK_FALSE(*choose_first_network(config));
  CHECK_FALSE(std::filesystem::exists(config / "conf.d"));
  put("clawpatrol.toml", "schema = nonsense\n");
  CHECK_FALSE(*choose_first_network(config));  // the start says what is wrong
}
