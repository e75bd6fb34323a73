// attack 16: placeholders in bodies, as they stand and compressed.
#include "daemon/credentials/http/body_guard.h"

#include <random>

#include "parsers/http1/text.h"
#include "tests/daemon/credentials/http/coded.h"
#include "tests/daemon/credentials/http/requests.h"
#include "tests/daemon/credentials/http/written.h"

using namespace clawpatrol;
using namespace clawpatrol::credentials;
using namespace clawpatrol::tests;

TEST_CASE("attack 16: a placeholder in a body is refused before it is sent, however it is cut") {
  auto policy = policy_with("'pat'", bearer("pat"));
  auto placeholders = std::make_shared<const Placeholders>(*policy);
  for (const auto& [name, way] : ways_to_write("{{pat}}")) {
    INFO(name);
    const std::string body = "{\"title\": \"" + way + "\"}";
    for (std::size_t cut = 0; cut < body.size(); ++cut) {
      BodyGuard guard(placeholders, {}, UnknownCoding::is_refused);
      auto first = guard.feed(std::string_view(body).substr(0, cut));
      if (first) CHECK(first->size() < body.find(way) + way.size());
      const bool refused = !first || !guard.feed(std::string_view(body).substr(cut));
      REQUIRE(refused);
    }
  }
  BodyGuard guard(placeholders, {}, UnknownCoding::is_refused);
  CHECK(guard.feed("{\"a\": \"{{pa") == "{\"a\": \"");
  CHECK(guard.feed("n}}\"}\n{{pa") == "{{pan}}\"}\n");
  CHECK(guard.finish() == "{{pa");
  BodyGuard of_messages(placeholders, {{"grpc-encoding", "gzip"}}, UnknownCoding::is_refused);
  CHECK_FALSE(of_messages.feed("a"));
  // Nor is what a server may wait for held back for a few bytes.
  BodyGuard other(placeholders, {}, UnknownCoding::is_refused);
  CHECK(other.feed("a{{") == "a{{");
  CHECK(other.feed("pa") == "");
  CHECK_FALSE(other.feed("t}}"));
}

TEST_CASE("what a guard lets pass is what it was given, however it is cut") {
  std::mt19937 random(7);
  const std::string often = "%&\\\\{{pa}}t;#x41u00=+/eyJ";
  for (const auto& policy : {policy_with("", ""), policy_with("'pat'", bearer("pat"))}) {
    auto placeholders = std::make_shared<const Placeholders>(*policy);
    for (int run = 0; run < 300; ++run) {
      std::string body(1 + random() % 5000, '\0');
      for (char& c : body) c = random() % 2 ? often[random() % often.size()] : static_cast<char>(random());
      BodyGuard guard(placeholders, {}, UnknownCoding::is_refused);
      std::string passed;
      bool refused = false;
      for (std::size_t at = 0; at < body.size() && !refused;) {
        const std::size_t size = std::min<std::size_t>(body.size() - at, 1 + random() % (run % 2 ? 7 : 700));
        auto part = guard.feed(std::string_view(body).substr(at, size));
        refused = !part;
        if (part) passed += *part;
        at += size;
      }
      if (refused) continue;
      passed += guard.finish();
      REQUIRE(passed == body);
    }
  }
}

namespace {

http::Fields encoded_as(const std::string& codings) {
  return {{"Content-Type", "text/plain"}, {"content-Encoding", codings}};
}

// What passes of a body in such pieces; "!" and why, where it is refused.
std::string guarded(const std::string& codings, const std::string& body, std::size_t size,
                    UnknownCoding unknown = UnknownCoding::is_refused) {
  static const auto policy = policy_with("'pat'", bearer("pat"));
  BodyGuard guard(std::make_shared<const Placeholders>(*policy), encoded_as(codings), unknown);
  std::string passed;
  for (std::size_t at = 0; at < body.size(); at += size) {
    auto part = guard.feed(std::string_view(body).substr(at, size));
    if (!part) return "!" + part.error().what;
    passed += *part;
  }
  return passed + std::string(guard.finish());
}

}  // namespace

TEST_CASE(
    "attack 16: a placeholder in a compressed body is refused, and a body without one goes up as it came") {
  const std::string around(3000, 'a');
  for (const char* coding : {"gzip", "deflate", "br", "zstd", "GZIP"}) {
    const std::string known = http1::lower_case(coding);
    for (std::size_t size : {std::size_t{1}, std::size_t{7}, std::size_t{1000}, std::size_t{100'000}}) {
      INFO(coding << " " << size);
      const std::string harmless = coded(known, around + "{{pan}} {{pa" + around + "{{pa");
      CHECK(guarded(coding, harmless, size) == harmless);
      CHECK(guarded(coding, coded(known, around + "{{pat}}" + around), size).starts_with("!The placeholder"));
      CHECK(guarded(coding, coded(known, "{\"a\":\"%7b%7Bpat}}\"}"), size).starts_with("!The placeholder"));
    }
  }
  CHECK(guarded("gzip, br", coded("br", coded("gzip", "x{{pat}}")), 5).starts_with("!The placeholder"));
  CHECK(guarded("aws-chunked", "x{{pat}}", 5).starts_with("!The placeholder"));
  CHECK(guarded("identity", "{{pan}}", 5) == "{{pan}}");
}

TEST_CASE("a coding that cannot be looked into, or is another than it says, is refused beside credentials") {
  CHECK(guarded("xz", "anything", 3).starts_with("!The body is in a coding"));
  CHECK(guarded("xz", "anything", 3, UnknownCoding::passes) == "anything");
  CHECK(guarded("gzip, gzip, gzip, gzip", "anything", 3).starts_with("!The body is in a coding"));
  CHECK(guarded("gzip", "{{pat}} in no gzip", 3).starts_with("!The body's coding is not"));
  CHECK(guarded("gzip", coded("gzip", "one") + coded("gzip", "{{pat}}"), 9)
            .starts_with("!The body's coding is not"));
  CHECK(guarded("gzip", coded("gzip", std::string(64 << 20, 'a')), 4096)
            .starts_with("!The body's coding is not"));
  static const auto policy = policy_with("'pat'", bearer("pat"));
  BodyGuard guard(std::make_shared<const Placeholders>(*policy), encoded_as("xz"), UnknownCoding::is_refused);
  CHECK_FALSE(guard.feed(""));  // before anything has been sent
}

TEST_CASE("what holds a beginning of a placeholder back for too long is refused") {
  // Stored blocks of nothing, behind a beginning: no end of bytes, and nothing new to look at.
  const std::string begun = deflated_then_flushed("x{{pa");
  std::string body = begun;
  while (body.size() < (300 << 10)) body += std::string("\0\0\0\xff\xff", 5);
  const std::string passed = guarded("gzip", body, 1000);
  CHECK(passed.starts_with("!The body's coding holds too much back"));
}
