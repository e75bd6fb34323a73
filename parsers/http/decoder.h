// Content-Encoding undone while it streams: gzip, deflate (in zlib's form), br, zstd, and several over one
// another. What comes out of a few bytes is bounded at every step, so that no response can fill the memory.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/http/decoding.h"

#include "parsers/http/message.h"

namespace clawpatrol::http {

class Decoder {
 public:
  virtual ~Decoder() = default;

  // Undoes some of `bytes`, which it shortens, and appends to `out`: at most about decoder_step. Call again
  // while bytes are left or `more()` says so. The error, a literal, is of a stream that is wrong, or that
  // expands beyond max_ratio.
  virtual std::expected<void, std::string_view> feed(std::string_view& bytes, std::string& out) = 0;
  virtual bool more() const = 0;   // feed() of nothing would append something
  virtual bool ended() const = 0;  // the stream is at an end: nothing need follow
};

// Of gzip (RFC 1952, 2.2) and zstd (RFC 8878, 3): whether several may stand one behind the other, which some
// readers take for one text and others for the first and rubbish.
enum class Members : std::uint8_t { one, many };

inline constexpr std::size_t decoder_step = 64 << 10;

// Null: a coding that is not known, or too many. `codings` in the order in which they were applied; none, and
// "identity", is a decoder that changes nothing.
std::unique_ptr<Decoder> make_decoder(const std::vector<std::string>& codings,
                                      Members members = Members::one);

// Whether the messages within a body are coded one by one (gRPC, Connect), of which Content-Encoding says
// nothing.
bool has_coded_messages(const Fields& fields);

}  // namespace clawpatrol::http
