#include "daemon/http2/session.h"

#include <malloc.h>

#include <catch2/catch.hpp>

#include "tests/daemon/http2/frames.h"

using namespace clawpatrol;
using namespace clawpatrol::http2;
using namespace clawpatrol::tests;
using http::Fields;

namespace {

using namespace std::chrono_literals;
const Clock::time_point start = Clock::time_point(1h);

http::RequestHead request(const std::string& method, const std::string& target, bool body) {
  http::RequestHead head;
  head.method = method;
  head.target = target;
  head.authority.host = "a";
  head.fields = {{"X-Sent", "As-Is"}};
  head.has_body = body;
  return head;
}

http::ResponseHead response(int status, bool body) {
  http::ResponseHead head;
  head.status = status;
  head.fields = {{"Content-Type", "text/plain"}};
  head.has_body = body;
  return head;
}

std::string shown(const Fields& fields) {
  std::string out;
  for (const auto& field : fields) out += " " + field.name + "=" + field.value;
  return out;
}

std::string shown(const Event& event) {
  struct {
    std::string operator()(const RequestCame& e) {
      return std::to_string(e.stream) + " " + e.head.method + " " + e.head.authority.host + e.head.target +
             shown(e.head.fields) + (e.head.has_body ? " body" : "");
    }
    std::string operator()(const RequestRefused& e) {
      return std::to_string(e.stream) + " refused: " + std::string(e.why);
    }
    std::string operator()(const ResponseCame& e) {
      return std::to_string(e.stream) + " " + std::to_string(e.head.status) + shown(e.head.fields);
    }
    std::string operator()(const DataCame& e) {
      return std::to_string(e.stream) + " data " + std::string(e.bytes);
    }
    std::string operator()(const BodyEnded& e) {
      return std::to_string(e.stream) + " end" + shown(e.trailers);
    }
    std::string operator()(const Closed& e) {
      return std::to_string(e.stream) + " closed " + std::to_string(e.code);
    }
    std::string shown(const Fields& fields) { return ::shown(fields); }
  } show;
  return std::visit(show, event) + "\n";
}

void receive_all(Session& session, std::string_view bytes, Clock::time_point now) {
  while (session.receive(bytes, now)) {
  }
}

// Two sessions that hear each other, all at once or a few bytes at a time.
struct Pair {
  Session server{Role::server, Scheme::https, Limits{}};
  Session client{Role::client, Scheme::https, Limits{}};
  std::string server_heard, client_heard;

  void exchange(std::size_t at_a_time = 1 << 20) {
    for (int i = 0; i < 20; ++i) {
      carry(client, server, client_heard, server_heard, at_a_time);
      carry(server, client, server_heard, client_heard, at_a_time);
    }
  }
  static void carry(Session& from, Session& to, std::string& sender_heard, std::string& heard,
                    std::size_t at_a_time) {
    std::string bytes;
    from.take_output(bytes, 1 << 20);
    for (const Event& event : from.take_events()) sender_heard += shown(event);  // what ended by being sent
    for (std::size_t at = 0; at < bytes.size(); at += at_a_time) {
      const std::string piece = bytes.substr(at, at_a_time);
      receive_all(to, piece, start);
      CHECK(to.failure() == "");
      for (const Event& event : to.take_events()) {
        heard += shown(event);
        if (auto* came = std::get_if<DataCame>(&event)) to.consumed(came->stream, came->bytes.size());
      }
    }
  }
};

struct Heard {
  std::string events;
  std::string why;  // "": nothing was wrong with the connection
  std::string answer;
};

// What a server makes of bytes; `step` of them at a time.
Heard hear(const std::string& bytes, std::size_t step = 1 << 20, Limits limits = {}) {
  Session server(Role::server, Scheme::https, limits);
  Heard heard;
  for (std::size_t at = 0; at < bytes.size() && heard.why.empty(); at += step) {
    const std::string piece = bytes.substr(at, step);
    receive_all(server, piece, start);
    server.take_output(heard.answer, 1 << 20);
    heard.why = server.failure();
    CHECK(heard.why.empty() == !server.over());
    for (const Event& event : server.take_events()) heard.events += shown(event);
  }
  return heard;
}

bool resets(const Heard& heard, int stream, char code) {
  const std::string payload{'\0', '\0', '\0', code};
  return heard.answer.contains(frame(rst_stream, 0, stream, payload));
}

}  // namespace

