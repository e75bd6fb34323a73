// A request with a credential, from the agent to the server and back.

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>
#include <future>
#include <vector>

#include "daemon/gateway/grant.h"
#include "tests/daemon/credentials/http/coded.h"
#include "tests/daemon/gateway/http/lab.h"

using namespace clawpatrol;
using namespace clawpatrol::http::lab;

namespace {

const std::string secret = "ghp_s3cretOfTheOperator0";

Setup with_credential(const std::string& lines) {
  Setup setup{.rules = allow_all};
  setup.settings = "[credential.pat]\nendpoint = \"api\"\n" + lines + "\n";
  setup.credentials = "\"pat\"";
  return setup;
}

void set(Gateway& gateway, const std::string& value = secret) {
  REQUIRE(gateway.shared().credentials->set("pat", value));
}

Setup with_aws(const std::string& rules = allow_all, const std::string& limits = "") {
  Setup setup = with_credential("type = \"aws\"");
  setup.rules = rules;
  setup.settings += limits;
  return setup;
}

void set_key(Gateway& gateway) {
  set(gateway, R"({"access_key_id":"AKIAREALREALREALREAL","secret_access_key":"wJalrXUtnFEMI/K7MDENG"})");
}

// Signed by the agent, in chunks, of which `size` bytes follow.
std::string put_chunks(const Gateway& gateway, std::size_t size) {
  return "PUT /b/k HTTP/1.1\r\nHost: " + gateway.authority() +
         "\r\nx-amz-date: 20130524T000000Z\r\nx-amz-content-sha256: "
         "STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\nContent-Length: " +
         std::to_string(size) +
         "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AGENT/20130524/us-east-1/s3/aws4_request, "
         "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=" +
         std::string(64, '0') + "\r\n\r\n";
}

std::string chunk_head(std::size_t size) {
  char digits[17];
  snprintf(digits, sizeof digits, "%zx", size);
  return std::string(digits) + ";chunk-signature=" + std::string(64, '0') + "\r\n";
}

std::string get(const Gateway& gateway, const std::string& fields, const std::string& target = "/") {
  return "GET " + target + " HTTP/1.1\r\nHost: " + gateway.authority() + "\r\n" + fields + "\r\n";
}

}  // namespace

TEST_CASE("a request gets its credential, and the agent none of it, whatever the server says") {
  Gateway gateway(with_credential("type = \"bearer\""));
  set(gateway);
  Side agent = gateway.agent();
  agent.send(
      get(gateway, "Authorization: Bearer {{pat}}\r\nRange: bytes=0-3\r\nAccept-Encoding: gzip, xz\r\n"));
  Side server = gateway.server();
  const std::string head = server.head();
  CHECK(head.find("Authorization: Bearer " + secret + "\r\n") != std::string::npos);
  CHECK(head.find("accept-encoding: identity\r\n") != std::string::npos);
  CHECK(head.find("Range: bytes=0-65539\r\n") != std::string::npos);
  server.send("HTTP/1.1 200 OK\r\nX-Echo: " + secret + "\r\nContent-Length: 30\r\n\r\n{\"" +
              secret.substr(0, 9));
  server.send(secret.substr(9) + "\"}\r\n");
  const std::string answer = agent.until("\"}\r\n");
  CHECK(answer.find("Content-Length: 30\r\n") != std::string::npos);
  CHECK(answer.find("X-Echo: {{pat}}*") != std::string::npos);
  CHECK(answer.find("{\"{{pat}}*") != std::string::npos);
  CHECK(answer.find(secret) == std::string::npos);

  agent.send(get(gateway, ""));
  CHECK(server.head().find("authorization: Bearer " + secret + "\r\n") != std::string::npos);
  const std::string body = tests::coded("gzip", "<" + secret + ">");
  server.send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n\r\n" + body);
  const std::string plain = agent.until("0\r\n\r\n");
  CHECK(plain.find("<{{pat}}*****************>") != std::string::npos);
  CHECK(plain.find("gzip") == std::string::npos);
  CHECK(gateway.logs(R"("type":"outcome")"));
  CHECK(gateway.log().contains(R"("credential":"pat")"));
  CHECK_FALSE(gateway.log().contains(secret));
}

