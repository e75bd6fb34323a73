// What the daemon may say. netd trusts none of it.
#pragma once

#include <expected>
#include <string_view>

#include "daemon/netd/protocol.h"

namespace clawpatrol::netd {

// One datagram from the daemon's socket as a message, or why the session ends: a literal.
std::expected<Message, std::string_view> parse_request(std::string_view datagram);

}  // namespace clawpatrol::netd
