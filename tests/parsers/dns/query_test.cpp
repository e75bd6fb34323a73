#include "parsers/dns/query.h"

#include <catch2/catch.hpp>

#include "tests/parsers/dns/hex.h"

using namespace clawpatrol;
using namespace clawpatrol::dns;

namespace {

const std::string header =
    "1234"
    "0100"
    "0001"
    "0000"
    "0000"
    "0000";
const std::string header_edns =
    "1234"
    "0100"
    "0001"
    "0000"
    "0000"
    "0001";
const std::string pg_internal_a =
    "02506708496e7465726e616c00"
    "0001"
    "0001";  // Pg.Internal IN A
const std::string opt =
    "00"
    "0029"
    "04d0"
    "00000000"
    "0000";

BadQuery bad(const std::string& digits) {
  QueryResult result = parse_query(hex(digits));
  INFO(digits);
  REQUIRE(std::holds_alternative<BadQuery>(result));
  return std::get<BadQuery>(result);
}

Query good(const std::string& digits) {
  QueryResult result = parse_query(hex(digits));
  INFO(digits);
  REQUIRE(std::holds_alternative<Query>(result));
  return std::get<Query>(result);
}

std::string named(const std::string& name, const std::string& type = "0001") {
  return header + name + type + "0001";
}

}  // namespace

TEST_CASE("a plain query is read, its name folded and its letters kept") {
  Query query = good(header + pg_internal_a);
  CHECK(query.header ==
        Header{.id = 0x1234, .opcode = 0, .recursion_desired = true, .checking_disabled = false});
  CHECK(query.name == "pg.internal");
  CHECK(query.hostname);
  CHECK(query.type == RecordType::a);
  CHECK(query.question == hex(pg_internal_a));
  CHECK_FALSE(query.edns);
}

TEST_CASE("queries that dnspython makes are read") {
  Query aaaa = good(
      "123401000001000000000001"
      "0270670869 6e7465726e616c00"
      "001c0001"
      "00002904d0000080000000");
  CHECK(aaaa.type == RecordType::aaaa);
  CHECK(aaaa.edns == Edns{.udp_size = 1232, .dnssec_ok = true});
  Query https = good(
      "000101000001000000000001"
      "016100"
      "00410001"
      "0000291000000000000018"
      "000a00083132333435363738"
      "000c00080000000000000000");
  CHECK(https.type == RecordType::https);
  CHECK(https.name == "a");
  CHECK(https.edns == Edns{.udp_size = 4096, .dnssec_ok = false});
}

TEST_CASE("a client's EDNS size below 512 counts as 512") {
  CHECK(good(header_edns + pg_internal_a +
             "00"
             "0029"
             "0000"
             "00000000"
             "0000")
            .edns->udp_size == 512);
}

TEST_CASE("bytes that no host name has are written so that they read as nothing else") {
  Query dotted = good(named("03612e6200"));  // one label "a.b"
  CHECK(dotted.name == "a\\046b");
  CHECK_FALSE(dotted.hostname);
  CHECK(good(named("01ff00")).name == "\\255");
  CHECK(good(named("015c00")).name == "\\092");
  CHECK(good(named("012a016100")).name == "\\042.a");
  CHECK(good(named("055f6162635f00")).hostname);
  CHECK(good(named("00")).name.empty());
  CHECK_FALSE(good(named("00")).hostname);
}

TEST_CASE("names that the system's resolver would read as addresses are not host names") {
  CHECK_FALSE(good(named("013101320133013400")).hostname);        // 1.2.3.4
  CHECK_FALSE(good(named("03313237013100")).hostname);            // 127.1
  CHECK_FALSE(good(named("0a3231333037303634333300")).hostname);  // 2130706433
  CHECK_FALSE(good(named("0430783766013100")).hostname);          // 0x7f.1
  CHECK_FALSE(good(named("0161"
                         "0430583766"
                         "00"))
                  .hostname);  // a.0X7f
  CHECK(good(named("0131"
                   "03636f6d"
                   "00"))
            .hostname);  // 1.com
}

TEST_CASE("the longest name and the longest label are read, and one byte more is not") {
  std::string label63 = "3f" + std::string(63 * 2, '6');
  std::string label61 = "3d" + std::string(61 * 2, '6');
  CHECK(good(named(label63 + label63 + label63 + label61 + "00")).name.size() == 253);
  CHECK(bad(named(label63 + label63 + label63 + "3e" + std::string(62 * 2, '6') + "00")).rcode ==
        Rcode::format_error);
  CHECK(bad(named("40" + std::string(64 * 2, '6') + "00")).rcode == Rcode::format_error);
}

