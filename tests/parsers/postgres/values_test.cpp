// values.tsv is of a PostgreSQL 15: type, what its send function gives, what its output function shows (in
// UTC).
#include "parsers/postgres/values.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace clawpatrol::postgres {
namespace {

std::string bytes_of(std::string_view hexadecimal) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hexadecimal.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(std::string(hexadecimal.substr(i, 2)), nullptr, 16)));
  return bytes;
}

struct Shown {
  std::uint32_t type;
  std::string bytes, text;
};

std::vector<Shown> shown_by_server() {
  std::ifstream lines(std::string(CLAWPATROL_SOURCE) + "/tests/parsers/postgres/values.tsv");
  std::vector<Shown> all;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find('\t'), second = line.find('\t', first + 1);
    all.push_back({static_cast<std::uint32_t>(std::stoul(line)),
                   bytes_of(std::string_view(line).substr(first + 1, second - first - 1)),
                   line.substr(second + 1)});
  }
  return all;
}

constexpr std::uint32_t oid_bool = 16, oid_bytea = 17, oid_int4 = 23, oid_text = 25, oid_date = 1082,
                        oid_timestamp = 1114, oid_numeric = 1700, oid_jsonb = 3802, oid_int4_array = 1007;

}  // namespace

TEST_CASE("binary values read as the server shows them") {
  const std::vector<Shown> all = shown_by_server();
  CHECK(all.size() > 200);
  for (const Shown& value : all) {
    INFO(value.type << " " << value.text);
    CHECK(text_of_binary(value.type, value.bytes) == value.text);
  }
}

TEST_CASE("a value that is cut short or goes on is of no text") {
  for (const Shown& value : shown_by_server()) {
    const bool any_bytes = value.type == oid_bytea || value.type == oid_text || value.type == 114 ||
                           value.type == 1042 || value.type == 1043 || value.type == 19 ||
                           value.type == oid_jsonb;
    if (any_bytes) continue;
    INFO(value.type << " " << value.text);
    CHECK_FALSE(text_of_binary(value.type, std::string_view(value.bytes).substr(0, value.bytes.size() - 1)));
    CHECK_FALSE(text_of_binary(value.type, value.bytes + '\0'));
    CHECK_FALSE(text_of_binary(value.type, ""));
  }
}

TEST_CASE("values that lie are of no text, and soon") {
  auto refused = [](std::uint32_t type, std::string_view hexadecimal) {
    return !text_of_binary(type, bytes_of(hexadecimal));
  };
  CHECK(refused(0, "00"));
  CHECK(refused(600, "00000000000000000000000000000000"));  // point
  CHECK(refused(oid_jsonb, "027b7d"));                      // another version
  CHECK(refused(oid_text, "6100"));
  CHECK(refused(oid_date, "7ffffffe"));
  CHECK(refused(oid_timestamp, "8000000000000001"));
  // numeric: a digit beyond its base, an unknown sign, digits behind the scale, a scale and weights that make
  // much of little.
  CHECK(refused(oid_numeric, "00010000000000002710"));
  CHECK(refused(oid_numeric, "00010000100000000001"));
  CHECK(refused(oid_numeric, "0001ffff000000001388"));
  CHECK(refused(oid_numeric, "00010000000040000001"));
  CHECK(refused(oid_numeric, "00017fff000000000001"));
  CHECK(refused(oid_numeric, "00018000000000000001"));
  CHECK(refused(oid_numeric, "ffff0000000000000001"));
  // Arrays: dimensions, flags, another type, sizes beyond the bytes, elements that are cut.
  CHECK(refused(oid_int4_array, "0000000700000000000000170000000100000001"));
  CHECK(refused(oid_int4_array, "00000001000000020000001700000001000000010000000400000001"));
  CHECK(refused(oid_int4_array, "00000001000000000000001900000001000000010000000400000001"));
  CHECK(refused(oid_int4_array, "0000000100000000000000177fffffff000000010000000400000001"));
  CHECK(refused(oid_int4_array, "00000002000000000000001700010000000000010001000000000001"));
  CHECK(refused(oid_int4_array, "000000010000000000000017000000010000000100000004000000"));
  CHECK(refused(oid_int4_array, "000000010000000000000017000000010000000180000000"));
  CHECK(text_of_binary(oid_bool, std::string(1, '\x07')) == "t");
  CHECK(text_of_binary(oid_int4, bytes_of("ffffffff")) == "-1");
}

}  // namespace clawpatrol::postgres
