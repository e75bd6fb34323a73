// attack 16, second line: what an upstream says of a secret.
#include "daemon/credentials/http/scrub.h"

#include <catch2/catch.hpp>
#include <random>

#include "tests/daemon/credentials/http/written.h"

using namespace clawpatrol;
using namespace clawpatrol::credentials;
using namespace clawpatrol::tests;

namespace {

const std::string secret = "gh+p/4X~z9 Q=8%41\\k\"W_0-t";
const std::string stand_in = "{{github_pat}}";

std::shared_ptr<const Patterns> patterns_of(const std::vector<std::string>& secrets) {
  std::vector<Needle> needles;
  for (const std::string& text : secrets) needles.push_back({text, stand_in});
  return std::make_shared<const Patterns>(needles);
}

std::string fed(const std::shared_ptr<const Patterns>& patterns, const std::vector<std::string_view>& pieces,
                std::size_t* count = nullptr) {
  Scrubber scrubber(patterns);
  std::string out;
  for (std::string_view piece : pieces) scrubber.feed(piece, out);
  scrubber.finish(out);
  if (count) *count = scrubber.overwritten();
  return out;
}

bool differs_somewhere(const std::string& a, const std::string& b, std::size_t from, std::size_t to) {
  std::size_t same = 0;
  for (std::size_t i = from; i < to; ++i) same += a[i] == b[i] ? 1 : 0;
  return same * 2 < (to - from);
}

}  // namespace

TEST_CASE("attack 16: a secret that an upstream says is overwritten, however it is written") {
  auto patterns = patterns_of({secret});
  for (const auto& [name, text] : ways_to_write(secret)) {
    INFO(name << ": " << text);
    const std::string body = "before&\\ %" + text + "\" after";
    const std::string clean = fed(patterns, {body});
    REQUIRE(clean.size() == body.size());
    CHECK(clean.starts_with("before&\\ %"));
    CHECK(clean.ends_with("\" after"));
    CHECK(differs_somewhere(clean, body, 10, 10 + text.size()));
  }
}

TEST_CASE("attack 16: what stands before a secret makes no escape of how it begins") {
  for (const std::string text :
       {"aa\"b/c+d e", "4a\"b/c+d e", "na\"b/c+d e", "u0a1c\"b/c+d", "#65;\"b/c+d", "amp;\"b/c+d"}) {
    auto patterns = patterns_of({text});
    for (const auto& [name, written] : ways_to_write(text)) {
      for (const std::string before :
           {"%", "%4", "%25", "%%", "\\", "\\u", "\\u00", "\\x", "&", "&#", "&#x4", "&#12", "%\n"}) {
        if (before == "\\" && name == "JSON of percent") continue;  // escaped three times over
        const std::string body = before + written + "\" after";
        INFO(text << ", " << name << ": " << body);
        std::size_t count = 0;
        const std::string whole = fed(patterns, {body}, &count);
        CHECK(count > 0);
        const std::string_view view = body;
        for (std::size_t i = 0; i < body.size(); ++i)
          REQUIRE(fed(patterns, {view.substr(0, i), view.substr(i)}) == whole);
      }
    }
  }
}

TEST_CASE("attack 16: cut anywhere, the same comes out") {
  auto patterns = patterns_of({secret});
  for (const auto& [name, text] : ways_to_write(secret)) {
    INFO(name);
    const std::string body = "a\\u00" + text + text + "&am";
    const std::string whole = fed(patterns, {body});
    const std::string_view view = body;
    std::vector<std::string_view> bytes;
    for (std::size_t i = 0; i < body.size(); ++i) {
      REQUIRE(fed(patterns, {view.substr(0, i), view.substr(i)}) == whole);
      bytes.push_back(view.substr(i, 1));
    }
    REQUIRE(fed(patterns, bytes) == whole);
  }
}

