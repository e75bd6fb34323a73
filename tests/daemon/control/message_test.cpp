#include "daemon/control/message.h"

#include <catch2/catch.hpp>

namespace clawpatrol::control {
namespace {

Message parsed(std::string_view text) {
  auto message = Message::parse(text);
  REQUIRE(message);
  return *message;
}

TEST_CASE("members are written in the order of the calls, in ASCII") {
  JsonObject object = message_of_type("flow");
  object.add("id", 7).add("ok", true).add("peer", "b\x1b[31m\xe2\x80\xae").add("share", 0.5);
  object.add_json("tags", json_texts({"a", "\"b\""}));
  CHECK(object.text() == R"({"v":1,"type":"flow","id":7,"ok":true,"peer":"b\u001b[31m\u202e","share":0.500,)"
                         R"("tags":["a","\"b\""]})");
}

TEST_CASE("bytes that are not UTF-8 are readable again") {
  JsonObject object;
  object.add("text", std::string_view("a\xff\x80z"));
  CHECK(parsed(object.text()).text("text") == "a\\xff\\x80z");
}

TEST_CASE("lone surrogates are read, pairs stay one character, and an escaped backslash stays itself") {
  CHECK(parsed(R"({"t":"\udcff"})").text("t") == "\\xff");
  CHECK(parsed(R"({"t":"\ud83d\ude00"})").text("t") == "\xf0\x9f\x98\x80");
  CHECK(parsed(R"({"t":"\\udcff"})").text("t") == "\\udcff");
  CHECK(parsed(R"({"t":"\\\udcff"})").text("t") == "\\\\xff");
  CHECK(parsed(R"({"t":"\ud800\ud800x"})").text("t") == "\\x00\\x00x");
}

TEST_CASE("what is not one JSON object is refused with a reason and without the text") {
  for (const char* text :
       {"", "[]", "7", "{", "{}x", "{\"a\":1,}", "{\"a\":tru}", "null", "{\"a\":\"\x01\"}"}) {
    INFO(text);
    auto message = Message::parse(text);
    REQUIRE_FALSE(message);
    CHECK(message.error().starts_with("it "));
  }
}

TEST_CASE("deep nesting is refused and does not crash") {
  std::string deep = "{\"a\":" + std::string(30'000, '[') + std::string(30'000, ']') + "}";
  REQUIRE_FALSE(Message::parse(deep));
  CHECK(Message::parse("{\"a\":[[[[1]]]]}"));
}

TEST_CASE("a getter of the wrong type gives nothing") {
  Message message =
      parsed(R"({"s":"x","n":-4,"u":18446744073709551615,"t":true,"l":[{"a":1},2],"o":{"k":"v"}})");
  CHECK_FALSE(message.text("n"));
  CHECK_FALSE(message.text("absent"));
  CHECK(message.integer("n") == -4);
  CHECK_FALSE(message.natural("n"));
  CHECK(message.natural("u") == 18446744073709551615u);
  CHECK(message.flag("t"));
  CHECK_FALSE(message.flag("s"));
  CHECK(message.list("l").size() == 2);
  CHECK(message.list("l")[0].natural("a") == 1u);
  CHECK(message.list("s").empty());
  CHECK(message.object("o").text("k") == "v");
  CHECK(message.object("s").is_null());
  CHECK(message.object("s").object("deeper").text_or_empty("k").empty());
}

TEST_CASE("parts outlive the whole") {
  Message part;
  {
    Message whole = parsed(R"({"o":{"k":"v"}})");
    part = whole.object("o");
  }
  CHECK(part.text("k") == "v");
  CHECK(part.json() == R"({"k":"v"})");
}

}  // namespace
}  // namespace clawpatrol::control
