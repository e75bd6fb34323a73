#include "parsers/websocket/message.h"

#include "parsers/json.h"

namespace clawpatrol::websocket {

WsFacets facets_of(Sender sender, Opcode message, Facet<std::string> payload) {
  WsFacets facets;
  facets.direction = std::string(sender == Sender::client ? "up" : "down");
  facets.opcode = std::string(name_of(message));
  if (message != Opcode::text) return facets;
  if (!payload) {
    facets.text = payload.why();
    facets.json = payload.why();
    return facets;
  }
  if (!is_utf8(*payload)) {
    facets.text = Unknown::unparseable;
    facets.json = Unknown::unparseable;
    return facets;
  }
  facets.json = Unknown::not_asked;
  facets.text = std::move(*payload);
  return facets;
}

void read_json(WsFacets& facets) {
  if (facets.json || facets.json.why() != Unknown::not_asked) return;
  auto json = read_json_document(*facets.text);
  facets.json = json ? Facet<Document>(std::move(*json)) : Facet<Document>(json.error());
}

}  // namespace clawpatrol::websocket
