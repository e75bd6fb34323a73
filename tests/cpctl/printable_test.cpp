#include "cpctl/printable.h"

#include <catch2/catch.hpp>
#include <random>

namespace clawpatrol::cpctl {
namespace {

TEST_CASE("attack 27: escape, bidi and invisible characters in data never reach the terminal") {
  CHECK(printable("\x1b[2J\x1b]0;owned\x07") == "\\u{1b}[2J\\u{1b}]0;owned\\u{7}");
  CHECK(printable("a\u202Eb\u2066c\u2069d\u200Fe\u061Cf") ==
        "a\\u{202e}b\\u{2066}c\\u{2069}d\\u{200f}e\\u{61c}f");
  CHECK(printable("\u009B31m") == "\\u{9b}31m");  // CSI as one character
  CHECK(printable("line\nforged\rline\tx") == "line\\nforged\\rline\\tx");
  CHECK(printable("x\u200By\uFEFFz\u2028w") == "x\\u{200b}y\\u{feff}z\\u{2028}w");
  CHECK(printable("\U000E0041\U000E007F") == "\\u{e0041}\\u{e007f}");  // tags
  CHECK(printable(std::string_view("a\0b", 3)) == "a\\u{0}b");
  CHECK(printable("\x7f") == "\\u{7f}");
}

TEST_CASE("attack 27: a string of TOML for an operator to read holds nothing that is not printable") {
  CHECK(printable_in_toml("a\u202E\u009B31m\u0301\n\"\\\xffé") ==
        R"("a\U0000202E\U0000009B31m\U00000301\U0000000A\"\\\uFFFDé")");
}

TEST_CASE("attack 27: every byte string becomes printable, and nothing that was printable is lost") {
  std::mt19937 random(27);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 40, '\0');
    for (char& c : text) c = static_cast<char>(random());
    std::string shown = printable(text);
    for (unsigned char c : shown) {
      REQUIRE(c >= 0x20);
      REQUIRE(c != 0x7f);
    }
    REQUIRE(printable(shown) == shown);
  }
}

TEST_CASE("ordinary text in any script stays as it is") {
  for (const char* text : {"SELECT 'a\\''", "Größe", "日本語", "مرحبا", "naïve café", "🙂", "a|b\"c\""}) {
    CHECK(printable(text) == text);
  }
}

TEST_CASE("bytes that are not UTF-8 are shown as bytes") {
  CHECK(printable("a\xff\xfe") == "a\\xff\\xfe");
  CHECK(printable("\xc0\xaf") == "\\xc0\\xaf");           // overlong
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // a surrogate
  CHECK(printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");
  CHECK(printable("\xe2\x82") == "\\xe2\\x82");  // cut
}

TEST_CASE("marks stacked on one character are bounded") {
  std::string tower = "e";
  for (int i = 0; i < 8; ++i) tower += "\u0301";
  std::string shown = printable(tower);
  CHECK(shown.starts_with("e\u0301\u0301\u0301\u0301\\u{301}"));
}

TEST_CASE("width counts columns, not bytes") {
  CHECK(display_width("abc") == 3);
  CHECK(display_width("é") == 1);
  CHECK(display_width("e\u0301") == 1);
  CHECK(display_width("日本") == 4);
  CHECK(display_width("🙂") == 2);
}

TEST_CASE("clipping ends in an ellipsis and never exceeds the columns") {
  CHECK(clipped("abcdef", 6) == "abcdef");
  CHECK(clipped("abcdef", 5) == "abcd…");
  CHECK(clipped("日本語", 5) == "日本…");
  CHECK(clipped("日本語", 4) == "日…");
  CHECK(clipped("abc", 1) == "…");
  CHECK(clipped("abc", 0).empty());
}

}  // namespace
}  // namespace clawpatrol::cpctl
