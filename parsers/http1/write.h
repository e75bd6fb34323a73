// Heads and chunks as they are sent: written anew from what was parsed, with one framing.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "parsers/http/message.h"
#include "parsers/http1/response.h"

namespace clawpatrol::http1 {

// Appends the head of a request. What is written is read again: the error, a literal, says that it would not
// be read as `head`, and then nothing has been appended. `default_port` is not written behind the host.
std::expected<void, std::string_view> append_request(std::string& out, const http::RequestHead& head,
                                                     std::uint16_t default_port);

// How the agent learns where the body ends.
enum class BodyEnd : std::uint8_t {
  none,      // there can be no body; of HEAD and 304, content_length says how long it would be
  length,    // content_length; without one 0
  chunked,   // HTTP/1.1 alone
  by_close,  // the connection's end is the body's
};
struct ResponseForm {
  BodyEnd end = BodyEnd::none;
  std::string_view connection;  // the value of Connection; "": none is sent
  Asked asked = Asked::ordinary;
};

// The same of a response, in HTTP/1.1's version: neither what it says nor where its body ends would be read
// as anything else.
std::expected<void, std::string_view> append_response(std::string& out, const http::ResponseHead& head,
                                                      const ResponseForm& form);

// `bytes` as one chunk; they are not none, which would be the last.
void append_chunk_size(std::string& out, std::size_t size);
void append_last_chunk(std::string& out, const http::Fields& trailers);

std::string_view reason_of(int status);  // "OK", ...; "" of one that is not known

}  // namespace clawpatrol::http1
