#include "parsers/websocket/message.h"

#include <catch2/catch.hpp>

using namespace clawpatrol;
using namespace clawpatrol::websocket;

namespace {

WsFacets with_json(Facet<std::string> payload, Opcode message = Opcode::text) {
  WsFacets facets = facets_of(Sender::client, message, std::move(payload));
  read_json(facets);
  return facets;
}

}  // namespace

TEST_CASE("a message's JSON is read when it is asked for") {
  CHECK(facets_of(Sender::client, Opcode::text, std::string("{\"a\":1}")).json.why() == Unknown::not_asked);
  CHECK(with_json(Unknown::over_limit).json.why() == Unknown::over_limit);
  CHECK(with_json(std::string("\xff")).json.why() == Unknown::unparseable);
  CHECK(with_json(Unknown::not_applicable, Opcode::binary).json.why() == Unknown::not_applicable);
}

TEST_CASE("what rules see of a message") {
  const WsFacets json = with_json(std::string("{\"a\":1}"));
  CHECK(*json.direction == "up");
  CHECK(*json.opcode == "text");
  CHECK(*json.text == "{\"a\":1}");
  CHECK(json.json->find("a"));
  const WsFacets text = facets_of(Sender::server, Opcode::text, std::string("hello"));
  CHECK(*text.direction == "down");
  CHECK(with_json(std::string("hello")).json.why() == Unknown::unparseable);
  CHECK(with_json(std::string("{\"a\":1,\"a\":2}")).json.why() == Unknown::unparseable);
  CHECK(facets_of(Sender::client, Opcode::text, std::string("\xff")).text.why() == Unknown::unparseable);
  CHECK(facets_of(Sender::client, Opcode::text, Unknown::over_limit).text.why() == Unknown::over_limit);
  const WsFacets binary = facets_of(Sender::client, Opcode::binary, std::string("abc"));
  CHECK(*binary.opcode == "binary");
  CHECK(binary.text.why() == Unknown::not_applicable);
}
