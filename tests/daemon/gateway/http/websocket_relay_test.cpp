#include "daemon/gateway/http/websocket_relay.h"

#include <catch2/catch.hpp>

#include "daemon/gateway/http/worker_state.h"

using namespace clawpatrol;
using namespace clawpatrol::http;
using websocket::Opcode;
using websocket::Sender;

namespace {

// A frame as it is sent: of a client with this mask.
std::string frame(int first, const std::string& payload, Sender sender, const std::string& mask = "abcd") {
  std::string out{static_cast<char>(first)};
  const unsigned bit = sender == Sender::client ? 0x80 : 0;
  if (payload.size() < 126) {
    out.push_back(static_cast<char>(payload.size() | bit));
  } else {
    out.push_back(static_cast<char>(126 | bit));
    for (int shift : {8, 0}) out.push_back(static_cast<char>(payload.size() >> shift));
  }
  if (!bit) return out + payload;
  out += mask;
  for (std::size_t i = 0; i < payload.size(); ++i) out.push_back(static_cast<char>(payload[i] ^ mask[i % 4]));
  return out;
}

std::string up(int first, const std::string& payload) {
  return frame(first, payload, Sender::client);
}

struct Heard {
  std::string out;
  std::vector<std::string> asked;
  std::string why;
};

// Lets pass what does not contain "bad"; `step` bytes at a time.
Heard hear(WebSocketRelay& relay, const std::string& bytes, std::size_t step = 1 << 20) {
  Heard heard;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    relay.receive(std::string_view(bytes).substr(at, step));
    while (true) {
      const auto next = relay.next(heard.out);
      if (next == WebSocketRelay::Next::more) break;
      if (next == WebSocketRelay::Next::malformed) {
        heard.why = relay.why();
        return heard;
      }
      const WsFacets& facets = relay.facets();
      const std::string text = facets.text ? *facets.text : std::string(name_of(facets.text.why()));
      heard.asked.push_back(*facets.direction + " " + *facets.opcode + " " + text);
      if (text.contains("bad")) return heard;
      relay.allow();
    }
  }
  return heard;
}

WebSocketRelay::Setting seeing(Sender sender = Sender::client, std::size_t limit = 1000) {
  return {.sender = sender, .deflate = websocket::Deflate::no, .messages = Messages::seen, .limit = limit};
}

}  // namespace

TEST_CASE("frames that nobody looks at go on as they came, and are counted") {
  const std::string bytes = up(0x01, "hel") + up(0x89, "are you there") + up(0x80, "lo") + up(0xc2, "zzz") +
                            up(0x88,
                               "\x03\xe8"
                               "bye");
  for (std::size_t step : {1, 2, 5, 1000}) {
    OpenPings own, other;
    WebSocketRelay relay({.sender = Sender::client, .deflate = websocket::Deflate::negotiated}, own, other);
    const Heard heard = hear(relay, bytes, step);
    CHECK(heard.out == bytes);
    CHECK(heard.asked.empty());
    CHECK(heard.why == "");
    CHECK(relay.closed());
    CHECK(frame_counts_json(relay.counts()) ==
          R"({"text":[1,3],"binary":[1,3],"continuation":[1,2],"ping":[1,13],"close":[1,5]})");
  }
}

TEST_CASE("a text message that rules see goes on whole after its verdict, however it comes") {
  const std::string bytes =
      up(0x01, "hel") + up(0x00, "") + up(0x80, "lo") + up(0x82, "binary") + up(0x81, "");
  for (std::size_t step : {1, 2, 5, 1000}) {
    OpenPings own, other;
    WebSocketRelay relay(seeing(), own, other);
    const Heard heard = hear(relay, bytes, step);
    CHECK(heard.out == bytes);
    CHECK(heard.asked == std::vector<std::string>{"up text hello", "up binary not applicable", "up text "});
  }
}

TEST_CASE("attack 12: nothing of a denied message goes on, nor what came behind it") {
  for (std::size_t step : {1, 3, 1000}) {
    OpenPings own, other;
    WebSocketRelay relay(seeing(), own, other);
    const Heard heard =
        hear(relay, up(0x81, "good") + up(0x01, "b") + up(0x80, "ad") + up(0x81, "behind"), step);
    CHECK(heard.out == up(0x81, "good"));
    CHECK(heard.asked.back() == "up text bad");
    CHECK(relay.between_frames());
  }
}

TEST_CASE("a message that is too long to be seen is judged as that, and then goes on while it comes") {
  OpenPings own, other;
  WebSocketRelay relay(seeing(Sender::client, 10), own, other);
  const std::string begin = up(0x01, "0123456789a"), end = up(0x80, std::string(500, 'x')),
                    next = up(0x81, "short");
  const Heard heard = hear(relay, begin + end + next, 7);
  CHECK(heard.out == begin + end + next);
  CHECK(heard.asked == std::vector<std::string>{"up text over a limit", "up text short"});
}

