#include "parsers/tls/client_hello.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/parsers/dns/hex.h"

using namespace clawpatrol;
using namespace clawpatrol::tls;

namespace {

// Up to the extensions, all of it as small as it may be.
std::string body(std::string_view extensions) {
  std::string out = hex("0303") + std::string(32, 'r') +
                    hex("00"
                        "0002"
                        "1301"
                        "0100");
  Writer(out).u16(static_cast<std::uint16_t>(extensions.size())).bytes(extensions);
  return out;
}

std::string server_name(std::string_view name) {
  std::string out;
  auto size = static_cast<std::uint16_t>(name.size());
  Writer(out).u16(0).u16(size + 5).u16(size + 3).u8(0).u16(size).bytes(name);
  return out;
}

std::string message(std::string_view content, std::uint8_t type = 1) {
  std::string out;
  Writer(out).u8(type).u8(0).u16(static_cast<std::uint16_t>(content.size())).bytes(content);
  return out;
}

std::string record(std::string_view fragment) {
  std::string out = hex("160301");
  Writer(out).u16(static_cast<std::uint16_t>(fragment.size())).bytes(fragment);
  return out;
}

std::string hello(std::string_view extensions) {
  return record(message(body(extensions)));
}

bool malformed(const std::string& bytes) {
  return std::holds_alternative<Malformed>(read_client_hello(bytes));
}

ClientHello read(const std::string& bytes) {
  auto step = read_client_hello(bytes);
  REQUIRE(std::holds_alternative<Parsed<ClientHello>>(step));
  return std::get<Parsed<ClientHello>>(step).event;
}

std::string name_in(const std::string& bytes) {
  return read(bytes).server_name;
}

std::string extension(std::uint16_t type, std::string_view data) {
  std::string out;
  Writer(out).u16(type).u16(static_cast<std::uint16_t>(data.size())).bytes(data);
  return out;
}

const std::string versions =
    hex("002b"
        "0003"
        "02"
        "0304");

}  // namespace

