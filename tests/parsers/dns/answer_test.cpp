#include "parsers/dns/answer.h"

#include <catch2/catch.hpp>

#include "tests/parsers/dns/hex.h"

using namespace clawpatrol;
using namespace clawpatrol::dns;

namespace {

const std::string pg_internal =
    "0250670849"
    "6e7465726e616c00";

Query query_for(RecordType type, std::optional<Edns> edns = std::nullopt) {
  Query query;
  query.header = {.id = 0x1234, .opcode = 0, .recursion_desired = true, .checking_disabled = false};
  query.question = hex(pg_internal);
  Writer(query.question).u16(static_cast<std::uint16_t>(type)).u16(1);
  query.name = "pg.internal";
  query.type = type;
  query.edns = edns;
  return query;
}

}  // namespace

TEST_CASE("an address is answered with the letters that were asked") {
  Answer answer{.addresses = {hex("c6120001")}, .ttl_seconds = 60};
  CHECK(to_hex(build_answer(query_for(RecordType::a), answer, 512)) ==
        "1234"
        "8180"
        "0001"
        "0001"
        "0000"
        "0000" +
            pg_internal +
            "0001"
            "0001"
            "c00c"
            "0001"
            "0001"
            "0000003c"
            "0004"
            "c6120001");
}

TEST_CASE("addresses of the other family are left out") {
  Answer answer{.addresses = {hex("c6120001")}, .ttl_seconds = 60};
  std::string built = build_answer(query_for(RecordType::aaaa), answer, 512);
  CHECK(to_hex(built).substr(8, 16) ==
        "0001"
        "0000"
        "0001"
        "0000");
}

TEST_CASE("a negative answer carries an SOA, so that it is remembered for a moment only") {
  std::string built = build_answer(query_for(RecordType::https), Answer{}, 512);
  CHECK(to_hex(built) ==
        "1234"
        "8180"
        "0001"
        "0000"
        "0001"
        "0000" +
            pg_internal +
            "0041"
            "0001"
            "c00c"
            "0006"
            "0001"
            "00000005"
            "0016"
            "00"
            "00"
            "00000001"
            "00000e10"
            "00000258"
            "00015180"
            "00000005");
}

TEST_CASE("a refused name says why to clients that speak EDNS") {
  Answer answer{.rcode = Rcode::name_error, .error = ExtendedError::prohibited, .error_text = "no"};
  std::string built =
      to_hex(build_answer(query_for(RecordType::a, Edns{.udp_size = 1232, .dnssec_ok = true}), answer, 512));
  CHECK(built.substr(4, 4) == "8183");
  CHECK(
      built.ends_with("00"
                      "0029"
                      "04d0"
                      "00008000"
                      "0008"
                      "000f"
                      "0004"
                      "0012"
                      "6e6f"));
  CHECK(to_hex(build_answer(query_for(RecordType::a), answer, 512)).ends_with("00000005"));
}

TEST_CASE("an error's text is cut between characters") {
  Answer answer{.rcode = Rcode::name_error, .error = ExtendedError::prohibited, .error_text = ""};
  for (int i = 0; i < 100; ++i) answer.error_text += "\xc3\xa4";
  answer.error_text.insert(0, "x");
  std::string built = build_answer(query_for(RecordType::a, Edns{}), answer, 1232);
  CHECK(to_hex(built).ends_with("c3a4"));
}

TEST_CASE("an answer over UDP never exceeds what the client can receive, nor 1232 bytes") {
  CHECK(udp_limit(std::nullopt) == 512);
  CHECK(udp_limit(Edns{.udp_size = 900}) == 900);
  CHECK(udp_limit(Edns{.udp_size = 65535}) == 1232);
  Answer answer{.addresses = std::vector<std::string>(100, std::string(16, 'x')), .ttl_seconds = 60};
  Query query = query_for(RecordType::aaaa);
  std::string cut = build_answer(query, answer, 512);
  CHECK(to_hex(cut).substr(4, 20) ==
        "8380"
        "0001"
        "0000"
        "0000"
        "0000");
  CHECK(cut.size() <= 512);
  std::string whole = build_answer(query, answer, max_tcp_answer);
  CHECK(to_hex(whole).substr(4, 20) ==
        "8180"
        "0001"
        "0018"
        "0000"
        "0000");
  CHECK(whole.size() <= max_udp_answer);
}

TEST_CASE("an unreadable query is answered with its header alone") {
  BadQuery bad{.header = {.id = 7}, .rcode = Rcode::format_error};
  CHECK(to_hex(build_error(bad)) ==
        "0007"
        "8081"
        "0000"
        "0000"
        "0000"
        "0000");
}

TEST_CASE("an unknown EDNS version is answered with the one that we speak") {
  BadQuery bad{.header = {.id = 7}, .rcode = Rcode::bad_version, .question = "", .edns = Edns{}};
  CHECK(to_hex(build_error(bad)) ==
        "0007"
        "8080"
        "0000"
        "0000"
        "0000"
        "0001"
        "00"
        "0029"
        "04d0"
        "01000000"
        "0000");
}

TEST_CASE("a message on TCP has its length before it") {
  CHECK(framed("abc") == std::string("\0\3abc", 5));
}
