#include "parsers/http1/request.h"

#include <catch2/catch.hpp>

#include "tests/parsers/http1/events.h"

using namespace clawpatrol;
using namespace clawpatrol::tests;

namespace {

const std::string chunked = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string get(const std::string& headers, const std::string& line = "GET / HTTP/1.1") {
  return line + "\r\nHost: a\r\n" + headers + "\r\n";
}

std::string refusal(const std::string& bytes) {
  return read_whole(bytes).refused;
}

http1::Head head_of(const std::string& bytes) {
  http1::RequestReader reader;
  auto step = reader.next(bytes);
  REQUIRE(std::holds_alternative<Parsed<http1::Event>>(step));
  return std::get<http1::Head>(std::get<Parsed<http1::Event>>(step).event);
}

}  // namespace

TEST_CASE("a connection's requests are read one after the other") {
  Reading reading = read_whole(
      "POST /a?b=c HTTP/1.1\r\nHost: Api.Example.com.:8443\r\nContent-Length: 3\r\nX-Y:\t z \r\n\r\nabc"
      "\r\nPUT /b HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: Chunked\r\nExpect: 100-continue\r\n\r\n"
      "3\r\nabc\r\nA;n=v;q=\"x;\\\"y\"\r\n0123456789\r\n000\r\nX-Sum: 1\r\n\r\n"
      "GET / HTTP/1.0\r\n\r\n");
  CHECK(reading.refused == "");
  CHECK(reading.between);
  CHECK(reading.events ==
        "head POST api.example.com /a?b=c framing 1 3 keep upgrade=\n"
        "  Host=Api.Example.com.:8443\n  Content-Length=3\n  X-Y=z\n"
        "data abc\nend\n"
        "head PUT a /b? framing 2 0 keep expects upgrade=\n"
        "  host=a\n  Transfer-Encoding=Chunked\n  Expect=100-continue\n"
        "data abc0123456789\nend\n  X-Sum=1\n"
        "head GET  /? framing 0 0 close upgrade=\n"
        "\nend\n");
}

TEST_CASE("the target has the form that suits its method, and names the host that Host names") {
  CHECK(head_of(get("", "OPTIONS * HTTP/1.1")).path == "*");
  CHECK(head_of("GET http://A.b:80/p?q HTTP/1.1\r\nHost: a.B:80\r\n\r\n").path == "/p");
  CHECK(head_of("GET https://a?q HTTP/1.1\r\nHost: a\r\n\r\n").path == "/");
  CHECK(head_of("GET http://[::1]:80/ HTTP/1.1\r\nHost: [::1]:80\r\n\r\n").authority.host == "::1");
  CHECK(head_of("GET http://a/ HTTP/1.0\r\n\r\n").authority.host == "a");
  CHECK(refusal("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n") == "authority of the target is not the Host");
  CHECK(refusal("GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n") == "authority of the target is not the Host");
  CHECK(refusal("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n") ==
        "authority of the target is not host and port");
  CHECK(refusal(get("", "GET ftp://a/ HTTP/1.1")) == "target has another scheme than http and https");
  CHECK(refusal(get("", "GET a/b HTTP/1.1")) == "target is neither a path nor absolute");
  CHECK(refusal(get("", "GET * HTTP/1.1")) == "target * of another method than OPTIONS");
  CHECK(refusal(get("", "CONNECT a:443 HTTP/1.1")) == "CONNECT: this is no proxy");
}

TEST_CASE("request lines that are not one are refused") {
  for (const char* line : {"GET  / HTTP/1.1",
                           "GET / HTTP/1.1 ",
                           " GET / HTTP/1.1",
                           "GET /\tHTTP/1.1",
                           "GET /  HTTP/1.1",
                           "GET / http/1.1",
                           "GET / HTTP/1.10",
                           "GET / HTTP/01.1",
                           "GET / HTTP/2.0",
                           "GET / HTTP/0.9",
                           "GET / HTTP/1,1",
                           "GET / HTTP/1.2",
                           "GET /",
                           "GET",
                           "GET / FOO HTTP/1.1",
                           "get / HTTP/1.1",
                           "G(T / HTTP/1.1",
                           "GET /a b HTTP/1.1",
                           "GET /\xc3\xa9 HTTP/1.1",
                           "GET /#f HTTP/1.1",
                           "PRI * HTTP/2.0",
                           "PRI * HTTP/1.1",
                           "GET / ICE/1.0",
                           "GET\t/ HTTP/1.1",
                           "/ HTTP/1.1",
                           "GETTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT / HTTP/1.1"}) {
    INFO(line);
    CHECK(refusal(get("", line)) != "");
  }
  CHECK(refusal(get("", "GET /" + std::string(http1::max_target, 'a') + " HTTP/1.1")) ==
        "target is too long");
  CHECK(refusal("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n") == "empty line before a request");
}

