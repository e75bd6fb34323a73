// Messages of WebSocket, put together from their frames (RFC 6455, 5.4) and inflated (RFC 7692), within
// limits.
#pragma once

#include <memory>
#include <string>

#include "parsers/facets.h"
#include "parsers/websocket/extensions.h"
#include "parsers/websocket/frame.h"

namespace clawpatrol::websocket {

inline constexpr std::size_t max_ratio = 200;               // of what comes out to what goes in,
inline constexpr std::size_t ratio_free_bytes = 256 << 10;  // past this much

// Undoes permessage-deflate for one sender. Once a message could not be inflated, none behind it can.
class Inflater {
 public:
  explicit Inflater(const Compression& compression);
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // A whole message. over_limit past `limit` bytes or the ratio; undecodable.
  Facet<std::string> inflate(std::string_view message, std::size_t limit);

 private:
  struct State;
  std::unique_ptr<State> state_;
  Compression compression_;
  bool lost_ = false;
};

// What a rule can see of one message. Text of a binary one is not applicable; of a text message that is not
// UTF-8, unparseable.
WsFacets facets_of(Sender sender, Opcode message, Facet<std::string> payload);

// Gathers the payload of one direction's data messages, up to `limit` bytes of each.
class MessageReader {
 public:
  MessageReader(Deflate deflate, const Compression& compression, std::size_t limit);

  void add(const FrameHead& head);  // not of control frames
  void add(const FrameHead& head, const Payload& payload);
  // After the last byte of a final frame.
  Facet<std::string> take(const FrameHead& head);

 private:
  std::size_t limit_;
  std::optional<Inflater> inflater_;
  std::string gathered_;
  bool over_limit_ = false;
};

}  // namespace clawpatrol::websocket
