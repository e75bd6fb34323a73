#include "parsers/http1/write.h"

#include <catch2/catch.hpp>

#include "parsers/http1/request.h"

using namespace clawpatrol;
using namespace clawpatrol::http1;

namespace {

http::RequestHead request(const std::string& bytes) {
  RequestReader reader;
  auto step = reader.next(bytes);
  REQUIRE(std::holds_alternative<Parsed<Event>>(step));
  return http::request_head(std::get<Head>(std::get<Parsed<Event>>(step).event));
}

std::string written(const http::RequestHead& head) {
  std::string out;
  auto done = append_request(out, head, 80);
  return done ? out : "refused: " + std::string(done.error());
}

std::string written(const http::ResponseHead& head, const ResponseForm& form) {
  std::string out;
  auto done = append_response(out, head, form);
  return done ? out : "refused: " + std::string(done.error());
}

const std::string cannot = "refused: the request cannot be written in HTTP/1.1 as it was judged";

}  // namespace

TEST_CASE("a request is written anew: without what was for the connection, in order, with one framing") {
  CHECK(written(request("POST http://Api.example.:80/a%2e?b=c HTTP/1.1\r\nX-A: 1\r\nhost: api.example:80\r\n"
                        "Connection: keep-alive, TE\r\nTE: trailers\r\nKeep-Alive: 5\r\nx-a: 2\r\n"
                        "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")) ==
        "POST /a%2e?b=c HTTP/1.1\r\nHost: api.example\r\nX-A: 1\r\nTE: trailers\r\nx-a: 2\r\n"
        "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\nConnection: TE\r\n\r\n");
  CHECK(written(request("PUT /? HTTP/1.1\r\nHost: [::1]:8080\r\nContent-Length: 0\r\nUpgrade: x\r\n\r\n")) ==
        "PUT /? HTTP/1.1\r\nHost: [::1]:8080\r\nContent-Length: 0\r\n\r\n");
  CHECK(written(request(
            "GET http://a?q HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\n")) ==
        "GET /?q HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
}

TEST_CASE("a head that would be read as another is not written") {
  http::RequestHead head = request("GET /x HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n");
  CHECK(written(head) == "GET /x HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n");
  const std::pair<const char*, const char*> fields[] = {
      {"X", "a\r\nY: b"},
      {"X", "a\r\n\r\nGET / HTTP/1.1"},
      {"X y", "a"},
      {"Transfer-Encoding", "chunked"},
      {"Content-Length", "5"},
      {"Host", "b"},
      {"", "a"},
      {"X:", "a"},
      {"X\r\n", "a"},
      {"content_length", "1"},
  };
  for (const auto& [name, value] : fields) {
    http::RequestHead changed = head;
    changed.fields.push_back({name, value});
    CAPTURE(name, value);
    CHECK(written(changed) == cannot);
  }
  head.fields[0].value = std::string("a\0b", 3);
  CHECK(written(head) == cannot);
  head.fields.clear();
  for (const char* target : {"/a b", "/a\r\nX: y", "//a HTTP/1.1\r\nX: ", "", "a", "/a#b", "http://b/"}) {
    CAPTURE(target);
    head.target = target;
    CHECK(written(head) == cannot);
  }
  head.target = "/";
  for (const char* method : {"get", "GET /", "", "CONNECT"}) {
    head.method = method;
    CHECK(written(head) == cannot);
  }
}

TEST_CASE("a response is written with the one way in which the agent learns where it ends") {
  http::ResponseHead head{
      .status = 200, .fields = {{"X-A", "1"}}, .has_body = true, .content_length = {}, .upgrade = {}};
  CHECK(written(head, {.end = BodyEnd::chunked, .connection = ""}) ==
        "HTTP/1.1 200 OK\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
  CHECK(written(head, {.end = BodyEnd::by_close, .connection = "close"}) ==
        "HTTP/1.1 200 OK\r\nX-A: 1\r\nConnection: close\r\n\r\n");
  CHECK(written(head, {.end = BodyEnd::none, .connection = "", .asked = Asked::head}) ==
        "HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n");
  CHECK(written(head, {.end = BodyEnd::length, .connection = ""}) ==
        "HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 0\r\n\r\n");
  // Which would last until the connection ends.
  CHECK(written(head, {.end = BodyEnd::none, .connection = ""}).starts_with("refused"));
  head.content_length = 5;
  CHECK(written(head, {.end = BodyEnd::length, .connection = "keep-alive"}) ==
        "HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n");
  CHECK(written(head, {.end = BodyEnd::none, .connection = "", .asked = Asked::head}) ==
        "HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 5\r\n\r\n");
  CHECK(written(head, {.end = BodyEnd::none, .connection = ""}).starts_with("refused"));
  head = {.status = 101, .fields = {}, .has_body = false, .content_length = {}, .upgrade = "websocket"};
  CHECK(written(head, {.end = BodyEnd::none, .connection = "Upgrade"}) ==
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  head = {.status = 200,
          .fields = {{"X", "a\r\nSet-Cookie: b"}},
          .has_body = false,
          .content_length = {},
          .upgrade = {}};
  CHECK(written(head, {}).starts_with("refused"));
}

TEST_CASE("fields that are for a connection, and those that a trailer may not bring, are not handed on") {
  const std::string bytes =
      "HTTP/1.1 200 OK\r\nConnection: x-hop, close\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: a\r\n"
      "Upgrade: h2c\r\nX-End: 2\r\nContent-Length: 3\r\n\r\n";
  auto start = read_response_start(bytes, Asked::ordinary);
  REQUIRE(start);
  http::ResponseHead head = http::response_head(*start, Asked::ordinary);
  CHECK(head.fields == http::Fields{{"X-End", "2"}});
  CHECK(head.content_length == 3);
  CHECK(head.has_body);
  CHECK(head.upgrade.empty());
  End end;
  end.trailers = {
      {"X-Sum", "1"}, {"Set-Cookie", "a=b"}, {"Content-Length", "7"}, {"Transfer-Encoding", "chunked"}};
  CHECK(http::trailers_of(end) == http::Fields{{"X-Sum", "1"}});
}
