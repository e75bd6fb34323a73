#include "daemon/gateway/http/request_facets.h"

#include <array>

#include "daemon/audit/log.h"
#include "daemon/gateway/audit_line.h"
#include "daemon/gateway/http/change_options.h"
#include "parsers/document.h"

namespace clawpatrol::http {
namespace {

void member(std::string& out, std::string_view name) {
  if (!out.empty()) out.push_back(',');
  out.append("\"").append(name).append("\":");
}

void text(std::string& out, std::string_view name, std::string_view value) {
  member(out, name);
  audit::append_json_string(out, value.substr(0, longest_text_in_line));
}

void text_facet(std::string& out, std::string_view name, const Facet<std::string>& facet) {
  if (facet && !facet->empty()) text(out, name, *facet);
}

// The first value of one name, where the facet is known and has it.
std::string_view first_of(const Facet<Document>& lists, std::string_view name) {
  const Document* list = lists ? lists->find(name) : nullptr;
  const Document::Items* values = list ? list->items() : nullptr;
  const std::string* value = values && !values->empty() ? values->front().text() : nullptr;
  return value ? std::string_view(*value) : std::string_view();
}

void list(std::string& out, std::string_view name, const Facet<NameList>& facet) {
  if (!facet || facet->items.empty()) return;
  member(out, name);
  out.push_back('[');
  for (std::size_t i = 0; i < facet->items.size() && i < most_listed; ++i) {
    if (i > 0) out.push_back(',');
    audit::append_json_string(out, std::string_view(facet->items[i]).substr(0, longest_excerpt));
  }
  out.push_back(']');
}

void add_k8s(std::string& out, const K8sFacets& k8s) {
  const std::array<std::pair<std::string_view, const Facet<std::string>*>, 6> texts = {
      {{"verb", &k8s.verb},
       {"group", &k8s.group},
       {"version", &k8s.version},
       {"resource", &k8s.resource},
       {"namespace", &k8s.namespace_},
       {"name", &k8s.name}}};
  for (const auto& [name, facet] : texts) text_facet(out, name, *facet);
  list(out, "argv", k8s.argv);
  list(out, "derived", k8s.derived);
  if (const std::string options = change_options_json(k8s); !options.empty()) out += "," + options;
}

}  // namespace

std::string facets_json(const HttpFacets& http, const K8sFacets* k8s) {
  std::string out;
  out.reserve(256);
  text_facet(out, "method", http.method);
  text_facet(out, "host", http.host);
  text_facet(out, "path", http.path);
  if (http.raw_path && (!http.path || *http.raw_path != *http.path)) text(out, "raw_path", *http.raw_path);
  for (std::string_view name : {"content-type", "user-agent"})
    if (std::string_view value = first_of(http.headers, name); !value.empty())
      text(out, name == "user-agent" ? "user_agent" : "content_type", value.substr(0, longest_excerpt));
  list(out, "classes", http.classes);
  if (http.body_size && *http.body_size > 0) member(out, "body_size"), out += std::to_string(*http.body_size);
  if (http.body && !http.body->empty()) text(out, "body_sha256", sha256_hex(*http.body));
  if (!http.body) text(out, "body_unknown", name_of(http.body.why()));
  if (k8s) add_k8s(out, *k8s);
  return out;
}

}  // namespace clawpatrol::http
