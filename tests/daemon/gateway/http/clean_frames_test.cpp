// Secrets in what a server's WebSocket says, however frames and reads cut them.
#include <catch2/catch.hpp>

#include "daemon/gateway/http/clean_upstream.h"

using namespace clawpatrol;
using namespace clawpatrol::http;

namespace {

const std::string secret = "s3cret-of-the-0perator";
const std::string stand_in = "{{pat}}***************";

std::shared_ptr<const credentials::Patterns> patterns() {
  const credentials::Needle needles[] = {{secret, "{{pat}}"}};
  return std::make_shared<const credentials::Patterns>(needles);
}

enum class Fin : std::uint8_t { no, yes };

std::string frame(websocket::Opcode opcode, std::string_view payload, Fin fin = Fin::yes) {
  std::string out;
  Writer writer(out);
  writer.u8(static_cast<std::uint8_t>(static_cast<unsigned>(opcode) | (fin == Fin::yes ? 0x80 : 0)));
  if (payload.size() < 126)
    writer.u8(static_cast<std::uint8_t>(payload.size()));
  else
    writer.u8(126).u16(static_cast<std::uint16_t>(payload.size()));
  writer.bytes(payload);
  return out;
}

using enum websocket::Opcode;

std::string cleaned(std::string_view sent) {
  CleanFrames frames(patterns());
  std::string out;
  frames.feed(sent, out);
  frames.finish(out);
  return out;
}

}  // namespace

TEST_CASE(
    "a secret that two or many frames of a message share is overwritten, and frames keep their lengths") {
  for (std::size_t cut = 1; cut < secret.size(); ++cut) {
    const std::string first = secret.substr(0, cut), rest = secret.substr(cut);
    CHECK(cleaned(frame(text, "<" + first, Fin::no) + frame(continuation, rest + ">")) ==
          frame(text, "<" + stand_in.substr(0, cut), Fin::no) +
              frame(continuation, stand_in.substr(cut) + ">"));
  }
  std::string sent, wanted;
  for (std::size_t i = 0; i < secret.size(); ++i) {
    const Fin fin = i + 1 == secret.size() ? Fin::yes : Fin::no;
    sent += frame(i == 0 ? binary : continuation, secret.substr(i, 1), fin);
    wanted += frame(i == 0 ? binary : continuation, stand_in.substr(i, 1), fin);
  }
  CHECK(cleaned(sent) == wanted);
}

TEST_CASE("a ping in the midst of a message hides nothing, and is looked into itself") {
  const std::string sent = frame(text, secret.substr(0, 9), Fin::no) + frame(ping, secret) +
                           frame(continuation, "", Fin::no) + frame(continuation, secret.substr(9));
  CHECK(cleaned(sent) == frame(text, stand_in.substr(0, 9), Fin::no) + frame(ping, stand_in) +
                             frame(continuation, "", Fin::no) + frame(continuation, stand_in.substr(9)));
}

TEST_CASE("attack 28: what waits behind a part of a secret is bounded") {
  CleanFrames frames(patterns());
  std::string out;
  frames.feed(frame(text, secret.substr(0, secret.size() - 1), Fin::no), out);
  int sent = 0;
  for (; !frames.holds_too_much() && sent < 10'000; ++sent)
    frames.feed(sent % 2 ? frame(ping, "p") : frame(continuation, "", Fin::no), out);
  CHECK(sent < 10'000);
  CHECK(sent > 1000);
  // Where nothing is held back, nothing waits.
  CleanFrames plain(patterns());
  for (int i = 0; i < 10'000; ++i) plain.feed(frame(text, "x") + frame(ping, "p"), out);
  CHECK_FALSE(plain.holds_too_much());
}

TEST_CASE("however reads cut the frames, the same goes on but for a few bytes that nobody waits for") {
  const std::string sent = frame(text, "a" + secret.substr(0, 5), Fin::no) + frame(pong, "p") +
                           frame(continuation, secret.substr(5) + std::string(300, 'y')) +
                           frame(binary, secret);
  const std::string whole = cleaned(sent);
  CHECK(whole.find(secret) == std::string::npos);
  for (std::size_t first = 0; first <= sent.size(); ++first) {
    for (std::size_t second : {first, (first + sent.size()) / 2, sent.size()}) {
      CleanFrames frames(patterns());
      std::string out;
      frames.feed(std::string_view(sent).substr(0, first), out);
      frames.feed(std::string_view(sent).substr(first, second - first), out);
      frames.feed(std::string_view(sent).substr(second), out);
      frames.finish(out);
      REQUIRE(out.size() == whole.size());
      // A few bytes are not held back at the end of what came at once (Scrubber::release_few): of each
      // secret.
      std::size_t given_away = 0;
      for (std::size_t at = 0; at < out.size(); ++at) {
        REQUIRE((out[at] == whole[at] || out[at] == sent[at]));
        given_away += out[at] != whole[at];
      }
      REQUIRE(given_away <= 6);
    }
  }
}

TEST_CASE("where a message ends its reader has all of it, though it ends as a secret begins") {
  CleanFrames frames(patterns());
  std::string out;
  const std::string ends = frame(text, "hello " + secret.substr(0, 12));
  frames.feed(ends, out);
  CHECK(out == ends);
  out.clear();
  frames.feed(frame(text, secret.substr(12) + " there"), out);
  CHECK(out == frame(text, std::string(secret.size() - 12, '*') + " there"));
}

TEST_CASE("what could begin a secret waits for the next frame of its message, and no longer") {
  CleanFrames frames(patterns());
  std::string out;
  const std::string begin = frame(text, "hello " + secret.substr(0, 12), Fin::no);
  frames.feed(begin, out);
  CHECK(out == begin.substr(0, begin.size() - 12));
  const std::string end = frame(continuation, "something else");
  frames.feed(end, out);
  CHECK(out == begin + end);
}

TEST_CASE("what is no frame is looked through all the same") {
  const std::string out = cleaned("\x0f\x7f" + secret + " and " + secret);
  CHECK(out.find(secret) == std::string::npos);
  CHECK(out.size() == 2 + 2 * secret.size() + 5);
  CHECK(cleaned("\x81").size() == 1);
}
