// attack 16: a secret that stands across the edge of a part.
#include "daemon/credentials/http/part.h"

#include <catch2/catch.hpp>

#include "daemon/credentials/http/response.h"

using namespace clawpatrol;
using namespace clawpatrol::credentials;

namespace {

constexpr std::uint64_t margin = 100;
const std::string secret = "s3cret-t0ken-of-ours";

http::RequestHead asks(const std::string& range) {
  http::RequestHead head;
  head.method = "GET";
  head.fields = {{"Range", range}};
  return head;
}

std::string widened(const std::string& range) {
  http::RequestHead head = asks(range);
  const bool part = Part::widen(head, margin).has_value();
  REQUIRE(part == !head.fields.empty());
  return part ? head.fields.at(0).value : "";
}

http::ResponseHead part_of(const std::string& extent, std::optional<std::uint64_t> length = {}) {
  http::ResponseHead head;
  head.status = 206;
  head.has_body = true;
  head.content_length = length;
  head.fields = {{"Content-Range", extent}, {"Content-MD5", "x"}};
  return head;
}

// What the agent is told of its part; "": it is withheld.
std::string narrowed(const std::string& range, http::ResponseHead head) {
  http::RequestHead request = asks(range);
  auto part = Part::widen(request, margin);
  REQUIRE(part);
  if (!part->narrow(head)) return "";
  return std::to_string(head.status) + " " + head.fields.at(0).value + " " +
         std::to_string(head.content_length.value());
}

// A server of `body`, as RFC 9110, 14.1.2 has it.
struct Served {
  http::ResponseHead head;
  std::string bytes;
};
Served serve(const std::string& body, const std::string& range) {
  const std::size_t dash = range.find('-');
  const std::string left = range.substr(6, dash - 6), right = range.substr(dash + 1);
  std::size_t first = 0, last = body.size() - 1;
  if (left.empty())
    first = body.size() - std::min(body.size(), std::size_t{std::stoul(right)});
  else
    first = std::stoul(left);
  if (!left.empty() && !right.empty()) last = std::min(last, std::size_t{std::stoul(right)});
  const std::string extent =
      std::to_string(first) + "-" + std::to_string(last) + "/" + std::to_string(body.size());
  return {part_of("bytes " + extent, last - first + 1), body.substr(first, last - first + 1)};
}

// What the agent gets of the body, which comes in pieces of `size`.
std::string got(const std::string& body, const std::string& range, std::size_t size) {
  const Needle needle{secret, "{{pat}}"};
  auto patterns = std::make_shared<const Patterns>(std::span(&needle, 1));
  http::RequestHead head = asks(range);
  auto part = Part::widen(head, part_margin(*patterns));
  Served served = serve(body, head.fields.at(0).value);
  CleanResponse response(patterns, part);
  REQUIRE(response.head(served.head));
  std::string out;
  for (std::size_t at = 0; at < served.bytes.size(); at += size) {
    std::string_view piece = std::string_view(served.bytes).substr(at, size);
    do {
      REQUIRE(response.feed(piece));
      out += response.text();
    } while (!piece.empty() || response.more());
  }
  REQUIRE(response.finish());
  out += response.text();
  CHECK(out.size() == served.head.content_length);
  return out;
}

}  // namespace

TEST_CASE("more is asked for than the part that an agent wants, and the whole where it is not one part") {
  CHECK(widened("bytes=0-9") == "bytes=0-109");
  CHECK(widened("bytes=250-300") == "bytes=150-400");
  CHECK(widened("bytes=250-") == "bytes=150-");
  CHECK(widened("bytes=-7") == "bytes=-107");
  for (const char* whole :
       {"bytes=", "bytes=-", "bytes=9-8", "bytes=0-1,3-4", "bytes=a-b", "bytes= 0-1", "bytes=1", "rows=0-1",
        "bytes=00-1", "bytes=+1-2", "bytes=0-9999999999999999", "bytes=0--1"})
    CHECK(widened(whole) == "");
  http::RequestHead head = asks("bytes=0-9");
  head.fields.push_back({"range", "bytes=1-2"});
  CHECK_FALSE(Part::widen(head, margin));
  head = asks("bytes=0-9");
  head.method = "POST";
  CHECK_FALSE(Part::widen(head, margin));
  CHECK(head.fields.empty());
}