TEST_CASE("a request, its body and trailers, and the response to it, however the bytes are cut") {
  for (std::size_t cut : {1, 2, 3, 7, 9, 10, 64, 1 << 20}) {
    Pair pair;
    const auto stream = pair.client.request(request("POST", "/x?y", true));
    REQUIRE(stream);
    pair.client.write(*stream, "abc");
    pair.exchange(cut);
    pair.client.write(*stream, "def");
    pair.client.finish(*stream, {{"X-Sum", "6"}});
    pair.exchange(cut);
    CHECK(pair.server_heard.starts_with("1 POST a/x?y x-sent=As-Is body\n"));
    CHECK(pair.server_heard.ends_with("1 end x-sum=6\n"));
    pair.server.respond(*stream, response(103, false));
    pair.server.respond(*stream, response(200, true));
    pair.server.write(*stream, "ghi");
    pair.server.finish(*stream, {{"grpc-status", "0"}});
    pair.exchange(cut);
    CHECK(pair.client_heard.starts_with(
        "1 103 content-type=text/plain\n1 200 content-type=text/plain\n1 data g"));
    CHECK(pair.client_heard.ends_with("1 end grpc-status=0\n1 closed 0\n"));
    CHECK(pair.server_heard.ends_with("1 closed 0\n"));
    CHECK(pair.client.unsent(*stream) == 0);
  }
}

TEST_CASE("a small request that goes on behind its response ends by itself, and nobody hears the rest") {
  Pair pair;
  const auto stream = pair.client.request(request("POST", "/", true));
  pair.client.write(*stream, "abc");
  pair.exchange();
  pair.server.respond(*stream, response(413, false));
  pair.exchange();
  CHECK(pair.client_heard == "1 413 content-type=text/plain\n1 end\n");
  pair.client.write(*stream, "rest");
  pair.client.finish(*stream, {});
  pair.exchange();
  CHECK(pair.client_heard.ends_with("1 closed 0\n"));
  CHECK(pair.server_heard.ends_with("1 data abc\n1 end\n1 closed 0\n"));
}

TEST_CASE("a large request that goes on behind its response is broken off behind it") {
  Pair pair;
  const auto stream = pair.client.request(request("POST", "/", true));
  pair.exchange();
  pair.server.respond(*stream, response(413, false));
  pair.client.write(*stream, std::string(4 << 20, 'x'));
  pair.exchange();
  CHECK(pair.client_heard == "1 413 content-type=text/plain\n1 end\n1 closed 0\n");
  CHECK_FALSE(pair.client.is_open(*stream));
}

TEST_CASE("a request that is not wanted any more is broken off behind its answer, not before") {
  Pair pair;
  const auto stream = pair.client.request(request("POST", "/", true));
  pair.exchange();
  pair.server.respond(*stream, response(403, true));
  pair.server.write(*stream, "no");
  pair.server.finish(*stream, {});
  pair.server.break_off_request(*stream);
  pair.exchange();
  CHECK(pair.client_heard == "1 403 content-type=text/plain\n1 data no\n1 end\n1 closed 0\n");
}

TEST_CASE("a sender gets no further than what has been consumed, and a window") {
  Pair pair;
  const auto stream = pair.client.request(request("POST", "/", true));
  const std::string megabytes(4 << 20, 'x');
  pair.client.write(*stream, megabytes);
  std::size_t came = 0;
  for (int turn = 0; turn < 10; ++turn) {
    std::string bytes;
    pair.client.take_output(bytes, 8 << 20);
    receive_all(pair.server, bytes, start);
    for (const Event& event : pair.server.take_events())
      if (auto* data = std::get_if<DataCame>(&event)) came += data->bytes.size();
    bytes.clear();
    pair.server.take_output(bytes, 1 << 20);
    receive_all(pair.client, bytes, start);
  }
  CHECK(came == Limits{}.request_window);
  CHECK(pair.client.unsent(*stream) == megabytes.size() - came);
  pair.server.consumed(*stream, came);
  std::string bytes;
  pair.server.take_output(bytes, 1 << 20);
  receive_all(pair.client, bytes, start);
  bytes.clear();
  pair.client.take_output(bytes, 8 << 20);
  CHECK(bytes.size() > came);
}