TEST_CASE(
    "attack 16: a placeholder out of its place is refused, in a body too, and the server sees none of it") {
  Gateway gateway(with_credential("type = \"bearer\""));
  set(gateway);
  Side agent = gateway.agent();
  agent.send(get(gateway, "User-Agent: {{pat}}\r\n"));
  CHECK(agent.head().starts_with("HTTP/1.1 403 "));
  CHECK(gateway.server_is_quiet());

  Side other = gateway.agent();
  other.send("POST / HTTP/1.1\r\nHost: " + gateway.authority() + "\r\nContent-Length: 100\r\n\r\nname={{p");
  Side server = gateway.server();
  server.head();
  other.send("at}}&more");
  CHECK(other.head().starts_with("HTTP/1.1 403 "));
  CHECK(server.rest() == "name=");
}

TEST_CASE("a credential that has no value refuses the request; it is never sent without") {
  Gateway gateway(with_credential("type = \"bearer\""));
  Side agent = gateway.agent();
  agent.send(get(gateway, ""));
  CHECK(agent.head().starts_with("HTTP/1.1 503 "));
  CHECK(gateway.server_is_quiet());
  set(gateway);
  Side again = gateway.agent();
  again.send(get(gateway, ""));
  Side server = gateway.server();
  CHECK(server.head().find(secret) != std::string::npos);
}

TEST_CASE("attack 15: a connection that a credential was sent on is not used with its next value") {
  Gateway gateway(with_credential("type = \"bearer\""));
  set(gateway);
  Side agent = gateway.agent();
  agent.send(get(gateway, ""));
  Side first = gateway.server();
  first.head();
  first.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  agent.until("ok");
  set(gateway, "another-s3cret-value");
  Side next = gateway.agent();
  next.send(get(gateway, ""));
  Side second = gateway.server();
  CHECK(second.head().find("Bearer another-s3cret-value") != std::string::npos);
}

TEST_CASE("attack 15: a connection to a server is of one peer, however like another's its requests are") {
  Gateway gateway(with_credential("type = \"bearer\""));
  set(gateway);
  auto ask = [&](std::uint32_t peer) {
    gateway.come_as(peer);
    Side agent = gateway.agent();
    agent.send(get(gateway, ""));
    return agent;
  };
  auto answer = [](Side& server, Side& agent) {
    CHECK(server.head().find(secret) != std::string::npos);
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    CHECK(agent.until("ok").starts_with("HTTP/1.1 200 "));
  };
  Side first = ask(7);
  Side of_first = gateway.server();
  answer(of_first, first);
  Side second = ask(8);
  Side of_second = gateway.server();  // a new one: the other is not taken
  answer(of_second, second);
  // Each peer's own is used again.
  for (auto [peer, server] : {std::pair(7u, &of_first), {8u, &of_second}}) {
    Side again = ask(peer);
    answer(*server, again);
    CHECK(gateway.server_is_quiet());
  }
}

TEST_CASE("attack 20: connections that rest under a credential end with its value") {
  Gateway gateway(with_credential("type = \"bearer\""));
  set(gateway);
  Side agent = gateway.agent();
  agent.send(get(gateway, ""));
  Side server = gateway.server();
  server.head();
  server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  agent.until("ok");
  agent.send(get(gateway, ""));  // the one before it rests by now
  server.head();
  server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  agent.until("ok");
  agent.hang_up();
  gateway.forget("pa");
  CHECK(server.is_quiet());
  gateway.forget("pat");
  CHECK(server.rest().empty());
  CHECK(gateway.server_is_quiet());
}

TEST_CASE("attack 20: a request ends with the value of the credential that it was given") {
  Gateway gateway(with_credential("type = \"bearer\""));
  set(gateway);
  Side agent = gateway.agent();
  agent.send(get(gateway, ""));
  Side server = gateway.server();
  server.head();
  server.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  agent.until("half");
  close_orphans(gateway.shared());
  server.send("more");
  agent.until("more");
  set(gateway, "another-s3cret-value");
  close_orphans(gateway.shared());
  agent.rest();
  CHECK(agent.was_reset());
}

TEST_CASE("attack 16: a part of a body that was not asked for in parts is withheld") {
  Gateway gateway(with_credential("type = \"bearer\""));
  set(gateway);
  Side agent = gateway.agent();
  agent.send(get(gateway, ""));
  Side server = gateway.server();
  server.head();
  server.send("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/9\r\nContent-Length: 4\r\n\r\nghp_");
  CHECK(agent.head().starts_with("HTTP/1.1 502 "));
}