TEST_CASE(
    "attack 28: a message of frames that bring nothing is judged as too long, and its peer's memory has a "
    "bound") {
  OpenPings own, other;
  WebSocketRelay relay(seeing(Sender::client, 10), own, other);
  std::string frames = up(0x01, "");
  for (int i = 0; i < 20'000; ++i) frames += up(0x00, "");
  std::string out;
  relay.receive(frames);
  CHECK(relay.next(out) == WebSocketRelay::Next::message);
  CHECK(*relay.facets().opcode == "text");
  CHECK(relay.facets().text.why() == clawpatrol::Unknown::over_limit);
  CHECK(relay.held() >= frames.size() - 100);
  relay.allow();
  CHECK(relay.next(out) == WebSocketRelay::Next::more);
  CHECK(out == frames);
  CHECK(relay.held() < 16);

  clawpatrol::http::PeerMemory bodies;
  clawpatrol::http::PeerMemory::Share one(bodies, 1), two(bodies, 1), of_another(bodies, 2);
  const std::size_t most = clawpatrol::http::PeerMemory::most_per_peer;
  CHECK(one.hold(most - 10));
  CHECK_FALSE(two.hold(11));
  CHECK(of_another.hold(most));
  CHECK(one.hold(most - 11));
  CHECK(two.hold(11));
}

TEST_CASE("control frames carry nothing past rules that see messages, and keep-alives still work") {
  OpenPings agents, servers;
  WebSocketRelay agent(seeing(Sender::client), agents, servers),
      server(seeing(Sender::server), servers, agents);
  Heard heard = hear(agent, up(0x01, "mess") + up(0x89, "a secret") + up(0x80, "age") + up(0x8a, "another"));
  const std::string ping = frame(0x89, std::string("\0\0", 2), Sender::client, std::string(4, '\0'));
  CHECK(heard.out == ping + up(0x01, "mess") + up(0x80, "age"));
  CHECK(hear(server, frame(0x8a, std::string("\0\0", 2), Sender::server)).out ==
        frame(0x8a, "a secret", Sender::server));
  CHECK(hear(server, frame(0x8a, std::string("\0\0", 2), Sender::server)).out == "");  // once
  CHECK(hear(server, frame(0x8a, "other words", Sender::server)).out == "");
  CHECK(hear(server, frame(0x89, "keep-alive", Sender::server)).out ==
        frame(0x89, std::string("\0\0", 2), Sender::server));
  CHECK(hear(agent, up(0x8a, std::string("\0\0", 2))).out ==
        frame(0x8a, "keep-alive", Sender::client, std::string(4, '\0')));
  CHECK(hear(agent, up(0x88,
                       "\x03\xe9"
                       "a secret"))
            .out == frame(0x88, "\x03\xe9", Sender::client, std::string(4, '\0')));
}

TEST_CASE("a server may answer the last of several pings alone") {
  OpenPings pings;
  const std::string first = pings.pass("one"), second = pings.pass("two"), third = pings.pass("three");
  CHECK(pings.answered(second) == "two");
  CHECK_FALSE(pings.answered(first));
  CHECK(pings.answered(third) == "three");
  for (int i = 0; i < 100'000; ++i) (void)pings.pass("x");
  CHECK_FALSE(pings.answered(first));
}

TEST_CASE("what is malformed goes no further, and no compressed frame where none was agreed") {
  OpenPings own, other;
  WebSocketRelay relay(seeing(), own, other);
  const Heard heard = hear(relay, up(0x81, "a") + up(0xc1, "b"));
  CHECK(heard.out == up(0x81, "a"));
  CHECK(heard.why == "compressed frame where none may be");
}

TEST_CASE("a frame of ours may stand behind what has gone on only between two frames") {
  OpenPings own, other;
  WebSocketRelay unseen({.sender = Sender::client}, own, other);
  const std::string bytes = up(0x81, "hello");
  (void)hear(unseen, bytes.substr(0, 8));
  CHECK_FALSE(unseen.between_frames());
  (void)hear(unseen, bytes.substr(8));
  CHECK(unseen.between_frames());
  WebSocketRelay seen(seeing(), own, other);
  (void)hear(seen, bytes.substr(0, 8));
  CHECK(seen.between_frames());  // all of it is held
  (void)hear(seen, bytes.substr(8) + up(0x82, "binary").substr(0, 8));
  CHECK_FALSE(seen.between_frames());
}
