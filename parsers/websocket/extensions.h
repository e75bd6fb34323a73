// Sec-WebSocket-Extensions: RFC 6455, 9.1, and permessage-deflate of RFC 7692, the only one that we know.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "parsers/bytes.h"
#include "parsers/websocket/frame.h"

namespace clawpatrol::websocket {

// Of what a client offers (all of its fields, joined with ","), what is handed on: each permessage-deflate
// that is written as RFC 7692 has it. "": nothing.
std::string known_offers(std::string_view offered);

// What the server's answer, to what known_offers() gave, settles. Malformed: an extension that was not
// offered, two of them, or parameters that RFC 7692 does not have in an answer.
std::expected<Deflate, Malformed> settled(std::string_view answered, std::string_view offered);

}  // namespace clawpatrol::websocket
