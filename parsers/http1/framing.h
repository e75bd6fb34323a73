// How long the body is, and what the connection is asked for: RFC 9112, 6 and 9.
#pragma once

#include "parsers/http1/head.h"

namespace clawpatrol::http1 {

// Sets framing and content_length. `raw_transfer_encoding` is the line of that header as sent, or "": servers
// disagree about white space in it.
std::expected<void, Malformed> read_framing(Head& head, std::string_view raw_transfer_encoding);

// The value of Content-Length.
std::expected<std::uint64_t, Malformed> read_length(std::string_view text);

// Sets keep_alive, upgrade and expects_continue.
std::expected<void, Malformed> read_connection(Head& head);

// Whether a trailer of this name could change what the message says, or where it goes.
bool matters_in_trailers(std::string_view name);

}  // namespace clawpatrol::http1
