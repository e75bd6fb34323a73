// Every key of the configuration: what it holds, within which bounds, and what it means. The loader refuses
// what is not here, and docs/config.md is generated from it.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "policy/policy.h"

namespace clawpatrol::config {

enum class Shape : std::uint8_t {
  string,
  strings,
  choice,
  choices,
  integer,
  boolean,
  count,
  size,
  duration,
  prefixes,
  addresses,
  hosts,
  labels,
  file,
};

// Where the value of a limit goes; it is also where its default is read, so that the two cannot differ.
using Member =
    std::variant<std::monostate, std::size_t LimitsConfig::*, std::chrono::nanoseconds LimitsConfig::*,
                 std::size_t AuditConfig::*, std::chrono::nanoseconds AuditConfig::*>;

struct Key {
  std::string_view section;  // "" for the top of the file, "gateway", "endpoint" (of [endpoint.NAME]), ...
  std::string_view name;
  Shape shape;
  std::string_view fallback;  // as the documents show it: a default, "required" or ""
  std::string_view meaning;
  std::string_view choices = {};  // of a choice, separated by '|', in the order of its enumeration
  std::int64_t least = 0;         // of a count, in bytes of a size, in nanoseconds of a duration
  std::int64_t most = 0;
  Member member = {};
};

struct Section {
  std::string_view name;
  bool named;  // [name.NAME] and not [name]
  std::string_view meaning;
};

std::span<const Section> all_sections();
std::span<const Key> all_keys();

const Key* find_key(std::string_view section, std::string_view name);
std::vector<std::string_view> key_names(std::string_view section);
std::vector<std::string_view> choices_of(const Key& key);
std::string default_of(const Key& key);  // as the documents show it

}  // namespace clawpatrol::config