TEST_CASE("a head that is not of the part that was asked for is withheld") {
  CHECK(narrowed("bytes=250-300", part_of("bytes 150-400/1000", 251)) == "206 bytes 250-300/1000 51");
  CHECK(narrowed("bytes=250-300", part_of("bytes 150-280/281")) == "206 bytes 250-280/281 31");
  CHECK(narrowed("bytes=250-", part_of("bytes 150-999/1000")) == "206 bytes 250-999/1000 750");
  CHECK(narrowed("bytes=-300", part_of("bytes 600-999/1000")) == "206 bytes 700-999/1000 300");
  CHECK(narrowed("bytes=-3000", part_of("bytes 0-999/1000")) == "206 bytes 0-999/1000 1000");
  CHECK(narrowed("bytes=250-300", part_of("bytes 150-400/*")) == "206 bytes 250-300/* 51");
  // Less than was asked for, with more behind it: no more than what has been searched to its end.
  CHECK(narrowed("bytes=250-300", part_of("bytes 150-380/1000")) == "206 bytes 250-280/1000 31");
  CHECK(narrowed("bytes=250-300", part_of("bytes 150-200/201")) == "416 bytes */201 0");
  for (const char* wrong : {"bytes 151-400/1000", "bytes 0-400/1000", "bytes 150-300/1000",
                            "bytes 150-400/400", "bytes 400-150/1000", "bytes 150-400", "bytes */1000",
                            "150-400/1000", "bytes 150-400/+1", "bytes 150-400/", ""})
    CHECK(narrowed("bytes=250-300", part_of(wrong)) == "");
  CHECK(narrowed("bytes=250-300", part_of("bytes 150-400/1000", 250)) == "");
  CHECK(narrowed("bytes=-300", part_of("bytes 600-999/*")) == "");
  http::ResponseHead twice = part_of("bytes 150-400/1000");
  twice.fields.push_back({"content-range", "bytes 150-400/1000"});
  CHECK(narrowed("bytes=250-300", twice) == "");
}

TEST_CASE(
    "attack 16: of every part an agent gets what it would get of the whole, a secret across its edge too") {
  std::string body(300'000, '.');
  for (std::size_t at : {0UL, 70'000UL, 150'000UL, 299'980UL}) body.replace(at, secret.size(), secret);
  const std::string clean = got(body, "bytes=0-", 4096);
  REQUIRE(clean.size() == body.size());
  REQUIRE(clean.find(secret.substr(0, 4)) == std::string::npos);
  for (std::size_t first = 149'995; first < 150'025; ++first)
    for (std::size_t last : {first, first + 1, first + 7, first + 30, std::size_t{150'019}}) {
      if (last < first) continue;
      const std::string range = "bytes=" + std::to_string(first) + "-" + std::to_string(last);
      CHECK(got(body, range, 70'000) == clean.substr(first, last - first + 1));
    }
  for (std::size_t size : {1000UL, 1UL << 20}) {
    CHECK(got(body, "bytes=3-70010", size) == clean.substr(3, 70'008));
    CHECK(got(body, "bytes=-5", size) == clean.substr(299'995));
    CHECK(got(body, "bytes=70010-299990", size) == clean.substr(70'010, 229'981));
  }
}

TEST_CASE("a part that ends before its time is not whole") {
  const Needle needle{secret, "{{pat}}"};
  http::RequestHead head = asks("bytes=5-9");
  auto part = Part::widen(head, margin);
  CleanResponse response(std::make_shared<const Patterns>(std::span(&needle, 1)), part);
  http::ResponseHead came = part_of("bytes 0-20/21");
  REQUIRE(response.head(came));
  std::string_view bytes = "01234567";
  REQUIRE(response.feed(bytes));
  CHECK(response.finish().error() == "a part of a body that is cut off");
}

TEST_CASE("a part of a compressed body is withheld") {
  const Needle needle{secret, "{{pat}}"};
  http::RequestHead head = asks("bytes=5-9");
  auto part = Part::widen(head, margin);
  CleanResponse response(std::make_shared<const Patterns>(std::span(&needle, 1)), part);
  http::ResponseHead came = part_of("bytes 0-20/21");
  came.fields.push_back({"Content-Encoding", "gzip"});
  CHECK(response.head(came).error() == "a part of a compressed body");
}
