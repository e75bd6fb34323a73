// The vocabulary between what the gateway sees and what a rule may ask: the facets of an action.
// The public names and meanings are in docs/facets.md, which is generated from facet_table.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "parsers/document.h"

namespace clawpatrol {

// Ordered: the kind of a message is the highest of its parts, and a class can only raise it.
enum class ActionKind : std::uint8_t { session, read, write, admin, exec };

// What happened on the wire; a rule's `on = [...]` names these.
enum class ActionType : std::uint8_t {
  statement,
  request,
  login,
  cancel,
  function_call,
  replication,
  dns,
  connect,
  message,  // of WebSocket, behind a request that was allowed to upgrade
};
inline constexpr std::size_t action_types = 9;

// Why a facet has no value. The agent learns this much and no more.
enum class Unknown : std::uint8_t {
  not_applicable,  // this action has no such thing (`sql.verb` of a cancel request)
  unparseable,     // the text or message could not be read with certainty
  over_limit,      // longer, deeper or more than a limit allows us to look at
  pending,         // not known yet: Bind parameters at Parse
  unread_code,     // an open list: code runs that was not read, so absence cannot be told
  undecodable,     // bytes in a form that is not decoded, such as binary parameters of an unknown type
  not_asked,       // no rule that sees it reads this facet, so that it was not made
};

// A value, or the reason why there is none.
template <class T>
class Facet {
 public:
  using Value = T;
  Facet() : state_(Unknown::not_applicable) {}
  Facet(T value) : state_(std::in_place_index<1>, std::move(value)) {}
  Facet(Unknown why) : state_(why) {}

  bool known() const { return state_.index() == 1; }
  explicit operator bool() const { return known(); }
  const T& operator*() const { return std::get<1>(state_); }
  T& operator*() { return std::get<1>(state_); }
  const T* operator->() const { return &std::get<1>(state_); }
  T* operator->() { return &std::get<1>(state_); }
  Unknown why() const { return std::get<0>(state_); }  // only when not known
  bool operator==(const Facet&) const = default;

