// What rules see of a message of WebSocket.
#pragma once

#include "parsers/facets.h"
#include "parsers/websocket/frame.h"

namespace clawpatrol::websocket {

// `payload` is the whole of a text message, unmasked, or why it is not known; of a binary one it is not
// looked at, and its text is not applicable. Text that is not UTF-8 is unparseable. Its JSON is not asked for
// until somebody does.
WsFacets facets_of(Sender sender, Opcode message, Facet<std::string> payload);
void read_json(WsFacets& facets);

}  // namespace clawpatrol::websocket
