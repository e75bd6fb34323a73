// One YAML document as JSON, as an API server of Kubernetes reads it (sigs.k8s.io/yaml on goyaml v2: `0644`
// is 420 and `yes` is true). What its versions read differently, and what depends on more than the text of
// one value (anchors, tags, directives, merge keys, a second document), has no reading here.
#pragma once

#include <expected>
#include <string_view>

#include "parsers/json.h"

namespace clawpatrol {

inline constexpr std::size_t max_yaml_bytes = 256 << 10;  // libyaml is slow on large ones

// The error is unparseable or over_limit.
std::expected<Document, Unknown> read_yaml_document(std::string_view text);

}  // namespace clawpatrol