TEST_CASE(
    "attack 16: half of a secret at the edge of a part is overwritten, and the part is what was asked for") {
  Gateway gateway(with_credential("type = \"bearer\""));
  set(gateway);
  Side agent = gateway.agent();
  agent.send(get(gateway, "Range: bytes=2-5\r\n"));
  Side server = gateway.server();
  server.head();
  const std::string body = "<" + secret + ">";
  const std::string size = std::to_string(body.size());
  server.send("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-" + std::to_string(body.size() - 1) +
              "/" + size + "\r\nContent-Length: " + size + "\r\n\r\n" + body);
  const std::string head = agent.head();
  CHECK(head.starts_with("HTTP/1.1 206 "));
  CHECK(head.find("Content-Range: bytes 2-5/" + size + "\r\n") != std::string::npos);
  CHECK(head.find("Content-Length: 4\r\n") != std::string::npos);
  CHECK(agent.exactly(4) == "{pat");
}

TEST_CASE("a credential whose place is in the body goes there, and the length is put right") {
  Gateway gateway(with_credential("type = \"bearer\"\nat = \"json:/auth/token\""));
  set(gateway);
  Side agent = gateway.agent();
  const std::string body = R"({"auth": {"token": "{{pat}}"}})";
  agent.send("POST / HTTP/1.1\r\nHost: " + gateway.authority() +
             "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  Side server = gateway.server();
  const std::string wanted = R"({"auth": {"token": ")" + secret + "\"}}";
  CHECK(server.head().find("Content-Length: " + std::to_string(wanted.size()) + "\r\n") != std::string::npos);
  CHECK(server.exactly(wanted.size()) == wanted);
}

TEST_CASE(
    "attack 16: what a server kept of one request is not shown to the next, which gets another or none") {
  Setup setup = with_credential(
      "type = \"header\"\nname = \"X-Small\"\ninject = \"placeholder\"\n"
      "[credential.other]\nendpoint = \"api\"\ntype = \"bearer\"\n"
      "inject = \"placeholder\"");
  setup.credentials = "\"pat\", \"other\"";
  Gateway gateway(setup);
  set(gateway);
  REQUIRE(gateway.shared().credentials->set("other", "the-0ther-s3cret"));
  for (const char* fields : {"Range: bytes=0-3\r\n", "Authorization: Bearer {{other}}\r\n"}) {
    Side agent = gateway.agent();
    agent.send(get(gateway, fields));
    Side server = gateway.server();
    const std::string head = server.head();
    CHECK(head.find("Range: bytes=0-3\r\n") == std::string::npos);
    CHECK(head.find("accept-encoding: identity\r\n") != std::string::npos);
    server.send("HTTP/1.1 200 OK\r\nX-Last: " + secret + "\r\nContent-Length: 43\r\n\r\n<" + secret +
                "|the-0ther-s3cret>");
    const std::string answer = agent.until("*>");
    CHECK(answer.find("X-Last: {{pat}}*") != std::string::npos);
    CHECK(answer.find("|{{other}}*") != std::string::npos);
    CHECK(answer.find(secret) == std::string::npos);
    CHECK(answer.find("the-0ther") == std::string::npos);
  }
}

TEST_CASE("a credential that cannot be read does not keep a request from going without it") {
  Gateway gateway(with_credential("type = \"bearer\"\ninject = \"placeholder\""));
  Side agent = gateway.agent();
  agent.send(get(gateway, ""));
  Side server = gateway.server();
  server.head();
  server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  CHECK(agent.until("ok").starts_with("HTTP/1.1 200 "));
}

TEST_CASE("a body that was held in part goes up whole and once, though its end could begin a placeholder") {
  Setup setup = with_credential(
      "type = \"bearer\"\nplaceholder = \"{{placeholder}}\"\n"
      "[limits]\nbody_inspect = \"1KiB\"\nbody_wait = \"200ms\"");
  setup.settings +=
      "[credential.deep]\nendpoint = \"api\"\ntype = \"bearer\"\nat = \"json:/token\"\n"
      "inject = \"placeholder\"\n";
  setup.credentials = "\"pat\", \"deep\"";
  Gateway gateway(setup);
  set(gateway);
  const std::string begin(1000, 'a'), middle = "aaaaaaaaaaaaaaaaaaaaaaaaa{{placehol", end = "es are sought";
  Side agent = gateway.agent();
  agent.send("POST / HTTP/1.1\r\nHost: " + gateway.authority() + "\r\nTransfer-Encoding: chunked\r\n\r\n");
  agent.send("40b\r\n" + begin + middle + "\r\nd\r\n");
  Side server = gateway.server();
  server.head();
  agent.send(end + "\r\n0\r\nAuthorization: Bearer mine\r\nX-Note: {{pat}}\r\n\r\n");
  const std::string sent = server.until("0\r\n\r\n");
  std::string body;
  for (std::size_t at = 0; at < sent.size();) {
    const std::size_t line = sent.find("\r\n", at);
    const std::size_t size = std::stoul(sent.substr(at, line - at), nullptr, 16);
    body += sent.substr(line + 2, size);
    at = line + 4 + size;
  }
  CHECK(body == begin + middle + end);
  CHECK(sent.find("mine") == std::string::npos);
  CHECK(sent.find("X-Note") == std::string::npos);
}

