// Secrets of several lines become one line, and nothing else of them changes.
#include "cpctl/secret_parts.h"

#include <catch2/catch.hpp>

using namespace clawpatrol;
using namespace clawpatrol::cpctl;

namespace {

std::string one_line(std::string_view text) {
  control::WipedBuffer value;
  value.append(text);
  auto line = in_one_line(std::move(value));
  return line ? std::string(line->view()) : "! " + line.error();
}

const std::string certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const std::string key = "-----BEGIN EC PRIVATE KEY-----\r\nMHcC\r\n-----END EC PRIVATE KEY-----\r\n";

}  // namespace

TEST_CASE("PEM becomes its parts, whatever else stands between them") {
  const std::string wanted_key = R"(-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n)";
  const std::string wanted = R"(-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n)";
  CHECK(one_line(key) == R"({"private_key": ")" + wanted_key + "\"}");
  CHECK(one_line("subject=x\n" + certificate + key + certificate) ==
        R"({"certificate": ")" + wanted + wanted + R"(", "private_key": ")" + wanted_key + "\"}");
  CHECK(one_line(key + key) == "! there are two private keys");
  CHECK(one_line(key.substr(0, 60)) == "! the PEM text is cut off");
}

TEST_CASE("JSON loses the line ends between its parts, and what has none stays") {
  CHECK(one_line("{\n\t\"a\": \"b\\\" \\n\",\r\n\"c\": \"d\"\n}") == R"({"a": "b\" \n","c": "d"})");
  CHECK(one_line("plain text") == "plain text");
  CHECK(one_line("two\nlines") == "two\nlines");
}