TEST_CASE("lies in a query are answered with FORMERR") {
  auto lie = [](const std::string& digits) { CHECK(bad(digits).rcode == Rcode::format_error); };
  lie(named("c00c"));      // a pointer to itself
  lie(named("0161c00c"));  // a pointer after a label
  lie(named("8000"));      // a reserved label type
  lie(header + "0270");    // a label longer than what is there
  lie(header + "0161");    // no end of the name
  lie(header +
      "016100"
      "0001");  // no class
  lie(header +
      "016100"
      "0001"
      "00");                     // half a class
  lie(named("016100") + "00");   // a byte too many
  lie(named("016100", "0029"));  // OPT asked for
  lie(named("016100", "0000"));  // type 0
  lie("1234"
      "0100"
      "0000"
      "0000"
      "0000"
      "0000");  // no question
  lie("1234"
      "0100"
      "0002"
      "0000"
      "0000"
      "0000" +
      pg_internal_a + pg_internal_a);
  lie("1234"
      "0100"
      "ffff"
      "0000"
      "0000"
      "0000" +
      pg_internal_a);
  lie("1234"
      "0100"
      "0001"
      "0001"
      "0000"
      "0000" +
      pg_internal_a);  // an answer in a query
  lie("1234"
      "0100"
      "0001"
      "0000"
      "0001"
      "0000" +
      pg_internal_a);
  lie("1234"
      "0100"
      "0001"
      "0000"
      "0000"
      "0002" +
      pg_internal_a + opt + opt);
  lie("1234"
      "0300"
      "0001"
      "0000"
      "0000"
      "0000" +
      pg_internal_a);                 // truncated
  lie(header_edns + pg_internal_a);   // OPT promised and not there
  lie(header + pg_internal_a + opt);  // OPT there and not promised
  lie(header_edns + pg_internal_a +
      "01"
      "0029"
      "04d0"
      "00000000"
      "0000");  // OPT with a name
  lie(header_edns + pg_internal_a +
      "00"
      "00fa"
      "04d0"
      "00000000"
      "0000");  // TSIG
  lie(header_edns + pg_internal_a +
      "00"
      "0029"
      "04d0"
      "00000000"
      "0001");  // data that is not there
  lie(header_edns + pg_internal_a +
      "00"
      "0029"
      "04d0"
      "00000000"
      "0003"
      "000a00");  // half an option
  lie(header_edns + pg_internal_a +
      "00"
      "0029"
      "04d0"
      "00000000"
      "0004"
      "000a0001");  // an option past the end
}

TEST_CASE("what is read but not served gets its own error") {
  CHECK(bad("1234"
            "2800"
            "0001"
            "0000"
            "0000"
            "0000" +
            pg_internal_a)
            .rcode == Rcode::not_implemented);
  CHECK(bad(header + "016100"
                     "0001"
                     "0003")
            .rcode == Rcode::refused);  // CHAOS
  CHECK(bad(header + "016100"
                     "0001"
                     "00ff")
            .rcode == Rcode::refused);  // any class
  BadQuery version = bad(header_edns + pg_internal_a +
                         "00"
                         "0029"
                         "04d0"
                         "00010000"
                         "0000");
  CHECK(version.rcode == Rcode::bad_version);
  CHECK(version.edns);
}

TEST_CASE("answers, headers cut short and giants are dropped without an answer") {
  CHECK(std::holds_alternative<Malformed>(parse_query("")));
  CHECK(std::holds_alternative<Malformed>(parse_query(hex(header).substr(0, 11))));
  CHECK(
      std::holds_alternative<Malformed>(parse_query(hex("1234"
                                                        "8180"
                                                        "0001"
                                                        "0000"
                                                        "0000"
                                                        "0000" +
                                                        pg_internal_a))));
  CHECK(std::holds_alternative<Malformed>(parse_query(hex(header) + std::string(max_query, 'x'))));
}

TEST_CASE("a query cut anywhere is never taken for a query") {
  std::string whole = hex(header_edns + pg_internal_a + opt);
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    INFO("cut at " << cut);
    CHECK_FALSE(std::holds_alternative<Query>(parse_query(whole.substr(0, cut))));
  }
  CHECK(std::holds_alternative<Query>(parse_query(whole)));
}

TEST_CASE("a stream cut at every position gives the same messages as whole") {
  std::string one = hex(header + pg_internal_a), two = hex(header_edns + pg_internal_a + opt);
  auto frame = [](const std::string& message) {
    return std::string{static_cast<char>(message.size() >> 8), static_cast<char>(message.size())} + message;
  };
  std::string stream = frame(one) + frame(two) + frame(one);
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    std::vector<std::string> messages;
    std::string buffer;
    for (std::string_view part :
         {std::string_view(stream).substr(0, cut), std::string_view(stream).substr(cut)}) {
      buffer += part;
      while (true) {
        auto step = next_message(buffer);
        if (auto* more = std::get_if<NeedMore>(&step)) {
          REQUIRE(more->at_least > buffer.size());
          break;
        }
        auto* parsed = std::get_if<Parsed<std::string_view>>(&step);
        REQUIRE(parsed);
        messages.emplace_back(parsed->event);
        buffer.erase(0, parsed->size);
      }
    }
    REQUIRE(messages == std::vector{one, two, one});
    REQUIRE(buffer.empty());
  }
}

TEST_CASE("a length that no query has ends the stream") {
  CHECK(std::holds_alternative<Malformed>(next_message(hex("0000"))));
  CHECK(std::holds_alternative<Malformed>(next_message(hex("000b"))));
  CHECK(std::holds_alternative<Malformed>(next_message(hex("1001"))));
  CHECK(std::get<NeedMore>(next_message(hex("1000"))).at_least == 2 + 4096);
}

TEST_CASE("types have their names") {
  CHECK(text_of(RecordType::aaaa) == "AAAA");
  CHECK(text_of(RecordType::https) == "HTTPS");
  CHECK(text_of(RecordType{4711}) == "TYPE4711");
}
