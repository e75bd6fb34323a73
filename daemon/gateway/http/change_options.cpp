#include "daemon/gateway/http/change_options.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "policy/action_json.h"

namespace clawpatrol::http {
namespace {

constexpr std::size_t longest_value = 128;
constexpr std::size_t longest_options = 512;

// DeleteOptions, Eviction and Scale (Kubernetes' API reference), and of a query what goes with them.
constexpr std::array<std::string_view, 21> known_names = {
    "apiVersion", "deleteOptions",      "dryRun",        "fieldManager", "fieldValidation",
    "force",      "gracePeriodSeconds", "kind",          "metadata",     "name",
    "namespace",  "orphanDependents",   "preconditions", "pretty",       "propagationPolicy",
    "replicas",   "resourceVersion",    "spec",          "timeout",      "timeoutSeconds",
    "uid"};

bool is_plain(const Document& document);

bool is_plain_text(const std::string& text) {
  return text.size() <= longest_value &&
         std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

bool is_plain_member(const Document::Member& member) {
  return std::ranges::find(known_names, member.name) != known_names.end() && is_plain(member.value);
}

// A number that is no integer has more than one way to be written.
bool is_plain(const Document& document) {
  if (const std::string* text = document.text()) return is_plain_text(*text);
  if (const auto* items = document.items()) return std::ranges::all_of(*items, is_plain);
  if (const auto* members = document.members()) return std::ranges::all_of(*members, is_plain_member);
  return !std::holds_alternative<double>(document.value);
}

}  // namespace

bool deletes_evicts_or_scales(const K8sFacets& k8s) {
  if (!k8s.verb || !k8s.resource || !k8s.subresource || !k8s.name || k8s.name->empty()) return false;
  if (*k8s.verb == "delete") return k8s.subresource->empty();
  if (*k8s.verb == "create") return *k8s.resource == "pods/eviction";
  return (*k8s.verb == "patch" || *k8s.verb == "update") && *k8s.subresource == "scale";
}

std::string change_options_json(const K8sFacets& k8s) {
  if (!deletes_evicts_or_scales(k8s) || !k8s.params || !k8s.body) return "";
  if (!k8s.params->members() || !k8s.body->members()) return "";
  if (!is_plain(*k8s.params) || !is_plain(*k8s.body)) return "";
  std::string options = "\"k8s_params\":" + value_json(cel::Value::of_document(*k8s.params)) +
                        ",\"k8s_body\":" + value_json(cel::Value::of_document(*k8s.body));
  return options.size() <= longest_options ? options : "";
}

}  // namespace clawpatrol::http
