// The body of a message behind its head: RFC 9112, 6 and 7.
//
//   body     (none) | Content-Length bytes | chunks | all that comes until the connection ends
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

using BodyEvent = std::variant<Data, End>;

// Any Data, then one End (which may cover no byte); one that lasts until the connection ends has no End.
class BodyReader {
 public:
  void begin(Framing framing, std::uint64_t length);
  Step<BodyEvent> next(std::string_view buffer);
  bool lasts_until_close() const { return state_ == State::until_close; }

 private:
  enum class State : std::uint8_t { bytes, until_close, chunk_size, chunk_data, chunk_end, end };

  Step<BodyEvent> data(std::string_view buffer);
  Step<BodyEvent> chunk(std::string_view buffer);
  Step<BodyEvent> trailers(std::string_view buffer, std::size_t before);

  State state_ = State::end;
  std::uint64_t left_ = 0;  // of the body, or of the chunk
  std::size_t extensions_ = 0;
};

}  // namespace clawpatrol::http1
