#include "parsers/websocket/message.h"

#include <catch2/catch.hpp>

using namespace clawpatrol;
using namespace clawpatrol::websocket;

TEST_CASE("what rules see of a message") {
  const WsFacets json = facets_of(Sender::client, Opcode::text, std::string("{\"a\":1}"));
  CHECK(*json.direction == "up");
  CHECK(*json.opcode == "text");
  CHECK(*json.text == "{\"a\":1}");
  CHECK(json.json->find("a"));
  const WsFacets text = facets_of(Sender::server, Opcode::text, std::string("hello"));
  CHECK(*text.direction == "down");
  CHECK(text.json.why() == Unknown::unparseable);
  CHECK(facets_of(Sender::client, Opcode::text, std::string("{\"a\":1,\"a\":2}")).json.why() ==
        Unknown::unparseable);
  CHECK(facets_of(Sender::client, Opcode::text, std::string("\xff")).text.why() == Unknown::unparseable);
  CHECK(facets_of(Sender::client, Opcode::text, Unknown::over_limit).text.why() == Unknown::over_limit);
  const WsFacets binary = facets_of(Sender::client, Opcode::binary, std::string("abc"));
  CHECK(*binary.opcode == "binary");
  CHECK(binary.text.why() == Unknown::not_applicable);
}