TEST_CASE("attack 16: cut at every pair of places, the same comes out") {
  auto patterns = patterns_of({"s3cr3t-t0ken"});
  const std::string body =
      "x=" + percent("s3cr3t-t0ken", "%{:02x}", 2) + base64("user:s3cr3t-t0ken") + "\\u0073";
  const std::string whole = fed(patterns, {body});
  const std::string_view view = body;
  for (std::size_t i = 0; i <= body.size(); ++i)
    for (std::size_t j = i; j <= body.size(); ++j)
      REQUIRE(fed(patterns, {view.substr(0, i), view.substr(i, j - i), view.substr(j)}) == whole);
}

TEST_CASE("a line end that is left out ends an escape that is not whole, in the next reading too") {
  auto patterns = patterns_of({"aaaa"});
  for (const std::string body : {"%\naaa\\\\raa", "&#\n12aaaa", "\\u0\n0aaa\\\\raa", "%25\naaa%5cra"}) {
    const std::string_view view = body;
    std::vector<std::string_view> bytes;
    for (std::size_t i = 0; i < body.size(); ++i) bytes.push_back(view.substr(i, 1));
    std::size_t count = 0;
    const std::string whole = fed(patterns, {body}, &count);
    CHECK(count > 0);
    CHECK(fed(patterns, bytes) == whole);
  }
}

TEST_CASE("what is no secret passes as it is, and at once where it cannot become one") {
  auto patterns = patterns_of({secret});
  std::mt19937 random(7);
  std::string noise;
  for (int i = 0; i < 200'000; ++i) noise += static_cast<char>(random() % 128);
  CHECK(fed(patterns, {noise}) == noise);
  const std::string nearly = secret.substr(0, secret.size() - 1);
  CHECK(fed(patterns, {nearly, "!", nearly}) == nearly + "!" + nearly);
  Scrubber scrubber(patterns);
  std::string out;
  scrubber.feed("data: {}\n\n", out);
  CHECK(out == "data: {}\n\n");
}

TEST_CASE("a secret that is over is not waited for, whatever line ends are behind it") {
  for (const std::string& text : {secret, std::string("ghp_theRealOne/ofTheOperator+xxxx")})
    for (const char* ending : {"", "\n", "\n\n", "\r\n\r\n", "\"}\n\n"})
      for (const auto& [name, written] : ways_to_write(text)) {
        INFO(name << ": " << written << ending);
        Scrubber scrubber(patterns_of({text}));
        const std::string event = "data: " + written + ending;
        std::string out;
        scrubber.feed(event, out);
        scrubber.release_few(out);
        CHECK(out.size() == event.size());
      }
}

TEST_CASE("no more is held back than could still become a secret, however long the stream") {
  auto patterns = patterns_of({std::string(64, 'a'), "abababababab"});
  Scrubber scrubber(patterns);
  std::string out;
  std::size_t most = 0, fed = 0;
  const std::string pieces[] = {std::string(500, 'a'), percent(std::string(100, 'a')), "abababab", "\\u0061",
                                "&#97;"};
  for (int i = 0; i < 5'000; ++i) {
    scrubber.feed(pieces[i % 5], out);
    fed += pieces[i % 5].size();
    most = std::max(most, scrubber.held());
  }
  scrubber.finish(out);
  CHECK(out.size() == fed);
  CHECK(most < 64 * 13);
  CHECK(out.find(std::string(64, 'a')) == std::string::npos);
}

TEST_CASE("secrets that overlap, or hold one another, are overwritten whole") {
  auto patterns = patterns_of({"abcdefgh-1234", "1234-wxyz", "efgh"});
  std::size_t count = 0;
  const std::string text = "<abcdefgh-1234-wxyz>";
  const std::string_view view = text;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string clean = fed(patterns, {view.substr(0, i), view.substr(i)}, &count);
    for (const char* part : {"abcd", "efgh", "1234", "wxyz", "gh-1", "-w"})
      CHECK(clean.find(part) == std::string::npos);
    CHECK(clean.front() == '<');
    CHECK(clean.back() == '>');
    CHECK(count >= 1);
  }
}

