// One YAML document as JSON, where both kinds of YAML (1.1, as Kubernetes reads it, and 1.2) and a reader of
// JSON would agree. What they read differently (`yes`, `0o17`, `1:20`, `2001-01-01`, anchors, tags, merge
// keys, a second document) has no reading here.
#pragma once

#include <expected>
#include <string_view>

#include "parsers/json.h"

namespace clawpatrol {

inline constexpr std::size_t max_yaml_bytes = 256 << 10;  // libyaml is slow on large ones

// The error is unparseable or over_limit.
std::expected<Document, Unknown> read_yaml_document(std::string_view text);

}  // namespace clawpatrol
