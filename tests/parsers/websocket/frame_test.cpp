#include "parsers/websocket/frame.h"

#include <catch2/catch.hpp>

#include "parsers/websocket/extensions.h"

using namespace clawpatrol;
using namespace clawpatrol::websocket;

namespace {

std::string frame(int first, const std::string& payload, bool masked,
                  const std::string& mask = "\x11\x22\x33\x44") {
  std::string out{static_cast<char>(first)};
  const char bit = masked ? '\x80' : '\0';
  if (payload.size() < 126) {
    out.push_back(static_cast<char>(payload.size() | static_cast<unsigned char>(bit)));
  } else if (payload.size() <= 0xffff) {
    out.push_back(static_cast<char>(126 | static_cast<unsigned char>(bit)));
    for (int shift : {8, 0}) out.push_back(static_cast<char>(payload.size() >> shift));
  } else {
    out.push_back(static_cast<char>(127 | static_cast<unsigned char>(bit)));
    for (int shift : {56, 48, 40, 32, 24, 16, 8, 0})
      out.push_back(static_cast<char>(payload.size() >> shift));
  }
  if (!masked) return out + payload;
  out += mask;
  for (std::size_t i = 0; i < payload.size(); ++i) out.push_back(static_cast<char>(payload[i] ^ mask[i % 4]));
  return out;
}

struct Reading {
  std::string events, refused;
  bool between = false;
  bool operator==(const Reading&) const = default;
};

// Feeds `bytes` so that the buffer grows to each of the cuts in turn; payload of a frame is told in one.
Reading read(const std::string& bytes, std::vector<std::size_t> cuts = {}, Sender sender = Sender::client,
             Deflate deflate = Deflate::no) {
  cuts.push_back(bytes.size());
  FrameReader reader(sender, deflate);
  Reading reading;
  FrameHead last;
  std::size_t done = 0;
  for (std::size_t end : cuts) {
    while (true) {
      const std::string buffer = bytes.substr(done, end - done);
      auto step = reader.next(buffer);
      if (auto* wrong = std::get_if<Malformed>(&step)) {
        reading.refused = wrong->why;
        return reading;
      }
      if (auto* more = std::get_if<NeedMore>(&step)) {
        CHECK(more->at_least > buffer.size());
        break;
      }
      auto& parsed = std::get<Parsed<Event>>(step);
      REQUIRE(parsed.size <= buffer.size());
      if (auto* head = std::get_if<FrameHead>(&parsed.event)) {
        last = *head;
        reading.events += "\n" + std::string(name_of(head->opcode)) + " of " +
                          std::string(name_of(head->message)) + " " + std::to_string(head->size) +
                          (head->final ? " final" : "") + (head->compressed ? " compressed" : "") + ": ";
      } else {
        const auto& payload = std::get<Payload>(parsed.event);
        CHECK_FALSE(payload.bytes.empty());
        unmask(payload.bytes, last.mask, payload.offset, reading.events);
      }
      done += parsed.size;
    }
  }
  reading.between = reader.between_frames();
  return reading;
}

std::string refusal(const std::string& bytes, Sender sender = Sender::client, Deflate deflate = Deflate::no) {
  return read(bytes, {}, sender, deflate).refused;
}

const std::string session = frame(0x01, "Hel", true) + frame(0x89, "are you there", true) +
                            frame(0x00, "", true) + frame(0x80, "lo", true) +
                            frame(0x82, std::string(300, 'b'), true) +
                            frame(0x8a, "", true, std::string(4, '\0')) +
                            frame(0x88,
                                  "\x03\xe8"
                                  "bye",
                                  true);

}  // namespace

TEST_CASE("a WebSocket's frames are read as they were sent") {
  const Reading reading = read(session);
  CHECK(reading.refused == "");
  CHECK(reading.between);
  CHECK(reading.events ==
        "\ntext of text 3: Hel\nping of ping 13 final: are you there\ncontinuation of text 0: "
        "\ncontinuation of text 2 final: lo\nbinary of binary 300 final: " +
            std::string(300, 'b') +
            "\npong of pong 0 final: \nclose of close 5 final: \x03\xe8"
            "bye");
}

TEST_CASE("the cut test: frames that come in pieces are the same frames") {
  const Reading whole = read(session);
  for (std::size_t first = 0; first <= session.size(); ++first) {
    REQUIRE(read(session, {first}) == whole);
    for (std::size_t second = first; second <= session.size(); second += 7)
      REQUIRE(read(session, {first, second}) == whole);
  }
}

