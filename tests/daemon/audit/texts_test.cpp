#include "daemon/audit/texts.h"

#include <catch2/catch.hpp>

using namespace clawpatrol::audit;

TEST_CASE("attack 27: a long text stands in a segment once, then its digest") {
  LongTexts texts;
  std::string text(513, 'a');
  auto first = texts.refer(text, 1);
  CHECK(first.must_be_written);
  // printf 'a%.0s' {1..513} | sha256sum
  CHECK(first.sha256 == "02425c0f5b0dabf3d2b9115f3f7723a02ad8bcfb1534a0d231614fd42b8188f6");
  CHECK_FALSE(texts.refer(text, 1).must_be_written);
  CHECK(texts.refer(text + "a", 1).must_be_written);
  CHECK(texts.refer(text, 2).must_be_written);
  CHECK_FALSE(texts.refer(text, 2).must_be_written);
  texts.forget();
  CHECK(texts.refer(text, 2).must_be_written);
}

TEST_CASE("attack 27: ever-different texts do not grow what is remembered") {
  LongTexts texts(4);
  for (char at = 'a'; at < 'f'; ++at) CHECK(texts.refer(std::string(600, at), 1).must_be_written);
  CHECK(texts.refer(std::string(600, 'a'), 1).must_be_written);
}
