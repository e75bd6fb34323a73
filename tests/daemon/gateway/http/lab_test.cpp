#include "tests/daemon/gateway/http/lab.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <future>
#include <sstream>
#include <stdexcept>

#include "daemon/audit/budget.h"
#include "daemon/audit/log.h"
#include "daemon/gateway/analysts.h"
#include "daemon/gateway/dns/service.h"
#include "daemon/gateway/grant.h"
#include "daemon/gateway/http/handler.h"
#include "daemon/gateway/names.h"

namespace clawpatrol::http::lab {
namespace {

std::filesystem::path scratch() {
  std::string path = (std::filesystem::temp_directory_path() / "clawpatrol-http-XXXXXX").string();
  if (!::mkdtemp(path.data())) throw std::runtime_error("mkdtemp");
  return path;
}

std::pair<Fd, std::uint16_t> listen_on_loopback() {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(fd.get(), 64) != 0)
    throw std::runtime_error("listen");
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length);
  return {std::move(fd), ntohs(address.sin_port)};
}

bool wait_for(int fd, int ms) {
  pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, ms) > 0;
}

Task<void> stop(Worker& worker, Ring::Acceptor& acceptor) {
  co_await acceptor.close();
  co_await worker.flows().join();
  worker.ring().stop();
}

}  // namespace

void Side::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

bool Side::fill() {
  if (!wait_for(socket_.get(), 10'000))
    throw std::runtime_error("nothing in ten seconds; so far: " + buffer_);
  char part[65536];
  const ssize_t count = ::recv(socket_.get(), part, sizeof part, 0);
  if (count < 0) was_reset_ = true;
  if (count <= 0) return false;
  buffer_.append(part, static_cast<std::size_t>(count));
  return true;
}

std::string Side::until(std::string_view end) {
  while (true) {
    const std::size_t at = buffer_.find(end);
    if (at != std::string::npos) {
      std::string found = buffer_.substr(0, at + end.size());
      buffer_.erase(0, at + end.size());
      return found;
    }
    if (!fill()) return std::exchange(buffer_, {});
  }
}

std::string Side::exactly(std::size_t count) {
  while (buffer_.size() < count)
    if (!fill()) return std::exchange(buffer_, {});
  std::string found = buffer_.substr(0, count);
  buffer_.erase(0, count);
  return found;
}

std::string Side::rest() {
  while (fill()) {
  }
  return std::exchange(buffer_, {});
}

bool Side::is_quiet() {
  return buffer_.empty() && !wait_for(socket_.get(), 150);
}

void Side::end_sending() {
  ::shutdown(socket_.get(), SHUT_WR);
}

std::shared_ptr<Policy> Gateway::load(const std::string& rules) {
  const std::string text = R"(
schema = 1
[gateway]
endpoint = "gw.example.com:51820"
subnet = ["10.86.0.0/24"]
virtual = ["198.18.0.0/16"]
)" + setup_.of_gateway + R"(
[peer.tester]
profile = "data"
[profile.data]
endpoints = ["api"]
credentials = [)" + setup_.credentials +
                           R"(]
[endpoint.api]
type = ")" + setup_.type + R"("
hosts = [")" + authority() +
                           "\"]\n" + setup_.of_endpoint + "\n" + setup_.settings + rules;
  LoadResult loaded = load_policy_text(text, "clawpatrol.toml", LoadFor::judge);
  if (!loaded.policy) throw std::runtime_error(loaded.diagnostics.render());
  loaded.policy->generation = ++generation_;
  return loaded.policy;
}

Gateway::Gateway(Setup setup) : setup_(std::move(setup)), directory_(scratch()) {
  std::tie(server_listener_, server_port_) = listen_on_loopback();
  std::tie(listener_, port_) = listen_on_loopback();
  shared_.policy.replace(load(setup_.rules));
  shared_.peers.replace({Peer{.id = 7, .name = "tester", .addresses = {}, .key_fingerprint = 1}});
  shared_.audit = std::move(*audit::Log::open({.directory = directory_ / "audit",
                                               .key_file = directory_ / "audit.key",
                                               .segment_bytes = 64 << 20,
                                               .keep_bytes = 1 << 30,
                                               .reserve_bytes = 0,
                                               .warn = [](std::string_view) {},
                                               .on_head = {}}));
  shared_.audit_budget = std::make_unique<audit::PeerBudget>(
      audit::PeerBudget::Options{.bytes_per_second = 1, .burst = setup_.audit_bytes});
  shared_.credentials = std::move(*credentials::Store::open(directory_ / "credentials"));
  std::promise<void> ready;
  thread_ = std::thread([&] {
    worker_ = std::make_unique<Worker>(shared_, std::move(*Ring::create({})), 0);
    acceptor_ = std::make_unique<Ring::Acceptor>(worker_->ring(), listener_.get(),
                                                 [this](Fd socket) { accept(std::move(socket)); });
    worker_->ring().post([&] {
      acceptor_->start();
      ready.set_value();
    });
    worker_->ring().run();
  });
  ready.get_future().wait();
}

void Gateway::accept(Fd socket) {
  ClaimedFlow claimed;
  claimed.flow = shared_.flows.open(7, shared_.policy.current()->limits);
  if (!claimed.flow) return;
  claimed.flow->peer = "tester";
  claimed.flow->endpoint = "api";
  claimed.peer = shared_.peers.by_id(7);
  claimed.peer_facets = {.name = "tester", .profile = "data", .address = "127.0.0.1", .labels = {}};
  claimed.endpoint_facets = {.name = "api", .type = setup_.type};
  claimed.dest = {.host = "127.0.0.1", .port = server_port_};
  give_grant(
      shared_, *claimed.flow,
      Grant(*shared_.policy.current(), *claimed.peer, claimed.peer_facets.profile, "api", claimed.dest));
  auto stream = std::make_unique<Stream>(worker_->ring(), std::move(socket));
  worker_->flows().spawn(serve_http(*worker_, std::move(stream), std::move(claimed), setup_.version));
}

Gateway::~Gateway() {
  std::unique_ptr<TaskGroup> ending;
  for (const auto& flow : shared_.flows.all()) flow->ask_to_close("the test is over");
  worker_->ring().post([&] {
    ending = std::make_unique<TaskGroup>(worker_->ring());
    ending->spawn(stop(*worker_, *acceptor_));
  });
  thread_.join();
  ending = nullptr;
  acceptor_ = nullptr;
  worker_ = nullptr;
  shared_.audit = nullptr;
  std::filesystem::remove_all(directory_);
}

void Gateway::use(std::string rules) {
  shared_.policy.replace(load(rules));
}

Side Gateway::agent() const {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  return Side(std::move(fd));
}

Side Gateway::server() const {
  if (!wait_for(server_listener_.get(), 10'000)) throw std::runtime_error("no connection in ten seconds");
  return Side(Fd(::accept4(server_listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
}

bool Gateway::server_is_quiet() const {
  return !wait_for(server_listener_.get(), 150);
}

bool Gateway::logs(std::string_view text) const {
  for (int tries = 0; tries < 500; ++tries) {
    std::stringstream log;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ / "audit"))
      log << std::ifstream(entry.path()).rdbuf();
    if (log.str().contains(text)) return true;
    ::poll(nullptr, 0, 20);
  }
  return false;
}

}  // namespace clawpatrol::http::lab
