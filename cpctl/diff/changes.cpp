#include "cpctl/diff/changes.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/config/hosts.h"
#include "policy/config/keys.h"
#include "policy/config/units.h"

namespace clawpatrol::cpctl {
namespace {

// An object of the configuration: its fields that are not empty, in the order of the documentation.
using Fields = std::vector<std::pair<std::string, std::string>>;

struct Described {
  std::string name;
  Fields fields;
};

std::string list_of(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

template <class Items, class Text>
std::string list_of(const Items& items, Text text) {
  std::vector<std::string> texts;
  for (const auto& item : items) texts.push_back(text(item));
  return list_of(texts);
}

std::string prefixes(const std::vector<Prefix>& items) {
  return list_of(items, [](const Prefix& prefix) { return prefix.text(); });
}

std::string hosts(const std::vector<HostPort>& items) {
  return list_of(items, [](const HostPort& host) { return config::text_of(host); });
}

std::string_view tls_name(UpstreamTls tls) {
  constexpr std::string_view names[] = {"verify-full", "verify-ca", "require", "disable"};
  return names[static_cast<std::size_t>(tls)];
}

Described describe(const PeerConfig& peer) {
  Fields fields = {{"profile", peer.profile}, {"interface", peer.interface}};
  fields.emplace_back("addresses",
                      list_of(peer.addresses, [](const Address& address) { return address.text(); }));
  fields.emplace_back("labels", list_of(peer.labels, [](const auto& label) {
                        return fmt::format("{} = \"{}\"", label.first, label.second);
                      }));
  return {peer.name, std::move(fields)};
}

Described describe(const ProfileConfig& profile) {
  return {profile.name,
          {{"credentials", list_of(profile.credentials)}, {"endpoints", list_of(profile.endpoints)}}};
}

Described describe(const EndpointConfig& endpoint) {
  return {endpoint.name,
          {{"type", std::string(clawpatrol::name_of(endpoint.type))},
           {"hosts", hosts(endpoint.hosts)},
           {"tls", std::string(tls_name(endpoint.tls))},
           {"ca", endpoint.ca},
           {"agent_login", endpoint.agent_login == AgentLogin::scram ? "scram" : "trust"},
           {"safe_functions", list_of(endpoint.safe_functions)},
           {"networks", prefixes(endpoint.networks)},
           {"lenient_paths", endpoint.lenient_paths ? "true" : ""}}};
}

std::string tokens(const CredentialConfig& credential) {
  if (!credential.tokens) return "";
  const TokenSource& source = *credential.tokens;
  return fmt::format("{}, {}, client {} ({}), installation {}, scopes {}, audience {}", source.url,
                     source.grant == OAuthGrant::refresh_token ? "refresh_token" : "client_credentials",
                     source.client_id, source.client_auth == ClientAuth::body ? "body" : "basic",
                     source.installation_id, list_of(source.scopes), source.audience);
}

Described describe(const CredentialConfig& credential) {
  return {credential.name,
          {{"type", std::string(clawpatrol::name_of(credential.type))},
           {"endpoint", credential.endpoint},
           {"user", credential.user},
           {"hosts", hosts(credential.hosts)},
           {"at", text_of(credential.place)},
           {"prefix", credential.prefix},
           {"inject", credential.injection == Injection::placeholder ? "placeholder" : ""},
           {"placeholder", credential.placeholder},
           {"env", list_of(credential.variables)},
           {"tokens", tokens(credential)},
           {"ca", credential.tokens ? credential.tokens->ca : ""}}};
}

Described describe(const Rule& rule) {
  std::string verdict = "approve: " + list_of(rule.approve);
  if (rule.verdict) verdict = *rule.verdict == Verdict::allow ? "allow" : "deny";
  return {rule.name,
          {{"verdict", std::move(verdict)},
           {"endpoints", list_of(rule.endpoints)},
           {"on", list_of(rule.on, [](ActionType type) { return std::string(clawpatrol::name_of(type)); })},
           {"condition", std::string(rule.condition ? rule.condition->text() : "")},
           {"reason", rule.reason},
           {"shadow", rule.shadow ? "true" : ""}}};
}

Described describe_gateway(const Policy& policy) {
  const GatewayConfig& gateway = policy.gateway;
  return {"",
          {{"endpoint", gateway.endpoint},
           {"subnet", prefixes(gateway.subnet)},
           {"virtual", prefixes(gateway.virtual_)},
           {"interface", gateway.interface},
           {"ingress", list_of(gateway.ingress)},
           {"mode", gateway.mode == Mode::observe ? "observe" : "enforce"},
           {"metrics", gateway.metrics}}};
}

Described describe_defaults(const Policy& policy) {
  return {"",
          {{"unmatched", policy.unmatched == Unmatched::allow ? "allow" : "deny"},
           {"unknown_host", policy.unknown_host == UnknownHost::passthrough ? "passthrough" : "deny"},
           {"passthrough_networks", prefixes(policy.passthrough_networks)},
           {"approval_timeout", config::duration_text(policy.approval_timeout)}}};
}

std::string amount(const config::Key& key, const Policy& policy) {
  const auto number = [&key](std::size_t value) {
    return key.shape == config::Shape::size ? config::size_text(value) : std::to_string(value);
  };
  if (auto* limit = std::get_if<std::size_t LimitsConfig::*>(&key.member))
    return number(policy.limits.**limit);
  if (auto* limit = std::get_if<std::chrono::nanoseconds LimitsConfig::*>(&key.member))
    return config::duration_text(policy.limits.**limit);
  if (auto* limit = std::get_if<std::size_t AuditConfig::*>(&key.member)) return number(policy.audit.**limit);
  if (auto* limit = std::get_if<std::chrono::nanoseconds AuditConfig::*>(&key.member))
    return config::duration_text(policy.audit.**limit);
  return {};
}

// From the table of keys, so that none is forgotten.
Described describe_amounts(const Policy& policy, std::string_view section) {
  Fields fields;
  for (const config::Key& key : config::all_keys())
    if (key.section == section) fields.emplace_back(key.name, amount(key, policy));
  constexpr std::string_view syncs[] = {"changes", "all", "none"};
  if (section == "audit") fields.emplace_back("sync", syncs[static_cast<std::size_t>(policy.audit.sync)]);
  return {"", std::move(fields)};
}

std::vector<FieldChange> fields_between(const Described& before, const Described& after) {
  std::vector<FieldChange> out;
  for (std::size_t i = 0; i < after.fields.size(); ++i)
    if (before.fields[i].second != after.fields[i].second)
      out.push_back({after.fields[i].first, before.fields[i].second, after.fields[i].second});
  return out;
}

std::vector<FieldChange> fields_of(const Described& described, Change::What what) {
  std::vector<FieldChange> out;
  for (const auto& [field, text] : described.fields) {
    if (text.empty()) continue;
    const bool added = what == Change::What::added;
    out.push_back({field, added ? "" : text, added ? text : ""});
  }
  return out;
}

const Described* find(const std::vector<Described>& all, const std::string& name) {
  auto found = std::ranges::find(all, name, &Described::name);
  return found == all.end() ? nullptr : &*found;
}

void compare(std::vector<Change>& out, const std::string& section, const std::vector<Described>& before,
             const std::vector<Described>& after) {
  for (const Described& old : before)
    if (!find(after, old.name))
      out.push_back({Change::What::removed, section, old.name, fields_of(old, Change::What::removed)});
  for (const Described& now : after) {
    const Described* old = find(before, now.name);
    if (!old) {
      out.push_back({Change::What::added, section, now.name, fields_of(now, Change::What::added)});
      continue;
    }
    auto fields = fields_between(*old, now);
    if (!fields.empty()) out.push_back({Change::What::changed, section, now.name, std::move(fields)});
  }
}

template <class Table>
std::vector<Described> described(const Table& table) {
  std::vector<Described> out;
  for (const auto& [name, value] : table) out.push_back(describe(value));
  return out;
}

std::vector<std::string> common_rules(const Policy& of, const Policy& with) {
  std::vector<std::string> names;
  for (const Rule& rule : of.rules)
    if (std::ranges::find(with.rules, rule.name, &Rule::name) != with.rules.end()) names.push_back(rule.name);
  return names;
}

// The names that are not in the longest common subsequence of both orders: positions in the old order that do
// not rise.
std::vector<std::string> moved_rules(const Policy& before, const Policy& after) {
  const std::vector<std::string> old = common_rules(before, after), now = common_rules(after, before);
  std::vector<std::size_t> place(now.size()), best(now.size(), 1), previous(now.size(), now.size());
  for (std::size_t i = 0; i < now.size(); ++i)
    place[i] = static_cast<std::size_t>(std::ranges::find(old, now[i]) - old.begin());
  for (std::size_t i = 0; i < now.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (place[j] < place[i] && best[j] + 1 > best[i]) best[i] = best[j] + 1, previous[i] = j;
  std::vector<bool> stays(now.size(), false);
  auto last = std::ranges::max_element(best);
  for (std::size_t i = static_cast<std::size_t>(last - best.begin()); i < now.size(); i = previous[i])
    stays[i] = true;
  std::vector<std::string> moved;
  for (std::size_t i = 0; i < now.size(); ++i)
    if (!stays[i]) moved.push_back(now[i]);
  return moved;
}

std::string behind(const Policy& policy, const std::string& name) {
  auto rule = std::ranges::find(policy.rules, name, &Rule::name);
  return rule == policy.rules.begin() ? "first" : fmt::format("behind \"{}\"", std::prev(rule)->name);
}

}  // namespace

std::string_view name_of(Change::What what) {
  switch (what) {
    case Change::What::added: return "added";
    case Change::What::removed: return "removed";
    case Change::What::changed: return "changed";
    case Change::What::moved: return "moved";
  }
  return "changed";
}

std::vector<Change> changes_between(const Policy& before, const Policy& after) {
  std::vector<Change> out;
  compare(out, "gateway", {describe_gateway(before)}, {describe_gateway(after)});
  compare(out, "defaults", {describe_defaults(before)}, {describe_defaults(after)});
  for (const char* section : {"limits", "audit"})
    compare(out, section, {describe_amounts(before, section)}, {describe_amounts(after, section)});
  compare(out, "peer", described(before.peers), described(after.peers));
  compare(out, "profile", described(before.profiles), described(after.profiles));
  compare(out, "endpoint", described(before.endpoints), described(after.endpoints));
  compare(out, "credential", described(before.credentials), described(after.credentials));
  std::vector<Described> old_rules, new_rules;
  for (const Rule& rule : before.rules) old_rules.push_back(describe(rule));
  for (const Rule& rule : after.rules) new_rules.push_back(describe(rule));
  compare(out, "rule", old_rules, new_rules);
  for (const std::string& name : moved_rules(before, after))
    out.push_back(
        {Change::What::moved, "rule", name, {{"place", behind(before, name), behind(after, name)}}});
  return out;
}

}  // namespace clawpatrol::cpctl