 private:
  std::variant<Unknown, T> state_;
};

// A list whose members are known. When it is open there may be others: `in` and `exists` can be true of what
// is here, while absence, size, equality, `all` and indexing are unknown (attacks.md, 6).
struct NameList {
  std::vector<std::string> items;
  bool open = false;
  bool operator==(const NameList&) const = default;
};

struct CopyFacet {
  std::string direction;  // "to", "from" or ""
  std::string target;     // "client", "file", "program" or ""
  bool operator==(const CopyFacet&) const = default;
};

// What the text of one statement says.
struct SqlFacets {
  Facet<std::string> statement;
  Facet<std::string> verb;
  Facet<NameList> verbs;
  Facet<NameList> tables;
  Facet<NameList> reads;
  Facet<NameList> writes;
  Facet<NameList> columns;
  Facet<NameList> functions;
  Facet<NameList> classes;
  Facet<bool> unbounded;
  Facet<CopyFacet> copy;
  Facet<std::int64_t> statements;
  Facet<NameList> literals;
  bool operator==(const SqlFacets&) const = default;
};

// Bind parameter values in text form; nullopt is SQL NULL.
using SqlParams = Facet<std::vector<std::optional<std::string>>>;

// Whom the statements of a connection are for.
struct SqlSessionFacets {
  std::string database;
  std::string user;           // the credential's
  std::string declared_user;  // the agent's claim
};

struct DnsFacets {
  std::string name;  // lower case, no trailing dot
  std::string type;  // "A", "AAAA", ...
  bool operator==(const DnsFacets&) const = default;
};

// What one HTTP request says.
struct HttpFacets {
  Facet<std::string> method;
  Facet<std::string> host;      // lower case, no port, no trailing dot
  Facet<std::string> path;      // decoded once, dot segments removed
  Facet<std::string> raw_path;  // as sent, without the query
  Facet<Document> query;        // name -> [value, ...]
  Facet<Document> headers;      // lower-case name -> [value, ...]
  Facet<std::string> body;      // decoded, UTF-8
  Facet<Document> body_json;
  Facet<std::int64_t> body_size;  // as sent, before it is decoded
  Facet<NameList> classes;        // what the answer can be: "mints_credential"
  bool operator==(const HttpFacets&) const = default;
};

// What a Kubernetes API server takes the same request for.
struct K8sFacets {
  Facet<std::string> verb;
  Facet<std::string> group;
  Facet<std::string> version;
  Facet<std::string> resource;  // "pods", "pods/exec"
  Facet<std::string> subresource;
  Facet<std::string> namespace_;
  Facet<std::string> name;
  Facet<Document> params;  // name -> [value, ...]
  Facet<NameList> argv;
  Facet<std::string> path;
  Facet<Document> impersonate;  // user, groups
  Facet<Document> body;
  Facet<NameList> derived;
  bool operator==(const K8sFacets&) const = default;
};

// What one message of WebSocket says.
struct WsFacets {
  Facet<std::string> direction;  // "up" from the agent, "down" to it
  Facet<std::string> opcode;     // "text", "binary"
  Facet<std::string> text;
  Facet<Document> json;
  bool operator==(const WsFacets&) const = default;
};

struct PeerFacets {
  std::string name;
  std::string profile;
  std::string address;
  std::map<std::string, std::string> labels;
};

struct EndpointFacets {
  std::string name;
  std::string type;
};

struct DestFacets {
  std::string host;
  std::uint16_t port = 0;
};

// Everything that a rule can see of one action. The pointers are not owned and outlive the decision; a null
// one means that every facet of that family is not_applicable.
struct Action {
  ActionType type = ActionType::connect;
  ActionKind kind = ActionKind::exec;
  const PeerFacets* peer = nullptr;
  const EndpointFacets* endpoint = nullptr;
  const DestFacets* dest = nullptr;
  std::string_view credential;
  std::int64_t now_unix_ns = 0;
  const SqlFacets* sql = nullptr;
  const SqlParams* sql_params = nullptr;
  const SqlSessionFacets* sql_session = nullptr;
  const DnsFacets* dns = nullptr;
  const HttpFacets* http = nullptr;
  const K8sFacets* k8s = nullptr;
  const WsFacets* ws = nullptr;
};

// The types that a facet can have in a condition.
enum class FacetType : std::uint8_t {
  string,
  integer,
  boolean,
  timestamp,
  string_list,
  nullable_string_list,
  string_map,
  copy_object,
  string_list_map,
  dynamic,
  dynamic_map,  // of a few fields: text, lists of text
};

// One name that a condition may use. Order is identity: FacetId is an index into facet_table.
enum class FacetId : std::uint8_t {
  action_kind,
  action_type,
  peer_name,
  peer_profile,
  peer_address,
  peer_labels,
  endpoint_name,
  endpoint_type,
  dest_host,
  dest_port,
  credential,
  now,
  sql_statement,
  sql_verb,
  sql_verbs,
  sql_tables,
  sql_reads,
  sql_writes,
  sql_columns,
  sql_functions,
  sql_classes,
  sql_unbounded,
  sql_copy,
  sql_params,
  sql_statements,
  sql_literals,
  sql_database,
  sql_user,
  sql_declared_user,
  dns_name,
  dns_type,
  http_method,
  http_host,
  http_path,
  http_raw_path,
  http_query,
  http_headers,
  http_body,
  http_body_json,
  http_body_size,
  http_classes,
  k8s_verb,
  k8s_group,
  k8s_version,
  k8s_resource,
  k8s_subresource,
  k8s_namespace,
  k8s_name,
  k8s_params,
  k8s_argv,
  k8s_path,
  k8s_impersonate,
  k8s_body,
  k8s_derived,
  ws_direction,
  ws_opcode,
  ws_text,
  ws_json,
  count,
};

// The families of endpoint types for which a facet exists; a condition is checked against them at load.
enum class FacetFamily : std::uint8_t { every, sql, http, k8s, ws, dns };
inline constexpr FacetFamily facet_families[] = {FacetFamily::every, FacetFamily::sql, FacetFamily::http,
                                                 FacetFamily::k8s,   FacetFamily::ws,  FacetFamily::dns};

struct FacetInfo {
  FacetId id;
  std::string_view path;  // as written in a condition: "sql.verb"
  FacetType type;
  FacetFamily family;
  std::string_view meaning;  // one sentence, for the documents
};

inline constexpr FacetInfo facet_table[] = {
    {FacetId::action_kind, "action.kind", FacetType::string, FacetFamily::every,
     "`read`, `write`, `admin`, `exec` or `session`: one classification across protocols"},
    {FacetId::action_type, "action.type", FacetType::string, FacetFamily::every,
     "`statement`, `request`, `login`, `cancel`, `function_call`, `replication`, `dns`, `connect` or "
     "`message`"},
    {FacetId::peer_name, "peer.name", FacetType::string, FacetFamily::every, "the peer's name"},
    {FacetId::peer_profile, "peer.profile", FacetType::string, FacetFamily::every, "the peer's profile"},
    {FacetId::peer_address, "peer.address", FacetType::string, FacetFamily::every,
     "the inner address that the action came from"},
    {FacetId::peer_labels, "peer.labels", FacetType::string_map, FacetFamily::every,
     "the peer's labels, from the configuration"},
    {FacetId::endpoint_name, "endpoint.name", FacetType::string, FacetFamily::every, "the endpoint's name"},
    {FacetId::endpoint_type, "endpoint.type", FacetType::string, FacetFamily::every, "the endpoint's type"},
    {FacetId::dest_host, "dest.host", FacetType::string, FacetFamily::every,
     "the name, or else the address, that the agent dialled"},
    {FacetId::dest_port, "dest.port", FacetType::integer, FacetFamily::every,
     "the port that the agent dialled"},
    {FacetId::credential, "credential", FacetType::string, FacetFamily::every,
     "name of the credential chosen for this action, or \"\""},
    {FacetId::now, "now", FacetType::timestamp, FacetFamily::every, "when the action was decided"},
    {FacetId::sql_statement, "sql.statement", FacetType::string, FacetFamily::sql,
     "the text of this statement as sent"},
    {FacetId::sql_verb, "sql.verb", FacetType::string, FacetFamily::sql,
     "what the statement finally does, lower case"},
    {FacetId::sql_verbs, "sql.verbs", FacetType::string_list, FacetFamily::sql,
     "every verb in it, wrapper first, nested ones included"},
    {FacetId::sql_tables, "sql.tables", FacetType::string_list, FacetFamily::sql,
     "every relation it names, qualified and leaf"},
    {FacetId::sql_reads, "sql.reads", FacetType::string_list, FacetFamily::sql, "the relations it reads"},
    {FacetId::sql_writes, "sql.writes", FacetType::string_list, FacetFamily::sql,
     "the relations it writes or changes"},
    {FacetId::sql_columns, "sql.columns", FacetType::string_list, FacetFamily::sql, "the columns it names"},
    {FacetId::sql_functions, "sql.functions", FacetType::string_list, FacetFamily::sql,
     "every function it calls, or names in a definition, qualified and leaf"},
    {FacetId::sql_classes, "sql.classes", FacetType::string_list, FacetFamily::sql,
     "what its functions and statements can do"},
    {FacetId::sql_unbounded, "sql.unbounded", FacetType::boolean, FacetFamily::sql,
     "an UPDATE or DELETE of every row, or a TRUNCATE"},
    {FacetId::sql_copy, "sql.copy", FacetType::copy_object, FacetFamily::sql,
     "direction (`to`, `from`) and target (`client`, `file`, `program`) of a COPY"},
    {FacetId::sql_params, "sql.params", FacetType::nullable_string_list, FacetFamily::sql,
     "Bind parameter values in text form"},
    {FacetId::sql_statements, "sql.statements", FacetType::integer, FacetFamily::sql,
     "how many statements this message holds"},
    {FacetId::sql_literals, "sql.literals", FacetType::string_list, FacetFamily::sql,
     "constants in the text"},
    {FacetId::sql_database, "sql.database", FacetType::string, FacetFamily::sql, "the database"},
    {FacetId::sql_user, "sql.user", FacetType::string, FacetFamily::sql, "the credential's user"},
    {FacetId::sql_declared_user, "sql.declared_user", FacetType::string, FacetFamily::sql,
     "the user that the agent claimed"},
    {FacetId::dns_name, "dns.name", FacetType::string, FacetFamily::dns, "the name that was asked for"},
    {FacetId::dns_type, "dns.type", FacetType::string, FacetFamily::dns,
     "the record type that was asked for"},
    {FacetId::http_method, "http.method", FacetType::string, FacetFamily::http, "the method, as sent"},
    {FacetId::http_host, "http.host", FacetType::string, FacetFamily::http,
     "the name that the request is for: lower case, without port and trailing dot"},
    {FacetId::http_path, "http.path", FacetType::string, FacetFamily::http,
     "the path, percent-decoded once, dot segments removed"},
    {FacetId::http_raw_path, "http.raw_path", FacetType::string, FacetFamily::http, "the path as sent"},
    {FacetId::http_query, "http.query", FacetType::string_list_map, FacetFamily::http,
     "the query: names and their values, decoded"},
    {FacetId::http_headers, "http.headers", FacetType::string_list_map, FacetFamily::http,
     "names in lower case, and their values"},
    {FacetId::http_body, "http.body", FacetType::string, FacetFamily::http,
     "the body, decoded (gzip, deflate, br, zstd), up to `limits.body_inspect`"},
    {FacetId::http_body_json, "http.body_json", FacetType::dynamic, FacetFamily::http,
     "the body as one JSON document; `{}` where there is no body"},
    {FacetId::http_body_size, "http.body_size", FacetType::integer, FacetFamily::http,
     "bytes of the body as sent"},
    {FacetId::http_classes, "http.classes", FacetType::string_list, FacetFamily::http,
     "what the answer can be: `mints_credential` (tokens, keys, signed addresses), by a list in the tree"},
    {FacetId::k8s_verb, "k8s.verb", FacetType::string, FacetFamily::k8s,
     "`get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, `proxy`; of a path "
     "that is no resource the method in lower case"},
    {FacetId::k8s_group, "k8s.group", FacetType::string, FacetFamily::k8s, "the API group; \"\" is the core"},
    {FacetId::k8s_version, "k8s.version", FacetType::string, FacetFamily::k8s,
     "the version of the API group"},
    {FacetId::k8s_resource, "k8s.resource", FacetType::string, FacetFamily::k8s,
     "as RBAC writes it: `pods`, `pods/exec`"},
    {FacetId::k8s_subresource, "k8s.subresource", FacetType::string, FacetFamily::k8s,
     "`exec`, `log`, `scale`, ... or \"\""},
    {FacetId::k8s_namespace, "k8s.namespace", FacetType::string, FacetFamily::k8s,
     "the namespace, or \"\" where the request is for all or for none"},
    {FacetId::k8s_name, "k8s.name", FacetType::string, FacetFamily::k8s,
     "the object's name: of the path, else of the body"},
    {FacetId::k8s_params, "k8s.params", FacetType::string_list_map, FacetFamily::k8s,
     "the query, as the API server reads it"},
    {FacetId::k8s_argv, "k8s.argv", FacetType::string_list, FacetFamily::k8s, "the command of an exec"},
    {FacetId::k8s_path, "k8s.path", FacetType::string, FacetFamily::k8s,
     "the path, as the API server reads it"},
    {FacetId::k8s_impersonate, "k8s.impersonate", FacetType::dynamic_map, FacetFamily::k8s,
     "`user` and `groups` that the request asks to act as"},
    {FacetId::k8s_body, "k8s.body", FacetType::dynamic, FacetFamily::k8s,
     "the object that is sent, from JSON or YAML; `{}` where there is none"},
    {FacetId::k8s_derived, "k8s.derived", FacetType::string_list, FacetFamily::k8s,
     "what it amounts to: `evict`, `cordon`, `drain`, `scale`, `restart`"},
    {FacetId::ws_direction, "ws.direction", FacetType::string, FacetFamily::ws,
     "`up` from the agent, `down` to it"},
    {FacetId::ws_opcode, "ws.opcode", FacetType::string, FacetFamily::ws, "`text` or `binary`"},
    {FacetId::ws_text, "ws.text", FacetType::string, FacetFamily::ws,
     "a text message, whole and inflated, up to `limits.body_inspect`; a binary one has none"},
    {FacetId::ws_json, "ws.json", FacetType::dynamic, FacetFamily::ws, "a text message as one JSON document"},
};
static_assert(std::size(facet_table) == static_cast<std::size_t>(FacetId::count));

// Whether actions of this type can have it. A rule is for statements and requests unless it says otherwise,
// and its endpoints tell which of the two there are, so facets of either exist for both.
bool exists_for(FacetId facet, ActionType type);

std::string_view name_of(ActionKind kind);
std::string_view name_of(ActionType type);
std::string_view name_of(Unknown why);         // "not applicable", "unparseable", ...
std::string_view name_of(FacetType type);      // "string", "list(string)", ...
std::string_view name_of(FacetFamily family);  // "every action", ...

}  // namespace clawpatrol
