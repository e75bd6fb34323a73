// Heads of HTTP/2, after HPACK: RFC 9113, 8. Fields in, in the order in which they came, pseudo-header fields
// first; the head that is handed on out.
//
// A request is written as HTTP/1.1 and read by that parser: what it refuses is refused here, so that a
// request that is translated cannot be read in two ways.
#pragma once

#include <expected>

#include "parsers/bytes.h"
#include "parsers/http/message.h"

namespace clawpatrol::http2 {

inline constexpr std::size_t max_fields = 208;  // HTTP/1.1's and the pseudo-header fields

enum class Scheme : std::uint8_t { http, https };
enum class Body : std::uint8_t { none, follows };  // whether the head was the end of its stream

// The scheme must be the connection's. Cookies that came in several fields are one (RFC 9113, 8.2.3).
std::expected<http::RequestHead, Malformed> read_request_head(const http::Fields& fields, Scheme scheme,
                                                              Body body);

// `method` is the request's. Interim heads too, but for 101, which HTTP/2 does not have.
std::expected<http::ResponseHead, Malformed> read_response_head(const http::Fields& fields, Body body,
                                                                std::string_view method);

// A field that belongs into the head makes a request's trailers malformed.
std::expected<void, Malformed> check_request_trailers(const http::Fields& fields);
// A response's are handed on without such a field.
std::expected<http::Fields, Malformed> read_response_trailers(http::Fields fields);

}  // namespace clawpatrol::http2
