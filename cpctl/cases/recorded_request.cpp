#include "cpctl/cases/recorded_request.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "daemon/gateway/audit_line.h"
#include "daemon/gateway/http/request_facets.h"
#include "parsers/json.h"

namespace clawpatrol::cpctl {
namespace {

class RequestReader {
 public:
  RequestReader(const Json& facets, Case& wanted) : facets_(facets), wanted_(wanted) {}

  std::string read(ActionKind kind, bool kubernetes) {
    auto stated = std::make_shared<StatedAction>();
    stated->type = ActionType::request;
    stated->kind = kind;
    stated->stated.set(static_cast<std::size_t>(FacetId::action_kind));
    // What is no text, such as a path in another encoding, is in no line.
    for (const char* name : {"method", "host", "path"})
      if (!facets_.contains(name)) return fmt_lacking(name, "known");
    for (const char* name : {"method", "host", "path", "raw_path", "namespace", "name"})
      if (text(name).size() >= longest_text_in_line) return fmt_lacking(name, "whole");
    read_http(stated->http);
    if (kubernetes) read_kubernetes(stated->k8s);
    wanted_.stated = std::move(stated);
    return {};
  }

 private:
  static std::string fmt_lacking(std::string_view name, std::string_view what) {
    return "a request whose " + std::string(name) + " is not " + std::string(what) + " in its line";
  }

  std::string text(const char* name) const {
    auto found = facets_.find(name);
    return found == facets_.end() ? std::string() : found->get<std::string>();
  }

  void unheld(FacetId id) { wanted_.unheld.push_back(id); }

  // Lists are cut without a word, at a number of items and at a length of each.
  NameList list(const char* name, FacetId id, bool held) {
    NameList out;
    if (auto found = facets_.find(name); found != facets_.end())
      for (const Json& item : *found) out.items.push_back(item.get<std::string>());
    const bool cut = out.items.size() >= http::most_listed ||
                     std::ranges::any_of(
                         out.items, [](const std::string& item) { return item.size() >= longest_excerpt; });
    if (cut || !held) unheld(id);
    return out;
  }

  void read_http(HttpFacets& http) {
    http.method = text("method");
    http.host = text("host");
    http.path = text("path");
    http.raw_path = text(facets_.contains("raw_path") ? "raw_path" : "path");
    for (FacetId id : {FacetId::http_query, FacetId::http_headers, FacetId::http_body_json}) unheld(id);
    http.body = std::string();
    if (!is_empty()) unheld(FacetId::http_body);
    auto size = facets_.find("body_size");
    http.body_size = size == facets_.end() ? 0 : size->get<std::int64_t>();
    if (size == facets_.end() && !was_read()) unheld(FacetId::http_body_size);
    // Whether a request mints a credential can depend on its body.
    http.classes = list("classes", FacetId::http_classes, was_read());
  }

  void read_kubernetes(K8sFacets& k8s) {
    k8s.verb = text("verb"), k8s.group = text("group"), k8s.version = text("version");
    k8s.resource = text("resource"), k8s.namespace_ = text("namespace"), k8s.name = text("name");
    const std::string resource = text("resource");
    const std::size_t slash = resource.find('/');
    k8s.subresource = slash == resource.npos ? "" : resource.substr(slash + 1);
    for (FacetId id : {FacetId::k8s_path, FacetId::k8s_impersonate}) unheld(id);
    document("k8s_params", k8s.params, FacetId::k8s_params);
    document("k8s_body", k8s.body, FacetId::k8s_body);
    if (!facets_.contains("name") && !is_empty()) unheld(FacetId::k8s_name);  // of what is created
    k8s.argv = list("argv", FacetId::k8s_argv, facets_.contains("argv"));
    k8s.derived = list("derived", FacetId::k8s_derived, is_empty());
  }

  void document(const char* name, Facet<Document>& out, FacetId id) {
    auto found = facets_.find(name);
    auto read =
        found == facets_.end() ? std::unexpected(Unknown::not_applicable) : read_json_document(found->dump());
    if (!read) return unheld(id);
    out = std::move(*read);
  }

  // Of the body: whether rules saw it, and whether there was none.
  bool was_read() const { return !facets_.contains("body_unknown"); }
  bool is_empty() const { return was_read() && !facets_.contains("body_sha256"); }

  const Json& facets_;
  Case& wanted_;
};

}  // namespace

std::string read_request(const Json& facets, ActionKind kind, bool kubernetes, Case& wanted) {
  return RequestReader(facets, wanted).read(kind, kubernetes);
}

}  // namespace clawpatrol::cpctl
