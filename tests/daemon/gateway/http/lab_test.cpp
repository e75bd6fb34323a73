#include "tests/daemon/gateway/http/lab.h"

#include <poll.h>
#include <sys/socket.h>

#include <stdexcept>

#include "daemon/gateway/grant.h"
#include "daemon/gateway/http/handler.h"
#include "daemon/gateway/http/worker_state.h"
#include "tests/daemon/gateway/lab/loopback.h"
#include "tests/daemon/tls/pair.h"

namespace clawpatrol::http::lab {

using namespace clawpatrol::lab;

namespace {

Task<void> serve(Worker& worker, std::unique_ptr<Stream> stream, ClaimedFlow claimed, Version version,
                 Wire wire) {
  if (wire == Wire::tls) {
    static const tls::Serving serving = tls::serving("api.example");  // one leaf, as of a cache
    auto accepted =
        co_await stream->accept(tls::test_context(), serving, "", Deadline::after(std::chrono::seconds(10)));
    if (!accepted) co_return;
  }
  co_await serve_http(worker, std::move(stream), std::move(claimed), version);
}

}  // namespace

void Side::send(std::string_view bytes) {
  send_whole(socket_.get(), bytes);
}

bool Side::fill() {
  const Received received = receive_into(socket_.get(), buffer_);
  if (received == Received::reset) was_reset_ = true;
  return received == Received::some;
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
  return buffer_.empty() && !has_input(socket_.get(), 150);
}

void Side::end_sending() {
  ::shutdown(socket_.get(), SHUT_WR);
}

void Side::reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  hang_up();
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
[peer.other]
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

Gateway::Gateway(Setup setup) : setup_(std::move(setup)), serving_(setup_.audit_bytes) {
  std::tie(server_listener_, server_port_) = listen_on_loopback();
  shared().policy.replace(load(setup_.rules));
  serving_.start([this](Worker& worker, Fd socket) { accept(worker, std::move(socket)); });
}

void Gateway::accept(Worker& worker, Fd socket) {
  ClaimedFlow claimed = serving_.claim(peer_, "api", setup_.type, server_port_);
  if (!claimed.flow) return;
  give_grant(
      shared(), *claimed.flow,
      Grant(shared().policy.current(), *claimed.peer, claimed.peer_facets.profile, "api", claimed.dest));
  auto stream = std::make_unique<Stream>(worker.ring(), std::move(socket));
  worker.flows().spawn(serve(worker, std::move(stream), std::move(claimed), setup_.version, setup_.wire));
}

void Gateway::forget(const std::string& credential) {
  serving_.run_on_worker([&](Worker& worker) { worker.http().pool.forget(credential); });
}

void Gateway::use(std::string rules) {
  shared().policy.replace(load(rules));
}

Side connect_to(std::uint16_t port) {
  return Side(connect_to_loopback(port));
}

Side Gateway::server() const {
  if (!has_input(server_listener_.get(), 10'000)) throw std::runtime_error("no connection in ten seconds");
  return Side(Fd(::accept4(server_listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
}

bool Gateway::server_is_quiet() const {
  return !has_input(server_listener_.get(), 150);
}

std::string Gateway::log() const {
  return serving_.audit_log();
}

bool Gateway::logs(std::string_view text) const {
  for (int tries = 0; tries < 500; ++tries) {
    if (log().contains(text)) return true;
    ::poll(nullptr, 0, 20);
  }
  return false;
}

std::string post(const Gateway& gateway, const std::string& body, const std::string& fields) {
  return "POST /things HTTP/1.1\r\nHost: " + gateway.authority() + "\r\n" + fields +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

Opened open_websocket(const Gateway& gateway, const std::string& fields, const std::string& answer) {
  Side agent = gateway.agent();
  agent.send("GET /chat HTTP/1.1\r\nHost: " + gateway.authority() +
             "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
             fields + "\r\n");
  Side server = gateway.server();
  std::string request = server.head();
  server.send(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
      answer + "\r\n");
  std::string response = agent.head();
  return {std::move(agent), std::move(server), std::move(request), std::move(response)};
}

}  // namespace clawpatrol::http::lab
