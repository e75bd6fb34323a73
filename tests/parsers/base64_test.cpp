#include "parsers/base64.h"

#include <catch2/catch.hpp>
#include <utility>

namespace clawpatrol {
namespace {

std::optional<std::string> strict(std::string_view text) {
  return base64_decoded(text, Base64Padding::required);
}
std::optional<std::string> lenient(std::string_view text) {
  return base64_decoded(text, Base64Padding::optional);
}

TEST_CASE("the vectors of RFC 4648, 10", "[base64]") {
  for (auto [text, bytes] : {std::pair("", ""),
                             {"Zg==", "f"},
                             {"Zm8=", "fo"},
                             {"Zm9v", "foo"},
                             {"Zm9vYg==", "foob"},
                             {"Zm9vYmE=", "fooba"},
                             {"Zm9vYmFy", "foobar"}}) {
    CHECK(strict(text) == bytes);
    CHECK(lenient(text) == bytes);
  }
  CHECK(strict("+/+/") == "\xfb\xff\xbf");
}

TEST_CASE("padding may be left out only where it is said so", "[base64]") {
  CHECK(lenient("Zg") == "f");
  CHECK(lenient("Zm8") == "fo");
  CHECK_FALSE(strict("Zg"));
  CHECK_FALSE(strict("Zm8"));
}

TEST_CASE("what the padding hides must be nothing, where it is required", "[base64]") {
  CHECK_FALSE(strict("Zh=="));
  CHECK_FALSE(strict("Zm9="));
  CHECK(lenient("Zh==") == "f");
}

TEST_CASE("anything else is not Base64", "[base64]") {
  for (const char* text : {"Z", "Zg=", "Z===", "====", "=", "Zg==Zg==", "Zm9v\n", "Zm 9", "-_-_", "Zm9vY"}) {
    INFO(text);
    CHECK_FALSE(strict(text));
    CHECK_FALSE(lenient(text));
  }
}

}  // namespace
}  // namespace clawpatrol
