#include "daemon/audit/texts.h"

#include <catch2/catch.hpp>

using namespace clawpatrol::audit;

namespace {

std::string value(LongTexts& texts, const std::string& text, std::uint64_t segment) {
  std::string out;
  texts.append(out, text, segment);
  return out;
}

}  // namespace

TEST_CASE("attack 27: a long text stands in a segment once, then its digest") {
  LongTexts texts;
  CHECK(value(texts, "SELECT 1", 1) == "\"SELECT 1\"");
  CHECK(value(texts, "SELECT 1", 1) == "\"SELECT 1\"");
  std::string text(513, 'a');
  // printf 'a%.0s' {1..513} | sha256sum
  std::string digest = R"({"sha256":"02425c0f5b0dabf3d2b9115f3f7723a02ad8bcfb1534a0d231614fd42b8188f6")";
  CHECK(value(texts, text, 1) == digest + R"(,"text":")" + text + "\"}");
  CHECK(value(texts, text, 1) == digest + "}");
  CHECK(value(texts, text, 2) == digest + R"(,"text":")" + text + "\"}");
  CHECK(value(texts, text, 2) == digest + "}");
  texts.forget();
  CHECK(value(texts, text, 2) == digest + R"(,"text":")" + text + "\"}");
}

TEST_CASE("attack 27: ever-different texts do not grow what is remembered") {
  LongTexts texts(4);
  std::string first(600, 'x');
  value(texts, first, 1);
  for (char at = 'a'; at < 'e'; ++at) value(texts, std::string(600, at), 1);
  CHECK(value(texts, first, 1).find("text") != std::string::npos);
}