TEST_CASE("frames that RFC 6455 has an endpoint fail the connection for are refused") {
  const std::string text(200, 'x');
  CHECK(refusal(frame(0x81, "a", false)) == "frame of a client without a mask");
  CHECK(refusal(frame(0x81, "a", true), Sender::server) == "masked frame of a server");
  for (int bit : {0x10, 0x20, 0x30}) CHECK(refusal(frame(0x81 | bit, "a", true)) == "reserved bit is set");
  for (int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15})
    CHECK(refusal(frame(0x80 | opcode, "a", true)) == "unknown opcode");
  CHECK(refusal(frame(0xc1, "a", true)) == "compressed frame where none may be");
  CHECK(refusal(frame(0xc9, "a", true), Sender::client, Deflate::negotiated) ==
        "compressed frame where none may be");
  CHECK(refusal(frame(0x41, "a", true) + frame(0xc0, "b", true), Sender::client, Deflate::negotiated) ==
        "compressed frame where none may be");
  CHECK(refusal(frame(0xc1, "a", true), Sender::client, Deflate::negotiated) == "");
  CHECK(refusal(frame(0x80, "a", true)) == "continuation of nothing");
  CHECK(refusal(frame(0x01, "a", true) + frame(0x81, "b", true)) == "message within a message");
  CHECK(refusal(frame(0x01, "a", true) + frame(0x80, "b", true) + frame(0x80, "c", true)) ==
        "continuation of nothing");
  CHECK(refusal(frame(0x09, "a", true)) == "control frame in parts");
  CHECK(refusal(frame(0x89, text, true)) == "control frame is too long");
  CHECK(refusal(std::string("\x81\xfe\x00\x05", 4) + "1234abcde") ==
        "length is not written as short as it can be");
  CHECK(refusal(std::string("\x81\xff\0\0\0\0\0\0\xff\xff", 10) + "1234") ==
        "length is not written as short as it can be");
  CHECK(refusal(std::string("\x81\xff\x80\0\0\0\0\0\0\0", 10) + "1234") == "frame is too long");
  CHECK(refusal(frame(0x88, "x", true)) == "close frame with half a code");
  for (int code : {0, 999, 1004, 1005, 1006, 1015, 2999, 5000}) {
    const std::string payload{static_cast<char>(code >> 8), static_cast<char>(code)};
    CHECK(refusal(frame(0x88, payload, true)) == "close frame with a code that may not be sent");
  }
  CHECK(refusal(frame(0x88, "\x03\xe8\xff", true)) == "close frame whose reason is not UTF-8");
  CHECK(refusal(frame(0x88, "", true) + frame(0x81, "a", true)) == "frame behind a close frame");
}

TEST_CASE("a close frame of ours is one that is accepted") {
  CHECK(refusal(close_frame(Sender::client, 1008, "denied")) == "");
  CHECK(read(close_frame(Sender::server, 1008, std::string(300, 'x')), {}, Sender::server).events ==
        "\nclose of close 125 final: \x03\xf0" + std::string(123, 'x'));
}

TEST_CASE(
    "of WebSocket's extensions only permessage-deflate is offered on, and only what was offered is agreed") {
  CHECK(known_offers("permessage-deflate; client_max_window_bits") ==
        "permessage-deflate; client_max_window_bits");
  CHECK(known_offers("x-frames, permessage-deflate;server_max_window_bits=10 , permessage-deflate") ==
        "permessage-deflate;server_max_window_bits=10, permessage-deflate");
  CHECK(known_offers("permessage-deflate; mux=1, x-webkit-deflate-frame, permessage-deflate; "
                     "client_max_window_bits=7") == "");
  CHECK(known_offers("permessage-deflate; server_max_window_bits") == "");
  CHECK(known_offers("permessage-deflate; server_no_context_takeover; server_no_context_takeover") == "");
  const std::string offer = "permessage-deflate; client_max_window_bits";
  CHECK(*settled("", offer) == Deflate::no);
  CHECK(*settled("permessage-deflate; client_max_window_bits=10; server_no_context_takeover", offer) ==
        Deflate::negotiated);
  CHECK_FALSE(settled("permessage-deflate", ""));
  CHECK_FALSE(settled("x", offer));
  CHECK_FALSE(settled("permessage-deflate, permessage-deflate", offer));
  CHECK_FALSE(settled("permessage-deflate; client_max_window_bits", offer));
}
