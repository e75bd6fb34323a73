#include "parsers/http2/head.h"

#include <catch2/catch.hpp>

using namespace clawpatrol;
using http::Fields;
using http2::Body;
using http2::Scheme;

namespace {

const Fields get = {
    {":method", "GET"}, {":scheme", "https"}, {":path", "/a?b"}, {":authority", "Api.Example.com"}};

Fields with(Fields fields, const Fields& more) {
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

// `get`, but for one pseudo-header field; "-" leaves it out.
Fields changed(const std::string& name, const std::string& value) {
  Fields fields = get;
  for (auto field = fields.begin(); field != fields.end(); ++field) {
    if (field->name != name) continue;
    if (value == "-")
      fields.erase(field);
    else
      field->value = value;
    return fields;
  }
  fields.push_back({name, value});
  return fields;
}

std::string refusal(const Fields& fields, Body body = Body::none, Scheme scheme = Scheme::https) {
  auto head = http2::read_request_head(fields, scheme, body);
  return head ? "" : std::string(head.error().why);
}

std::string response_refusal(const Fields& fields, Body body = Body::follows) {
  auto head = http2::read_response_head(fields, body, "GET");
  return head ? "" : std::string(head.error().why);
}

}  // namespace

TEST_CASE("a request of HTTP/2 is the head that is handed on") {
  auto head = http2::read_request_head(with(get, {{"accept", "*/*"},
                                                  {"cookie", "a=1"},
                                                  {"te", "trailers"},
                                                  {"cookie", "b=2"},
                                                  {"x", "y"},
                                                  {"content-length", "7"},
                                                  {"expect", "100-continue"}}),
                                       Scheme::https, Body::follows);
  REQUIRE(head);
  CHECK(head->method == "GET");
  CHECK(head->target == "/a?b");
  CHECK(head->authority.host == "api.example.com");
  CHECK(head->fields == Fields{{"accept", "*/*"}, {"cookie", "a=1; b=2"}, {"te", "trailers"}, {"x", "y"}});
  CHECK(head->has_body);
  CHECK(head->content_length == 7);
  CHECK(head->expects_continue);
  auto stream = http2::read_request_head(get, Scheme::https, Body::follows);
  CHECK(stream->has_body);
  CHECK_FALSE(stream->content_length);
  auto host = http2::read_request_head(with(changed(":authority", "-"), {{"host", "h:8443"}}), Scheme::https,
                                       Body::none);
  CHECK(host->authority == http1::Authority{"h", 8443});
  CHECK(host->fields.empty());
  CHECK(http2::read_request_head(with(get, {{"host", "api.example.com."}}), Scheme::https, Body::none));
}

TEST_CASE("attack 12: what could be read in two ways once it is HTTP/1.1 is refused in HTTP/2") {
  // Request smuggling by downgrade: h2.TE, h2.CL, and a line or a request inside a field.
  CHECK(refusal(with(get, {{"transfer-encoding", "chunked"}})) == "header of the connection in HTTP/2");
  CHECK(refusal(with(get, {{"transfer_encoding", "chunked"}})) ==
        "header that some servers read under another name");
  CHECK(refusal(with(get, {{"content-length", "5"}})) == "the body does not come");
  CHECK(refusal(with(get, {{"content-length", "1"}, {"content-length", "1"}}), Body::follows) ==
        "a header that must stand once stands twice");
  CHECK(refusal(with(get, {{"content-length", "+1"}}), Body::follows) == "Content-Length is not a number");
  CHECK(refusal(with(get, {{"x", "a\r\nhost: b"}})) == "bad byte in the value of a header");
  CHECK(refusal(with(get, {{"x", std::string("a\0b", 3)}})) == "bad byte in the value of a header");
  CHECK(refusal(with(get, {{"x\r\ny", "z"}})) == "bad byte in the name of a header");
  CHECK(refusal(with(get, {{"x: y\r\nz", "z"}})) == "bad byte in the name of a header");
  CHECK(refusal(with(get, {{"x y", "z"}})) == "bad byte in the name of a header");
  CHECK(refusal(with(get, {{"x:", "z"}})) == "bad byte in the name of a header");
  CHECK(refusal(with(get, {{"X", "z"}})) == "bad byte in the name of a header");
  CHECK(refusal(with(get, {{"", "z"}})) == "bad byte in the name of a header");
  CHECK(refusal(with(get, {{"x", " y"}})) == "bad byte in the value of a header");
  CHECK(refusal(changed(":path", "/ HTTP/1.1\r\nhost: b\r\n\r\nGET /b")) ==
        "white space in :method or :path");
  CHECK(refusal(changed(":path", "/\tb")) == "white space in :method or :path");
  CHECK(refusal(changed(":path", "/\x01")) == "bad byte in the target");
  CHECK(refusal(changed(":path", "/#f")) == "bad byte in the target");
  CHECK(refusal(changed(":method", "GET / HTTP/1.1\r\nx: ")) == "white space in :method or :path");
  CHECK(refusal(changed(":method", "get")) == "not a method");
  CHECK(refusal(changed(":method", "PRI")) == "not a method");
  for (const char* name : {"connection", "keep-alive", "proxy-connection", "upgrade"})
    CHECK(refusal(with(get, {{name, "x"}})) == "header of the connection in HTTP/2");
  CHECK(refusal(with(get, {{"te", "gzip"}})) == "TE is not trailers");
  CHECK(refusal(with(get, {{"expect", "200-ok"}}), Body::follows) == "unknown Expect");
  CHECK(refusal(with(get, {{"content-type", "a"}, {"content-type", "b"}})) ==
        "a header that must stand once stands twice");
}

TEST_CASE("attack 11: an HTTP/2 request that names two hosts, or none, is refused") {
  CHECK(refusal(with(get, {{"host", "b"}})) == ":authority is not the Host");
  CHECK(refusal(with(get, {{"host", "api.example.com:443"}})) == ":authority is not the Host");
  CHECK(refusal(with(get, {{"host", "api.example.com"}, {"host", "api.example.com"}})) ==
        "more than one Host");
  CHECK(refusal(with(get, {{":authority", "b"}})) == "pseudo-header field stands twice");
  CHECK(refusal(changed(":authority", "-")) == "no :authority");
  CHECK(refusal(changed(":authority", "u@api.example.com")) == ":authority is not host and port");
  CHECK(refusal(changed(":authority", "a,b")) == ":authority is not host and port");
  CHECK(refusal(changed(":authority", "")) == ":authority is not host and port");
  CHECK(refusal(changed(":path", "https://b/")) == ":path is not a path");
  CHECK(refusal(changed(":path", "")) == ":path is not a path");
}

TEST_CASE("pseudo-header fields are those of a request, each once, and before all others") {
  CHECK(refusal(changed(":method", "-")) == "no :method");
  CHECK(refusal(changed(":path", "-")) == "no :path or :scheme");
  CHECK(refusal(changed(":scheme", "-")) == "no :path or :scheme");
  CHECK(refusal(changed(":scheme", "http")) == ":scheme is not the connection's");
  CHECK(refusal(get, Body::none, Scheme::http) == ":scheme is not the connection's");
  CHECK(refusal(changed(":status", "200")) == ":status in a request");
  CHECK(refusal(changed(":protocol", "websocket")) == "unknown pseudo-header field");
  CHECK(refusal(changed(":method", "CONNECT")) == "CONNECT: this is no proxy");
  CHECK(refusal(changed(":path", "*")) == "target * of another method than OPTIONS");
  CHECK(
      refusal({{":method", "GET"}, {":scheme", "https"}, {"x", "y"}, {":path", "/"}, {":authority", "a"}}) ==
      "no :path or :scheme");
  CHECK(
      refusal({{":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {"x", "y"}, {":authority", "a"}}) ==
      "bad byte in the name of a header");
}

TEST_CASE("limits of an HTTP/2 head are HTTP/1.1's") {
  Fields many = get;
  for (int i = 0; i < 198; ++i) many.push_back({"x", "y"});
  CHECK(refusal(many) == "");
  many.insert(many.end(), 3, {"x", "y"});
  CHECK(refusal(many) == "too many headers");
  many.insert(many.end(), 10, {"x", "y"});
  CHECK(refusal(many) == "too many headers");
  CHECK(refusal(with(get, {{"x", std::string(60'000, 'y')}})) == "");
  CHECK(refusal(with(get, {{"x", std::string(70'000, 'y')}})) == "head is too long");
  CHECK(refusal(changed(":path", "/" + std::string(20'000, 'y'))) == "target is too long");
}

TEST_CASE("a response of HTTP/2 is the head that is handed on") {
  const Fields ok = {{":status", "200"}, {"content-type", "a"}, {"content-length", "3"}};
  auto head = http2::read_response_head(ok, Body::follows, "GET");
  REQUIRE(head);
  CHECK(head->status == 200);
  CHECK(head->fields == Fields{{"content-type", "a"}});
  CHECK(head->has_body);
  CHECK(head->content_length == 3);
  CHECK_FALSE(http2::read_response_head(ok, Body::none, "HEAD")->has_body);
  CHECK_FALSE(http2::read_response_head({{":status", "304"}}, Body::follows, "GET")->has_body);
  CHECK_FALSE(http2::read_response_head({{":status", "103"}}, Body::follows, "GET")->has_body);
  CHECK(response_refusal({{":status", "103"}}, Body::none) == "interim response that ends its stream");
  for (const char* status : {"101", "20", "2000", "099", "+20", "2 0", ""})
    CHECK(response_refusal({{":status", status}}) == "bad :status");
  CHECK(response_refusal({}) == "response without :status alone");
  CHECK(response_refusal({{":status", "200"}, {":path", "/"}}) == "response without :status alone");
  CHECK(response_refusal({{":status", "200"}, {":status", "200"}}) == "pseudo-header field stands twice");
  CHECK(response_refusal(with(ok, {{"connection", "close"}})) == "header of the connection in HTTP/2");
  CHECK(response_refusal(with(ok, {{"x", "a\nb"}})) == "bad byte in the value of a header");
  CHECK(response_refusal(with(ok, {{"content-length", "3"}})) == "more than one Content-Length");
  CHECK(response_refusal({{":status", "200"}, {"content-length", "x"}}) == "Content-Length is not a number");
}

TEST_CASE("trailers cannot change what the head said") {
  CHECK(http2::check_request_trailers({{"x-sum", "1"}}));
  CHECK_FALSE(http2::check_request_trailers({{"authorization", "1"}}));
  CHECK_FALSE(http2::check_request_trailers({{"x", "a\r\nb"}}));
  CHECK_FALSE(http2::check_request_trailers({{":path", "/"}}));
  CHECK(*http2::read_response_trailers({{"grpc-status", "0"}, {"set-cookie", "a"}}) ==
        Fields{{"grpc-status", "0"}});
  CHECK_FALSE(http2::read_response_trailers({{"x", "a\nb"}}));
}
