// Bytes that lie about themselves, and the limits.
#include <catch2/catch.hpp>

#include "parsers/postgres/backend.h"
#include "parsers/postgres/build.h"
#include "parsers/postgres/frame.h"
#include "parsers/postgres/frontend.h"
#include "parsers/postgres/options.h"
#include "parsers/postgres/startup.h"

namespace clawpatrol::postgres {
namespace {

using namespace std::string_literals;

template <class Event>
std::string why(const Step<Event>& step) {
  if (auto* malformed = std::get_if<Malformed>(&step)) return std::string(malformed->why);
  return std::holds_alternative<NeedMore>(step) ? "need more" : "parsed";
}

std::string frontend(std::string_view bytes) {
  return why(FrameStream(Side::frontend, 1024).peek(bytes));
}

std::string startup_of(std::string_view body) {
  std::string out;
  Writer(out).u32(static_cast<std::uint32_t>(body.size() + 8)).u32(3U << 16).bytes(body);
  return out;
}

}  // namespace

TEST_CASE("lengths that lie are refused, not trusted") {
  CHECK(frontend("Q\0\0\0\3"s) == "message length below 4");
  CHECK(frontend("Q\xff\xff\xff\xff"s) == "message longer than its type allows");
  CHECK(frontend("S\0\0\x27\x11"s) == "message longer than its type allows");
  CHECK(frontend("p\0\1\0\0"s) == "message longer than its type allows");
  CHECK(frontend("z\0\0\0\4"s) == "message of an unknown type");
  CHECK(frontend("z") == "message of an unknown type");
  CHECK(frontend("Q\0\0"s) == "need more");
  CHECK(frontend("S\0\0\0\4"s) == "parsed");
  CHECK(why(FrameStream(Side::backend, 1024).peek("Q\0\0\0\4"s)) == "message of an unknown type");
}

TEST_CASE("first packets that lie are refused") {
  CHECK(why(parse_first_packet("\0\0\0\7"s)) == "startup packet of an impossible length");
  CHECK(why(parse_first_packet("\0\0\x27\x11"s)) == "startup packet of an impossible length");
  CHECK(why(parse_first_packet("\x16\3\1\2\0"s)) == "startup packet of an impossible length");
  CHECK(why(parse_first_packet("\0\0\0\x09\4\xd2\x16\x2fx"s)) == "encryption request with trailing bytes");
  CHECK(why(parse_first_packet("\0\0\0\x08\4\xd2\x16\x2f"s)) == "parsed");
  CHECK(why(parse_first_packet("\0\0\0\x08\0\2\0\0"s)) == unsupported_version);
  CHECK(why(parse_first_packet("\0\0\0\x0f\4\xd2\x16\x2e\0\0\0\1abc"s)) ==
        "cancel request with a key of impossible length");
  CHECK(why(parse_first_packet(startup_of(""))) == "startup packet without its terminator");
  CHECK(why(parse_first_packet(startup_of("user\0bob\0"s))) == "startup packet without its terminator");
  CHECK(why(parse_first_packet(startup_of("user\0"s))) == "startup parameter without a value");
  CHECK(why(parse_first_packet(startup_of("user\0bob\0\0x"s))) == "bytes behind the startup parameters");
  CHECK(why(parse_first_packet(startup_of("user\0bob\0user\0eve\0\0"s))) == "startup parameter given twice");
  CHECK(why(parse_first_packet(startup_of("user\0bob\0\0"s))) == "parsed");
}

TEST_CASE("bodies whose fields do not fill them exactly are refused") {
  CHECK_FALSE(read_query("select 1"));
  CHECK_FALSE(read_query("select 1\0;drop table t\0"s));
  CHECK(read_query("select 1\0"s));
  CHECK_FALSE(read_parse("\0select\0\0\1\0\0"s));
  CHECK_FALSE(read_parse("\0select\0\0\0x"s));
  CHECK_FALSE(read_describe("Xa\0"s));
  CHECK_FALSE(read_describe("Sa\0b"s));
  CHECK_FALSE(read_execute("\0\0\0\0"s));
  CHECK_FALSE(read_function_call("\0\0\0\1\0\0\0\1\0\0\0\4ab\0\0"s));
  CHECK(read_function_call("\0\0\0\1\0\0\0\1\0\0\0\2ab\0\0"s));
  CHECK_FALSE(read_ready("X"));
  CHECK_FALSE(read_ready("II"));
  CHECK_FALSE(read_error("SERROR\0"s));
  CHECK_FALSE(read_backend_key("\0\0\0\1abc"s));
  CHECK_FALSE(read_negotiate_version("\0\0\0\0\xff\xff\xff\xffx"s));
}

TEST_CASE("a Bind's counts and lengths are checked before they are used") {
  CHECK(read_bind("\0\0\0\0\0\0\0\0"s));
  CHECK_FALSE(read_bind("\0\0\0\0\0\1\0\0"s));                   // a value that is not there
  CHECK_FALSE(read_bind("\0\0\0\0\0\1\x7f\xff\xff\xff\0\0"s));   // longer than the body
  CHECK_FALSE(read_bind("\0\0\0\0\0\1\xff\xff\xff\xfe\0\0"s));   // below -1
  CHECK_FALSE(read_bind("\0\0\0\1\0\2\0\0\0\0"s));               // a format that is neither text nor binary
  CHECK_FALSE(read_bind("\0\0\0\2\0\0\0\0\0\1\0\0\0\1a\0\0"s));  // two formats, one value
  const std::string body = "p\0s\0\0\1\0\1\0\2\0\0\0\1a\xff\xff\xff\xff\0\0"s;
  auto bind = read_bind(body);
  REQUIRE(bind);
  CHECK(bind->is_binary(1));
  std::vector<std::optional<std::string>> values;
  bind->values.for_each([&](std::uint16_t, std::optional<std::string_view> value) {
    values.push_back(value ? std::optional<std::string>(*value) : std::nullopt);
  });
  CHECK(values == std::vector<std::optional<std::string>>{"a", std::nullopt});
}

TEST_CASE("a message over the limit comes in parts, and its first part holds what names it") {
  std::string message;
  append_parse(message, "name", std::string(5000, 'x'));
  FrameStream stream(Side::frontend, 1024);
  CHECK(std::get<NeedMore>(stream.peek(message.substr(0, 100))).at_least == 1024);
  auto first = std::get<Parsed<Frame>>(stream.peek(std::string_view(message).substr(0, 1024))).event;
  CHECK((first.begins && !first.ends && first.size == message.size()));
  CHECK(peek_parse_name(first.body) == "name");
  stream.take(first);
  CHECK(stream.within_message());
  auto rest = std::get<Parsed<Frame>>(stream.peek(std::string_view(message).substr(1024))).event;
  CHECK((!rest.begins && rest.ends && rest.body.size() == message.size() - 1024));
  stream.take(rest);
  CHECK_FALSE(stream.within_message());
}

TEST_CASE("options are read as the server reads them, or not at all") {
  using Settings = std::vector<std::pair<std::string, std::string>>;
  CHECK(parse_options("-c a=b --c-d=e\\ f -cg=h=i") == Settings{{"a", "b"}, {"c_d", "e f"}, {"g", "h=i"}});
  CHECK(parse_options("  ") == Settings{});
  CHECK_FALSE(parse_options("-c"));
  CHECK_FALSE(parse_options("-c a"));
  CHECK_FALSE(parse_options("--"));
  CHECK_FALSE(parse_options("-d5"));
  CHECK_FALSE(parse_options("-ca=b -O"));
  CHECK_FALSE(parse_options("a=b"));
  CHECK_FALSE(parse_options("-c =b"));
}

}  // namespace clawpatrol::postgres
