// Any bytes as JSON, as YAML and as a compressed body.
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

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
  return 0;
}