TEST_CASE("a ClientHello that OpenSSL makes is read") {
  auto recorded = [](const std::string& name) {
    std::ifstream in(CLAWPATROL_SOURCE "/tests/fuzz/corpus/tls/" + name);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  CHECK(name_in(recorded("name")) == "example.org");
  CHECK(name_in(recorded("noname")).empty());
}

TEST_CASE("what a client can is read from what real ones send") {
  struct Client {
    const char *file, *name;
    std::vector<std::string> protocols;
    bool tls12, tls13, ecdsa;
  };
  for (const Client& client : {
           Client{"curl_h2", "api.example", {"h2", "http/1.1"}, true, true, true},
           Client{"gnutls", "api.example", {"h2", "http/1.1"}, true, true, true},
           Client{"node", "n.example", {"http/1.1"}, true, true, true},
           Client{"openssl_tls12", "a.example", {}, true, false, true},
           Client{"openssl_rsa", "old.example", {}, true, false, false},
           Client{"openssl_tls11", "old.example", {}, false, false, false},
       }) {
    INFO(client.file);
    std::ifstream in(std::string(CLAWPATROL_SOURCE "/tests/fuzz/corpus/tls/") + client.file);
    const ClientHello hello = read(std::string(std::istreambuf_iterator<char>(in), {}));
    CHECK(hello.server_name == client.name);
    CHECK(hello.protocols == client.protocols);
    CHECK(hello.offers_tls12 == client.tls12);
    CHECK(hello.offers_tls13 == client.tls13);
    CHECK(hello.takes_ecdsa == client.ecdsa);
    CHECK_FALSE(hello.has_encrypted_hello);
  }
}

TEST_CASE("an encrypted ClientHello, or what looks like one, is noted, and the outer name counts") {
  const ClientHello hello = read(::hello(server_name("outer.example") + extension(0xfe0d, "\x01 anything")));
  CHECK(hello.has_encrypted_hello);
  CHECK(hello.server_name == "outer.example");
}

TEST_CASE("where versions are listed, the list alone counts") {
  CHECK_FALSE(read(hello(versions)).offers_tls12);
  CHECK(read(hello(versions)).offers_tls13);
  CHECK(read(hello(extension(43, hex("040a0a0303")))).offers_tls12);
  CHECK_FALSE(read(hello(extension(43, hex("040a0a0303")))).offers_tls13);
  CHECK(read(hello("")).offers_tls12);
}

TEST_CASE("ECDSA needs the group, the algorithm and a suite") {
  const std::string groups = extension(10, hex("0002"
                                               "0017")),
                    other = extension(10, hex("0002"
                                              "001d"));
  const std::string signatures = extension(13, hex("0004"
                                                   "08040403"));
  CHECK(read(hello(versions + groups + signatures)).takes_ecdsa);
  CHECK_FALSE(read(hello(versions + other + signatures)).takes_ecdsa);
  CHECK_FALSE(read(hello(versions + signatures)).takes_ecdsa);
  CHECK_FALSE(read(hello(versions + groups)).takes_ecdsa);
  CHECK_FALSE(read(hello(versions + groups +
                         extension(13, hex("0002"
                                           "0804"))))
                  .takes_ecdsa);
  CHECK_FALSE(read(hello(groups + signatures)).takes_ecdsa);  // TLS 1.2, and suites of TLS 1.3 alone
}

TEST_CASE("lists that lie are refused") {
  for (const std::string& data : {hex(""), hex("0000"),
                                  hex("0001"
                                      "00"),
                                  hex("0003"
                                      "0268"),
                                  hex("0003"
                                      "026832"
                                      "00"),
                                  hex("0002"
                                      "0268"),
                                  hex("0004"
                                      "02683200")})
    CHECK(malformed(hello(extension(16, data))));
  for (int type : {10, 13})
    for (const std::string& data : {hex(""), hex("0000"),
                                    hex("0001"
                                        "00"),
                                    hex("0003"
                                        "001700"),
                                    hex("0004"
                                        "0017"),
                                    hex("0002"
                                        "0017"
                                        "00")})
      CHECK(malformed(hello(extension(static_cast<std::uint16_t>(type), data))));
  for (const std::string& data : {hex(""), hex("00"), hex("0103"), hex("03030403"),
                                  hex("020304"
                                      "00")})
    CHECK(malformed(hello(extension(43, data))));
  std::string odd = body("");
  odd[36] = 3;  // bytes of cipher suites
  CHECK(malformed(record(message(odd))));
}

TEST_CASE("the name is read wherever it stands, and none is none") {
  CHECK(name_in(hello(versions + server_name("a.example"))) == "a.example");
  CHECK(name_in(hello(server_name("A.Example."))) == "a.example");
  CHECK(name_in(hello(versions)).empty());
  CHECK(name_in(record(message(hex("0303") + std::string(32, 'r') +
                               hex("00"
                                   "0002"
                                   "1301"
                                   "0100"))))
            .empty());
}

TEST_CASE("a ClientHello cut at every position, or over records, is the same") {
  std::string whole = message(body(versions + server_name("a.example")));
  std::string one = record(whole);
  for (std::size_t cut = 0; cut < one.size(); ++cut) {
    auto step = read_client_hello(std::string_view(one).substr(0, cut));
    REQUIRE(std::holds_alternative<NeedMore>(step));
    REQUIRE(std::get<NeedMore>(step).at_least > cut);
    REQUIRE(std::get<NeedMore>(step).at_least <= one.size());
  }
  for (std::size_t cut = 1; cut < whole.size(); ++cut)
    REQUIRE(name_in(record(whole.substr(0, cut)) + record(whole.substr(cut))) == "a.example");
}

TEST_CASE("attack 28: a ClientHello in very many records is refused") {
  const std::string whole = message(body(versions + server_name("a.example")));
  const auto cut_into = [&whole](std::size_t records) {
    std::string out;
    for (std::size_t i = 0; i + 1 < records; ++i) out += record(whole.substr(i, 1));
    return out + record(whole.substr(records - 1));
  };
  CHECK(name_in(cut_into(max_client_hello_records)) == "a.example");
  CHECK(malformed(cut_into(max_client_hello_records + 1)));
}

TEST_CASE("attack 15: names and messages with two readings are refused") {
  CHECK(malformed(hello(server_name("a.example") + server_name("b.example"))));
  CHECK(malformed(hello(versions + versions)));
  std::string two;  // two entries in one list
  Writer(two).u16(0).u16(14).u16(12).u8(0).u16(3).bytes("a.b").u8(0).u16(3).bytes("c.d");
  CHECK(malformed(hello(two)));
  for (std::string name :
       {"", ".", "a..b", ".a", "a b", "a/b", "1.2.3.4", "127.1", "0x7f.0x1", "[::1]", "::1", "*.a"})
    CHECK(malformed(hello(server_name(name))));
  CHECK(malformed(hello(server_name(std::string("a\0.b", 4)))));
  CHECK(malformed(hello(server_name(std::string(300, 'a')))));
  CHECK(
      malformed(hello(hex("0000"
                          "0004"
                          "0003"
                          "0100"))));  // a kind that is not host_name
  CHECK(
      malformed(hello(hex("0000"
                          "0000"))));                       // an empty extension, which is a server's
  CHECK(malformed(record(message(body(versions)) + "x")));  // bytes after it in its record
  CHECK(malformed(record(message(body(versions) + "x"))));
  CHECK(malformed(record(message(body(versions), 2))));  // a ServerHello
  CHECK(malformed(hello(versions.substr(0, versions.size() - 1))));
  CHECK(
      malformed(hex("160301"
                    "0000")));  // an empty record
  CHECK(
      malformed(hex("160301"
                    "4001")));  // a record that is too long
  CHECK(
      malformed(hex("170303"
                    "0001"
                    "00")));
  CHECK(
      malformed(hex("1603010004"
                    "01ffffff")));  // a message that is too long
}

TEST_CASE("what can be TLS is told by its first bytes") {
  CHECK(may_be_tls("\x16"));
  CHECK(may_be_tls("\x16\x03\x01"));
  CHECK_FALSE(may_be_tls("\x16\x04"));
  CHECK_FALSE(may_be_tls("GET /"));
  CHECK_FALSE(may_be_tls("SSH-2.0-"));
  for (const char* begin : {"\x80", "\x80\x2e", "\x80\x2e\x01", "\xff\x2e\x01\x03\x03"})
    CHECK(may_be_sslv2(begin));
  for (const char* begin : {"\x16", "G", "\x80\x2e\x02", "\x80\x2e\x01\x04", "\x7f\x2e\x01\x03"})
    CHECK_FALSE(may_be_sslv2(begin));
}
