#include "policy/cel/facet_values.h"

#include <array>
#include <limits>
#include <utility>

#include "policy/cel/time.h"

namespace clawpatrol::cel {

namespace {

[[gnu::always_inline]] inline Value not_applicable(FacetId id) {
  return Value::unknown(Unknown::not_applicable, static_cast<std::uint16_t>(id));
}

[[gnu::always_inline]] inline Value text(std::string_view value, FacetId id) {
  if (value.size() > std::numeric_limits<std::uint32_t>::max())
    return Value::unknown(Unknown::over_limit, static_cast<std::uint16_t>(id));
  return Value::of_string(value);
}

Value known(const std::string& value, FacetId id) {
  return text(value, id);
}
Value known(const NameList& value, FacetId id) {
  return Value::of_names(&value, id);
}
Value known(const NullableTexts& value, FacetId id) {
  return Value::of_nullable_texts(&value, id);
}
Value known(const CopyFacet& value, FacetId) {
  return Value::of_copy(&value);
}
Value known(const Document& value, FacetId) {
  return Value::of_document(value);
}
Value known(const bool& value, FacetId) {
  return Value::of_bool(value);
}
Value known(const std::int64_t& value, FacetId) {
  return Value::of_int(value);
}

template <class T>
[[gnu::always_inline]] inline Value facet(const Facet<T>& facet, FacetId id) {
  return facet.known() ? known(*facet, id) : Value::unknown(facet.why(), static_cast<std::uint16_t>(id));
}

[[gnu::always_inline]] inline Value sql_facet(const SqlFacets& sql, FacetId id) {
  switch (id) {
    case FacetId::sql_statement: return facet(sql.statement, id);
    case FacetId::sql_verb: return facet(sql.verb, id);
    case FacetId::sql_verbs: return facet(sql.verbs, id);
    case FacetId::sql_tables: return facet(sql.tables, id);
    case FacetId::sql_reads: return facet(sql.reads, id);
    case FacetId::sql_writes: return facet(sql.writes, id);
    case FacetId::sql_columns: return facet(sql.columns, id);
    case FacetId::sql_functions: return facet(sql.functions, id);
    case FacetId::sql_classes: return facet(sql.classes, id);
    case FacetId::sql_unbounded: return facet(sql.unbounded, id);
    case FacetId::sql_copy: return facet(sql.copy, id);
    case FacetId::sql_statements: return facet(sql.statements, id);
    case FacetId::sql_literals: return facet(sql.literals, id);
    default: return not_applicable(id);
  }
}

[[gnu::always_inline]] inline Value http_facet(const HttpFacets& http, FacetId id) {
  switch (id) {
    case FacetId::http_method: return facet(http.method, id);
    case FacetId::http_host: return facet(http.host, id);
    case FacetId::http_path: return facet(http.path, id);
    case FacetId::http_raw_path: return facet(http.raw_path, id);
    case FacetId::http_query: return facet(http.query, id);
    case FacetId::http_headers: return facet(http.headers, id);
    case FacetId::http_body: return facet(http.body, id);
    case FacetId::http_body_json: return facet(http.body_json, id);
    case FacetId::http_body_size: return facet(http.body_size, id);
    case FacetId::http_classes: return facet(http.classes, id);
    default: return not_applicable(id);
  }
}

[[gnu::always_inline]] inline Value k8s_facet(const K8sFacets& k8s, FacetId id) {
  switch (id) {
    case FacetId::k8s_verb: return facet(k8s.verb, id);
    case FacetId::k8s_group: return facet(k8s.group, id);
    case FacetId::k8s_version: return facet(k8s.version, id);
    case FacetId::k8s_resource: return facet(k8s.resource, id);
    case FacetId::k8s_subresource: return facet(k8s.subresource, id);
    case FacetId::k8s_namespace: return facet(k8s.namespace_, id);
    case FacetId::k8s_name: return facet(k8s.name, id);
    case FacetId::k8s_params: return facet(k8s.params, id);
    case FacetId::k8s_argv: return facet(k8s.argv, id);
    case FacetId::k8s_path: return facet(k8s.path, id);
    case FacetId::k8s_impersonate: return facet(k8s.impersonate, id);
    case FacetId::k8s_body: return facet(k8s.body, id);
    case FacetId::k8s_derived: return facet(k8s.derived, id);
    default: return not_applicable(id);
  }
}

[[gnu::always_inline]] inline Value ws_facet(const WsFacets& ws, FacetId id) {
  switch (id) {
    case FacetId::ws_direction: return facet(ws.direction, id);
    case FacetId::ws_opcode: return facet(ws.opcode, id);
    case FacetId::ws_text: return facet(ws.text, id);
    case FacetId::ws_json: return facet(ws.json, id);
    default: return not_applicable(id);
  }
}

[[gnu::always_inline]] inline Value session_facet(const SqlSessionFacets& session, FacetId id) {
  switch (id) {
    case FacetId::sql_database: return text(session.database, id);
    case FacetId::sql_user: return text(session.user, id);
    case FacetId::sql_declared_user: return text(session.declared_user, id);
    default: return not_applicable(id);
  }
}

[[gnu::always_inline]] inline Value peer_facet(const PeerFacets& peer, FacetId id) {
  switch (id) {
    case FacetId::peer_name: return text(peer.name, id);
    case FacetId::peer_profile: return text(peer.profile, id);
    case FacetId::peer_address: return text(peer.address, id);
    case FacetId::peer_labels: return Value::of_text_map(&peer.labels);
    default: return not_applicable(id);
  }
}

Value moment(std::int64_t unix_ns) {
  constexpr std::int64_t second = 1'000'000'000;
  return timestamp_of(unix_ns / second, unix_ns % second);
}

// No default: a facet that is added to the table and not here does not compile.
[[gnu::always_inline]] inline Value read_facet(const Action& action, FacetId id) {
  switch (id) {
    case FacetId::action_kind: return Value::of_string(name_of(action.kind));
    case FacetId::action_type: return Value::of_string(name_of(action.type));
    case FacetId::peer_name:
    case FacetId::peer_profile:
    case FacetId::peer_address:
    case FacetId::peer_labels: return action.peer ? peer_facet(*action.peer, id) : not_applicable(id);
    case FacetId::endpoint_name:
      return action.endpoint ? text(action.endpoint->name, id) : not_applicable(id);
    case FacetId::endpoint_type:
      return action.endpoint ? text(action.endpoint->type, id) : not_applicable(id);
    case FacetId::dest_host: return action.dest ? text(action.dest->host, id) : not_applicable(id);
    case FacetId::dest_port: return action.dest ? Value::of_int(action.dest->port) : not_applicable(id);
    case FacetId::credential: return text(action.credential, id);
    case FacetId::now: return moment(action.now_unix_ns);
    case FacetId::sql_statement:
    case FacetId::sql_verb:
    case FacetId::sql_verbs:
    case FacetId::sql_tables:
    case FacetId::sql_reads:
    case FacetId::sql_writes:
    case FacetId::sql_columns:
    case FacetId::sql_functions:
    case FacetId::sql_classes:
    case FacetId::sql_unbounded:
    case FacetId::sql_copy:
    case FacetId::sql_statements:
    case FacetId::sql_literals: return action.sql ? sql_facet(*action.sql, id) : not_applicable(id);
    case FacetId::sql_params: return action.sql_params ? facet(*action.sql_params, id) : not_applicable(id);
    case FacetId::sql_database:
    case FacetId::sql_user:
    case FacetId::sql_declared_user:
      return action.sql_session ? session_facet(*action.sql_session, id) : not_applicable(id);
    case FacetId::dns_name: return action.dns ? text(action.dns->name, id) : not_applicable(id);
    case FacetId::dns_type: return action.dns ? text(action.dns->type, id) : not_applicable(id);
    case FacetId::http_method:
    case FacetId::http_host:
    case FacetId::http_path:
    case FacetId::http_raw_path:
    case FacetId::http_query:
    case FacetId::http_headers:
    case FacetId::http_body:
    case FacetId::http_body_json:
    case FacetId::http_body_size:
    case FacetId::http_classes: return action.http ? http_facet(*action.http, id) : not_applicable(id);
    case FacetId::k8s_verb:
    case FacetId::k8s_group:
    case FacetId::k8s_version:
    case FacetId::k8s_resource:
    case FacetId::k8s_subresource:
    case FacetId::k8s_namespace:
    case FacetId::k8s_name:
    case FacetId::k8s_params:
    case FacetId::k8s_argv:
    case FacetId::k8s_path:
    case FacetId::k8s_impersonate:
    case FacetId::k8s_body:
    case FacetId::k8s_derived: return action.k8s ? k8s_facet(*action.k8s, id) : not_applicable(id);
    case FacetId::ws_direction:
    case FacetId::ws_opcode:
    case FacetId::ws_text:
    case FacetId::ws_json: return action.ws ? ws_facet(*action.ws, id) : not_applicable(id);
    case FacetId::count: break;
  }
  return not_applicable(id);
}

template <FacetId id>
Value read(const Action& action) {
  return read_facet(action, id);
}

template <std::size_t... ids>
constexpr std::array<FacetReader, sizeof...(ids)> all_readers(std::index_sequence<ids...>) {
  return {read<static_cast<FacetId>(ids)>...};
}

// One function a facet: which one it is is settled when the condition is compiled, not at each evaluation.
constexpr auto readers = all_readers(std::make_index_sequence<std::size(facet_table)>());

}  // namespace

FacetReader facet_reader(FacetId id) {
  return readers[static_cast<std::size_t>(id)];
}

}  // namespace clawpatrol::cel
