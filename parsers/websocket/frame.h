// Frames of WebSocket: RFC 6455, 5.2.
//
//   first(1)   FIN 0x80, RSV1 0x40 (compressed: RFC 7692), RSV2 and RSV3 0, opcode 0x0f
//   second(1)  MASK 0x80: set by the client, and by it alone; length 0x7f
//   length     126: (2) follow; 127: (8) follow; always the shortest that fits
//   mask(4)    of a client's
//   payload
//
// Strict: what RFC 6455 has an endpoint fail the connection for is Malformed.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "parsers/bytes.h"

namespace clawpatrol::websocket {

inline constexpr std::size_t max_control = 125;  // bytes of a control frame's payload
inline constexpr std::uint64_t max_frame = std::uint64_t{1} << 48;
inline constexpr std::uint32_t max_fragments = 1 << 20;  // of one message

enum class Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };
std::string_view name_of(Opcode opcode);

enum class Sender : std::uint8_t { client, server };
enum class Deflate : std::uint8_t { no, negotiated };  // permessage-deflate

using Mask = std::array<std::uint8_t, 4>;

struct FrameHead {
  Opcode opcode = Opcode::text;
  Opcode message = Opcode::text;  // what a continuation goes on with; else the same
  bool final = true;
  bool compressed = false;  // the message that it is part of
  std::uint64_t size = 0;
  Mask mask{};  // zeros: none
  bool operator==(const FrameHead&) const = default;
};

// Some of a frame's payload, as sent: masked. Never empty.
struct Payload {
  std::string_view bytes;
  std::uint64_t offset = 0;  // in the frame: where the mask stands
};

using Event = std::variant<FrameHead, Payload>;

// The state of one direction. Call next() with what is buffered, drop the bytes that the event covers, and
// call again; after Malformed never again. A frame is one FrameHead and as much Payload as it says. The head
// of a control frame comes once all of it is there, and has been looked at.
class FrameReader {
 public:
  FrameReader(Sender sender, Deflate deflate) : sender_(sender), deflate_(deflate) {}
  Step<Event> next(std::string_view buffer);

  bool between_frames() const { return left_ == 0; }
  bool between_messages() const { return left_ == 0 && !in_message_; }
  bool closed() const { return closed_; }  // a close frame has come: nothing may follow

 private:
  Step<Event> head(std::string_view buffer);
  std::optional<Malformed> check_first(std::uint8_t first) const;
  std::optional<Malformed> check_control(const FrameHead& head, std::string_view payload) const;

  Sender sender_;
  Deflate deflate_;
  bool in_message_ = false;
  bool compressed_ = false;
  bool closed_ = false;
  Opcode message_ = Opcode::text;
  std::uint32_t fragments_ = 0;
  std::uint64_t left_ = 0, size_ = 0;  // of the frame that is being read
};

// The bytes without (or with) the mask; `offset` as in Payload.
void unmask(std::string_view bytes, const Mask& mask, std::uint64_t offset, std::string& out);

// A close frame of ours, complete: from the client masked (with zeros: nobody between us and the server can
// be misled by it).
std::string close_frame(Sender from, std::uint16_t code, std::string_view reason);

}  // namespace clawpatrol::websocket
