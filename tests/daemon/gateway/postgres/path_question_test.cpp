// What a server says of a session's path, and what it may not say.
#include "daemon/gateway/postgres/path_question.h"

#include <catch2/catch.hpp>

#include "parsers/postgres/build.h"

namespace clawpatrol::postgres {
namespace {

using State = PathQuestion::State;

std::string message(char type, std::string_view body) {
  std::string out;
  append_header(out, type, body.size());
  return out.append(body);
}

std::string big_endian(std::uint32_t value, std::size_t bytes) {
  std::string out;
  while (bytes-- > 0) out.push_back(static_cast<char>(value >> (8 * bytes)));
  return out;
}

std::string row(std::string_view value) {
  return message(
      'D', big_endian(1, 2) + big_endian(static_cast<std::uint32_t>(value.size()), 4) + std::string(value));
}

std::string shown(std::string_view value) {
  return message('T', std::string(2, '\0')) + row(value) + message('C', std::string("SHOW\0", 5)) +
         message('Z', "I");
}

State feed(PathQuestion& question, std::string_view bytes) {
  FrameStream frames(Side::backend, 1 << 16);
  State state = State::going_on;
  while (!bytes.empty() && state == State::going_on) {
    auto step = frames.peek(bytes);
    auto* parsed = std::get_if<Parsed<Frame>>(&step);
    REQUIRE(parsed);
    state = question.take(parsed->event);
    bytes.remove_prefix(parsed->size);
  }
  return state;
}

std::string selected(std::string_view schema) {
  const bool found = !schema.empty();
  return message('T', std::string(2, '\0')) + (found ? row(schema) : "") +
         message('C', found ? std::string("SELECT 1\0", 9) : std::string("SELECT 0\0", 9)) +
         message('Z', "I");
}

sql::SearchPathPointer path_of(std::string_view path, std::string_view role,
                               std::string_view own_schema = "") {
  PathQuestion question;
  CHECK(feed(question, shown(path)) == State::going_on);
  CHECK(feed(question, shown(role)) == State::going_on);
  CHECK(feed(question, selected(own_schema)) == State::answered);
  return question.path("agent");
}

std::string error_of(std::string_view severity) {
  std::string body;
  for (std::string_view field : {"S", "V"}) body.append(field).append(severity).append(1, '\0');
  return message('E', body.append("C42704").append(1, '\0').append("Mno").append(2, '\0'));
}

}  // namespace

TEST_CASE("a path is what the server says, with the schema of whoever the session is") {
  using Names = std::vector<std::string>;
  CHECK(path_of("\"$user\", public", "none") == nullptr);
  CHECK(path_of("sec, public", "none")->schemas == Names{"sec", "public"});
  CHECK(path_of("sec", "none")->certain);
  CHECK(path_of("\"$user\", \"A b\"", "none")->schemas == Names{"A b"});
  CHECK(path_of("\"$user\", \"A b\"", "none", "agent")->schemas == Names{"agent", "A b"});
  CHECK(path_of("\"$user\", public", "none", "agent")->schemas == Names{"agent", "public"});
  CHECK(path_of("\"$user\", public", "boss", "boss")->schemas == Names{"boss", "public", "agent"});
  CHECK(path_of("\"$user\", public", "boss")->schemas == Names{"boss", "public", "agent"});
  CHECK(path_of("public", "none", "agent") == nullptr);
  CHECK(path_of("", "none")->schemas.empty());
  CHECK(path_of("sec, pg_catalog", "none")->hides_catalog);
  CHECK_FALSE(path_of("a b c", "none")->certain);
}

TEST_CASE("a server that does not say where names are leaves it open") {
  for (bool first : {true, false}) {
    PathQuestion question;
    CHECK(feed(question, first ? error_of("ERROR") + message('Z', "I") : shown("sec")) == State::going_on);
    CHECK(feed(question, first ? shown("none") : error_of("ERROR") + message('Z', "I")) == State::going_on);
    CHECK(feed(question, selected("")) == State::answered);
    REQUIRE(question.path("agent"));
    CHECK_FALSE(question.path("agent")->certain);
  }
}

TEST_CASE("where a server does not say whether there is a schema named as the role, there is one") {
  PathQuestion question;
  CHECK(feed(question, shown("\"$user\", public") + shown("none")) == State::going_on);
  CHECK(feed(question, error_of("ERROR") + message('Z', "I")) == State::answered);
  REQUIRE(question.path("agent"));
  CHECK(question.path("agent")->schemas == std::vector<std::string>{"agent", "public"});
  CHECK(question.path("agent")->certain);
}

TEST_CASE("an answer to another question ends the connection") {
  for (const std::string& wrong :
       {message('D', ""), message('D', big_endian(2, 2)),
        message('D', big_endian(1, 2) + big_endian(9, 4) + "x"),
        message('D', big_endian(1, 2) + big_endian(0xffffffff, 4)), message('Z', "T"), message('Z', ""),
        message('G', "x"), message('S', std::string("client_encoding\0SJIS\0", 21)), error_of("FATAL")}) {
    PathQuestion question;
    CHECK(feed(question, wrong) == State::failed);
  }
}

}  // namespace clawpatrol::postgres
