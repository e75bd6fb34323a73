// Any bytes as JSON, as YAML and as a compressed body.
#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "parsers/http/decoder.h"
#include "parsers/http/decoding.h"
#include "parsers/json.h"
#include "parsers/yaml.h"

using namespace clawpatrol;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

// What we read another reader reads too; it may read more, since we refuse what has two readings.
void compare(const Document& ours, const nlohmann::json& theirs) {
  if (auto* items = ours.items()) {
    check(theirs.is_array() && theirs.size() == items->size());
    for (std::size_t i = 0; i < items->size(); ++i) compare((*items)[i], theirs[i]);
  } else if (auto* members = ours.members()) {
    check(theirs.is_object() && theirs.size() == members->size());
    for (const Document::Member& member : *members) compare(member.value, theirs.at(member.name));
  } else if (auto* text = ours.text()) {
    check(theirs.is_string() && theirs.get<std::string>() == *text);
  } else if (auto* number = std::get_if<std::int64_t>(&ours.value)) {
    check(theirs.is_number_integer() && theirs.get<std::int64_t>() == *number);
  } else if (auto* large = std::get_if<std::uint64_t>(&ours.value)) {
    check(theirs.is_number_unsigned() && theirs.get<std::uint64_t>() == *large);
  } else if (auto* real = std::get_if<double>(&ours.value)) {
    check(theirs.is_number_float() && theirs.get<double>() == *real);
  } else if (auto* flag = std::get_if<bool>(&ours.value)) {
    check(theirs.is_boolean() && theirs.get<bool>() == *flag);
  } else {
    check(theirs.is_null());
  }
}

// In pieces the same comes out as at once; and never more than the ratio allows.
void compare_stream(std::string_view bytes, const char* coding, std::size_t limit) {
  auto whole = http::decode(bytes, {coding}, limit);
  auto decoder = http::make_decoder({coding});
  std::string out;
  bool right = true;
  for (std::size_t at = 0; right && at < bytes.size(); at += 3) {
    std::string_view piece = bytes.substr(at, 3);
    do {
      right = decoder->feed(piece, out).has_value();
    } while (right && (!piece.empty() || decoder->more()));
  }
  check(out.size() <= std::max(http::ratio_free_bytes, bytes.size() * http::max_ratio) + http::decoder_step);
  if (whole) check(right && decoder->ended() && out == *whole);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const char* data, std::size_t size) {
  std::string_view bytes(data, size);
  if (auto document = read_json_document(bytes)) compare(*document, nlohmann::json::parse(bytes));
  // YAML is a superset of what JSON writes without tabs and long lines: where both are read, both say the
  // same.
  auto yaml = read_yaml_document(bytes);
  auto json = read_json_document(bytes);
  if (yaml && json) check(*yaml == *json);
  constexpr std::size_t limit = 256 << 10;
  for (const char* coding : {"gzip", "deflate", "br", "zstd"})
    if (auto decoded = http::decode(bytes, {coding}, limit)) check(decoded->size() <= limit);
  for (const char* coding : {"gzip", "deflate", "br", "zstd"}) compare_stream(bytes, coding, limit);
  return 0;
}
