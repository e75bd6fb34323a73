#include "policy/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <numeric>

namespace clawpatrol {
namespace {

// As a name is compared: lower case, one trailing dot dropped; an address in its canonical form.
std::string canonical_host(std::string_view host) {
  if (auto address = Address::parse(host)) return address->text();
  if (host.ends_with('.')) host.remove_suffix(1);
  std::string canonical(host);
  for (char& c : canonical) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return canonical;
}

std::string claim_key(std::string_view host, std::uint16_t port) {
  return fmt::format("{}:{}", host, port);
}

bool holds(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

std::string names_of(const std::vector<const CredentialConfig*>& credentials) {
  std::string names;
  for (const CredentialConfig* credential : credentials) {
    if (!names.empty()) names += ", ";
    names += fmt::format("\"{}\" (user \"{}\")", credential->name, credential->user);
  }
  return names;
}

// `{{name}}` is how an agent says a credential's name where a secret would stand.
std::string_view placeholder_name(std::string_view declared) {
  if (declared.size() <= 4 || !declared.starts_with("{{") || !declared.ends_with("}}")) return {};
  return declared.substr(2, declared.size() - 4);
}

}  // namespace

std::string_view name_of(EndpointType type) {
  switch (type) {
    case EndpointType::postgres: return "postgres";
    case EndpointType::http: return "http";
    case EndpointType::https: return "https";
    case EndpointType::kubernetes: return "kubernetes";
  }
  __builtin_unreachable();
}

std::uint16_t default_port(EndpointType type) {
  switch (type) {
    case EndpointType::postgres: return 5432;
    case EndpointType::http: return 80;
    case EndpointType::https:
    case EndpointType::kubernetes: return 443;
  }
  __builtin_unreachable();
}

std::vector<FacetFamily> families_of(EndpointType type) {
  switch (type) {
    case EndpointType::postgres: return {FacetFamily::sql};
    case EndpointType::http:
    case EndpointType::https: return {FacetFamily::http, FacetFamily::ws};
    case EndpointType::kubernetes: return {FacetFamily::http, FacetFamily::k8s, FacetFamily::ws};
  }
  __builtin_unreachable();
}

bool CredentialConfig::goes_to(std::string_view host, std::uint16_t port) const {
  if (hosts.empty()) return true;
  std::string canonical = canonical_host(host);
  return std::ranges::any_of(hosts,
                             [&](const HostPort& own) { return own.host == canonical && own.port == port; });
}

static bool reads_more_than_facets(const Rule& rule) {
  if (!rule.condition) return false;
  return std::ranges::any_of(rule.condition->facets(),
                             [](FacetId id) { return id == FacetId::now || id == FacetId::sql_params; });
}

void Policy::sort_rules() {
  std::vector<std::size_t> order(rules.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, [this](std::size_t left, std::size_t right) {
    if (rules[left].priority != rules[right].priority) return rules[left].priority > rules[right].priority;
    return left < right;  // as they stand in the files
  });
  std::vector<Rule> sorted;
  sorted.reserve(rules.size());
  for (std::size_t from : order) sorted.push_back(std::move(rules[from]));
  rules = std::move(sorted);
}

void Policy::add_types(RuleIndex& index) {
  for (std::size_t type = 0; type < index.by_type.size(); ++type) {
    std::vector<const Rule*> rules;
    for (const Rule* rule : index.all) {
      if (std::ranges::find(rule->on, static_cast<ActionType>(type)) == rule->on.end()) continue;
      rules.push_back(rule);
      index.read_more[type] |= reads_more_than_facets(*rule);
      if (!rule->condition) continue;
      for (FacetId facet : rule->condition->facets()) index.reads[type].set(static_cast<std::size_t>(facet));
    }
    index.by_type[type] = RuleDispatch(std::move(rules));
  }
}

void Policy::index() {
  sort_rules();
  for (const Rule& rule : rules) {
    for (const std::string& endpoint : rule.endpoints) by_endpoint_[endpoint].all.push_back(&rule);
    if (rule.endpoints.empty()) unclaimed_.all.push_back(&rule);
  }
  add_types(unclaimed_);
  for (auto& [endpoint, index] : by_endpoint_) add_types(index);
  for (auto& [name, endpoint] : endpoints)
    endpoint.sql.asked = {.columns = reads(name, FacetId::sql_columns),
                          .literals = reads(name, FacetId::sql_literals)};
  for (const auto& [name, endpoint] : endpoints) {
    for (const HostPort& host : endpoint.hosts) {
      auto& claims = host.wildcard ? wildcard_claims_ : exact_claims_;
      claims[claim_key(host.host, host.port)].push_back(&endpoint);
    }
  }
}

const std::vector<const Rule*>& Policy::rules_of(std::string_view endpoint) const {
  static const std::vector<const Rule*> none;
  auto found = by_endpoint_.find(endpoint);
  return found == by_endpoint_.end() ? none : found->second.all;
}

bool Policy::sees(std::string_view endpoint, ActionType type) const {
  auto found = by_endpoint_.find(endpoint);
  return found != by_endpoint_.end() &&
         !found->second.by_type[static_cast<std::size_t>(type)].rules().empty();
}

bool Policy::decides_by_facets_alone(std::string_view endpoint, ActionType type) const {
  auto found = by_endpoint_.find(endpoint);
  return found == by_endpoint_.end() || !found->second.read_more[static_cast<std::size_t>(type)];
}

bool Policy::reads(std::string_view endpoint, ActionType type, FacetId facet) const {
  auto found = by_endpoint_.find(endpoint);
  return found != by_endpoint_.end() &&
         found->second.reads[static_cast<std::size_t>(type)].test(static_cast<std::size_t>(facet));
}

bool Policy::reads(std::string_view endpoint, FacetId facet) const {
  for (std::size_t type = 0; type < action_types; ++type)
    if (reads(endpoint, static_cast<ActionType>(type), facet)) return true;
  return false;
}

bool Policy::reaches(std::string_view profile, std::string_view endpoint) const {
  auto found = profiles.find(profile);
  if (found == profiles.end() || !endpoints.contains(endpoint)) return false;
  if (holds(found->second.endpoints, endpoint)) return true;
  return std::ranges::any_of(found->second.credentials, [&](const std::string& name) {
    auto credential = credentials.find(name);
    return credential != credentials.end() && credential->second.endpoint == endpoint;
  });
}

const EndpointConfig* Policy::claim(std::string_view host, std::uint16_t port,
                                    std::string_view profile) const {
  auto reachable = [&](const ByText<std::vector<const EndpointConfig*>>& claims,
                       std::string_view name) -> const EndpointConfig* {
    auto found = claims.find(claim_key(name, port));
    if (found == claims.end()) return nullptr;
    auto match =
        std::ranges::find_if(found->second, [&](auto* endpoint) { return reaches(profile, endpoint->name); });
    return match == found->second.end() ? nullptr : *match;
  };
  std::string canonical = canonical_host(host);
  if (const EndpointConfig* exact = reachable(exact_claims_, canonical)) return exact;
  if (Address::parse(canonical)) return nullptr;  // a wildcard is of names
  std::string_view suffix = canonical;
  for (std::size_t dot = suffix.find('.'); dot != std::string_view::npos; dot = suffix.find('.')) {
    bool empty_label = dot == 0;
    suffix.remove_prefix(dot + 1);
    if (empty_label) return nullptr;
    if (const EndpointConfig* wildcard = reachable(wildcard_claims_, suffix)) return wildcard;
  }
  return nullptr;
}

std::expected<const CredentialConfig*, std::string> Policy::select_credential(
    std::string_view profile, std::string_view endpoint, std::string_view declared) const {
  if (!reaches(profile, endpoint))
    return std::unexpected(fmt::format("profile \"{}\" may not reach endpoint \"{}\"", profile, endpoint));
  std::vector<const CredentialConfig*> fitting, of_user;
  for (const std::string& name : profiles.find(profile)->second.credentials) {
    auto found = credentials.find(name);
    if (found == credentials.end() || found->second.endpoint != endpoint) continue;
    const CredentialConfig& credential = found->second;
    if (credential.name == declared || credential.name == placeholder_name(declared)) return &credential;
    if (!declared.empty() && credential.user == declared) of_user.push_back(&credential);
    fitting.push_back(&credential);
  }
  if (of_user.size() == 1) return of_user.front();
  if (of_user.size() > 1)
    return std::unexpected(fmt::format(
        "several credentials log in as this user: {}: name one of them as the user", names_of(of_user)));
  if (!placeholder_name(declared).empty())
    return std::unexpected(std::string("the placeholder is not of this profile and endpoint"));
  if (fitting.empty()) return nullptr;
  if (fitting.size() == 1) return fitting.front();
  return std::unexpected(fmt::format(
      "several credentials fit: {}: name one of them, or its user, as the user", names_of(fitting)));
}

std::vector<EnvironmentVariable> environment_of(const Policy& policy, std::string_view profile) {
  std::vector<EnvironmentVariable> environment;
  auto found = policy.profiles.find(profile);
  if (found == policy.profiles.end()) return environment;
  for (const std::string& name : found->second.credentials) {
    auto credential = policy.credentials.find(name);
    if (credential == policy.credentials.end()) continue;
    for (const std::string& variable : credential->second.variables) {
      if (std::ranges::find(environment, variable, &EnvironmentVariable::name) == environment.end())
        environment.push_back({variable, credential->second.placeholder});
    }
  }
  return environment;
}

}  // namespace clawpatrol
