#include "parsers/http/request.h"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include <catch2/catch.hpp>

#include "parsers/http/decoding.h"
#include "parsers/http/target.h"
#include "parsers/http/wire.h"

using namespace clawpatrol;

namespace {

http::WireRequest one(const std::string& wire, const http::Options& options = {}) {
  auto reading = http::read_wire(wire, options);
  INFO(reading.refused);
  REQUIRE(reading.requests.size() == 1);
  CHECK(reading.refused.empty());
  return reading.requests[0];
}

std::string post(const std::string& body, const std::string& headers = "") {
  return "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers +
         "\r\n" + body;
}

std::string path_of(const std::string& raw) {
  auto path = http::read_path(raw);
  return path ? path->text : "(none)";
}

std::string zipped(const std::string& text, int window_bits) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(text.size() + 1024, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string brotlied(const std::string& text) {
  std::size_t size = BrotliEncoderMaxCompressedSize(text.size()) + 1024;
  std::string out(size, '\0');
  REQUIRE(BrotliEncoderCompress(9, 22, BROTLI_MODE_GENERIC, text.size(),
                                reinterpret_cast<const std::uint8_t*>(text.data()), &size,
                                reinterpret_cast<std::uint8_t*>(out.data())));
  out.resize(size);
  return out;
}

std::string zstded(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

struct Coding {
  std::string name, packed;
};

std::vector<Coding> all_codings(const std::string& text) {
  return {{"gzip", zipped(text, 31)},
          {"deflate", zipped(text, 15)},
          {"br", brotlied(text)},
          {"zstd", zstded(text)}};
}

}  // namespace

TEST_CASE("a path has its escapes decoded once and its dot segments removed") {
  CHECK(path_of("/a/b") == "/a/b");
  CHECK(path_of("/") == "/");
  CHECK(path_of("/a/./b/../c") == "/a/c");
  CHECK(path_of("/a/..") == "/");
  CHECK(path_of("/a/b/..") == "/a/");
  CHECK(path_of("/a/.") == "/a/");
  CHECK(path_of("/../../a") == "/a");
  CHECK(path_of("/%61%2e%2E/%2e%2e/b") == "/b");
  CHECK(path_of("/%252e%252e/b") == "/%2e%2e/b");
  CHECK(path_of("/a+b%20c/") == "/a+b c/");
  CHECK(path_of("/%c3%a9") == "/é");
  for (const char* wrong : {"/%", "/%4", "/%zz", "/a%2", "a", ""}) CHECK(path_of(wrong) == "(none)");
}

TEST_CASE("a path with two readings is refused, unless the endpoint is lenient") {
  for (const char* raw : {"/a%2fb", "/a%2Fb", "/a\\b", "/a%5cb", "//a", "/a//b", "/a/%2e//", "/a;b=c",
                          "/a%3bb", "/a%00b", "/a%0ab", "/%ff", "/%c0%af", "/%ed%a0%80"}) {
    INFO(raw);
    const std::string wire = "GET " + std::string(raw) + " HTTP/1.1\r\nHost: a\r\n\r\n";
    CHECK(http::read_wire(wire, {}).refused.starts_with("the path "));
    one(wire, {.paths = http::Paths::lenient});
  }
  auto lenient = one("GET /a%2f..%2fb;x HTTP/1.1\r\nHost: a\r\n\r\n", {.paths = http::Paths::lenient});
  CHECK(*lenient.facets.path == "/b;x");
  CHECK(*lenient.facets.raw_path == "/a%2f..%2fb;x");
  CHECK_FALSE(one("GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", {.paths = http::Paths::lenient}).facets.path);
}

TEST_CASE("a query is names and values, or unknown where it has two readings") {
  auto query = http::read_query("a=1&b=x+y%26&a=2&c&=d&&e==");
  REQUIRE(query);
  CHECK(*query->find("a")->items() == Document::Items{{std::string("1")}, {std::string("2")}});
  CHECK(*query->find("b")->items() == Document::Items{{std::string("x y&")}});
  CHECK(*query->find("c")->items() == Document::Items{{std::string()}});
  CHECK(*query->find("")->items() == Document::Items{{std::string("d")}});
  CHECK(*query->find("e")->items() == Document::Items{{std::string("=")}});
  for (const char* doubtful : {"a=1;b=2", "a=%", "a=%zz", "a=%00", "%ff=a"})
    CHECK(http::read_query(doubtful).why() == Unknown::unparseable);
  std::string many;
  for (std::size_t i = 0; i <= http::max_query_pairs; ++i) many += "&a";
  CHECK(http::read_query(many).why() == Unknown::over_limit);
}

TEST_CASE("what a rule sees of a request") {
  auto request =
      one("PUT /a%20b/../c?x=1 HTTP/1.1\r\nHost: API.example.com:8443\r\nX-A: 1\r\nx-a: 2\r\n"
          "Transfer-Encoding: chunked\r\n\r\n7\r\n{\"n\": 1\r\n1\r\n}\r\n0\r\n\r\n");
  const HttpFacets& facets = request.facets;
  CHECK(*facets.method == "PUT");
  CHECK(*facets.host == "api.example.com");
  CHECK(*facets.path == "/c");
  CHECK(*facets.raw_path == "/a%20b/../c");
  CHECK(*facets.headers->find("x-a")->items() == Document::Items{{std::string("1")}, {std::string("2")}});
  CHECK(*facets.body == "{\"n\": 1}");
  CHECK(std::get<std::int64_t>(facets.body_json->find("n")->value) == 1);
  CHECK(*facets.body_size == 8);
  CHECK(request.kind == ActionKind::write);
}

TEST_CASE("a request without a body has an empty one, and {} for JSON") {
  auto request = one("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(*request.facets.body == "");
  CHECK(*request.facets.body_json == Document{Document::Members()});
  CHECK(*request.facets.body_size == 0);
  CHECK(request.kind == ActionKind::read);
}

TEST_CASE("JSON that two readers could take for two documents has no value") {
  for (const char* body : {"{\"a\":1,\"a\":2}",
                           "{\"a\":1,\"\\u0061\":2}",
                           "{'a':1}",
                           "{\"a\":1,}",
                           "[1,]",
                           "{\"a\":01}",
                           "\"\\ud800\"",
                           "\"\xff\"",
                           "\xef\xbb\xbf{}",
                           "{} {}",
                           "NaN",
                           "1e999",
                           "123456789012345678901234567890",
                           "/**/{}",
                           "{\"a\"",
                           "\"a\nb\"",
                           "tru",
                           "+1",
                           ".5",
                           "1.",
                           "-",
                           "\"\\x\""}) {
    INFO(body);
    auto request = one(post(body));
    CHECK(request.facets.body_json.why() ==
          (std::string(body) == "\"\xff\"" ? Unknown::undecodable : Unknown::unparseable));
  }
  CHECK(one(post(std::string(5000, '['))).facets.body_json.why() == Unknown::over_limit);
  std::string long_list = "[";
  for (int i = 0; i < 120'000; ++i) long_list += "1,";
  CHECK(one(post(long_list + "1]")).facets.body_json.why() == Unknown::over_limit);
  auto fine = one(post(R"( {"a":[-0, 1.5e2, "\ud83d\ude00\n", null, true], "b":18446744073709551615} )"));
  REQUIRE(fine.facets.body_json);
  CHECK(std::get<std::uint64_t>(fine.facets.body_json->find("b")->value) == UINT64_MAX);
}

TEST_CASE("bodies are decoded, and what is left over, cut off or doubled is not") {
  const std::string text = "{\"n\": [1, 2, 3], \"s\": \"" + std::string(300, 'x') + "\"}";
  for (const Coding& coding : all_codings(text)) {
    INFO(coding.name);
    const std::string header = "Content-Encoding: " + coding.name + "\r\n";
    auto request = one(post(coding.packed, header));
    CHECK(*request.facets.body == text);
    CHECK(*request.facets.body_size == static_cast<std::int64_t>(coding.packed.size()));
    for (const std::string& wrong :
         {coding.packed + "x", coding.packed + coding.packed,
          coding.packed.substr(0, coding.packed.size() - 1), std::string("x"), text}) {
      auto broken = one(post(wrong, header));
      CHECK(broken.facets.body.why() == Unknown::undecodable);
      CHECK(broken.facets.body_json.why() == Unknown::undecodable);
    }
  }
  const std::string twice = brotlied(zipped(text, 31));
  CHECK(*one(post(twice, "Content-Encoding: gzip\r\nContent-Encoding: BR\r\n")).facets.body == text);
  CHECK(one(post(text, "Content-Encoding: compress\r\n")).facets.body.why() == Unknown::undecodable);
  CHECK(*one(post(text, "Content-Encoding: identity\r\n")).facets.body == text);
  CHECK(one(post(text, "Content-Encoding: gzip, gzip, gzip, gzip\r\n")).facets.body.why() ==
        Unknown::undecodable);
}

TEST_CASE("a small body that becomes a large one is cut off by size and by ratio") {
  const std::string large(900'000, 'x');
  for (const Coding& coding : all_codings(large)) {
    INFO(coding.name);
    const std::string wire = post(coding.packed, "Content-Encoding: " + coding.name + "\r\n");
    CHECK(one(wire).facets.body.why() == Unknown::over_limit);
    const std::string small(200'000, 'x');
    CHECK(http::decode(all_codings(small)[0].packed, {"gzip"}, 1 << 20).value() == small);
    CHECK(http::decode(all_codings(small)[0].packed, {"gzip"}, 1000).error() == Unknown::over_limit);
  }
}

TEST_CASE("a body beyond the limit is not seen at all, in part neither") {
  auto request = one(post(std::string(101, 'x')), {.body_inspect = 100});
  CHECK(request.facets.body.why() == Unknown::over_limit);
  CHECK(request.facets.body_json.why() == Unknown::over_limit);
  CHECK(request.request().body_state == http::BodyState::cut);
  // In chunks too: the second alone would fit again.
  auto chunks =
      one("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n" + std::string(64, 'x') +
              "\r\n40\r\n" + std::string(64, 'y') + "\r\n2\r\n{}\r\n0\r\n\r\n",
          {.body_inspect = 100});
  CHECK(chunks.facets.body.why() == Unknown::over_limit);
  CHECK(chunks.body_state == http::BodyState::cut);
  CHECK(*one(post(std::string(100, 'x')), {.body_inspect = 100}).facets.body_size == 100);
}

TEST_CASE("text in another charset is not read as if it were UTF-8") {
  for (const char* type : {"text/plain; charset=utf-16", "application/json; charset=\"UTF-7\"",
                           "text/plain; charset*=x", "text/plain;charset=shift_jis"}) {
    INFO(type);
    CHECK(one(post("{}", "Content-Type: " + std::string(type) + "\r\n")).facets.body.why() ==
          Unknown::undecodable);
  }
  CHECK(one(post("{}", "Content-Type: application/json; charset=\"UTF-8\"; x=y\r\n")).facets.body);
}

TEST_CASE("kinds: what changes nothing reads, what nobody sees runs, all else writes") {
  auto kind = [](const std::string& line, const std::string& more) {
    return one(line + " / HTTP/1.1\r\nHost: a\r\n" + more + "\r\n").kind;
  };
  CHECK(kind("HEAD", "") == ActionKind::read);
  CHECK(kind("OPTIONS", "") == ActionKind::read);
  CHECK(kind("DELETE", "") == ActionKind::write);
  CHECK(kind("PROPFIND", "") == ActionKind::write);
  CHECK(kind("GET", "X-HTTP-Method-Override: DELETE\r\n") == ActionKind::write);
  CHECK(kind("GET", "Connection: upgrade\r\nUpgrade: websocket\r\n") == ActionKind::exec);
  CHECK(http::read_wire("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", {}).refused != "");
}

TEST_CASE("a wire is every request of it, and why what is behind them is none") {
  const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  CHECK(http::read_wire(get + get, {}).requests.size() == 2);
  CHECK(http::read_wire(get + "\r\n", {}).refused == "");
  auto rest = http::read_wire(get + "GET /x", {});
  CHECK(rest.requests.size() == 1);
  CHECK(rest.refused == "the request is incomplete");
  CHECK(http::read_wire("", {}).refused == "there is no request");
  CHECK(http::read_wire("\r\n", {}).refused == "the request is incomplete");
  auto wrong = http::read_wire(get + "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", {});
  CHECK(wrong.requests.size() == 1);
  CHECK(wrong.refused == "bare LF");
}

TEST_CASE("a body is decoded and parsed as far as it is asked for") {
  const std::string wire = post(R"({"a":1})");
  http::Options options;
  CHECK(one(wire, options).facets.body_json.known());
  options.bodies = http::Bodies::text;
  const HttpFacets text = one(wire, options).facets;
  CHECK(*text.body == R"({"a":1})");
  CHECK(text.body_json.why() == Unknown::not_applicable);
  options.bodies = http::Bodies::unread;
  const HttpFacets unread = one(wire, options).facets;
  CHECK(unread.body.why() == Unknown::not_applicable);
  CHECK(unread.body_json.why() == Unknown::not_applicable);
  CHECK(*unread.body_size == 7);
  // Where there is none, that is known without a look.
  CHECK(one("GET / HTTP/1.1\r\nHost: a\r\n\r\n", options).facets.body->empty());
}
