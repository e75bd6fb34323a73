// The head of an HTTP/1.1 request: RFC 9112, 2 to 7.
//
//   method SP target SP "HTTP/1." ("0" | "1") CRLF
//   *( name ":" OWS value OWS CRLF )
//   CRLF
//
// Strict: what two servers could read in two ways is Malformed, though one of the readings may be the
// specification's. There is one framing rule: `Content-Length` of digits, once, or `Transfer-Encoding:
// chunked`, once and in HTTP/1.1, or no body.
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>
#include <vector>

#include "parsers/bytes.h"
#include "parsers/http1/authority.h"

namespace clawpatrol::http1 {

inline constexpr std::size_t max_head = 64 << 10;  // with the empty line at its end
inline constexpr std::size_t max_method = 32;
inline constexpr std::size_t max_target = 16 << 10;
inline constexpr std::size_t max_headers = 200;
inline constexpr std::size_t max_length_digits = 18;  // of Content-Length, so that it fits an int64

struct Header {
  std::string_view name;   // as sent
  std::string_view value;  // without the white space around it; may hold bytes above 0x7f
  bool operator==(const Header&) const = default;
};

enum class Framing : std::uint8_t { none, length, chunked, until_close };  // the last of responses alone

struct Head {
  std::string_view method;
  std::string_view target;  // as sent
  std::string_view path;    // of the target, with neither authority nor query; "*" of OPTIONS; never empty
  std::string_view query;   // without the "?"
  Authority authority;      // of Host; its host is "" where HTTP/1.0 left it out
  int minor_version = 1;
  std::vector<Header> headers;
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;
  bool keep_alive = true;         // whether another request may follow
  bool expects_continue = false;  // the agent waits for 100 before it sends the body
  std::string_view upgrade;       // what it asks to change to; "": nothing

  // The value of the only header of this name; "" where there is none.
  std::string_view only(std::string_view name) const;
};

// `text` is the whole head, up to and with its empty line, and holds no byte that LineScanner refuses.
std::expected<Head, Malformed> read_head(std::string_view text);

// name ":" OWS value OWS, without its CRLF; also of trailers.
std::expected<Header, Malformed> read_header(std::string_view line);

// Finds the end of lines that end in an empty one, however the bytes come in.
class LineScanner {
 public:
  // The size with the empty line; NeedMore; or Malformed for a bare CR or LF, a control byte, or more than
  // `limit` bytes. `buffer` begins where the one of the call before did.
  Step<std::size_t> find_end(std::string_view buffer, std::size_t limit);

 private:
  std::size_t scanned_ = 0;
  std::size_t line_begin_ = 0;
};

}  // namespace clawpatrol::http1