TEST_CASE("attack 18: nothing that a server reads as our slot goes up beside it") {
  Gateway gateway(with_credential("type = \"header\"\nname = \"X-Small\""));
  set(gateway);
  Side agent = gateway.agent();
  agent.send(get(gateway, "X_Small: agent\r\nx-small: agent\r\n"));
  Side server = gateway.server();
  const std::string head = server.head();
  CHECK(head.find("x-small: " + secret + "\r\n") != std::string::npos);
  CHECK(head.find("agent") == std::string::npos);

  Gateway by_query(with_credential("type = \"query\"\nname = \"key\""));
  set(by_query);
  Side asker = by_query.agent();
  asker.send(get(by_query, "", "/?KEY=agent&a=1&key=agent"));
  Side asked = by_query.server();
  CHECK(asked.head().starts_with("GET /?key=" + secret + "&a=1 HTTP/1.1\r\n"));
}

TEST_CASE("a body of signed chunks that is none is refused, and why is said") {
  Gateway gateway(with_aws());
  set_key(gateway);
  const std::string body = chunk_head(3) + "abcd\r\n" + chunk_head(0) + "\r\n";
  Side agent = gateway.agent();
  agent.send(put_chunks(gateway, body.size()) + body);
  const std::string answer = agent.until("}");
  CHECK(answer.starts_with("HTTP/1.1 400 "));
  CHECK(answer.contains("a chunk that does not end where it says"));
}

TEST_CASE("attack 28: chunks that wait to be whole count for their peer, and have a bound") {
  Gateway gateway(with_aws(allow_all, "[limits]\nupstream_per_peer = 200\n"));
  set_key(gateway);
  const std::string part = chunk_head(1 << 20) + std::string((1 << 20) - 1, 'a');
  std::vector<Side> agents, servers;
  bool refused = false;
  for (int i = 0; i < 150 && !refused; ++i) {
    Side& agent = agents.emplace_back(gateway.agent());
    agent.send(put_chunks(gateway, 2 << 20) + part);
    servers.push_back(gateway.server());
    servers.back().head();
    if (i >= 50) refused = !agent.is_quiet();
  }
  REQUIRE(refused);
  CHECK_THAT(agents.back().until("}"), Catch::Contains("Too much of this peer's bodies"));
  agents.clear();
  Side again = gateway.agent();
  const std::string body = chunk_head(3) + "abc\r\n" + chunk_head(0) + "\r\n";
  again.send(put_chunks(gateway, body.size()) + body);
  Side server = gateway.server();
  server.head();
  CHECK(server.exactly(body.size()).starts_with("3;chunk-signature="));
}

TEST_CASE("attack 28: while many chunks are signed others have their turns") {
  Gateway gateway(with_aws(R"toml(
[[rule]]
name = "body"
endpoint = "api"
condition = "http.body == 'nothing'"
verdict = "allow"

[[rule]]
name = "rest"
endpoint = "api"
verdict = "allow"
)toml",
                           "[limits]\nbody_inspect = \"32MiB\"\n"));
  set_key(gateway);
  std::string body;
  for (int i = 0; i < 100'000; ++i) body += chunk_head(1) + "a\r\n";
  body += chunk_head(0) + "\r\n";
  Side agent = gateway.agent();
  agent.send(put_chunks(gateway, body.size()));
  auto sending = std::async(std::launch::async, [&] { agent.send(body); });
  Side server = gateway.server();
  server.head();
  const auto begun = std::chrono::steady_clock::now();
  std::size_t came = 0;
  auto taking = std::async(std::launch::async, [&] {
    came = server.exactly(body.size()).size();
    return std::chrono::steady_clock::now() - begun;
  });
  gateway.come_as(lab::other);
  auto longest = std::chrono::steady_clock::duration::zero();
  do {
    const auto asked = std::chrono::steady_clock::now();
    Side other = gateway.agent();
    other.send("BAD\r\n\r\n");
    CHECK(other.head().starts_with("HTTP/1.1 400"));
    longest = std::max(longest, std::chrono::steady_clock::now() - asked);
  } while (taking.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready);
  CHECK(longest * 4 < taking.get());
  CHECK(came == body.size());
}
