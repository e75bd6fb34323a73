#include "policy/cel/scope.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/cel/function.h"

namespace clawpatrol::cel {

namespace {

constexpr std::string_view type_names[] = {
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "type",
    "uint",
    "google.protobuf.Timestamp",
    "google.protobuf.Duration",
    "optional_type",
    "net.IP",
    "net.CIDR",
};

// Insertions, deletions and replacements between two words.
std::size_t distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  for (std::size_t j = 0; j <= right.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= left.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= right.size(); ++j) {
      std::size_t replaced = diagonal + (left[i - 1] == right[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[right.size()];
}

std::string_view first_components(std::string_view path, std::string_view like) {
  auto dots = std::count(like.begin(), like.end(), '.');
  for (std::size_t at = 0; at < path.size(); ++at)
    if (path[at] == '.' && dots-- == 0) return path.substr(0, at);
  return path;
}

}  // namespace

std::string_view type_name_at(std::size_t index) {
  return type_names[index];
}

const Type* type_of(FacetType type) {
  switch (type) {
    case FacetType::string: return &string_type;
    case FacetType::integer: return &int_type;
    case FacetType::boolean: return &bool_type;
    case FacetType::timestamp: return &timestamp_type;
    case FacetType::string_list: return &string_list_type;
    case FacetType::nullable_string_list: return &nullable_string_list_type;
    case FacetType::string_map: return &string_map_type;
    case FacetType::copy_object: return &copy_type;
    case FacetType::string_list_map: return &string_list_map_type;
    case FacetType::dynamic: return &dyn_type;
    case FacetType::dynamic_map: return &dyn_map_type;
  }
  __builtin_unreachable();
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  constexpr std::size_t longest_word = 64;  // nobody mistypes longer ones, and distance() is quadratic
  if (word.size() > longest_word) return {};
  std::string best;
  std::size_t least = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    std::size_t found = distance(word, candidate);
    if (found < least && found < candidate.size()) {
      least = found;
      best = candidate;
    }
  }
  return best;
}

std::optional<Resolved> Scope::local(std::string_view name) const {
  for (std::size_t slot = locals_.size(); slot-- > 0;)
    if (locals_[slot].name == name) return Resolved{Target::local, slot, locals_[slot].type};
  return std::nullopt;
}

std::size_t Scope::push(std::string_view name, const Type* type) {
  locals_.push_back({std::string(name), type});
  most_locals_ = std::max(most_locals_, locals_.size());
  return locals_.size() - 1;
}

bool Scope::available(const FacetInfo& facet) const {
  if (!environment_.families) return false;
  const std::vector<FacetFamily>& families = *environment_.families;
  return facet.family == FacetFamily::every ||
         std::find(families.begin(), families.end(), facet.family) != families.end();
}

bool Scope::is_facet(std::string_view path) const {
  return std::any_of(std::begin(facet_table), std::end(facet_table),
                     [&](const FacetInfo& facet) { return facet.path == path && available(facet); });
}

std::optional<Resolved> Scope::declared(std::string_view path) const {
  for (std::size_t i = 0; i < environment_.variables.size(); ++i)
    if (environment_.variables[i].name == path)
      return Resolved{Target::variable, i, environment_.variables[i].type};
  for (const FacetInfo& facet : facet_table)
    if (facet.path == path && available(facet))
      return Resolved{Target::facet, static_cast<std::size_t>(facet.id), type_of(facet.type)};
  auto type = std::find(std::begin(type_names), std::end(type_names), path);
  if (type != std::end(type_names))
    return Resolved{Target::type, static_cast<std::size_t>(type - type_names), &type_type};
  if (path == "google.protobuf.NullValue.NULL_VALUE") return Resolved{Target::null_value, 0, &int_type};
  return std::nullopt;
}

std::vector<std::string> Scope::meanings(std::string_view path, bool absolute) const {
  std::vector<std::string> names;
  std::string_view container = absolute ? std::string_view() : environment_.container;
  while (!container.empty()) {
    names.push_back(fmt::format("{}.{}", container, path));
    std::size_t dot = container.rfind('.');
    container = dot == container.npos ? std::string_view() : container.substr(0, dot);
  }
  names.emplace_back(path);
  return names;
}

std::optional<Resolved> Scope::global(std::string_view path, bool absolute) const {
  for (const std::string& name : meanings(path, absolute))
    if (auto found = declared(name)) return found;
  return std::nullopt;
}

std::string Scope::nearest_facet(std::string_view path) const {
  std::vector<std::string> candidates;
  std::string leaf;
  for (const FacetInfo& facet : facet_table) {
    if (!available(facet)) continue;
    candidates.emplace_back(facet.path);
    if (facet.path.ends_with(fmt::format(".{}", path)) && leaf.empty()) leaf = facet.path;
  }
  if (!leaf.empty()) return leaf;
  // `sql.verbb.size` is to be told of `sql.verbs`: compare as many parts as the candidate has.
  std::string best;
  std::size_t least = std::string::npos;
  for (const std::string& candidate : candidates) {
    std::string_view part = first_components(path, candidate);
    if (nearest(part, {candidate}).empty()) continue;
    if (std::size_t found = distance(part, candidate); found < least) {
      least = found;
      best = candidate;
    }
  }
  return best;
}

Problem Scope::unknown_name(std::string_view path, Span span) const {
  std::string members;
  for (const FacetInfo& facet : facet_table) {
    bool within =
        path.starts_with(facet.path) && (path.size() == facet.path.size() || path[facet.path.size()] == '.');
    if (within && environment_.families && !available(facet))
      return {span, fmt::format("facet `{}` is not available for this endpoint type", facet.path),
              "A rule may use only facets that all of its endpoints have."};
    if (facet.path.starts_with(fmt::format("{}.", path)) && available(facet))
      members += fmt::format("{}`{}`", members.empty() ? "" : ", ", facet.path);
  }
  if (!members.empty())
    return {span, fmt::format("`{}` is a family of facets, not a value", path),
            fmt::format("Its facets are {}.", members)};
  if (!environment_.families) return {span, fmt::format("undeclared name `{}`", path), {}};
  std::string suggestion = nearest_facet(path);
  return {span, fmt::format("unknown facet `{}`", path),
          suggestion.empty() ? "`cpctl facets` lists them." : fmt::format("Did you mean `{}`?", suggestion)};
}

}  // namespace clawpatrol::cel
