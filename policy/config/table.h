// Reads one table of the file against the key table: what is not a key of its section is a problem, and so is
// what does not have the key's shape. Every read reports its own problems and answers nothing.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/config/document.h"
#include "policy/config/keys.h"

namespace clawpatrol::config {

// A string of the file, and where it stands.
struct Text {
  std::string value;
  Location at;
};

class Table {
 public:
  // `node` must outlive this. `title` is how problems call it: "[endpoint.pg-prod]".
  Table(const Node& node, std::string_view section, std::string title, Location at, Report& report);

  bool has(std::string_view key) const { return node_ && node_->find(key); }
  // Where the key stands; the table itself where it does not.
  Location at(std::string_view key) const;
  const Location& at() const { return at_; }
  const std::string& title() const { return title_; }

  bool is_empty_array(std::string_view key) const;
  // Reports that the key is not there, where it is not.
  void require(std::string_view key) const;

  std::optional<Text> string(std::string_view key) const;  // no control characters, not empty
  std::optional<Text> required_string(std::string_view key) const;
  std::optional<Text> text(std::string_view key) const;  // any
  std::vector<Text> strings(std::string_view key) const;
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  // The index among the choices of the key.
  std::optional<std::size_t> choice(std::string_view key) const;
  std::vector<std::size_t> choices(std::string_view key) const;
  // A duration (in nanoseconds), size or count, within its bounds.
  std::optional<std::int64_t> quantity(const Key& key) const;
  const Node* labels(std::string_view key) const;
  Report& report() const { return report_; }

 private:
  const Node* get(std::string_view key, NodeKind kind, std::string_view wanted) const;
  void report_unknown(const Entry& entry) const;
  std::optional<std::size_t> choose(const Key& key, const Text& written) const;
  bool is_printable(std::string_view key, const Text& text) const;
  std::optional<std::int64_t> with_unit(const Key& key) const;

  const Node* node_;
  std::string_view section_;
  std::string title_;
  Location at_;
  Report& report_;
};

// "4KiB to 16MiB"
std::string range_text(const Key& key);

}  // namespace clawpatrol::config
