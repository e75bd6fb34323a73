// Requests on a connection, one after the other: head, body, end. RFC 9112.
//
//   request  [CRLF] head body
//   body     (none) | Content-Length bytes | chunks
//   chunks   *( size [";" extension] CRLF data CRLF ) "0" [";" extension] CRLF *( trailer CRLF ) CRLF
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "parsers/bytes.h"
#include "parsers/http1/head.h"

namespace clawpatrol::http1 {

inline constexpr std::size_t max_chunk_line = 512;       // size and extensions, with CRLF
inline constexpr std::size_t max_extensions = 16 << 10;  // bytes of all extensions of one body
inline constexpr std::size_t max_size_digits = 15;       // hexadecimal, so that it fits an int64
inline constexpr std::size_t max_trailers = 8 << 10;     // with the empty line

// Some bytes of the body, never none. How a body is cut into these says nothing.
struct Data {
  std::string_view bytes;
  bool operator==(const Data&) const = default;
};

struct End {
  std::vector<Header> trailers;
};

using Event = std::variant<Head, Data, End>;

// The state between two events. Call next() with what is buffered, drop the bytes that the event covers, and
// call again; after Malformed never again. Every request is one Head, any Data, one End (which may cover no
// byte). One CRLF before a request line is skipped (RFC 9112, 2.2).
// A request that asks for an upgrade, or after which the connection is to close, is the last: a byte behind
// it is Malformed.
class RequestReader {
 public:
  Step<Event> next(std::string_view buffer);

  // Whether bytes that end here end between two requests.
  bool between_requests() const { return state_ == State::head || state_ == State::over; }

 private:
  enum class State : std::uint8_t { head, body, chunk_size, chunk_data, chunk_end, end, over };

  Step<Event> head(std::string_view buffer);
  Step<Event> data(std::string_view buffer);
  Step<Event> chunk(std::string_view buffer);
  Step<Event> trailers(std::string_view buffer, std::size_t before);
  Step<Event> finish(End end, std::size_t size);

  State state_ = State::head;
  State after_data_ = State::end;
  bool last_ = false;
  std::uint64_t left_ = 0;  // of the body, or of the chunk
  std::size_t extensions_ = 0;
  LineScanner scanner_;
};

}  // namespace clawpatrol::http1
