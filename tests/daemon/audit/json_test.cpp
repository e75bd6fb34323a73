#include <catch2/catch.hpp>
#include <random>

#include "daemon/audit/log.h"

using namespace clawpatrol::audit;

namespace {

std::string json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::uint32_t unit(std::string_view text) {
  return static_cast<std::uint32_t>(std::stoul(std::string(text.substr(2, 4)), nullptr, 16));
}

void append_utf8(std::string& out, std::uint32_t point) {
  auto byte = [&](std::uint32_t value) { out.push_back(static_cast<char>(value)); };
  if (point < 0x80) return byte(point);
  if (point < 0x800) return byte(0xc0 | point >> 6), byte(0x80 | (point & 63));
  if (point < 0x10000)
    return byte(0xe0 | point >> 12), byte(0x80 | (point >> 6 & 63)), byte(0x80 | (point & 63));
  byte(0xf0 | point >> 18), byte(0x80 | (point >> 12 & 63)), byte(0x80 | (point >> 6 & 63)),
      byte(0x80 | (point & 63));
}

// What docs/formats.md tells a reader to do to get the bytes back.
std::string original(std::string_view quoted) {
  std::string out;
  std::string_view text = quoted.substr(1, quoted.size() - 2);
  while (!text.empty()) {
    if (text[0] != '\\') {
      out.push_back(text[0]);
      text.remove_prefix(1);
    } else if (text[1] != 'u') {
      out.push_back(text[1] == 'n' ? '\n' : text[1] == 'r' ? '\r' : text[1] == 't' ? '\t' : text[1]);
      text.remove_prefix(2);
    } else {
      std::uint32_t value = unit(text);
      text.remove_prefix(6);
      if (value >= 0xd800 && value < 0xdc00) {
        value = 0x10000 + ((value - 0xd800) << 10) + (unit(text) - 0xdc00);
        text.remove_prefix(6);
        append_utf8(out, value);
      } else if (value >= 0xdc80 && value < 0xdd00) {
        out.push_back(static_cast<char>(value - 0xdc00));
      } else {
        append_utf8(out, value);
      }
    }
  }
  return out;
}

}  // namespace

TEST_CASE("plain text stands as it is, whatever its length and alignment") {
  for (std::size_t size = 0; size < 40; ++size) {
    std::string text(size, 'x');
    CHECK(json(text) == '"' + text + '"');
    for (std::size_t at = 0; at < size; ++at) {
      std::string quoted = text;
      quoted[at] = '"';
      CHECK(json(quoted) == '"' + text.substr(0, at) + "\\\"" + text.substr(at + 1) + '"');
    }
  }
}

TEST_CASE("attack 27: escape sequences and bidi characters are written as ASCII") {
  CHECK(json("\x1b[2J\x07") == R"("\u001b[2J\u0007")");
  CHECK(json("a\u202e\u2066b") == R"("a\u202e\u2066b")");
  CHECK(json("\x7f\xc2\x9b\r\n\t\\") == R"("\u007f\u009b\r\n\t\\")");
  CHECK(json("caf\xc3\xa9 \xf0\x9f\x98\x80") == R"("caf\u00e9 \ud83d\ude00")");
}

TEST_CASE("bytes that are not UTF-8 become lone surrogates, one each") {
  CHECK(json("\xff") == R"("\udcff")");
  CHECK(json("\xc0\x80") == R"("\udcc0\udc80")");            // overlong
  CHECK(json("\xed\xa0\x80") == R"("\udced\udca0\udc80")");  // a surrogate
  CHECK(json("\xf4\x90\x80\x80") == R"("\udcf4\udc90\udc80\udc80")");
  CHECK(json("\xe2\x82") == R"("\udce2\udc82")");  // cut off
  CHECK(json("\xf0\x9f\x98\x80\x98") == R"("\ud83d\ude00\udc98")");
}

TEST_CASE("every text is ASCII in the log and can be turned back byte for byte") {
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (std::size_t size = random() % 24; size > 0; --size) {
      std::uint32_t kind = random() % 4;
      if (kind == 0) text.push_back(static_cast<char>(random()));
      if (kind == 1) text.push_back(static_cast<char>('a' + random() % 26));
      if (kind == 2) append_utf8(text, random() % 0xd800);
      if (kind == 3) append_utf8(text, 0xe000 + random() % 0x102000);
    }
    std::string written = json(text);
    REQUIRE(std::all_of(written.begin(), written.end(), [](char c) { return c >= 0x20 && c < 0x7f; }));
    REQUIRE(original(written) == text);
  }
}

TEST_CASE("a time is UTC to the microsecond") {
  std::string out;
  append_json_time(out, 1'700'000'000'123'456'789);
  append_json_time(out, 1'700'000'000'000'000'999);
  append_json_time(out, 1'700'000'001'999'999'999);
  append_json_time(out, -1);
  CHECK(out == R"("2023-11-14T22:13:20.123456Z""2023-11-14T22:13:20.000000Z""2023-11-14T22:13:21.999999Z")"
               R"("1969-12-31T23:59:59.999999Z")");
}
