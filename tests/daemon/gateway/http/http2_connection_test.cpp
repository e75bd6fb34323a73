#include <sys/socket.h>

#include <catch2/catch.hpp>

#include "daemon/gateway/http/http2_agent.h"
#include "daemon/gateway/http/http2_upstream.h"
#include "daemon/ring/task_group.h"
#include "tests/daemon/http2/frames.h"

using namespace clawpatrol;
using namespace clawpatrol::http;
using namespace clawpatrol::tests;
using namespace std::chrono_literals;

namespace {

Deadline soon() {
  return Deadline::after(20s);
}

// What connections of one ring count for.
struct Peer {
  explicit Peer(Ring& of) : ring(of), turns(of) {}
  PeerAccount account() { return {.turns = turns, .memory = memory, .peer_id = 1}; }
  Ring& ring;
  PeerTurns turns;
  PeerMemory memory;
};

struct Ends {
  std::unique_ptr<Ring> ring = *Ring::create({});
  Peer peer{*ring};
  std::unique_ptr<Stream> server, client;
  Ends() {
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    server = std::make_unique<Stream>(*ring, Fd(fds[0]));
    client = std::make_unique<Stream>(*ring, Fd(fds[1]));
  }
};

std::string pattern(std::size_t size, std::size_t seed) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i + seed) * 2654435761U >> 13);
  return text;
}

RequestHead request(const std::string& method, const std::string& target, bool body) {
  RequestHead head;
  head.method = method;
  head.target = target;
  head.authority.host = "a";
  head.has_body = body;
  return head;
}

ResponseHead response(int status, bool body) {
  ResponseHead head;
  head.status = status;
  head.has_body = body;
  return head;
}

struct Body {
  std::string bytes;
  Fields trailers;
  std::string error;
};

template <class Exchange>
Task<Body> read_body(Exchange& exchange) {
  Body body;
  while (true) {
    auto part = co_await exchange.read(soon());
    if (!part) {
      body.error = part.error().what;
      co_return body;
    }
    body.bytes.append(part->bytes);
    if (!part->end) continue;
    body.trailers = std::move(part->trailers);
    co_return body;
  }
}

// Sends back what comes, while it comes, and its trailers.
Task<void> echo(std::unique_ptr<AgentExchange> exchange) {
  if (exchange->head().target == "/broken") {
    (void)co_await exchange->send_head(response(200, true), soon());
    (void)co_await exchange->send("half", soon());
    exchange->break_off();
    co_return;
  }
  (void)co_await exchange->send_head(response(103, false), soon());
  (void)co_await exchange->send_head(response(200, true), soon());
  while (true) {
    auto part = co_await exchange->read(soon());
    if (!part) {
      exchange->break_off();
      co_return;
    }
    if (!part->bytes.empty() && !co_await exchange->send(part->bytes, soon())) co_return;
    if (!part->end) continue;
    (void)co_await exchange->finish(part->trailers, soon());
    co_return;
  }
}

Task<void> serve_echo(Peer& peer, Stream& stream, std::string& failure) {
  Http2AgentConnection connection(peer.ring, stream, peer.account(), {});
  TaskGroup group(peer.ring);
  while (true) {
    auto next = co_await connection.accept(soon());
    if (!next || !next->exchange) break;
    group.spawn(echo(std::move(next->exchange)));
  }
  co_await group.join();
  failure = connection.failure();
  co_await connection.close();
}

