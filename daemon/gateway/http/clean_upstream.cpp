#include "daemon/gateway/http/clean_upstream.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace clawpatrol::http {

void CleanFrames::feed(std::string_view bytes, std::string& out) {
  arrived_.append(bytes);
  std::size_t done = 0;
  while (!malformed_) {
    auto step = reader_.next(std::string_view(arrived_).substr(done));
    if (std::holds_alternative<NeedMore>(step)) break;
    malformed_ = std::holds_alternative<Malformed>(step);
    if (malformed_) break;
    auto& parsed = std::get<Parsed<websocket::Event>>(step);
    const std::string_view raw = std::string_view(arrived_).substr(done, parsed.size);
    done += parsed.size;
    std::visit([&](const auto& event) { take(event, raw); }, parsed.event);
    if (reader_.between_messages()) messages_.finish(clean_);
  }
  arrived_.erase(0, done);
  if (malformed_) pass_payload(std::exchange(arrived_, {}));
  messages_.release_few(clean_);
  assemble(out);
}

void CleanFrames::finish(std::string& out) {
  pass_payload(std::exchange(arrived_, {}));
  messages_.finish(clean_);
  assemble(out);
}

void CleanFrames::take(const websocket::FrameHead& head, std::string_view raw) {
  is_control_ = head.opcode >= websocket::Opcode::close;
  pieces_.push_back({.ready = std::string(raw)});
}

// A control frame may stand in the midst of a message, and is none of it.
void CleanFrames::take(const websocket::Payload&, std::string_view raw) {
  if (!is_control_) return pass_payload(raw);
  std::string text(raw);
  credentials::scrub(patterns_, text);
  pieces_.push_back({.ready = std::move(text)});
}

void CleanFrames::pass_payload(std::string_view bytes) {
  if (bytes.empty()) return;
  messages_.feed(bytes, clean_);
  pieces_.push_back({.payload = bytes.size()});
}

void CleanFrames::assemble(std::string& out) {
  std::size_t used = 0;
  for (; !pieces_.empty(); pieces_.pop_front()) {
    Piece& piece = pieces_.front();
    out.append(piece.ready);
    piece.ready.clear();
    const std::size_t some = std::min(piece.payload, clean_.size() - used);
    out.append(clean_, used, some);
    used += some;
    piece.payload -= some;
    if (piece.payload > 0) break;
  }
  clean_.erase(0, used);
}

Task<std::expected<BodyPart, Error>> CleanUpstream::read(Deadline deadline) {
  while (true) {
    auto part = co_await server_.read(deadline);
    if (!part || !frames_) co_return part;
    text_.clear();
    frames_->feed(part->bytes, text_);
    if (frames_->holds_too_much())
      co_return std::unexpected(Error{EMSGSIZE, "too many frames behind what may be a part of a secret"});
    if (part->end) frames_->finish(text_);
    part->bytes = text_;
    if (!text_.empty() || part->end) co_return part;
  }
}

}  // namespace clawpatrol::http