TEST_CASE("what has been sent is not kept, though the reader never catches up") {
  Pair pair;
  const auto stream = pair.client.request(request("POST", "/", true));
  pair.client.write(*stream, std::string(128 << 10, 'x'));
  const std::size_t before = mallinfo2().uordblks;
  std::string bytes;
  for (int turn = 0; turn < 2000; ++turn) {  // 64 MB, and there is always something left
    bytes.clear();
    pair.client.take_output(bytes, 32 << 10);
    receive_all(pair.server, bytes, start);
    std::size_t came = 0;
    for (const Event& event : pair.server.take_events())
      if (auto* data = std::get_if<DataCame>(&event)) came += data->bytes.size();
    pair.server.consumed(*stream, came);
    bytes.clear();
    pair.server.take_output(bytes, 1 << 20);
    receive_all(pair.client, bytes, start);
    pair.client.write(*stream, std::string(came, 'x'));
    REQUIRE(pair.client.unsent(*stream) == 128 << 10);
  }
  CHECK(mallinfo2().uordblks < before + (1 << 20));
}

TEST_CASE("what waits behind a closed stream is given back to the connection") {
  Pair pair;
  for (int i = 0; i < 90; ++i) {  // 5 MiB in all, of a window of 1
    const auto stream = pair.client.request(request("POST", "/", true));
    REQUIRE(stream);
    pair.client.write(*stream, std::string(60'000, 'x'));
    pair.client.finish(*stream, {});
    pair.exchange();
    CHECK(pair.server_heard.ends_with(std::to_string(*stream) + " end\n"));
    pair.server.respond(*stream, response(204, false));
    pair.exchange();
  }
}

TEST_CASE("a server that goes away finishes what has come; what came later was not processed") {
  Pair pair;
  const auto first = pair.client.request(request("GET", "/1", false));
  pair.exchange();
  pair.server.go_away();
  const auto second = pair.client.request(request("GET", "/2", false));  // crosses the GOAWAY
  pair.exchange();
  CHECK(pair.client_heard == std::to_string(*second) + " closed 7\n");
  CHECK_FALSE(pair.client.takes_requests());
  CHECK_FALSE(pair.client.request(request("GET", "/3", false)));
  pair.server.respond(*first, response(204, false));
  pair.exchange();
  CHECK(pair.client_heard.ends_with("1 204 content-type=text/plain\n1 end\n1 closed 0\n"));
  CHECK(pair.server.over());
}

TEST_CASE("a malformed request is refused alone, and can be answered") {
  Session server(Role::server, Scheme::https, Limits{});
  const std::string bytes = with_settings(
      head(1,
           {{":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {":authority", "a"}, {"host", "b"}}) +
      head(3, get_fields));
  receive_all(server, bytes, start);
  auto events = server.take_events();
  REQUIRE(events.size() == 3);
  CHECK(shown(events[0]) == "1 refused: :authority is not the Host\n");
  CHECK(shown(events[1]) == "3 GET a/\n");
  server.respond(1, response(400, false));
  std::string out;
  server.take_output(out, 1 << 20);
  CHECK(shown(server.take_events().at(0)) == "1 closed 0\n");
}

TEST_CASE("attack 12: what is smuggled in HTTP/2 comes to nobody, by nghttp2's checks or ours") {
  const std::pair<const char*, Pairs> cases[] = {
      {"h2.TE", {{"transfer-encoding", "chunked"}}},
      {"h2.CL", {{"content-length", "3"}}},
      {"CRLF in a value", {{"x", "a\r\nb: c"}}},
      {"LF in a value", {{"x", "a\nb"}}},
      {"NUL in a value", {{"x", std::string("a\0", 2)}}},
      {"CRLF in a name", {{"x\r\ny", "z"}}},
      {"colon in a name", {{"x: y", "z"}}},
      {"space in a name", {{"x ", "z"}}},
      {"upper case in a name", {{"Host", "b"}}},
      {"empty name", {{"", "z"}}},
      {"connection", {{"connection", "close"}}},
      {"upgrade", {{"upgrade", "websocket"}}},
      {"late pseudo-header", {{"x", "y"}, {":path", "/b"}}},
      {"second path", {{":path", "/b"}}},
      {"two hosts", {{"host", "a"}, {"host", "a"}}},
      {"white space around a value", {{"x", " y"}}},
      {"disguised length", {{"content_length", "3"}}},
  };
  for (const auto& [name, more] : cases) {
    INFO(name);
    Pairs fields = get_fields;
    fields.insert(fields.end(), more.begin(), more.end());
    const Heard heard = hear(with_settings(head(1, fields)));
    CHECK(heard.events.starts_with("1 refused: "));
    CHECK_FALSE(heard.events.contains("GET"));
    CHECK(heard.why == "");
  }
}

TEST_CASE("a body that is not as long as its head said ends its stream, not the connection") {
  Pairs fields = post_fields;
  fields.push_back({"content-length", "3"});
  for (const std::string& body : {std::string("ab"), std::string("abcd")}) {
    const Heard heard = hear(with_settings(head(1, fields, end_headers) + frame(data, end_stream, 1, body)));
    CHECK_FALSE(heard.events.contains("1 end"));
    CHECK(resets(heard, 1, NGHTTP2_PROTOCOL_ERROR));
    CHECK(heard.why == "");
  }
  const Heard trailers =
      hear(with_settings(head(1, post_fields, end_headers) + head(1, {{"authorization", "x"}})));
  CHECK_FALSE(trailers.events.contains("end"));
  CHECK(resets(trailers, 1, NGHTTP2_PROTOCOL_ERROR));
}

TEST_CASE("attack 28: what costs an HTTP/2 peer nothing has a budget") {
  std::string rapid, pings, many_settings, priorities, nothing, malformed, windows;
  for (int i = 0; i < 30'000; ++i) {
    const int stream = 2 * i + 1;
    if (i < 3000)
      rapid += head(stream, get_fields) + frame(rst_stream, 0, stream, std::string("\0\0\0\x8", 4));
    if (i < 3000) malformed += head(stream, {{":method", "GET"}});
    if (i < 1000) pings += frame(ping, 0, 0, "12345678");
    if (i < 1000) many_settings += frame(settings, 0, 0, "");
    priorities += frame(priority, 0, 1001, std::string("\0\0\0\0\1", 5));
    nothing += frame(data, 0, 1, "");
    windows += frame(window_update, 0, 0, std::string("\0\0\0\1", 4));
  }
  CHECK(hear(with_settings(rapid)).why == "too many streams broken off");
  CHECK(hear(with_settings(malformed)).why == "too many malformed streams");
  CHECK(hear(with_settings(pings), 900).why == "too many PINGs");
  CHECK(hear(with_settings(many_settings), 900).why == "too many SETTINGS");
  CHECK(hear(with_settings(priorities)).why == "too many empty frames");
  CHECK(hear(with_settings(head(1, post_fields, end_headers) + nothing)).why == "too many empty frames");
  CHECK(hear(with_settings(windows)).why == "too many WINDOW_UPDATEs");
  // The other side hears that it was too much.
  CHECK(hear(with_settings(rapid)).answer.contains(std::string("\0\0\0\xb", 4)));
}

TEST_CASE("attack 28: CONTINUATION frames without end, heads without measure, and streams above the limit") {
  std::string flood = frame(headers, end_stream, 1, block(get_fields));
  for (int i = 0; i < 50; ++i) flood += frame(continuation, 0, 1, block({{"x", "y"}}));
  const Heard unending = hear(with_settings(flood));
  CHECK(unending.why != "");
  CHECK(unending.events == "");

  std::string wide = frame(headers, end_stream, 1, block(get_fields));
  for (int i = 0; i < 5; ++i) wide += frame(continuation, 0, 1, block({{"x", std::string(16'000, 'y')}}));
  wide += frame(continuation, end_headers, 1, "");
  CHECK(hear(with_settings(wide)).events == "1 refused: head is too long\n");

  // One literal of 4000 bytes into the table, and then a byte for each time that it is meant: a bomb.
  const std::string fuse =
      block(get_fields) + '\x40' + hpack_length(1) + "x" + hpack_length(4000) + std::string(4000, 'y');
  const auto bomb = [&](std::size_t times) {
    return hear(
        with_settings(frame(headers, end_headers | end_stream, 1, fuse + std::string(times, '\xbe'))));
  };
  CHECK(bomb(40).events == "1 refused: head is too long\n");
  CHECK(bomb(40).why == "");
  CHECK(bomb(10'000).why == "head is far too long");
  // Also of what is no header.
  const std::string bad =
      block(get_fields) + '\x40' + hpack_length(1) + "x" + hpack_length(4000) + std::string(4000, '\1');
  CHECK(hear(with_settings(frame(headers, end_headers | end_stream, 1, bad + std::string(10'000, '\xbe'))))
            .why == "head is far too long");

  std::string many;
  for (int i = 0; i < 101; ++i) many += head(2 * i + 1, post_fields, end_headers);
  const Heard heard = hear(with_settings(many));
  CHECK(heard.events.contains("199 POST a/"));
  CHECK_FALSE(heard.events.contains("201 POST a/"));
}

TEST_CASE("a budget fills again") {
  Session server(Role::server, Scheme::https, Limits{});
  receive_all(server, with_settings(""), start);
  for (int minute = 0; minute < 60; ++minute)
    for (int i = 0; i < 40; ++i) {
      receive_all(server, frame(ping, 0, 0, "12345678"), start + minute * 1min);
      std::string out;
      server.take_output(out, 1 << 20);
      REQUIRE(server.failure() == "");
    }
}

TEST_CASE("attack 28: few bytes that say many are read a part at a time, all of them") {
  const std::string fuse =
      block(get_fields) + '\x40' + hpack_length(1) + "x" + hpack_length(4000) + std::string(4000, 'y');
  std::string bytes = with_settings(frame(headers, end_headers | end_stream, 1, fuse));
  for (int i = 1; i < 60; ++i)
    bytes += frame(headers, end_headers | end_stream, 2 * i + 1, block(get_fields) + std::string(15, '\xbe'));
  Session server(Role::server, Scheme::https, Limits{});
  std::string_view rest = bytes;
  std::size_t came = 0;
  for (bool more = true; more;) {
    more = server.receive(rest, start);
    const auto events = server.take_events();
    const auto heads =
        std::ranges::count_if(events, [](const Event& e) { return std::holds_alternative<RequestCame>(e); });
    CHECK(heads <= 2);
    came += static_cast<std::size_t>(heads);
  }
  CHECK(rest.empty());
  CHECK(came == 60);
  CHECK(server.failure() == "");
}

TEST_CASE("a PING for each message, as gRPC measures its way, is not too many; without messages it is") {
  Session server(Role::server, Scheme::https, Limits{});
  receive_all(server, with_settings(head(1, post_fields, end_headers)), start);
  std::string out;
  for (int i = 0; i < 1000; ++i) {
    receive_all(server, frame(data, 0, 1, "x") + frame(ping, 0, 0, "12345678"), start);
    server.take_output(out, 1 << 20);
  }
  CHECK(server.failure() == "");
  server.respond(1, response(200, true));
  for (int i = 0; i < 1000; ++i) {
    server.write(1, "x");
    server.take_output(out, 1 << 30);
    receive_all(server, frame(ping, 0, 0, "12345678"), start);
  }
  CHECK(server.failure() == "");
  for (int i = 0; i < 1000; ++i) receive_all(server, frame(ping, 0, 0, "12345678"), start);
  CHECK(server.failure() == "too many PINGs");
}

TEST_CASE("what waits to be sent is known, heads and bodies, until it has gone or its stream has") {
  Pair pair;
  const auto first = *pair.client.request(request("POST", "/", true));
  const auto second = *pair.client.request(request("POST", "/", true));
  CHECK(pair.client.unsent_heads(first) > 10);
  CHECK(pair.client.unsent() == pair.client.unsent_heads(first) + pair.client.unsent_heads(second));
  pair.client.write(first, std::string(1000, 'x'));
  pair.client.write(second, std::string(4 << 20, 'x'));
  pair.client.finish(first, {{"x-sum", "4"}});
  pair.exchange();
  CHECK(pair.client.unsent() == pair.client.unsent(second));
  CHECK(pair.client.unsent(second) > 0);
  pair.client.break_off(second, NGHTTP2_CANCEL);
  pair.exchange();
  CHECK(pair.client.unsent() == 0);
  for (int i = 0; i < 5; ++i) pair.server.respond(first, response(103, false));
  const std::size_t five = pair.server.unsent();
  CHECK(five == pair.server.unsent_heads(first));
  pair.server.respond(first, response(200, true));
  CHECK(pair.server.unsent() == five / 5 * 6);
  pair.server.finish(first, {{"x-end", "1"}});
  pair.exchange();
  CHECK(pair.server.unsent() == 0);
  CHECK(pair.client_heard.contains("x-end=1"));
}

TEST_CASE("what is no HTTP/2, and what breaks it, ends the connection with a word why") {
  CHECK(hear("GET / HTTP/1.1\r\nHost: a\r\n\r\n").why == "not HTTP/2");
  CHECK(hear(preface + head(1, get_fields)).why != "");  // no SETTINGS before
  CHECK(hear(with_settings(frame(data, 0, 0, "x"))).why != "");
  CHECK(hear(with_settings(head(2, get_fields))).why != "");
  CHECK(hear(with_settings(frame(push_promise, end_headers, 1, std::string("\0\0\0\2", 4)))).why != "");
  CHECK(hear(with_settings(frame(window_update, 0, 0, std::string("\0\0\0\0", 4)))).why != "");
  CHECK(hear(with_settings(frame(headers, end_headers | end_stream, 1, "\x80"))).why != "");
}

TEST_CASE("attack 28: a server that says 103 without end is not heard any more after a few") {
  Session client(Role::client, Scheme::https, Limits{});
  REQUIRE(client.request(request("GET", "/", false)));
  std::string out, bytes = frame(settings, 0, 0, "");
  client.take_output(out, 1 << 20);
  for (int i = 0; i < 10'000; ++i) bytes += frame(headers, end_headers, 1, block({{":status", "103"}}));
  receive_all(client, bytes, start);
  client.take_output(out, 1 << 20);
  std::size_t heads = 0, broken = 0;
  for (const Event& event : client.take_events()) {
    heads += std::holds_alternative<ResponseCame>(event) ? 1 : 0;
    broken += std::holds_alternative<Closed>(event) && std::get<Closed>(event).code != NGHTTP2_NO_ERROR;
  }
  CHECK(heads == most_interim);
  CHECK(broken == 1);
}

TEST_CASE("a server that pushes, or answers what is malformed, is not heard") {
  for (const std::string& bytes :
       {frame(push_promise, end_headers, 1, std::string("\0\0\0\2", 4) + block(get_fields)),
        frame(headers, end_headers, 1, block({{":status", "101"}})),
        frame(headers, end_headers | end_stream, 1, block({{":status", "200"}, {"x", "a\r\nb"}})),
        frame(headers, end_headers | end_stream, 1,
              block({{":status", "200"}, {"transfer-encoding", "chunked"}})),
        frame(headers, end_headers | end_stream, 1, block({{":status", "200"}, {"content-length", "4"}}))}) {
    Session client(Role::client, Scheme::https, Limits{});
    REQUIRE(client.request(request("GET", "/", false)));
    std::string out;
    client.take_output(out, 1 << 20);
    receive_all(client, frame(settings, 0, 0, "") + bytes, start);  // the stream ends, or all of it
    client.take_output(out, 1 << 20);
    for (const Event& event : client.take_events()) {
      INFO(shown(event));
      CHECK((std::holds_alternative<Closed>(event) && std::get<Closed>(event).code != NGHTTP2_NO_ERROR));
    }
  }
}