Task<void> send_body(UpstreamExchange& exchange, const std::string& bytes, Fields trailers) {
  std::string_view rest = bytes;
  while (!rest.empty()) {
    if (!co_await exchange.send(rest.substr(0, 50'000), soon())) co_return;
    rest.remove_prefix(std::min<std::size_t>(rest.size(), 50'000));
  }
  (void)co_await exchange.finish(trailers, soon());
}

// One request with a body, and what came of it.
Task<void> ask(Http2Upstream& upstream, std::string target, std::string bytes, Body& heard) {
  auto exchange = upstream.open();
  auto sent = co_await exchange->send_head(request("POST", target, true), soon());
  if (!sent) {
    heard.error = sent.error().what;
    co_return;
  }
  Task<void> sending = send_body(*exchange, bytes, {{"x-size", std::to_string(bytes.size())}});
  auto head = co_await exchange->read_head(soon());
  if (head && head->status == 103) head = co_await exchange->read_head(soon());
  if (head && head->status == 200)
    heard = co_await read_body(*exchange);
  else
    heard.error = head ? "status" : head.error().what;
  if (!heard.error.empty()) exchange->break_off();
  co_await sending;
}

Task<void> ask_many(Peer& peer, std::unique_ptr<Stream> stream, std::vector<Body>& heard,
                    std::vector<std::string> targets, std::size_t size) {
  Http2Upstream upstream(peer.ring, std::move(stream), peer.account());
  TaskGroup group(peer.ring);
  heard.resize(targets.size());
  for (std::size_t i = 0; i < targets.size(); ++i)
    group.spawn(ask(upstream, targets[i], pattern(size, i), heard[i]));
  co_await group.join();
  CHECK(upstream.exchanges() == 0);
  co_await upstream.close();
}

Task<void> both(Ring& ring, Task<void> one, Task<void> other) {
  co_await one;
  co_await other;
  ring.stop();
}

// What a raw client hears until the connection ends.
Task<void> talk(Ring& ring, Stream& stream, std::string bytes, std::string& heard) {
  (void)co_await ring.send_all(stream.fd(), bytes, soon());
  std::vector<char> space(64 << 10);
  while (true) {
    const std::int32_t count = co_await ring.recv(stream.fd(), space, soon());
    if (count <= 0) break;
    heard.append(space.data(), static_cast<std::size_t>(count));
  }
  stream.shut_down(SHUT_RDWR);
}

struct Arrived {
  std::vector<std::string> requests;
  std::string failure;
};

// Accepts until there is nothing more for a while, answers what is malformed with 400, and all else with 204.
Task<void> answer_all(Peer& peer, Stream& stream, Arrived& arrived) {
  Http2AgentConnection connection(peer.ring, stream, peer.account(), {});
  while (true) {
    auto next = co_await connection.accept(Deadline::after(100ms));
    if (!next || !next->exchange) break;
    arrived.requests.push_back(next->malformed.empty() ? next->exchange->head().target
                                                       : std::string(next->malformed));
    (void)co_await next->exchange->send_head(response(next->malformed.empty() ? 204 : 400, false), soon());
  }
  arrived.failure = connection.failure();
  co_await connection.close();
}

}  // namespace

TEST_CASE("many bodies go both ways at once over one connection of HTTP/2, whole and with their trailers") {
  Ends ends;
  std::vector<Body> heard;
  std::string failure;
  auto all =
      both(*ends.ring, serve_echo(ends.peer, *ends.server, failure),
           ask_many(ends.peer, std::move(ends.client), heard, std::vector<std::string>(40, "/"), 700'000));
  ends.ring->run();
  CHECK(failure == "");
  for (std::size_t i = 0; i < heard.size(); ++i) {
    CHECK(heard[i].error == "");
    CHECK(heard[i].bytes == pattern(700'000, i));
    CHECK(heard[i].trailers == Fields{{"x-size", "700000"}});
  }
}

TEST_CASE("a stream that is broken off is seen not to be whole, and its neighbours are") {
  Ends ends;
  std::vector<Body> heard;
  std::string failure;
  auto all = both(*ends.ring, serve_echo(ends.peer, *ends.server, failure),
                  ask_many(ends.peer, std::move(ends.client), heard, {"/", "/broken", "/"}, 300'000));
  ends.ring->run();
  CHECK(heard[0].bytes == pattern(300'000, 0));
  CHECK(heard[1].error == "HTTP/2 stream broken off: INTERNAL_ERROR");
  CHECK(heard[2].bytes == pattern(300'000, 2));
}

namespace {

Task<void> accept_and_wait(Peer& peer, Stream& stream, Event& go_on) {
  Http2AgentConnection connection(peer.ring, stream, peer.account(), {});
  auto next = co_await connection.accept(soon());
  (void)co_await go_on.wait(soon());
  (void)co_await next->exchange->send_head(response(200, true), soon());
  auto body = co_await read_body(*next->exchange);
  CHECK(body.bytes.size() == 8 << 20);
  (void)co_await next->exchange->finish({}, soon());
  next->exchange.reset();
  co_await connection.close();
}

Task<void> push_hard(Peer& peer, std::unique_ptr<Stream> stream, Event& go_on) {
  Http2Upstream upstream(peer.ring, std::move(stream), peer.account());
  {
    auto exchange = upstream.open();
    CHECK(co_await exchange->send_head(request("POST", "/", true), soon()));
    const std::string piece(32 << 10, 'x');
    std::size_t taken = 0;
    bool held = false;
    while (taken < 8 << 20) {
      auto sent = co_await exchange->send(piece, held ? soon() : Deadline::after(200ms));
      taken += piece.size();
      if (sent) continue;
      CHECK_FALSE(held);
      CHECK(sent.error().code == ETIMEDOUT);
      held = true;
      CHECK(taken <= http2::Limits{}.request_window + Http2Connection::most_unsent + piece.size());
      go_on.notify();
    }
    CHECK(held);
    CHECK(co_await exchange->finish({}, soon()));
    CHECK(co_await exchange->read_head(soon()));
    CHECK((co_await read_body(*exchange)).error == "");
  }
  co_await upstream.close();
}

}  // namespace

TEST_CASE("a reader that does not read holds the sender after a window, and not for ever") {
  Ends ends;
  Event go_on(*ends.ring);
  auto all = both(*ends.ring, accept_and_wait(ends.peer, *ends.server, go_on),
                  push_hard(ends.peer, std::move(ends.client), go_on));
  ends.ring->run();
}

namespace {

Task<void> go_away_at_once(Peer& peer, Stream& stream) {
  Http2AgentConnection connection(peer.ring, stream, peer.account(), {});
  auto next = co_await connection.accept(soon());
  connection.go_away();
  (void)co_await connection.accept(Deadline::after(50ms));
  (void)co_await next->exchange->send_head(response(204, false), soon());
  next->exchange.reset();
  co_await connection.close();
}

Task<void> ask_on_leaving(Peer& peer, std::unique_ptr<Stream> stream) {
  Http2Upstream upstream(peer.ring, std::move(stream), peer.account());
  {
    auto first = upstream.open(), late = upstream.open();
    CHECK(co_await first->send_head(request("GET", "/1", false), soon()));
    co_await peer.ring.sleep_until(Deadline::after(20ms));
    CHECK_FALSE(upstream.takes_requests());
    auto refused = co_await late->send_head(request("GET", "/2", false), soon());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == not_processed);
    auto head = co_await first->read_head(soon());
    REQUIRE(head);
    CHECK(head->status == 204);
  }
  co_await upstream.close();
}

// A server of frames, which refuses the first stream.
Task<void> refuse_stream(Ring& ring, Stream& stream) {
  const std::string bytes = frame(settings, 0, 0, "") + frame(rst_stream, 0, 1, std::string("\0\0\0\7", 4));
  std::string heard;
  co_await talk(ring, stream, bytes, heard);
}

Task<void> ask_refused(Peer& peer, std::unique_ptr<Stream> stream) {
  Http2Upstream upstream(peer.ring, std::move(stream), peer.account());
  {
    auto exchange = upstream.open();
    CHECK(co_await exchange->send_head(request("POST", "/", false), soon()));
    auto head = co_await exchange->read_head(soon());
    REQUIRE_FALSE(head);
    CHECK(head.error().code == not_processed);
  }
  co_await upstream.close();
}

}  // namespace

TEST_CASE("a request that a server has not looked at may be sent again") {
  Ends ends;
  auto all = both(*ends.ring, go_away_at_once(ends.peer, *ends.server),
                  ask_on_leaving(ends.peer, std::move(ends.client)));
  ends.ring->run();
  Ends other;
  auto more = both(*other.ring, refuse_stream(*other.ring, *other.server),
                   ask_refused(other.peer, std::move(other.client)));
  other.ring->run();
}

TEST_CASE("what is malformed is answered on its stream, and the connection goes on") {
  Ends ends;
  Arrived arrived;
  std::string heard;
  Pairs plain = get_fields;
  plain[1].second = "http";
  Pairs wrong = plain;
  wrong.push_back({"host", "b"});
  std::string bytes = with_settings(head(1, wrong) + head(3, plain) + head(5, wrong, end_headers));
  for (int i = 0; i < 20; ++i) bytes += frame(data, 0, 5, std::string(16'000, 'x'));
  auto all = both(*ends.ring, answer_all(ends.peer, *ends.server, arrived),
                  talk(*ends.ring, *ends.client, bytes, heard));
  ends.ring->run();
  CHECK(arrived.requests ==
        std::vector<std::string>{":authority is not the Host", "/", ":authority is not the Host"});
  CHECK(arrived.failure == "");
  CHECK(heard.contains(frame(rst_stream, 0, 5, std::string(4, '\0'))));  // the rest of it is not wanted
}

TEST_CASE("attack 28: streams that are opened and broken off come to an end, and to few requests") {
  Ends ends;
  Arrived arrived;
  std::string heard, bytes;
  Pairs plain = post_fields;
  plain[1].second = "http";
  for (int i = 0; i < 3000; ++i)
    bytes +=
        head(2 * i + 1, plain, end_headers) + frame(rst_stream, 0, 2 * i + 1, std::string("\0\0\0\x8", 4));
  auto all = both(*ends.ring, answer_all(ends.peer, *ends.server, arrived),
                  talk(*ends.ring, *ends.client, with_settings(bytes), heard));
  ends.ring->run();
  CHECK(arrived.failure == "too many streams broken off");
  CHECK(arrived.requests.size() <= 1000);
}

namespace {

Task<void> hang_up(Ring& ring, Stream& stream) {
  std::vector<char> space(64);
  (void)co_await ring.recv(stream.fd(), space, soon());
  stream.shut_down(SHUT_RDWR);
}

}  // namespace

TEST_CASE("a connection that is cut wakes whoever waits, with an error") {
  Ends ends;
  std::vector<Body> heard;
  auto all = both(*ends.ring, hang_up(*ends.ring, *ends.server),
                  ask_many(ends.peer, std::move(ends.client), heard, {"/", "/", "/"}, 3'000'000));
  ends.ring->run();
  for (const Body& body : heard) CHECK(body.error == "HTTP/2 connection ended");
}

namespace {

// Answers each request with more than a window, but `/short`.
Task<void> pour(std::unique_ptr<AgentExchange> exchange) {
  (void)co_await exchange->send_head(response(200, true), soon());
  const std::string bytes(exchange->head().target == "/short" ? 1000 : 2 << 20, 'x');
  auto sent = co_await exchange->send(bytes, soon());
  if (sent) sent = co_await exchange->finish({}, soon());
  if (!sent) exchange->break_off();
}

Task<void> serve_pouring(Peer& peer, Stream& stream) {
  Http2AgentConnection connection(peer.ring, stream, peer.account(), {});
  TaskGroup group(peer.ring);
  while (true) {
    auto next = co_await connection.accept(soon());
    if (!next || !next->exchange) break;
    group.spawn(pour(std::move(next->exchange)));
  }
  co_await group.join();
  co_await connection.close();
}

Task<void> ask_among_unread(Peer& peer, std::unique_ptr<Stream> stream, std::size_t& held, Body& heard) {
  Http2Upstream upstream(peer.ring, std::move(stream), peer.account());
  {
    std::vector<std::unique_ptr<UpstreamExchange>> unread;
    for (int i = 0; i < 8; ++i) {
      unread.push_back(upstream.open());
      CHECK(co_await unread.back()->send_head(request("GET", "/long", false), soon()));
      CHECK(co_await unread.back()->read_head(soon()));
    }
    (void)co_await peer.ring.sleep_until(Deadline::after(50ms));
    held = peer.memory.held(1);
    auto exchange = upstream.open();
    CHECK(co_await exchange->send_head(request("GET", "/short", false), soon()));
    auto head = co_await exchange->read_head(Deadline::after(1s));
    if (head) heard = co_await read_body(*exchange);
    for (auto& each : unread) each->break_off();
    exchange->break_off();
  }
  co_await upstream.close();
}

}  // namespace

TEST_CASE("responses that nobody reads do not hold up others of their connection, and count for their peer") {
  Ends ends;
  std::size_t held = 0;
  Body heard;
  auto all = both(*ends.ring, serve_pouring(ends.peer, *ends.server),
                  ask_among_unread(ends.peer, std::move(ends.client), held, heard));
  ends.ring->run();
  CHECK(held >= 8 * http2::Limits{}.response_window);
  CHECK(heard.bytes.size() == 1000);
  CHECK(ends.peer.memory.held(1) == 0);
}

TEST_CASE("attack 28: where a peer's memory is used up, a connection has its window and no more") {
  Ends ends;
  PeerMemory::Share other(ends.peer.memory, 1);
  REQUIRE(other.hold(PeerMemory::most_on_the_way));
  std::size_t held = 0;
  Body heard;
  auto all = both(*ends.ring, serve_pouring(ends.peer, *ends.server),
                  ask_among_unread(ends.peer, std::move(ends.client), held, heard));
  ends.ring->run();
  CHECK(held == PeerMemory::most_on_the_way);
  CHECK(heard.bytes.empty());
}

namespace {

Task<void> say_103_for_ever(Peer& peer, Stream& stream, std::size_t& said) {
  Http2AgentConnection connection(peer.ring, stream, peer.account(), {});
  auto next = co_await connection.accept(soon());
  ResponseHead early = response(103, false);
  early.fields = {{"link", std::string(60'000, 'x')}};
  while (said < 1000 && co_await next->exchange->send_head(early, Deadline::after(200ms))) ++said;
  next->exchange->break_off();
  next->exchange.reset();
  co_await connection.close();
}

Task<void> ask_and_not_read(Ring& ring, Stream& stream) {
  Pairs plain = get_fields;
  plain[1].second = "http";
  (void)co_await ring.send_all(stream.fd(), with_settings(head(1, plain)), soon());
  (void)co_await ring.sleep_until(Deadline::after(500ms));
  stream.shut_down(SHUT_RDWR);
}

}  // namespace

TEST_CASE("attack 28: an agent that does not read heads is sent few of them") {
  Ends ends;
  std::size_t said = 0;
  auto all = both(*ends.ring, say_103_for_ever(ends.peer, *ends.server, said),
                  ask_and_not_read(*ends.ring, *ends.client));
  ends.ring->run();
  CHECK(said > 0);
  CHECK(said < 20);  // what the socket takes, and a little
}

namespace {

Task<void> count_requests(Peer& peer, Stream& stream, std::size_t& came) {
  Http2AgentConnection connection(peer.ring, stream, peer.account(), {});
  while (came < 100) {
    auto next = co_await connection.accept(soon());
    if (!next || !next->exchange) break;
    ++came;
    (void)co_await next->exchange->send_head(response(431, false), soon());
    next->exchange.reset();
  }
  co_await connection.close();
}

// How many turns of the ring another peer has meanwhile.
Task<void> count_turns(Peer& peer, const std::size_t& came, std::size_t& turns) {
  while (came < 100) {
    {
      PeerTurns::Work of_a_third(peer.turns, 3);
    }
    peer.turns.charge(2, PeerTurns::share);  // so that the next is in the ring's next
    co_await peer.turns.turn(2);
    if (came > 0) ++turns;
  }
}

Task<void> three(Ring& ring, Task<void> one, Task<void> other, Task<void> third) {
  co_await one;
  co_await other;
  co_await third;
  ring.stop();
}

}  // namespace

TEST_CASE("attack 28: heads that are few bytes and much work take turns with other peers") {
  Ends ends;
  Pairs plain = get_fields;
  plain[1].second = "http";
  // Each says sixty kilobytes, in fifty bytes.
  std::string bytes =
      frame(headers, end_headers | end_stream, 1,
            block(plain) + '\x40' + hpack_length(1) + "x" + hpack_length(4000) + std::string(4000, 'y'));
  for (int i = 1; i < 100; ++i)
    bytes += frame(headers, end_headers | end_stream, 2 * i + 1, block(plain) + std::string(15, '\xbe'));
  std::size_t came = 0, turns = 0;
  std::string heard;
  auto all =
      three(*ends.ring, count_requests(ends.peer, *ends.server, came), count_turns(ends.peer, came, turns),
            talk(*ends.ring, *ends.client, with_settings(bytes), heard));
  ends.ring->run();
  CHECK(came == 100);
  CHECK(turns >= 3);
}
