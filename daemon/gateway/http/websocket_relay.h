// One direction of a WebSocket, without its sockets: what came in, and what of it may go on.
//
// Where nobody looks at messages, frames go on as they came, once their heads have been read. Where rules see
// them, a text message is held until it is whole (or too long to be seen), and goes on after its verdict;
// control frames go on without what the peer wrote into them: pings and pongs with a number in its place, a
// close with its code alone. So nothing passes that no rule has seen, and keep-alives still work.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "parsers/websocket/frame.h"
#include "parsers/websocket/message.h"

namespace clawpatrol::http {

enum class Messages : std::uint8_t { unseen, seen };

// Of one direction: frames and bytes of payload, by opcode.
struct FrameCounts {
  struct Of {
    std::uint64_t frames = 0, bytes = 0;
  };
  std::array<Of, 16> by_opcode{};
};
// {"text":[2,10],"ping":[1,0]}: those that there were.
std::string frame_counts_json(const FrameCounts& counts);

// Pings that one side sent and the other has not answered, with what they carried.
class OpenPings {
 public:
  static constexpr std::size_t most = 16;
  // What goes on in the place of `payload`.
  std::string pass(std::string payload);
  // What the ping with this number carried; nothing where there is none, and those before it are forgotten.
  std::optional<std::string> answered(std::string_view number);

 private:
  struct Ping {
    std::uint16_t number;
    std::string payload;
  };
  std::deque<Ping> open_;
  std::uint16_t next_ = 0;
};

class WebSocketRelay {
 public:
  struct Setting {
    websocket::Sender sender;
    websocket::Deflate deflate = websocket::Deflate::no;  // only where messages are unseen
    Messages messages = Messages::unseen;
    std::size_t limit = 1 << 20;  // what is seen of one message
  };
  // `own` and `other`: the pings of this side, and of the one that this one answers.
  WebSocketRelay(const Setting& setting, OpenPings& own, OpenPings& other)
      : setting_(setting), own_(own), other_(other), reader_(setting.sender, setting.deflate) {}

  enum class Next : std::uint8_t {
    more,       // receive() first
    message,    // facets() waits for a verdict: allow(), or nothing goes on any more
    malformed,  // why()
  };
  void receive(std::string_view bytes) { arrived_.append(bytes); }
  // Appends to `out` what may go on.
  Next next(std::string& out);
  const WsFacets& facets() const { return facets_; }
  std::uint64_t message_bytes() const { return message_bytes_; }  // of it, as far as they have come
  void allow();
  std::string_view why() const { return why_; }
  // Bytes of memory that this direction takes.
  std::size_t held() const { return arrived_.size() + held_.size() + text_.size(); }

  // Whether a frame of ours may stand behind what has gone on.
  bool between_frames() const;
  bool closed() const { return reader_.closed(); }  // a close frame has come
  const FrameCounts& counts() const { return counts_; }

 private:
  bool is_control() const { return frame_.opcode >= websocket::Opcode::close; }
  bool sees() const { return setting_.messages == Messages::seen; }
  void take(const websocket::FrameHead& head, std::string_view raw, std::string& out);
  void take(const websocket::Payload& payload, std::string_view raw, std::string& out);
  void frame_ended(std::string& out);
  void pass_control(std::string& out);
  void put(websocket::Opcode opcode, std::string_view payload, std::string& out) const;
  void ask(Facet<std::string> payload);

  Setting setting_;
  OpenPings& own_;
  OpenPings& other_;
  websocket::FrameReader reader_;
  std::string arrived_;
  websocket::FrameHead frame_;  // the last one
  std::string control_;         // what a control frame carries
  std::string held_;            // frames of a message that waits for its verdict, as they came
  std::string text_;            // its payload
  std::uint64_t message_bytes_ = 0;
  bool waiting_ = false;  // for a verdict
  bool judged_ = false;   // what follows of this message may go on
  std::string_view why_;
  WsFacets facets_;
  FrameCounts counts_;
};

}  // namespace clawpatrol::http
