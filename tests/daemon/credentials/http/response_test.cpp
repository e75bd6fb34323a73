// attack 16: responses that say a secret, in every coding.
#include "daemon/credentials/http/response.h"

#include <catch2/catch.hpp>
#include <random>

#include "tests/daemon/credentials/http/coded.h"

using namespace clawpatrol;
using namespace clawpatrol::credentials;
using namespace clawpatrol::tests;

namespace {

const std::string secret = "s3cret-t0ken-of-ours";

std::shared_ptr<const Patterns> patterns() {
  const Needle needle{secret, "{{pat}}"};
  return std::make_shared<const Patterns>(std::span(&needle, 1));
}

// What the agent gets of a body that comes in pieces of this size; "!" and why, where it breaks off.
std::string clean(const std::string& codings, const std::string& body, std::size_t piece) {
  CleanResponse response(patterns());
  http::ResponseHead head;
  head.status = 200;
  head.has_body = true;
  head.content_length = body.size();
  if (!codings.empty()) head.fields.push_back({"Content-Encoding", codings});
  if (auto done = response.head(head); !done) return "!" + std::string(done.error());
  CHECK(head.content_length.has_value() == codings.empty());
  CHECK(http::value_of(head.fields, "content-encoding").empty());
  std::string out;
  for (std::size_t at = 0; at < body.size(); at += piece) {
    std::string_view bytes = std::string_view(body).substr(at, piece);
    do {
      if (auto done = response.feed(bytes); !done) return "!" + std::string(done.error());
      out += response.text();
    } while (!bytes.empty() || response.more());
  }
  if (auto done = response.finish(); !done) return "!" + std::string(done.error());
  return out += response.text();
}

// Both with their secrets blotted out; in `said` at most three bytes of one may be left.
bool says_the_same_but_for_secrets(std::string said, std::string text) {
  if (said.size() != text.size()) return false;
  for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) {
    if (said.substr(at + 3, 4) == secret.substr(3, 4)) return false;
    for (std::string* each : {&said, &text}) std::fill_n(each->begin() + at, secret.size(), '#');
  }
  return said == text;
}

std::string noise(std::size_t size) {
  std::mt19937 random(5);
  std::string text;
  while (text.size() < size) text += "abcdefghij klmnop"[random() % 17];
  return text;
}

const char* const all_codings[] = {"gzip", "deflate", "br", "zstd"};

}  // namespace

TEST_CASE("attack 16: a secret is overwritten under every coding, however the stream is cut") {
  const std::string text = "{\"echo\": \"" + secret + "\"}" + noise(3000) + secret;
  const std::string wanted = clean("", text, text.size());
  REQUIRE(wanted.size() == text.size());
  REQUIRE(wanted.find(secret) == std::string::npos);
  for (const char* coding : all_codings) {
    const std::string body = coded(coding, text);
    for (std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{64}, body.size()}) {
      INFO(coding << " " << piece);
      CHECK(says_the_same_but_for_secrets(clean(coding, body, piece), text));
    }
  }
  CHECK(clean("gzip, br", coded("br", coded("gzip", text)), 500) == wanted);
  CHECK(clean("identity, deflate, zstd", coded("zstd", coded("deflate", text)), 5000) == wanted);
}

TEST_CASE("a message that ends as a secret begins is not waited for") {
  CleanResponse response(patterns());
  http::ResponseHead head;
  head.status = 200;
  head.has_body = true;
  REQUIRE(response.head(head));
  std::string all;
  for (std::string_view piece : {"this", " is s3c", "ret-t0ken-of-ours", "s3cre", "t-t0ken-of-ours!"}) {
    REQUIRE(response.feed(piece));
    all += response.text();
    if (all.size() == 11) CHECK(all == "this is s3c");
  }
  CHECK(all == "this is s3cat}}*************{{pat}}*************!");
}

TEST_CASE("a long body passes whole, and never more than a step of it at once") {
  const std::string text = noise(3 << 20);
  for (const char* coding : all_codings) CHECK(clean(coding, coded(coding, text), 16 << 10) == text);
}

TEST_CASE("a coded body that is cut off, broken, longer than itself or a bomb is not passed on as whole") {
  const std::string text = noise(5000);
  for (const char* coding : all_codings) {
    INFO(coding);
    const std::string body = coded(coding, text);
    CHECK(clean(coding, body.substr(0, body.size() - 3), 100) == "!a compressed body that is cut off");
    CHECK(clean(coding, body + "more", 100).starts_with("!a compressed body that is broken"));
    // RFC 1952, 2.2, and RFC 8878, 3: members, one behind the other.
    const bool has_members = coding != std::string("deflate") && coding != std::string("br");
    for (std::size_t piece : {body.size(), std::size_t{7}, 3 * body.size()})
      CHECK(clean(coding, body + body, piece) ==
            (has_members ? text + text : clean(coding, body + "more", piece)));
    if (has_members)
      CHECK(clean(coding, body + body.substr(0, body.size() - 3), 100) ==
            "!a compressed body that is cut off");
    CHECK(
        clean(coding, "not a coding at all, whatever it is", 100).starts_with("!a compressed body that is"));
    CHECK(clean(coding, "", 1) == "");
    CHECK(clean(coding, coded(coding, std::string(64 << 20, 'a')), 4096) ==
          "!a compressed body that expands too far");
  }
  CHECK(clean("compress", text, 100) == "!a coding that the gateway cannot look into");
  CHECK(clean("gzip, gzip, gzip, gzip", text, 100) == "!a coding that the gateway cannot look into");
}

TEST_CASE("attack 16: a response whose messages are coded one by one is withheld") {
  for (const char* name : {"grpc-encoding", "Connect-Content-Encoding"}) {
    CleanResponse response(patterns());
    http::ResponseHead head;
    head.status = 200;
    head.has_body = true;
    head.fields = {{name, " identity"}};
    CHECK(response.head(head));
    head.fields = {{name, "gzip"}};
    CHECK_FALSE(response.head(head));
  }
}

TEST_CASE("attack 16: parts that were not asked for are withheld, and heads and trailers are looked into") {
  CleanResponse response(patterns());
  http::ResponseHead part;
  part.status = 206;
  CHECK_FALSE(response.head(part));
  http::ResponseHead head;
  head.status = 302;
  head.fields = {{"Location", "/?t=" + secret}, {"Accept-Ranges", "bytes"}};
  REQUIRE(response.head(head));
  CHECK(head.fields == http::Fields{{"Location", "/?t={{pat}}*************"}, {"Accept-Ranges", "bytes"}});
  http::Fields trailers = {{"x", secret}};
  response.trailers(trailers);
  CHECK(trailers[0].value == "{{pat}}*************");
  CHECK(response.overwritten() == 2);
}

TEST_CASE("without a secret a response passes as it is") {
  CleanResponse response(nullptr);
  http::ResponseHead head;
  head.status = 206;
  head.has_body = true;
  head.fields = {{"Content-Encoding", "compress"}};
  REQUIRE(response.head(head));
  std::string_view bytes = "as it is";
  REQUIRE(response.feed(bytes));
  CHECK(response.text() == "as it is");
  CHECK(bytes.empty());
}
