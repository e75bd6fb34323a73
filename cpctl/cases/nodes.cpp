#include "cpctl/cases/nodes.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "daemon/control/message.h"
#include "policy/json/read.h"

namespace clawpatrol::cpctl {
namespace {

using config::Location;
using config::Node;
using config::NodeKind;

Node convert(const Json& value, const Location& at) {
  Node node;
  node.at = at;
  if (value.is_string()) {
    node.kind = NodeKind::string;
    node.text = value.get<std::string>();
  } else if (value.is_object()) {
    for (const auto& [key, member] : value.items()) node.entries.push_back({key, at, convert(member, at)});
  } else if (value.is_array()) {
    node.kind = NodeKind::array;
    for (const Json& element : value) node.items.push_back(convert(element, at));
  } else if (value.is_boolean()) {
    node.kind = NodeKind::boolean;
    node.boolean = value.get<bool>();
  } else if (value.is_number_integer() && !value.is_number_unsigned()) {
    node.kind = NodeKind::integer;
    node.integer = value.get<std::int64_t>();
  } else if (value.is_number_unsigned() && value.get<std::uint64_t>() <= std::uint64_t{INT64_MAX}) {
    node.kind = NodeKind::integer;
    node.integer = static_cast<std::int64_t>(value.get<std::uint64_t>());
  } else {
    // Null too: TOML has none, so the tree has no kind for it.
    node.kind = value.is_null() ? NodeKind::table : NodeKind::floating;
    node.text = value.dump();
  }
  return node;
}

std::string source_text(const Node& node) {
  return std::string(node.at.source->text().substr(node.at.begin, node.at.end - node.at.begin));
}

}  // namespace

std::optional<Node> node_of_json(std::string_view line, const Location& at, config::Report& report) {
  auto value = read_json(line);
  constexpr std::string_view hint = "In a .jsonl file every line is one object with the keys of a [[case]].";
  if (!value) {
    report.error(at, fmt::format("not JSON, at column {}: {}", value.error().column, value.error().message),
                 std::string(hint));
    return std::nullopt;
  }
  return convert(*value, at);
}

std::string json_of_node(const Node& node) {
  switch (node.kind) {
    case NodeKind::string: return control::json_string(node.text);
    case NodeKind::integer: return std::to_string(node.integer);
    case NodeKind::boolean: return node.boolean ? "true" : "false";
    case NodeKind::floating: return node.text.empty() ? source_text(node) : node.text;
    case NodeKind::date: return control::json_string(source_text(node));
    case NodeKind::array: {
      std::vector<std::string> items;
      for (const Node& item : node.items) {
        const bool null = item.kind == NodeKind::table && item.entries.empty();
        items.push_back(null ? "null" : json_of_node(item));
      }
      return control::json_array(items);
    }
    case NodeKind::table: {
      if (!node.text.empty()) return node.text;  // null
      control::JsonObject object;
      for (const config::Entry& entry : node.entries) object.add_json(entry.key, json_of_node(entry.value));
      return object.text();
    }
  }
  return "null";
}

}  // namespace clawpatrol::cpctl
