// Attack 28: what takes long to read is read beside the ring, where it holds up no other peer.
#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <utility>

#include "daemon/gateway/analysts.h"
#include "tests/daemon/credentials/http/coded.h"
#include "tests/daemon/gateway/http/lab.h"

using namespace clawpatrol::http::lab;

namespace {

const char* by_json = R"toml(
[[rule]]
name = "json"
endpoint = "api"
condition = "http.method == 'POST' && http.body_json.op == 'drop'"
verdict = "deny"
reason = "Nothing is dropped here"

[[rule]]
name = "messages"
endpoint = "api"
on = ["message"]
condition = "ws.json.op == 'drop'"
verdict = "deny"
reason = "Nothing is dropped here"

[[rule]]
name = "rest"
endpoint = "api"
verdict = "allow"
)toml";

Setup with_credential(const std::string& rules, const std::string& lines) {
  return {.rules = rules,
          .settings = "[credential.pat]\nendpoint = \"api\"\ntype = \"bearer\"\n" + lines + "\n",
          .credentials = "\"pat\""};
}

// All threads that read long bodies, kept from it.
class Occupied {
 public:
  explicit Occupied(Gateway& gateway) {
    for (int i = 0; i < 2; ++i) {
      auto begun = std::make_shared<std::promise<void>>();
      gateway.shared().analysts->start(0, 0, [begun, free = std::shared_future(may_go_on_)] {
        begun->set_value();
        free.wait();
      });
      begun->get_future().wait();
    }
  }
  ~Occupied() { release(); }
  void release() {
    if (!std::exchange(released_, true)) free_.set_value();
  }

 private:
  std::promise<void> free_;
  std::shared_future<void> may_go_on_ = free_.get_future().share();
  bool released_ = false;
};

std::string names(int count, const std::string& last) {
  std::string text = "{";
  for (int i = 0; i < count; ++i) text += "\"" + std::to_string(i) + "\":1,";
  return text + last + "}";
}

// The request is not read while those threads are busy, the next agent's goes on, and the first goes on once
// they are free. Its bytes, as the server gets them.
std::string read_beside(Gateway& gateway, const std::string& request, const std::string& end) {
  Occupied threads(gateway);
  Side first = gateway.agent();
  first.send(request);
  Side second = gateway.agent();
  second.send("GET / HTTP/1.1\r\nHost: " + gateway.authority() + "\r\n\r\n");
  CHECK(gateway.server().head().starts_with("GET "));
  CHECK(gateway.server_is_quiet());
  threads.release();
  return gateway.server().until(end);
}

}  // namespace

TEST_CASE("attack 28: a long body that rules read is read beside the ring") {
  Gateway gateway({.rules = by_json});
  const std::string long_body = names(2000, R"("op":"say")");
  CHECK(read_beside(gateway, post(gateway, long_body), "say\"}").ends_with(long_body));
  // Much is short while it is coded.
  const std::string coded = clawpatrol::tests::coded("gzip", names(300, R"("op":"say")"));
  REQUIRE(coded.size() < clawpatrol::Analysts::longest_at_once);
  CHECK(read_beside(gateway, post(gateway, coded, "Content-Encoding: gzip\r\n"), coded).ends_with(coded));

  Side agent = gateway.agent();
  agent.send(post(gateway, names(2000, R"("op":"drop")")));
  CHECK(agent.until("Nothing is dropped here").starts_with("HTTP/1.1 403"));
}

TEST_CASE("attack 28: a placeholder in a long body is looked for beside the ring") {
  Gateway gateway(with_credential(allow_all, "at = \"json:/key\""));
  REQUIRE(gateway.shared().credentials->set("pat", "s3cret-value"));
  const std::string sent = read_beside(gateway, post(gateway, names(2000, R"("key":"{{pat}}")")), "}");
  CHECK(sent.ends_with(names(2000, R"("key":"s3cret-value")")));
}

TEST_CASE("a placeholder in a long body that rules read, out of its place, is refused") {
  Gateway gateway(with_credential(by_json, "inject = \"placeholder\""));
  Side agent = gateway.agent();
  agent.send(post(gateway, names(2000, R"("key":"{{pat}}")")));
  CHECK(agent.until("may.").starts_with("HTTP/1.1 403"));
}

TEST_CASE("attack 28: a long message is read beside the ring") {
  Gateway gateway({.rules = by_json});
  Opened ws = open_websocket(gateway);
  const std::string message = names(2000, R"("op":"say")");
  const auto size = static_cast<std::uint16_t>(message.size());
  const std::string frame =
      std::string{'\x81', '\xfe', static_cast<char>(size >> 8), static_cast<char>(size & 255)} +
      std::string(4, '\0') + message;
  Occupied threads(gateway);
  ws.agent.send(frame);
  Side second = gateway.agent();
  second.send("GET / HTTP/1.1\r\nHost: " + gateway.authority() + "\r\n\r\n");
  CHECK(gateway.server().head().starts_with("GET "));
  CHECK(ws.server.is_quiet());
  threads.release();
  CHECK(ws.server.exactly(frame.size()) == frame);
}
