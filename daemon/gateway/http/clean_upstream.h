// A server that has changed to WebSocket, without the secrets that it may know: what its frames carry is
// overwritten byte for byte, so that they keep their lengths, wherever they cut it. A secret is found across
// the frames of a message and across pieces of the stream; where a message ends nothing is held back, so that
// its reader need not wait for the next one: of a secret that two messages share only what is in the second
// is overwritten.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "daemon/credentials/http/scrub.h"
#include "daemon/gateway/http/exchange.h"
#include "parsers/websocket/frame.h"

namespace clawpatrol::http {

// The frames of one direction, which are not compressed, while they pass.
class CleanFrames {
 public:
  explicit CleanFrames(std::shared_ptr<const credentials::Patterns> patterns)
      : patterns_(std::move(patterns)), messages_(patterns_) {}

  // Appends to `out` what is certain. What is no frame is looked through all the same, and said by who reads
  // it.
  void feed(std::string_view bytes, std::string& out);
  void finish(std::string& out);  // the rest, at the end of the stream
  // More than may wait behind what can still become a secret: control frames and empty ones without end.
  bool holds_too_much() const { return pieces_.size() > most_pieces; }

 private:
  static constexpr std::size_t most_pieces = 4096;
  struct Piece {
    std::string ready = {};   // as it goes on; or
    std::size_t payload = 0;  // so many bytes of what messages_ gives
  };
  void take(const websocket::FrameHead& head, std::string_view raw);
  void take(const websocket::Payload& payload, std::string_view raw);
  void pass_payload(std::string_view bytes);
  void assemble(std::string& out);

  std::shared_ptr<const credentials::Patterns> patterns_;
  credentials::Scrubber messages_;  // the payload of text and binary frames, one behind the other
  websocket::FrameReader reader_{websocket::Sender::server, websocket::Deflate::no};
  bool is_control_ = false;  // the frame that is being read
  bool malformed_ = false;
  std::string arrived_;       // no whole head yet
  std::string clean_;         // that messages_ has given, and no piece has taken
  std::deque<Piece> pieces_;  // what goes on, in order
};

class CleanUpstream final : public UpstreamExchange {
 public:
  // `patterns` may be null: nothing is looked for. `server` must outlive this.
  CleanUpstream(UpstreamExchange& server, const std::shared_ptr<const credentials::Patterns>& patterns)
      : server_(server) {
    if (patterns) frames_.emplace(patterns);
  }

  Task<std::expected<void, Error>> send_head(const RequestHead& head, Deadline deadline) override {
    return server_.send_head(head, deadline);
  }
  Task<std::expected<void, Error>> send(std::string_view bytes, Deadline deadline) override {
    return server_.send(bytes, deadline);
  }
  Task<std::expected<void, Error>> finish(const Fields& trailers, Deadline deadline) override {
    return server_.finish(trailers, deadline);
  }
  Task<std::expected<ResponseHead, Error>> read_head(Deadline deadline) override {
    return server_.read_head(deadline);
  }
  Task<std::expected<BodyPart, Error>> read(Deadline deadline) override;
  void break_off() override { server_.break_off(); }

 private:
  UpstreamExchange& server_;
  std::optional<CleanFrames> frames_;
  std::string text_;
};

}  // namespace clawpatrol::http