TEST_CASE("line ends are CRLF, and no control byte is anywhere in a head") {
  CHECK(refusal("GET / HTTP/1.1\nHost: a\n\n") == "bare LF");
  CHECK(refusal("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n") == "bare LF");
  CHECK(refusal("GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n") == "bare CR");
  CHECK(refusal("\rGET / HTTP/1.1\r\n") == "bare CR");
  CHECK(refusal("GET / HTTP/1.1\r\nHost: a\r\n\rX") == "bare CR");
  CHECK(refusal("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n") == "bare CR");
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    INFO(byte);
    const bool fine = (byte >= 0x20 && byte != 0x7f) || c == '\t';
    CHECK((refusal(get(std::string("X: a") + c + "b\r\n")) == "") == fine);
  }
  CHECK(refusal("GET / HTTP/1.1\r\nX: " + std::string(http1::max_head, 'a')) == "head is too long");
}

TEST_CASE("a header is a name, a colon and a value on one line") {
  for (const char* header : {"X : y", "X\t: y", " X: y", "\tX: y", ": y", "X", "X Y: z", "X(: y",
                             "X\xc3\xa9: y", "X: y\r\n z", "X\"Y: z"}) {
    INFO(header);
    CHECK(refusal(get(std::string(header) + "\r\n")) != "");
  }
  CHECK(refusal(get("X:\r\nY:   \r\nZ:\xc3\xa9\r\n")) == "");
  std::string many;
  for (std::size_t i = 0; i < http1::max_headers; ++i) many += "X: y\r\n";
  CHECK(refusal(get(many)) == "too many headers");
}

TEST_CASE("one host, and no doubt which") {
  CHECK(refusal("GET / HTTP/1.1\r\n\r\n") == "no Host");
  CHECK(refusal(get("Host: a\r\n")) == "more than one Host");
  CHECK(refusal(get("hOST: b\r\n")) == "more than one Host");
  for (const char* host :
       {"",     "a b", "a,b",  "a/b", "u@a",    "a:",  "a:0",  "a:65536", "a:8o", "a:80:80", "..",
        "a..b", ".a",  "[::1", "::1", "[::1]x", "[x]", "a%2e", "a;b",     "*",    "a:+80"}) {
    INFO(host);
    CHECK(refusal("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n") ==
          "Host is not host and port");
  }
}

TEST_CASE("a body has one length") {
  CHECK(refusal(get("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")) ==
        "Content-Length beside Transfer-Encoding");
  for (const char* length : {"", "-1", "+1", "1,1", "1, 1", "0x1", "1 1", "one", "01", "003", "1;", "\"1\"",
                             "1000000000000000000000", "18446744073709551616"}) {
    INFO(length);
    CHECK(refusal(get("Content-Length: " + std::string(length) + "\r\n")) != "");
  }
  CHECK(refusal(get("Content-Length: 3\r\nContent-Length: 3\r\n")) != "");
  CHECK(refusal(get("Content_Length: 3\r\n")) == "header that some servers read under another name");
  CHECK(refusal(get("Transfer_Encoding: chunked\r\n")) == "header that some servers read under another name");
  CHECK(refusal(get("Content-Length:  0 \r\n")) == "");
  for (const char* line :
       {"Transfer-Encoding: identity", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: xchunked", "Transfer-Encoding:",
        "Transfer-Encoding:\tchunked", "Transfer-Encoding: chunked ", "Transfer-Encoding: chunked\t",
        "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: chunked;q=1", "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked,", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "Transfer-Encoding : chunked"}) {
    INFO(line);
    CHECK(refusal(get(std::string(line) + "\r\n")) != "");
  }
  CHECK(refusal("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") ==
        "Transfer-Encoding in HTTP/1.0");
}

