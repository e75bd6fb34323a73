#include "policy/config/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "policy/config/secrets.h"
#include "policy/config/suggest.h"
#include "policy/config/units.h"

namespace clawpatrol::config {
namespace {

std::string amount(const Key& key, std::int64_t value) {
  if (key.shape == Shape::duration) return duration_text(std::chrono::nanoseconds(value));
  if (key.shape == Shape::size) return size_text(static_cast<std::uint64_t>(value));
  return fmt::format("{}", value);
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

}  // namespace

std::string range_text(const Key& key) {
  return fmt::format("{} to {}", amount(key, key.least), amount(key, key.most));
}

Table::Table(const Node& node, std::string_view section, std::string title, Location at, Report& report)
    : node_(&node), section_(section), title_(std::move(title)), at_(at), report_(report) {
  if (node.kind != NodeKind::table) {
    report_.error(node.at, fmt::format("{} is not a table but {}", title_, name_of(node.kind)));
    node_ = nullptr;
    return;
  }
  for (const Entry& entry : node.entries) {
    if (!find_key(section, entry.key)) report_unknown(entry);
  }
}

void Table::report_unknown(const Entry& entry) const {
  std::string where = title_.empty() ? "at the top of the file" : "in " + title_;
  if (is_secret_name(entry.key) && entry.value.kind != NodeKind::table) {
    std::string name = section_ == "credential" ? title_.substr(12, title_.size() - 13) : "NAME";
    report_.error(
        entry.key_at,
        fmt::format("'{}' {} would hold a secret: secrets do not belong in this file", entry.key, where),
        fmt::format("Take it out, change it where it is used, and give it to the store: cpctl creds set {}",
                    name));
    return;
  }
  auto known = key_names(section_);
  report_.error(entry.key_at, fmt::format("unknown key '{}' {}", entry.key, where),
                suggestion(entry.key, known));
}

Location Table::at(std::string_view key) const {
  const Entry* entry = node_ ? node_->find(key) : nullptr;
  return entry ? entry->value.at : at_;
}

const Node* Table::get(std::string_view key, NodeKind kind, std::string_view wanted) const {
  const Entry* entry = node_ ? node_->find(key) : nullptr;
  if (!entry) return nullptr;
  if (entry->value.kind == kind) return &entry->value;
  report_.error(entry->value.at, fmt::format("'{}' is {}, not {}", key, wanted, name_of(entry->value.kind)));
  return nullptr;
}

bool Table::is_printable(std::string_view key, const Text& text) const {
  if (text.value.empty()) {
    const bool entry = node_->find(key)->value.kind == NodeKind::array;
    report_.error(text.at, fmt::format("{}'{}' is empty", entry ? "an entry of " : "", key));
    return false;
  }
  if (std::ranges::none_of(text.value, is_control)) return true;
  report_.error(text.at, fmt::format("'{}' holds a control character", key));
  return false;
}

std::optional<Text> Table::text(std::string_view key) const {
  const Node* node = get(key, NodeKind::string, "a string");
  if (!node) return std::nullopt;
  return Text{node->text, node->at};
}

std::optional<Text> Table::string(std::string_view key) const {
  std::optional<Text> found = text(key);
  if (found && !is_printable(key, *found)) return std::nullopt;
  return found;
}

bool Table::is_empty_array(std::string_view key) const {
  const Entry* entry = node_ ? node_->find(key) : nullptr;
  return entry && entry->value.kind == NodeKind::array && entry->value.items.empty();
}

void Table::require(std::string_view key) const {
  if (node_ && !has(key)) report_.error(at_, fmt::format("{} needs '{}'", title_, key));
}

std::optional<Text> Table::required_string(std::string_view key) const {
  require(key);
  return string(key);
}

std::vector<Text> Table::strings(std::string_view key) const {
  std::vector<Text> out;
  std::unordered_map<std::string, Location> seen;
  const Node* node = get(key, NodeKind::array, "an array of strings");
  if (!node) return out;
  for (const Node& item : node->items) {
    if (item.kind != NodeKind::string) {
      report_.error(item.at,
                    fmt::format("'{}' is an array of strings, and this is {}", key, name_of(item.kind)));
      continue;
    }
    Text text{item.text, item.at};
    if (!is_printable(key, text)) continue;
    auto [first, added] = seen.emplace(text.value, text.at);
    if (!added) {
      Report::relate(report_.error(item.at, fmt::format("'{}' stands twice in '{}'", item.text, key)),
                     first->second, "first here");
      continue;
    }
    out.push_back(std::move(text));
  }
  return out;
}

std::optional<std::int64_t> Table::integer(std::string_view key) const {
  const Node* node = get(key, NodeKind::integer, "an integer");
  return node ? std::optional(node->integer) : std::nullopt;
}

std::optional<bool> Table::boolean(std::string_view key) const {
  const Node* node = get(key, NodeKind::boolean, "true or false");
  return node ? std::optional(node->boolean) : std::nullopt;
}

std::optional<std::size_t> Table::choose(const Key& key, const Text& written) const {
  auto choices = choices_of(key);
  auto found = std::ranges::find(choices, std::string_view(written.value));
  if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  std::string message = key.shape == Shape::choices
                            ? fmt::format("unknown name '{}' in '{}'", written.value, key.name)
                            : fmt::format("unknown {} '{}'", key.name, written.value);
  std::string_view meant = nearest(written.value, choices);
  std::string hint = meant.empty() ? "" : fmt::format("Did you mean '{}'? ", meant);
  report_.error(written.at, std::move(message), hint + fmt::format("Known: {}.", listed(choices)));
  return std::nullopt;
}

std::optional<std::size_t> Table::choice(std::string_view key) const {
  std::optional<Text> written = text(key);
  return written ? choose(*find_key(section_, key), *written) : std::nullopt;
}

std::vector<std::size_t> Table::choices(std::string_view key) const {
  std::vector<std::size_t> out;
  for (const Text& written : strings(key)) {
    if (auto index = choose(*find_key(section_, key), written)) out.push_back(*index);
  }
  return out;
}

std::optional<std::int64_t> Table::quantity(const Key& key) const {
  std::optional<std::int64_t> value = key.shape == Shape::count ? integer(key.name) : with_unit(key);
  if (!value || (*value >= key.least && *value <= key.most)) return value;
  report_.error(at(key.name), fmt::format("'{}' is out of range", key.name),
                fmt::format("It may be {}.", range_text(key)));
  return std::nullopt;
}

std::optional<std::int64_t> Table::with_unit(const Key& key) const {
  bool duration = key.shape == Shape::duration;
  std::string_view noun = duration ? "a duration" : "a size";
  const Node* node =
      get(key.name, NodeKind::string, duration ? "a duration such as \"90s\"" : "a size such as \"1MiB\"");
  if (!node) return std::nullopt;
  auto parsed = duration ? parse_duration(node->text) : parse_size(node->text);
  if (parsed) return *parsed;
  report_.error(node->at, fmt::format("'{}' is not {}: '{}'", key.name, noun, node->text), parsed.error());
  return std::nullopt;
}

const Node* Table::labels(std::string_view key) const {
  return get(key, NodeKind::table, "a table of strings");
}

}  // namespace clawpatrol::config
