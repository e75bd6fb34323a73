// Actions as facets, read from JSON (action_json.h).
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>

#include "policy/action_json.h"
#include "policy/cel/time.h"
#include "policy/config/suggest.h"

namespace clawpatrol {
namespace {

using Wrong = std::optional<std::string>;  // what a value should be

Wrong take(const Json& json, std::string& out) {
  if (!json.is_string()) return "a string";
  out = json.get<std::string>();
  return {};
}

Wrong take(const Json& json, bool& out) {
  if (!json.is_boolean()) return "true or false";
  out = json.get<bool>();
  return {};
}

Wrong take(const Json& json, std::int64_t& out) {
  bool fits = json.is_number_integer() &&
              !(json.is_number_unsigned() && json.get<std::uint64_t>() > std::uint64_t{INT64_MAX});
  if (!fits) return "an integer";
  out = json.get<std::int64_t>();
  return {};
}

Wrong take(const Json& json, std::uint16_t& out) {
  std::int64_t wide = 0;
  if (take(json, wide) || wide < 0 || wide > 65535) return "a port, 0 to 65535";
  out = static_cast<std::uint16_t>(wide);
  return {};
}

Wrong take(const Json& json, std::vector<std::string>& out) {
  constexpr const char* wanted = "a list of strings, or {\"items\": [...], \"open\": true}";
  if (!json.is_array()) return wanted;
  for (const Json& item : json)
    if (take(item, out.emplace_back())) return wanted;
  return {};
}

Wrong take(const Json& json, NameList& out) {
  if (!json.is_object()) return take(json, out.items);
  for (const auto& [key, value] : json.items()) {
    Wrong wrong = key == "items"  ? take(value, out.items)
                  : key == "open" ? take(value, out.open)
                                  : Wrong("a list, whose members are \"items\" and \"open\"");
    if (wrong) return wrong;
  }
  return {};
}

Wrong take(const Json& json, std::vector<std::optional<std::string>>& out) {
  if (!json.is_array()) return "a list of strings and nulls";
  for (const Json& item : json) {
    out.emplace_back();
    if (!item.is_null() && take(item, out.back().emplace())) return "a list of strings and nulls";
  }
  return {};
}

Wrong take(const Json& json, CopyFacet& out) {
  constexpr const char* wanted = "{\"direction\": \"to\", \"target\": \"client\"}";
  if (!json.is_object() || json.size() != 2 || !json.contains("direction") || !json.contains("target"))
    return wanted;
  return take(json["direction"], out.direction) || take(json["target"], out.target) ? Wrong(wanted) : Wrong();
}

Wrong take(const Json& json, std::map<std::string, std::string>& out) {
  if (!json.is_object()) return "an object of strings";
  for (const auto& [key, value] : json.items())
    if (take(value, out[key])) return "an object of strings";
  return {};
}

// Any JSON: what a condition sees as dyn.
Wrong take(const Json& json, Document& out) {
  switch (json.type()) {
    case Json::value_t::null: out.value = std::monostate(); return {};
    case Json::value_t::boolean: out.value = json.get<bool>(); return {};
    case Json::value_t::number_integer: out.value = json.get<std::int64_t>(); return {};
    case Json::value_t::number_unsigned:
      if (json.get<std::uint64_t>() <= std::uint64_t{INT64_MAX})
        out.value = json.get<std::int64_t>();
      else
        out.value = json.get<std::uint64_t>();
      return {};
    case Json::value_t::number_float: out.value = json.get<double>(); return {};
    case Json::value_t::string: out.value = json.get<std::string>(); return {};
    case Json::value_t::array: {
      auto& items = out.value.emplace<Document::Items>();
      for (const Json& item : json)
        if (Wrong wrong = take(item, items.emplace_back())) return wrong;
      return {};
    }
    case Json::value_t::object: {
      auto& members = out.value.emplace<Document::Members>();
      for (const auto& [key, value] : json.items())
        if (Wrong wrong = take(value, members.emplace_back(key).value)) return wrong;
      return {};
    }
    default: return "JSON";
  }
}

template <class Enum>
Wrong take_name(const Json& json, Enum& out, Enum last) {
  std::string names;
  for (std::size_t i = 0; i <= static_cast<std::size_t>(last); ++i) {
    auto candidate = static_cast<Enum>(i);
    if (json.is_string() && json.get_ref<const std::string&>() == name_of(candidate)) {
      out = candidate;
      return {};
    }
    names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", name_of(candidate));
  }
  return "one of " + names;
}

Wrong take_time(const Json& json, std::int64_t& unix_ns) {
  constexpr const char* wanted = "a time, such as \"2026-01-31T09:30:00Z\"";
  constexpr std::int64_t second_ns = 1'000'000'000;
  auto time = json.is_string() ? cel::parse_timestamp(json.get_ref<const std::string&>()) : std::nullopt;
  if (!time || time->kind != cel::Kind::timestamp) return wanted;
  if (std::abs(time->integer) >= INT64_MAX / second_ns) return "a time between the years 1678 and 2262";
  unix_ns = time->integer * second_ns + time->size;
  return {};
}

// {"unknown": why}, which no value of a facet looks like but a body that is exactly this: it is then not
// known, and so denied.
const Json* unknown_in(const Json& json) {
  if (!json.is_object() || json.size() != 1) return nullptr;
  auto why = json.find("unknown");
  return why == json.end() || !why->is_string() ? nullptr : &*why;
}

template <class T>
Wrong take(const Json& json, Facet<T>& out) {
  if (const Json* why = unknown_in(json)) {
    Unknown unknown{};
    Wrong wrong = take_name(*why, unknown, Unknown::not_asked);
    if (wrong) return "unknown for a reason that is " + *wrong;
    out = unknown;
    return {};
  }
  T value{};
  Wrong wrong = take(json, value);
  if (!wrong) out = std::move(value);
  return wrong;
}

bool is_list_of_texts(const Json& json) {
  return json.is_array() && std::ranges::all_of(json, [](const Json& item) { return item.is_string(); });
}

Wrong take_lists(const Json& json, Facet<Document>& out) {
  if (!unknown_in(json) && !(json.is_object() && std::ranges::all_of(json, is_list_of_texts)))
    return "an object of lists of strings, such as {\"accept\": [\"*/*\"]}";
  return take(json, out);
}

Wrong take_impersonation(const Json& json, Facet<Document>& out) {
  const bool whole = json.is_object() && json.size() == 2 && json.contains("user") &&
                     json["user"].is_string() && json.contains("groups") && is_list_of_texts(json["groups"]);
  if (!unknown_in(json) && !whole) return "{\"user\": \"\", \"groups\": []}";
  return take(json, out);
}

// No default: a facet that is added to the table and not here does not compile.
Wrong take_facet(StatedAction& action, FacetId id, const Json& json) {
  switch (id) {
    case FacetId::action_kind: return take_name(json, action.kind, ActionKind::exec);
    case FacetId::action_type: return take_name(json, action.type, ActionType::message);
    case FacetId::peer_name: return take(json, action.peer.name);
    case FacetId::peer_profile: return take(json, action.peer.profile);
    case FacetId::peer_address: return take(json, action.peer.address);
    case FacetId::peer_labels: return take(json, action.peer.labels);
    case FacetId::endpoint_name: return take(json, action.endpoint.name);
    case FacetId::endpoint_type: return take(json, action.endpoint.type);
    case FacetId::dest_host: return take(json, action.dest.host);
    case FacetId::dest_port: return take(json, action.dest.port);
    case FacetId::credential: return take(json, action.credential);
    case FacetId::now: return take_time(json, action.now_unix_ns);
    case FacetId::sql_statement: return take(json, action.sql.statement);
    case FacetId::sql_verb: return take(json, action.sql.verb);
    case FacetId::sql_verbs: return take(json, action.sql.verbs);
    case FacetId::sql_tables: return take(json, action.sql.tables);
    case FacetId::sql_reads: return take(json, action.sql.reads);
    case FacetId::sql_writes: return take(json, action.sql.writes);
    case FacetId::sql_columns: return take(json, action.sql.columns);
    case FacetId::sql_functions: return take(json, action.sql.functions);
    case FacetId::sql_classes: return take(json, action.sql.classes);
    case FacetId::sql_unbounded: return take(json, action.sql.unbounded);
    case FacetId::sql_copy: return take(json, action.sql.copy);
    case FacetId::sql_params: return take(json, action.sql_params);
    case FacetId::sql_statements: return take(json, action.sql.statements);
    case FacetId::sql_literals: return take(json, action.sql.literals);
    case FacetId::sql_database: return take(json, action.sql_session.database);
    case FacetId::sql_user: return take(json, action.sql_session.user);
    case FacetId::sql_declared_user: return take(json, action.sql_session.declared_user);
    case FacetId::dns_name: return take(json, action.dns.name);
    case FacetId::dns_type: return take(json, action.dns.type);
    case FacetId::http_method: return take(json, action.http.method);
    case FacetId::http_host: return take(json, action.http.host);
    case FacetId::http_path: return take(json, action.http.path);
    case FacetId::http_raw_path: return take(json, action.http.raw_path);
    case FacetId::http_query: return take_lists(json, action.http.query);
    case FacetId::http_headers: return take_lists(json, action.http.headers);
    case FacetId::http_body: return take(json, action.http.body);
    case FacetId::http_body_json: return take(json, action.http.body_json);
    case FacetId::http_body_size: return take(json, action.http.body_size);
    case FacetId::http_classes: return take(json, action.http.classes);
    case FacetId::k8s_verb: return take(json, action.k8s.verb);
    case FacetId::k8s_group: return take(json, action.k8s.group);
    case FacetId::k8s_version: return take(json, action.k8s.version);
    case FacetId::k8s_resource: return take(json, action.k8s.resource);
    case FacetId::k8s_subresource: return take(json, action.k8s.subresource);
    case FacetId::k8s_namespace: return take(json, action.k8s.namespace_);
    case FacetId::k8s_name: return take(json, action.k8s.name);
    case FacetId::k8s_params: return take_lists(json, action.k8s.params);
    case FacetId::k8s_argv: return take(json, action.k8s.argv);
    case FacetId::k8s_path: return take(json, action.k8s.path);
    case FacetId::k8s_impersonate: return take_impersonation(json, action.k8s.impersonate);
    case FacetId::k8s_body: return take(json, action.k8s.body);
    case FacetId::k8s_derived: return take(json, action.k8s.derived);
    case FacetId::ws_direction: return take(json, action.ws.direction);
    case FacetId::ws_opcode: return take(json, action.ws.opcode);
    case FacetId::ws_text: return take(json, action.ws.text);
    case FacetId::ws_json: return take(json, action.ws.json);
    case FacetId::count: break;
  }
  return "a facet";
}

class Reader {
 public:
  std::expected<StatedAction, std::vector<FacetProblem>> run(const Json& facets) {
    if (facets.is_object())
      members(facets, "");
    else
      problems_.push_back({"", "facets are one JSON object", "Such as {\"sql.verb\": \"select\"}."});
    if (!problems_.empty()) return std::unexpected(std::move(problems_));
    return std::move(action_);
  }