TEST_CASE("chunks that lie are refused, not trusted") {
  for (const char* body : {"g\r\n",
                           "-1\r\n",
                           "+1\r\na\r\n",
                           "0x1\r\na\r\n",
                           " 1\r\na\r\n",
                           "1 \r\na\r\n",
                           "1\t\r\na\r\n",
                           "1\na\r\n",
                           "1\r\na\n",
                           "1\r\nab\r\n",
                           "1\r\na0\r\n\r\n",
                           "\r\n",
                           ";x\r\n",
                           "1;\r\na\r\n",
                           "1; x\r\na\r\n",
                           "1;x =y\r\na\r\n",
                           "1;x=\r\na\r\n",
                           "1;x=\"y\r\na\r\n0\r\n\r\n",
                           "1;x=\"y\\\"\r\na\r\n",
                           "1;\x01\r\na\r\n",
                           "1;a\rb\r\n",
                           "fffffffffffffffff\r\n",
                           "0000000000000000000001\r\na\r\n",
                           "1 x\r\na\r\n",
                           "0\r\nX: y\n\r\n",
                           "0\r\n X: y\r\n\r\n",
                           "0\r\nX : y\r\n\r\n",
                           "0\r\nContent-Length: 3\r\n\r\n",
                           "0\r\nhost: b\r\n\r\n",
                           "0\r\nAuthorization: b\r\n\r\n",
                           "0\r\nTransfer_Encoding: b\r\n\r\n",
                           "0\r\nX-Forwarded-For: b\r\n\r\n",
                           "0\r\n\rX"}) {
    INFO(body);
    CHECK(refusal(chunked + body) != "");
  }
  CHECK(refusal(chunked + "1;x=" + std::string(http1::max_chunk_line, 'y')) ==
        "chunk extensions are too long");
  CHECK(refusal(chunked + "0\r\nX: " + std::string(http1::max_trailers, 'y')) == "head is too long");
  std::string extensions;
  for (std::size_t i = 0; i * 400 < http1::max_extensions + 400; ++i)
    extensions += "1;x=" + std::string(400, 'y') + "\r\na\r\n";
  CHECK(refusal(chunked + extensions) == "chunk extensions are too long");
  CHECK(read_whole(chunked + "1;x;y=z;w=\"\\\"\"\r\na\r\n0;x\r\nX: y\r\n\r\n").complete == 1);
}

TEST_CASE("what Connection says holds for the connection, and touches no other header") {
  CHECK(refusal(get("Connection: authorization\r\nAuthorization: x\r\n")) ==
        "Connection names a header that is not the connection's");
  CHECK(refusal(get("Connection: host\r\n")) == "Connection names a header that is not the connection's");
  CHECK(refusal(get("Connection: a b\r\n")) == "Connection names a header that is not the connection's");
  CHECK(head_of(get("Connection: keep-alive, close\r\n")).keep_alive == false);
  CHECK(head_of(get("Connection: x-none,, TE\r\nTE: trailers\r\n")).keep_alive);
  CHECK(head_of("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
  CHECK(head_of(get("Connection: Upgrade\r\nUpgrade: websocket\r\n")).upgrade == "websocket");
  CHECK(head_of(get("Upgrade: websocket\r\n")).upgrade == "");
  CHECK(refusal(get("Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n")) ==
        "more than one Upgrade");
  CHECK(refusal(get("Expect: 200-ok\r\n")) == "unknown Expect");
  CHECK_FALSE(head_of(get("Expect: 100-continue\r\n")).expects_continue);
}

TEST_CASE("behind the last request, and behind one that asks for an upgrade, nothing is a request") {
  const std::string next = get("");
  CHECK(refusal(get("Connection: close\r\n") + next) == "bytes behind the last request");
  CHECK(refusal("GET / HTTP/1.0\r\n\r\n" + next) == "bytes behind the last request");
  CHECK(refusal(get("Connection: upgrade\r\nUpgrade: websocket\r\n") + next) ==
        "bytes behind the last request");
  CHECK(read_whole(get("Connection: close\r\n")).between);
}

TEST_CASE("headers that decide alone do not stand twice") {
  CHECK(refusal(get("Content-Type: a/b\r\nContent-type: c/d\r\n")) ==
        "a header that must stand once stands twice");
  CHECK(refusal(get("Authorization: a\r\nAuthorization: b\r\n")) ==
        "a header that must stand once stands twice");
  CHECK(refusal(get("X: a\r\nX: b\r\n")) == "");
}

TEST_CASE("however the bytes are cut, the events are the same") {
  const std::string sessions[] = {
      "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
      chunked + "5;a=\"b\\\"\"\r\nhello\r\n1\r\nx\r\n0;z\r\nX: y\r\nZ:\r\n\r\n" + get(""),
      get("Connection: close\r\n"),
      "GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n",
      chunked + "5\r\nhello0\r\n",
      chunked + "5 \r\nhello",
      "GET / HTTP/1.1\r\nHost: a\r\n y\r\n\r\n",
      chunked + "0\r\nHost: b\r\n\r\n",
      get("Connection: upgrade\r\nUpgrade: websocket\r\n") + "x"};
  for (const std::string& bytes : sessions) {
    const Reading whole = read_whole(bytes);
    std::vector<std::size_t> every;
    for (std::size_t first = 0; first < bytes.size(); ++first) {
      every.push_back(first);
      for (std::size_t second = first; second < bytes.size(); ++second) {
        const Reading cut = read_cut(bytes, {first, second});
        if (cut == whole) continue;
        INFO(bytes << " cut at " << first << " and " << second);
        CHECK(cut.events == whole.events);
        CHECK(cut.refused == whole.refused);
      }
    }
    CHECK(read_cut(bytes, every) == whole);
  }
}
