#include "policy/lints/vocabulary.h"

#include <algorithm>

#include "policy/config/keys.h"
#include "policy/sql/catalog.h"
#include "policy/sql/statements.h"

namespace clawpatrol::lints {
namespace {

using Words = std::vector<std::string>;

template <class Enum>
Words names_up_to(Enum last) {
  Words words;
  for (std::size_t i = 0; i <= static_cast<std::size_t>(last); ++i)
    words.emplace_back(name_of(static_cast<Enum>(i)));
  return words;
}

Words keys_of(const auto& map) {
  Words words;
  for (const auto& [name, value] : map) words.push_back(name);
  return words;
}

Words words_of(const auto& texts) {
  Words words;
  for (const auto& text : texts) words.emplace_back(text);
  return words;
}

Words types_seen_by(const Rule& rule) {
  Words words;
  for (ActionType type : rule.on) words.emplace_back(name_of(type));
  return words;
}

Words endpoint_types() {
  return words_of(config::choices_of(*config::find_key("endpoint", "type")));
}

Words with_none(Words words) {
  words.emplace_back();
  return words;
}

// docs/facets.md; the API server's own verbs, and for paths that are no resource the methods that IANA has
// registered, in lower case.
Words kubernetes_verbs() {
  return {"get",
          "list",
          "watch",
          "create",
          "update",
          "patch",
          "delete",
          "deletecollection",
          "proxy",
          "post",
          "put",
          "head",
          "options",
          "connect",
          "trace",
          "acl",
          "baseline-control",
          "bind",
          "checkin",
          "checkout",
          "copy",
          "label",
          "link",
          "lock",
          "merge",
          "mkactivity",
          "mkcalendar",
          "mkcol",
          "mkredirectref",
          "mkworkspace",
          "move",
          "orderpatch",
          "pri",
          "propfind",
          "proppatch",
          "query",
          "rebind",
          "report",
          "search",
          "unbind",
          "uncheckout",
          "unlink",
          "unlock",
          "updateredirectref",
          "version-control"};
}

Words derived_actions() {
  return {"evict", "cordon", "drain", "scale", "restart"};
}

Words kubernetes_resources() {
  return {"pods",
          "services",
          "secrets",
          "configmaps",
          "deployments",
          "daemonsets",
          "statefulsets",
          "replicasets",
          "jobs",
          "cronjobs",
          "namespaces",
          "nodes",
          "ingresses",
          "events",
          "endpoints",
          "roles",
          "rolebindings",
          "clusterroles",
          "clusterrolebindings",
          "serviceaccounts",
          "persistentvolumes",
          "persistentvolumeclaims",
          "networkpolicies",
          "storageclasses",
          "customresourcedefinitions"};
}

Vocabulary words(Words all, std::string of_what, std::string_view code = "CP0202", Case letters = Case::any) {
  return {std::move(all), letters, code, std::move(of_what)};
}

Vocabulary letters(Case which) {
  return {{}, which, "CP0203", ""};
}

}  // namespace

std::optional<Vocabulary> vocabulary_of(std::string_view subject, const Policy& names, const Rule& rule) {
  constexpr std::string_view in_policy = "CP0208";
  if (subject == "action.kind") return words(names_up_to(ActionKind::exec), "kind of action");
  if (subject == "action.type") return words(types_seen_by(rule), "type of action that this rule sees");
  if (subject == "sql.verb" || subject == "sql.verbs")
    return words(words_of(sql::verb_names()), "verb", "CP0202", Case::lower);
  if (subject == "sql.classes") return words(words_of(sql::class_names()), "class", "CP0202", Case::lower);
  if (subject == "sql.copy.direction") return words(with_none({"to", "from"}), "direction of a COPY");
  if (subject == "sql.copy.target")
    return words(with_none({"client", "file", "program"}), "target of a COPY");
  if (subject == "k8s.verb") return words(kubernetes_verbs(), "verb of Kubernetes", "CP0202", Case::lower);
  if (subject == "k8s.derived") return words(derived_actions(), "derived action", "CP0202", Case::lower);
  if (subject == "endpoint.type") return words(endpoint_types(), "type of endpoint");
  if (subject == "endpoint.name" && !rule.endpoints.empty())
    return words(rule.endpoints, "endpoint of this rule", in_policy);
  if (subject == "peer.name") return words(keys_of(names.peers), "peer", in_policy);
  if (subject == "peer.profile") return words(keys_of(names.profiles), "profile", in_policy);
  if (subject == "credential") return words(with_none(keys_of(names.credentials)), "credential", in_policy);
  if (subject == "k8s.resource")
    return Vocabulary{{}, Case::lower, "CP0202", "resource", kubernetes_resources()};
  for (std::string_view lower : {"dns.name", "http.host"})
    if (subject == lower) return letters(Case::lower);
  if (subject == "http.headers") return letters(Case::lower);
  if (subject == "dns.type") return letters(Case::upper);
  if (subject == "http.method") return letters(Case::upper);  // another is no method to the parser
  return std::nullopt;
}

}  // namespace clawpatrol::lints
