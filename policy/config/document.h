// A TOML file as a tree in which everything knows where it stands. The only door to toml++.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/config/source.h"

namespace clawpatrol::config {

inline constexpr std::size_t max_file_bytes = 1 << 20;

enum class NodeKind : std::uint8_t { string, integer, boolean, floating, date, array, table };

std::string_view name_of(NodeKind kind);  // "a string", "an array", ...

struct Entry;

struct Node {
  NodeKind kind = NodeKind::table;
  Location at;
  std::string text;  // of a string
  std::int64_t integer = 0;
  bool boolean = false;
  std::vector<Node> items;     // of an array
  std::vector<Entry> entries;  // of a table, as they stand in the file

  const Entry* find(std::string_view key) const;
};

struct Entry {
  std::string key;
  Location key_at;
  Node value;
};

// Nothing when the file is not TOML, or larger or deeper than we read; the report then says why and where.
std::optional<Node> parse_document(Source& source, Report& report);

}  // namespace clawpatrol::config
