// PostgreSQL wire protocol 3.0 and 3.2, message framing (documentation, "Message Formats").
//
//   first packet  | length 4 | code 4 | body ...          see startup.h
//   message       | type 1 | length 4 | body ...          length counts itself and the body, not the type
//
// Both directions are cut by one class. Small messages come whole; large ones and streams come in parts, so
// that a limit bounds memory and not traffic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "parsers/bytes.h"

namespace clawpatrol::postgres {

inline constexpr std::size_t header_size = 5;
inline constexpr std::uint32_t largest_message =
    0x3fffffff;  // the server's own limit (PQ_LARGE_MESSAGE_LIMIT)
inline constexpr std::uint32_t largest_small_message = 10000;  // PQ_SMALL_MESSAGE_LIMIT
inline constexpr std::uint32_t largest_password = 65535;       // PG_MAX_AUTH_TOKEN_LENGTH

enum class Side : std::uint8_t { frontend, backend };

// A message, or a part of one.
struct Frame {
  char type = 0;
  bool begins = false;     // the first part: `raw` starts with the header
  bool ends = false;       // the last part; both: the whole message
  std::uint32_t size = 0;  // of the whole message with its header
  std::string_view body;   // of this part
  std::string_view raw;    // of this part, header included
  bool whole() const { return begins && ends; }
};

// Cuts one direction of a connection, after its startup packet, into frames. peek() does not move; take()
// does, so that a caller who has to wait can ask for the same frame again.
class FrameStream {
 public:
  // Messages of up to `whole_limit` bytes come whole unless their type is one that streams (CopyData, DataRow
  // and the like). A larger one comes in parts, the first with at least `whole_limit` bytes.
  FrameStream(Side side, std::size_t whole_limit) : side_(side), whole_limit_(whole_limit) {}

  Step<Frame> peek(std::string_view bytes) const;
  void take(const Frame& frame);

  bool within_message() const { return left_ > 0; }

 private:
  Step<Frame> part(std::string_view bytes) const;

  Side side_;
  std::size_t whole_limit_;
  char type_ = 0;
  std::uint32_t size_ = 0;
  std::uint32_t left_ = 0;  // bytes of the current message that have not been taken
};

}  // namespace clawpatrol::postgres
