#include "daemon/gateway/http/websocket_relay.h"

#include <utility>

namespace clawpatrol::http {

using websocket::FrameHead;
using websocket::Opcode;
using websocket::Payload;
using websocket::Sender;
using websocket::unmask;

namespace {

// Of the heads of a message's frames.
constexpr std::size_t most_overhead = 64 << 10;

}  // namespace

std::string frame_counts_json(const FrameCounts& counts) {
  std::string members;
  for (Opcode opcode :
       {Opcode::text, Opcode::binary, Opcode::continuation, Opcode::ping, Opcode::pong, Opcode::close}) {
    const FrameCounts::Of& of = counts.by_opcode[static_cast<std::size_t>(opcode)];
    if (of.frames == 0) continue;
    members.append(members.empty() ? "\"" : ",\"").append(name_of(opcode)).append("\":[");
    members.append(std::to_string(of.frames)).append(",").append(std::to_string(of.bytes)).append("]");
  }
  return "{" + members + "}";
}

std::string OpenPings::pass(std::string payload) {
  if (open_.size() == most) open_.pop_front();
  const std::uint16_t number = next_++;
  open_.push_back({number, std::move(payload)});
  std::string text;
  Writer(text).u16(number);
  return text;
}

// The last ping alone may be answered (RFC 6455, 5.5.3): those before it never will be.
std::optional<std::string> OpenPings::answered(std::string_view number) {
  if (number.size() != 2) return std::nullopt;
  const std::uint16_t wanted = Reader(number).u16();
  for (std::size_t i = 0; i < open_.size(); ++i) {
    if (open_[i].number != wanted) continue;
    std::string payload = std::move(open_[i].payload);
    open_.erase(open_.begin(), open_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    return payload;
  }
  return std::nullopt;
}

WebSocketRelay::Next WebSocketRelay::next(std::string& out) {
  std::size_t done = 0;
  if (judged_) out.append(std::exchange(held_, {}));  // allowed since
  while (!waiting_ && why_.empty()) {
    auto step = reader_.next(std::string_view(arrived_).substr(done));
    if (std::holds_alternative<NeedMore>(step)) break;
    if (auto* wrong = std::get_if<Malformed>(&step)) {
      why_ = wrong->why;
      break;
    }
    auto& parsed = std::get<Parsed<websocket::Event>>(step);
    const std::string_view raw = std::string_view(arrived_).substr(done, parsed.size);
    done += parsed.size;
    std::visit([&](const auto& event) { take(event, raw, out); }, parsed.event);
    if (reader_.between_frames()) frame_ended(out);
  }
  arrived_.erase(0, done);
  return !why_.empty() ? Next::malformed : waiting_ ? Next::message : Next::more;
}

void WebSocketRelay::take(const FrameHead& head, std::string_view raw, std::string& out) {
  frame_ = head;
  FrameCounts::Of& of = counts_.by_opcode[static_cast<std::size_t>(head.opcode)];
  ++of.frames;
  of.bytes += head.size;
  if (!sees()) {
    out.append(raw);
    return;
  }
  if (is_control()) return control_.clear();
  if (head.opcode != Opcode::continuation) {
    judged_ = false;
    message_bytes_ = 0;
    text_.clear();
  }
  (judged_ ? out : held_).append(raw);
  if (judged_) return;
  // Frames that bring nothing are held too.
  if (head.message == Opcode::binary)
    ask(Unknown::not_applicable);
  else if (held_.size() > setting_.limit + most_overhead)
    ask(Unknown::over_limit);
}

void WebSocketRelay::take(const Payload& payload, std::string_view raw, std::string& out) {
  if (sees() && is_control()) return unmask(payload.bytes, frame_.mask, payload.offset, control_);
  message_bytes_ += payload.bytes.size();
  if (!sees() || judged_) {
    out.append(raw);
    return;
  }
  held_.append(raw);
  unmask(payload.bytes, frame_.mask, payload.offset, text_);
  if (text_.size() > setting_.limit) ask(Unknown::over_limit);
}

void WebSocketRelay::frame_ended(std::string& out) {
  if (!sees()) return;
  if (is_control()) return pass_control(out);
  if (frame_.final && !judged_ && !waiting_) ask(std::exchange(text_, {}));
}

void WebSocketRelay::ask(Facet<std::string> payload) {
  facets_ = websocket::facets_of(setting_.sender, frame_.message, std::move(payload));
  text_ = {};
  waiting_ = true;
}

void WebSocketRelay::allow() {
  waiting_ = false;
  judged_ = true;
}

void WebSocketRelay::pass_control(std::string& out) {
  if (frame_.opcode == Opcode::close) return put(Opcode::close, std::string_view(control_).substr(0, 2), out);
  if (frame_.opcode == Opcode::ping) return put(Opcode::ping, own_.pass(std::exchange(control_, {})), out);
  if (auto carried = other_.answered(control_))
    put(Opcode::pong, *carried, out);  // one that nobody asked for goes nowhere
}

void WebSocketRelay::put(Opcode opcode, std::string_view payload, std::string& out) const {
  const bool masked = setting_.sender == Sender::client;
  Writer writer(out);
  writer.u8(static_cast<std::uint8_t>(0x80 | static_cast<unsigned>(opcode)));
  writer.u8(static_cast<std::uint8_t>(payload.size() | (masked ? 0x80 : 0)));
  if (masked) writer.u32(0);
  writer.bytes(payload);
}

bool WebSocketRelay::between_frames() const {
  return reader_.between_frames() || (sees() && (!judged_ || is_control()));
}

}  // namespace clawpatrol::http
