#include "policy/action_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "policy/cel/facet_values.h"
#include "policy/cel/function.h"
#include "policy/cel/time.h"
#include "policy/json/text.h"

namespace clawpatrol {
namespace {

std::string text_json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::string list_json(cel::Value list) {
  std::string items;
  for (std::size_t i = 0; i < cel::list_size(list); ++i)
    items += (i == 0 ? "" : ",") + value_json(cel::list_at(list, i));
  return cel::is_open(list) ? "{\"items\":[" + items + "],\"open\":true}" : "[" + items + "]";
}

// Keys of other types than string are written as they would be in a condition.
std::string map_json(cel::Value map) {
  std::string members;
  auto add = [&](const std::string& key, const std::string& value) {
    members += (members.empty() ? "" : ",") + key + ":" + value;
  };
  switch (map.map_form()) {
    case cel::MapForm::entries:
      for (std::size_t i = 0; i < map.map->count; ++i) {
        const cel::Entry& entry = map.map->entries[i];
        std::string key = value_json(entry.key);
        add(entry.key.kind == cel::Kind::string ? key : text_json(key), value_json(entry.value));
      }
      break;
    case cel::MapForm::texts:
      for (const auto& [key, value] : *map.text_map) add(text_json(key), text_json(value));
      break;
    case cel::MapForm::members:
      for (const Document::Member& member : *map.members)
        add(text_json(member.name), value_json(cel::Value::of_document(member.value)));
      break;
    case cel::MapForm::copy:
      add("\"direction\"", text_json(map.copy->direction));
      add("\"target\"", text_json(map.copy->target));
      break;
  }
  return "{" + members + "}";
}

std::string real_json(double value) {
  if (std::isnan(value)) return "\"NaN\"";
  if (std::isinf(value)) return value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  return fmt::format("{}", value);
}

}  // namespace

bool StatedAction::states_any(std::string_view prefix) const {
  return std::ranges::any_of(facet_table, [&](const FacetInfo& facet) {
    return facet.path.starts_with(prefix) && states(facet.id);
  });
}

Action StatedAction::action() const {
  Action action;
  action.type = type;
  action.kind = kind;
  if (states_any("peer.") || !peer.name.empty()) action.peer = &peer;
  if (states_any("endpoint.") || !endpoint.name.empty()) action.endpoint = &endpoint;
  if (states_any("dest.") || !dest.host.empty()) action.dest = &dest;
  action.credential = credential;
  action.now_unix_ns = now_unix_ns;
  action.sql = &sql;  // each of its facets says itself whether it applies
  action.sql_params = &sql_params;
  bool session = states(FacetId::sql_database) || states(FacetId::sql_user) ||
                 states(FacetId::sql_declared_user) || !sql_session.database.empty();
  if (session) action.sql_session = &sql_session;
  if (states_any("dns.") || !dns.name.empty()) action.dns = &dns;
  action.http = &http;
  action.k8s = &k8s;
  action.ws = &ws;
  return action;
}

std::string value_json(cel::Value value) {
  switch (value.kind) {
    case cel::Kind::null: return "null";
    case cel::Kind::boolean: return value.boolean ? "true" : "false";
    case cel::Kind::integer: return std::to_string(value.integer);
    case cel::Kind::uinteger: return std::to_string(value.uinteger);
    case cel::Kind::real: return real_json(value.real);
    case cel::Kind::string:
    case cel::Kind::bytes:
    case cel::Kind::type: return text_json(value.text());
    case cel::Kind::list: return list_json(value);
    case cel::Kind::map: return map_json(value);
    case cel::Kind::timestamp: return text_json(cel::format_timestamp(value));
    case cel::Kind::duration: return text_json(cel::format_duration(value));
    case cel::Kind::optional: return value.held ? "{\"optional\":" + value_json(*value.held) + "}" : "null";
    case cel::Kind::ip:
    case cel::Kind::cidr: return text_json(cel::format_network(value));
    case cel::Kind::unknown: return "{\"unknown\":" + text_json(name_of(value.why())) + "}";
    case cel::Kind::error: return "{\"error\":" + text_json(cel::text_of(value.code())) + "}";
  }
  __builtin_unreachable();
}

std::string all_facets_json(const Action& action) {
  std::string members;
  for (const FacetInfo& facet : facet_table) {
    cel::Value value = cel::facet_reader(facet.id)(action);
    if (value.kind == cel::Kind::unknown && value.why() == Unknown::not_applicable) continue;
    members += (members.empty() ? "" : ",") + text_json(facet.path) + ":" + value_json(value);
  }
  return "{" + members + "}";
}

}  // namespace clawpatrol
