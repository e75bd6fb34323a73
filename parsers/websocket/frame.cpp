#include "parsers/websocket/frame.h"

#include <algorithm>

#include "parsers/json.h"

namespace clawpatrol::websocket {
namespace {

bool is_control(Opcode opcode) {
  return opcode >= Opcode::close;
}

// RFC 6455, 7.4: those that may stand in a frame.
bool is_close_code(std::uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

}  // namespace

std::string_view name_of(Opcode opcode) {
  switch (opcode) {
    case Opcode::continuation: return "continuation";
    case Opcode::text: return "text";
    case Opcode::binary: return "binary";
    case Opcode::close: return "close";
    case Opcode::ping: return "ping";
    case Opcode::pong: return "pong";
  }
  __builtin_unreachable();
}

Step<Event> FrameReader::next(std::string_view buffer) {
  if (left_ == 0) return head(buffer);
  if (buffer.empty()) return NeedMore{1};
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, buffer.size()));
  const std::uint64_t offset = size_ - left_;
  left_ -= size;
  return Parsed<Event>{Payload{buffer.substr(0, size), offset}, size};
}

std::optional<Malformed> FrameReader::check_first(std::uint8_t first) const {
  const auto opcode = static_cast<Opcode>(first & 0x0f);
  const bool final = first & 0x80, compressed = first & 0x40;
  if (closed_) return Malformed{"frame behind a close frame"};
  if (first & 0x30) return Malformed{"reserved bit is set"};
  if ((first & 0x0f) > 10 || ((first & 0x0f) > 2 && (first & 0x0f) < 8)) return Malformed{"unknown opcode"};
  if (compressed && (deflate_ == Deflate::no || is_control(opcode) || opcode == Opcode::continuation))
    return Malformed{"compressed frame where none may be"};
  if (is_control(opcode)) return final ? std::nullopt : std::optional(Malformed{"control frame in parts"});
  if (opcode == Opcode::continuation && !in_message_) return Malformed{"continuation of nothing"};
  if (opcode != Opcode::continuation && in_message_) return Malformed{"message within a message"};
  return std::nullopt;
}

// The payload of a close frame is a code and UTF-8 (RFC 6455, 5.5.1).
std::optional<Malformed> FrameReader::check_control(const FrameHead& head, std::string_view payload) const {
  if (head.opcode != Opcode::close || payload.empty()) return std::nullopt;
  std::string plain;
  unmask(payload, head.mask, 0, plain);
  if (plain.size() == 1) return Malformed{"close frame with half a code"};
  const auto code = Reader(plain).u16();
  if (!is_close_code(code)) return Malformed{"close frame with a code that may not be sent"};
  if (!is_utf8(std::string_view(plain).substr(2))) return Malformed{"close frame whose reason is not UTF-8"};
  return std::nullopt;
}

Step<Event> FrameReader::head(std::string_view buffer) {
  if (buffer.empty()) return NeedMore{closed_ ? 1U : 2U};
  Reader reader(buffer);
  const std::uint8_t first = reader.u8();
  if (auto wrong = check_first(first)) return *wrong;
  if (buffer.size() < 2) return NeedMore{2};
  const std::uint8_t second = reader.u8();
  const bool masked = second & 0x80;
  if (masked != (sender_ == Sender::client))
    return Malformed{masked ? "masked frame of a server" : "frame of a client without a mask"};
  FrameHead head;
  head.opcode = static_cast<Opcode>(first & 0x0f);
  head.final = first & 0x80;
  head.size = second & 0x7f;
  if (is_control(head.opcode) && head.size > max_control) return Malformed{"control frame is too long"};
  const std::size_t more = head.size == 126 ? 2 : head.size == 127 ? 8 : 0;
  const std::size_t size = 2 + more + (masked ? 4 : 0);
  const std::size_t wanted = is_control(head.opcode) ? size + static_cast<std::size_t>(head.size) : size;
  if (buffer.size() < wanted) return NeedMore{wanted};
  if (more == 2) {
    head.size = reader.u16();
    if (head.size < 126) return Malformed{"length is not written as short as it can be"};
  } else if (more == 8) {
    head.size = std::uint64_t{reader.u32()} << 32 | reader.u32();
    if (head.size <= 0xffff) return Malformed{"length is not written as short as it can be"};
    if (head.size > max_frame) return Malformed{"frame is too long"};
  }
  if (masked)
    for (std::uint8_t& byte : head.mask) byte = reader.u8();
  if (is_control(head.opcode)) {
    if (auto wrong = check_control(head, buffer.substr(size, wanted - size))) return *wrong;
    closed_ = head.opcode == Opcode::close;
    head.message = head.opcode;
  } else {
    if (head.opcode != Opcode::continuation) {
      message_ = head.opcode;
      compressed_ = first & 0x40;
      fragments_ = 0;
    } else if (++fragments_ > max_fragments) {
      return Malformed{"message in too many parts"};
    }
    in_message_ = !head.final;
    head.message = message_;
    head.compressed = compressed_;
  }
  left_ = size_ = head.size;
  return Parsed<Event>{head, size};
}

void unmask(std::string_view bytes, const Mask& mask, std::uint64_t offset, std::string& out) {
  const std::size_t begin = out.size();
  out.append(bytes);
  if (mask == Mask{}) return;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    out[begin + i] = static_cast<char>(static_cast<std::uint8_t>(out[begin + i]) ^ mask[(offset + i) % 4]);
}

std::string close_frame(Sender from, std::uint16_t code, std::string_view reason) {
  std::size_t end = std::min(reason.size(), max_control - 2);
  while (end < reason.size() && end > 0 && (static_cast<unsigned char>(reason[end]) & 0xc0) == 0x80) --end;
  reason = reason.substr(0, end);  // between characters
  std::string out;
  Writer writer(out);
  const auto size = static_cast<std::uint8_t>(reason.size() + 2);
  writer.u8(0x88).u8(from == Sender::client ? size | 0x80 : size);
  if (from == Sender::client) writer.u32(0);
  writer.u16(code).bytes(reason);
  return out;
}

}  // namespace clawpatrol::websocket