TEST_CASE("the stand-in is cut or filled up to the length of what it stands for") {
  auto patterns = patterns_of({"0123456789", "0123456789abcdefghij"});
  CHECK(fed(patterns, {"[0123456789]"}) == "[{{github_p]");
  CHECK(fed(patterns_of({"0123456789abcdefghij"}), {"[0123456789abcdefghij]"}) == "[{{github_pat}}******]");
}

TEST_CASE("fields of a head are overwritten, names too") {
  auto patterns = patterns_of({secret});
  http::Fields fields = {
      {"Location", "https://x/?t=" + percent(secret)}, {"X", "plain"}, {"x-" + secret, "y"}};
  CHECK(scrub(patterns, fields) == 2);
  CHECK(fields[0].value.starts_with("https://x/?t={{github_pat}}"));
  CHECK(fields[1] == http::Field{"X", "plain"});
  CHECK(fields[2].name.find(secret) == std::string::npos);
}

TEST_CASE("fifty secrets are looked for at once, and a long one") {
  std::vector<std::string> secrets;
  std::mt19937 random(3);
  for (int i = 0; i < 50; ++i) {
    std::string text = "canary-";
    for (int j = 0; j < 24; ++j) text += "abcdefghijklmnopqrstuvwxyz0123456789"[random() % 36];
    secrets.push_back(text);
  }
  std::string token;
  for (std::size_t i = 0; i < longest_needle; ++i) token += "ABCdef0123_-"[random() % 12];
  secrets.push_back(token);
  auto patterns = patterns_of(secrets);
  for (const std::string& text : secrets) {
    std::size_t count = 0;
    fed(patterns, {"<", text, ">", base64("us:" + text), percent(text)}, &count);
    CHECK(count >= 3);
  }
}

TEST_CASE("looking at a few bytes in many finds what looking at each does") {
  std::mt19937 random(11);
  const std::vector<std::string> secrets = {"k-0123456789abcdef", "Zm9vYmFyYmF6cXV4", "p@ss word+1", "tiny"};
  auto patterns = patterns_of(secrets);
  std::vector<std::string> ways;
  for (const std::string& text : secrets)
    for (const auto& [name, way] : ways_to_write(text)) ways.push_back(way);
  const std::string_view letters = "abcdefghijklmnopqrstuvwxyz 0123456789{}\":,ABCDEF%\\&\n/";
  for (int round = 0; round < 400; ++round) {
    std::string body;
    for (int part = 0; part < 8; ++part) {
      const std::size_t size = random() % 300, kinds = round % 2 == 0 ? letters.size() : 40;
      for (std::size_t i = 0; i < size; ++i) body += letters[random() % kinds];
      body += ways[random() % ways.size()];
    }
    std::vector<std::string_view> bytes;
    for (std::size_t i = 0; i < body.size(); ++i) bytes.push_back(std::string_view(body).substr(i, 1));
    std::size_t count = 0;
    const std::string whole = fed(patterns, {body}, &count);
    REQUIRE(count >= 1);
    REQUIRE(whole == fed(patterns, bytes));
  }
}

TEST_CASE("texts that are looked through one after the other have nothing to do with each other") {
  auto patterns = patterns_of({secret});
  Scrubber scrubber(patterns);
  for (std::size_t cut = 1; cut < secret.size(); ++cut) {
    std::string head = "a" + secret.substr(0, cut), tail = secret.substr(cut);
    const std::string unchanged = tail;
    CHECK(scrubber.overwrite_in(head) == 0);
    CHECK(scrubber.overwrite_in(tail) == 0);
    CHECK(tail == unchanged);
    std::string whole = "%4" + secret, half_escaped = "%4";  // an escape that never ends
    CHECK(scrubber.overwrite_in(whole) == 1);
    CHECK(whole.substr(2) != secret);
    CHECK(scrubber.overwrite_in(half_escaped) == 0);
    CHECK(half_escaped == "%4");
  }
  CHECK(scrubber.overwritten() == secret.size() - 1);
  CHECK(scrubber.held() == 0);
}
