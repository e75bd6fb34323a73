#include "cpctl/cases/written.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "policy/cel/time.h"
#include "policy/cel/utf8.h"
#include "policy/json/read.h"
#include "policy/json/text.h"

namespace clawpatrol::cpctl {
namespace {

std::string time_text(std::int64_t unix_ns) {
  return cel::format_timestamp(cel::timestamp_of(unix_ns / 1'000'000'000, unix_ns % 1'000'000'000));
}

// What the other keys of a case say, or what the line did not hold, is not stated.
bool is_stated(const Case& wanted, std::string_view facet) {
  for (const FacetInfo& info : facet_table)
    if (info.path == facet && std::ranges::find(wanted.unheld, info.id) != wanted.unheld.end()) return false;
  const bool session = facet == "sql.database" || facet == "sql.user" || facet == "sql.declared_user";
  const bool of_action = facet.starts_with("dns.") || facet.starts_with("http.") || facet.starts_with("k8s.");
  return facet == "action.kind" || of_action || (facet.starts_with("sql.") && !session);
}

Json facets_of(const Case& wanted) {
  if (wanted.facets) {
    auto read = read_json(*wanted.facets);
    return read ? *read : Json::object();
  }
  Action action;
  action.kind = wanted.stated->kind;
  if (wanted.type == ActionType::dns) {
    action.dns = &wanted.stated->dns;
  } else if (wanted.type == ActionType::request) {
    action.http = &wanted.stated->http;
    if (wanted.stated->k8s.verb.known()) action.k8s = &wanted.stated->k8s;
  } else {
    action.sql = &wanted.stated->sql;
    action.sql_params = &wanted.stated->sql_params;
  }
  Json out = Json::object();
  auto all = read_json(all_facets_json(action));
  if (!all) return out;
  for (const auto& [name, value] : all->items())
    if (is_stated(wanted, name)) out[name] = value;
  return out;
}

Json params_of(const Case& wanted) {
  if (wanted.params == Case::Params::pending) return "pending";
  Json values = Json::array();
  for (const auto& value : wanted.values) values.push_back(value ? Json(*value) : Json());
  return values;
}

// Every key, in the order of the documentation. Strings are bytes.
Json whole(const Case& wanted) {
  Json out = Json::object();
  const auto text = [&out](const char* key, const std::string& value) {
    if (!value.empty()) out[key] = value;
  };
  text("name", wanted.name), text("peer", wanted.peer), text("address", wanted.address);
  text("endpoint", wanted.endpoint);
  if (wanted.dest) {
    const bool bare_v6 = wanted.dest->host.find(':') != std::string::npos;
    out["dest"] = fmt::format("{}{}{}:{}", bare_v6 ? "[" : "", wanted.dest->host, bare_v6 ? "]" : "",
                              wanted.dest->port);
  }
  text("credential", wanted.credential), text("user", wanted.user), text("database", wanted.database);
  if (wanted.time_unix_ns) out["time"] = time_text(*wanted.time_unix_ns);
  for (const auto& [name, value] : wanted.startup) out["startup"][name] = value;
  if (!wanted.before.empty()) out["before"] = wanted.before;
  if (wanted.type != ActionType::statement) out["type"] = std::string(clawpatrol::name_of(wanted.type));
  if (wanted.sql) out["sql"] = *wanted.sql;
  if (wanted.sql && wanted.params != Case::Params::none) out["params"] = params_of(wanted);
  out["verdict"] = std::string(name_of(wanted.verdict));
  if (wanted.rule) out["rule"] = *wanted.rule;
  if (wanted.reason) out["reason"] = *wanted.reason;
  if (wanted.facets || wanted.stated) out["facets"] = facets_of(wanted);
  return out;
}

std::string json_text(const Json& value) {
  std::string out;
  if (value.is_string()) {
    append_json_string(out, value.get_ref<const std::string&>());
  } else if (value.is_object()) {
    for (const auto& [key, member] : value.items()) {
      out += out.empty() ? "{" : ",";
      append_json_string(out, key);
      out += ":" + json_text(member);
    }
    out += out.empty() ? "{}" : "}";
  } else if (value.is_array()) {
    for (const Json& item : value) out += (out.empty() ? "[" : ",") + json_text(item);
    out += out.empty() ? "[]" : "]";
  } else {
    out = value.dump();
  }
  return out;
}

// ASCII: what an agent sent may go to a terminal.
std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const std::size_t length = byte < 0x80 ? 1 : cel::utf8::length_of(text[at]);
    std::uint32_t code = length == 1 ? byte : byte & (0xffu >> (length + 1));
    for (std::size_t i = 1; i < length; ++i)
      code = code << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3fu);
    at += length;
    if (code == '"' || code == '\\')
      out += {'\\', static_cast<char>(code)};
    else if (code >= 0x20 && code < 0x7f)
      out += static_cast<char>(code);
    else
      out += code < 0x10000 ? fmt::format("\\u{:04x}", code) : fmt::format("\\U{:08x}", code);
  }
  return out + "\"";
}

bool is_utf8(const Json& value) {
  if (value.is_string()) return cel::utf8::valid(value.get_ref<const std::string&>());
  return std::ranges::all_of(value, [](const Json& part) {
    return !part.is_structured() && !part.is_string() ? true : is_utf8(part);
  });
}

std::string toml_value(const Json& value) {
  if (value.is_string()) return toml_string(value.get_ref<const std::string&>());
  if (value.is_null()) return "{}";
  if (!value.is_array() && !value.is_object()) return value.dump();
  std::string out;
  if (value.is_array()) {
    for (const Json& item : value) out += (out.empty() ? "" : ", ") + toml_value(item);
    return "[" + out + "]";
  }
  for (const auto& [key, member] : value.items())
    out += fmt::format("{} {} = {}", out.empty() ? "" : ",", toml_string(key), toml_value(member));
  return "{" + out + " }";
}

}  // namespace

std::expected<std::string, std::string> case_toml(const Case& wanted) {
  const Json all = whole(wanted);
  if (!is_utf8(all)) return std::unexpected("it holds bytes that are not UTF-8, which TOML cannot hold");
  std::string out = "[[case]]\n";
  for (const auto& [key, value] : all.items())
    if (key != "facets") out += fmt::format("{} = {}\n", key, toml_value(value));
  if (all.contains("facets")) {
    out += "[case.facets]\n";
    for (const auto& [key, value] : all["facets"].items())
      out += fmt::format("{} = {}\n", toml_string(key), toml_value(value));
  }
  return out;
}

std::string case_json(const Case& wanted) {
  return json_text(whole(wanted));
}

}  // namespace clawpatrol::cpctl
