#include "parsers/kubernetes/request.h"

#include <algorithm>
#include <array>
#include <optional>

#include "parsers/http/classes.h"
#include "parsers/http/target.h"
#include "parsers/http1/text.h"
#include "parsers/json.h"
#include "parsers/kubernetes/derived.h"
#include "parsers/kubernetes/request_info.h"
#include "parsers/yaml.h"

namespace clawpatrol::kubernetes {
namespace {

// The decoded values of a header, in the order in which they stand.
std::vector<std::string_view> header_values(const http::Request& request, std::string_view name) {
  std::vector<std::string_view> values;
  for (const http1::Header& header : request.headers)
    if (http1::same_name(header.name, name)) values.push_back(header.value);
  return values;
}

Facet<std::string> text(const std::string& value) {
  return is_utf8(value) ? Facet<std::string>(value) : Facet<std::string>(Unknown::undecodable);
}

Facet<Document> params_of(const Params& params) {
  if (params.left_out) return Unknown::unparseable;
  if (params.pairs.size() > http::max_query_pairs) return Unknown::over_limit;
  Document::Members lists;
  for (const auto& [name, value] : params.pairs) {
    if (!is_utf8(name) || !is_utf8(value)) return Unknown::undecodable;
    add_text(lists, name, value);
  }
  return Document{std::move(lists)};
}

enum class BodyForm : std::uint8_t { json, yaml, other };

BodyForm form_of(const http::Request& request) {
  auto types = header_values(request, "content-type");
  if (types.empty()) return BodyForm::json;  // as the API server takes it
  const std::string type =
      http1::lower_case(http1::trimmed(types.front().substr(0, types.front().find(';'))));
  if (types.size() > 1) return BodyForm::other;
  if (type == "application/json" || (type.starts_with("application/") && type.ends_with("+json")))
    return BodyForm::json;
  if (type == "application/yaml" || (type.starts_with("application/") && type.ends_with("+yaml")))
    return BodyForm::yaml;
  return BodyForm::other;
}

// The facet http.body has been decoded already; what stands in its way stands in the way here.
Facet<Document> body_of(const http::Request& request, const HttpFacets& http) {
  if (!http.body.known()) return http.body.why();
  if (http.body->empty()) return Document{Document::Members()};
  switch (form_of(request)) {
    case BodyForm::json: return http.body_json;
    case BodyForm::yaml: {
      auto document = read_yaml_document(*http.body);
      return document ? Facet<Document>(std::move(*document)) : Facet<Document>(document.error());
    }
    case BodyForm::other: return Unknown::undecodable;
  }
  __builtin_unreachable();
}

// Of an object that is made the path does not say the name. Deletions of many and lists have none.
Facet<std::string> name_of(const RequestInfo& info, const Facet<Document>& body) {
  if (!info.name.empty() || !info.is_resource || info.verb != "create") return text(info.name);
  if (!body.known()) return body.why();
  const Document* metadata = body->find("metadata");
  if (!metadata) return std::string();
  for (std::string_view field : {"name", "generateName"}) {
    const Document* value = metadata->find(field);
    if (!value || (value->text() && value->text()->empty())) continue;
    if (!value->text()) return Unknown::unparseable;
    return *value->text();
  }
  return std::string();
}

bool impersonates(const http::Request& request) {
  return std::ranges::any_of(request.headers, [](const http1::Header& header) {
    return http1::lower_case(header.name).starts_with("impersonate-");
  });
}

// The API server reads one user; without one it refuses whatever else is asked to be acted as.
std::string_view impersonation_problem(const http::Request& request) {
  if (!impersonates(request)) return {};
  auto users = header_values(request, "impersonate-user");
  if (users.size() > 1) return "more than one Impersonate-User";
  if (users.empty() || users.front().empty()) return "impersonation without a user";
  return {};
}

Facet<Document> impersonate_of(const http::Request& request) {
  std::string user;
  Document::Items groups;
  for (std::string_view value : header_values(request, "impersonate-user")) user = value;
  for (std::string_view value : header_values(request, "impersonate-group")) {
    if (!is_utf8(value)) return Unknown::undecodable;
    groups.push_back({std::string(value)});
  }
  if (!is_utf8(user)) return Unknown::undecodable;
  return Document{Document::Members{{"user", {std::move(user)}}, {"groups", {std::move(groups)}}}};
}

Facet<NameList> argv_of(const RequestInfo& info, const Params& params) {
  if (!info.is_resource || info.subresource != "exec") return Unknown::not_applicable;
  if (params.left_out) return Unknown::unparseable;
  NameList argv{params.all("command"), false};
  if (!std::ranges::all_of(argv.items, is_utf8)) return Unknown::undecodable;
  return argv;
}

template <std::size_t n>
bool is_any_of(std::string_view text, const std::array<std::string_view, n>& names) {
  return std::ranges::find(names, text) != names.end();
}

bool administers(const RequestInfo& info) {
  constexpr std::array<std::string_view, 6> groups = {
      "rbac.authorization.k8s.io", "certificates.k8s.io",    "admissionregistration.k8s.io",
      "apiextensions.k8s.io",      "apiregistration.k8s.io", "flowcontrol.apiserver.k8s.io"};
  constexpr std::array<std::string_view, 3> resources = {"nodes", "namespaces", "serviceaccounts"};
  return is_any_of(info.group, groups) || (info.group.empty() && is_any_of(info.resource, resources));
}

// Reviews are questions, though they are created.
bool asks(const RequestInfo& info) {
  constexpr std::array<std::string_view, 2> groups = {"authorization.k8s.io", "authentication.k8s.io"};
  return info.verb == "create" && is_any_of(info.group, groups) && info.resource.ends_with("reviews");
}

ActionKind kind_of(const http::Request& request, const RequestInfo& info) {
  constexpr std::array<std::string_view, 5> runs = {"exec", "attach", "portforward", "proxy",
                                                    "ephemeralcontainers"};
  constexpr std::array<std::string_view, 3> reads = {"get", "list", "watch"};
  const ActionKind plain = http::kind_of(request);
  if (plain == ActionKind::exec) return plain;
  if (info.is_resource && (info.verb == "proxy" || is_any_of(info.subresource, runs)))
    return ActionKind::exec;
  if (impersonates(request)) return ActionKind::admin;
  if (!info.is_resource) return plain == ActionKind::read ? plain : ActionKind::admin;
  // `watch` in the path is a verb whatever the method is.
  if (is_any_of(info.verb, reads) && plain == ActionKind::read) return ActionKind::read;
  if (asks(info)) return ActionKind::read;
  return administers(info) || info.verb.empty() ? ActionKind::admin : ActionKind::write;
}

K8sFacets k8s_facets(const http::Request& request, const RequestInfo& info, const Params& params,
                     const HttpFacets& http) {
  K8sFacets k8s;
  k8s.verb = text(info.verb);
  k8s.group = text(info.group);
  k8s.version = text(info.version);
  k8s.resource = text(info.subresource.empty() ? info.resource : info.resource + "/" + info.subresource);
  k8s.subresource = text(info.subresource);
  k8s.namespace_ = text(info.namespace_);
  k8s.path = text(info.path);
  k8s.params = params_of(params);
  k8s.argv = argv_of(info, params);
  k8s.impersonate = impersonate_of(request);
  k8s.body = body_of(request, http);
  k8s.name = name_of(info, k8s.body);
  k8s.derived = derived_from(info, params, k8s.body);
  return k8s;
}

}  // namespace

std::expected<Facets, std::string_view> facets_of(const http::Request& request,
                                                  const http::Options& options) {
  auto path = http::percent_decoded(request.raw_path);
  if (!path) return std::unexpected("the path has an escape that is none");
  const Params params = read_params(request.query);
  auto info = request_info(request.method, *path, params);
  if (!info) return std::unexpected(info.error());
  Facets facets;
  facets.refused = impersonation_problem(request);
  auto http = http::facets_of(request, options);
  if (!http) {
    // With leniency the path has its one reading here: the API server's own.
    facets.refused = http.error();
    http::Options lenient = options;
    lenient.paths = http::Paths::lenient;
    http = http::facets_of(request, lenient);
  }
  if (http) facets.http = std::move(*http);
  facets.k8s = k8s_facets(request, *info, params, facets.http);
  facets.kind = http::raised(kind_of(request, *info), facets.http);
  return facets;
}

}  // namespace clawpatrol::kubernetes
