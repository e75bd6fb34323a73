#include "parsers/facets.h"

namespace clawpatrol {

bool exists_for(FacetId facet, ActionType type) {
  const FacetFamily family = facet_table[static_cast<std::size_t>(facet)].family;
  if (family == FacetFamily::ws) return type == ActionType::message;
  if (type == ActionType::request) return true;
  const bool unclaimed = type == ActionType::dns || type == ActionType::connect;
  switch (facet) {
    case FacetId::endpoint_name:
    case FacetId::endpoint_type: return !unclaimed;
    case FacetId::dest_host:
    case FacetId::dest_port: return type != ActionType::dns;
    case FacetId::sql_database:
    case FacetId::sql_user:
    case FacetId::sql_declared_user: return !unclaimed && type != ActionType::cancel;
    default: break;
  }
  switch (family) {
    case FacetFamily::every: return true;
    case FacetFamily::sql: return type == ActionType::statement;
    case FacetFamily::http:  // of the request that upgraded
    case FacetFamily::k8s: return type == ActionType::statement || type == ActionType::message;
    case FacetFamily::ws: return type == ActionType::message;
    case FacetFamily::dns: return type == ActionType::dns;
  }
  __builtin_unreachable();
}

std::string_view name_of(ActionKind kind) {
  switch (kind) {
    case ActionKind::session: return "session";
    case ActionKind::read: return "read";
    case ActionKind::write: return "write";
    case ActionKind::admin: return "admin";
    case ActionKind::exec: return "exec";
  }
  __builtin_unreachable();
}

std::string_view name_of(ActionType type) {
  switch (type) {
    case ActionType::statement: return "statement";
    case ActionType::request: return "request";
    case ActionType::login: return "login";
    case ActionType::cancel: return "cancel";
    case ActionType::function_call: return "function_call";
    case ActionType::replication: return "replication";
    case ActionType::dns: return "dns";
    case ActionType::connect: return "connect";
    case ActionType::message: return "message";
  }
  __builtin_unreachable();
}

std::string_view name_of(Unknown why) {
  switch (why) {
    case Unknown::not_applicable: return "not applicable";
    case Unknown::unparseable: return "unparseable";
    case Unknown::over_limit: return "over a limit";
    case Unknown::pending: return "not known yet";
    case Unknown::unread_code: return "runs code that was not read";
    case Unknown::undecodable: return "undecodable";
    case Unknown::not_asked: return "not asked for";
  }
  __builtin_unreachable();
}

std::string_view name_of(FacetType type) {
  switch (type) {
    case FacetType::string: return "string";
    case FacetType::integer: return "int";
    case FacetType::boolean: return "bool";
    case FacetType::timestamp: return "timestamp";
    case FacetType::string_list: return "list(string)";
    case FacetType::nullable_string_list: return "list(string or null)";
    case FacetType::string_map: return "map(string, string)";
    case FacetType::copy_object: return "object";
    case FacetType::string_list_map: return "map(string, list(string))";
    case FacetType::dynamic: return "dyn";
    case FacetType::dynamic_map: return "object";
  }
  __builtin_unreachable();
}

std::string_view name_of(FacetFamily family) {
  switch (family) {
    case FacetFamily::every: return "every action";
    case FacetFamily::sql: return "SQL (postgres)";
    case FacetFamily::http: return "HTTP";
    case FacetFamily::k8s: return "Kubernetes";
    case FacetFamily::ws: return "WebSocket";
    case FacetFamily::dns: return "DNS";
  }
  __builtin_unreachable();
}

}  // namespace clawpatrol