 private:
  void members(const Json& object, const std::string& prefix) {
    for (const auto& [key, value] : object.items()) member(prefix + key, value);
  }

  void member(const std::string& path, const Json& value) {
    auto facet = std::ranges::find(facet_table, std::string_view(path), &FacetInfo::path);
    if (facet != std::end(facet_table)) return known(*facet, value);
    bool family = std::ranges::any_of(
        facet_table, [&](const FacetInfo& info) { return info.path.starts_with(path + "."); });
    if (family && value.is_object()) return members(value, path + ".");
    std::vector<std::string_view> paths;
    for (const FacetInfo& info : facet_table) paths.push_back(info.path);
    std::string_view near = config::nearest(path, paths);
    problems_.push_back(
        {path, family ? "a family of facets is an object" : "no such facet",
         near.empty() ? "`cpctl facets` lists them." : fmt::format("Did you mean {}?", near)});
  }

  void known(const FacetInfo& facet, const Json& value) {
    if (action_.states(facet.id))
      problems_.push_back({std::string(facet.path), "stated twice", ""});
    else if (Wrong wrong = take_facet(action_, facet.id, value))
      problems_.push_back({std::string(facet.path), "must be " + *wrong, std::string(facet.meaning) + "."});
    action_.stated.set(static_cast<std::size_t>(facet.id));
  }

  StatedAction action_;
  std::vector<FacetProblem> problems_;
};

}  // namespace

std::expected<StatedAction, std::vector<FacetProblem>> read_action(const Json& facets) {
  return Reader().run(facets);
}

std::expected<StatedAction, std::vector<FacetProblem>> read_action_text(std::string_view json) {
  auto read = read_json(json);
  if (read) return read_action(*read);
  const JsonProblem& problem = read.error();
  return std::unexpected(std::vector<FacetProblem>{
      {"", fmt::format("line {}, column {}: {}", problem.line, problem.column, problem.message), ""}});
}

}  // namespace clawpatrol
