// From tables to a policy, section by section. Each function reports every problem of its section and goes
// on.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/config/document.h"
#include "policy/config/keys.h"
#include "policy/config/table.h"
#include "policy/policy.h"

namespace clawpatrol::config {

// What was written under a name, and where; the value of a reference is checked once everything is read.
struct Named {
  Location at;
  std::vector<Text> endpoints;  // that it refers to
  std::vector<Text> credentials;
  std::vector<Text> profile;       // none or one
  std::vector<Text> condition;     // none or one; of a rule
  std::vector<Location> networks;  // as long as its networks
  std::vector<Location> hosts;     // as long as the hosts, or addresses, of its configuration
  Location placeholder;            // of a credential; where it stands by itself, if that is not written
};

using NamedTables = std::map<std::string, Named, std::less<>>;

// A network of the gateway's own, which may hold nothing else.
struct Owned {
  Prefix prefix;
  std::string_view what;
  Location at;
};

struct Build {
  Policy& policy;
  Report& report;
  const Node& root;
  LoadFor use = LoadFor::serve;
  NamedTables peers = {}, profiles = {}, endpoints = {}, credentials = {};
  std::vector<Named> rules = {};              // as long as policy.rules
  std::vector<Owned> owned = {};              // gateway.subnet and gateway.virtual
  std::vector<Location> passthrough_at = {};  // as long as passthrough_networks
  std::string files_read = {};                // what `file:NAME` brought, for the digest
};

void build_top(Build& build);  // schema, and which sections there are
void build_gateway(Build& build);
void build_defaults(Build& build);
void build_limits(Build& build);
void build_peers(Build& build);
void build_profiles(Build& build);
void build_endpoints(Build& build);
void build_credentials(Build& build);
void build_rules(Build& build);

// Problems that only the whole shows: references, claims, overlaps.
void check_references(Build& build);
void check_credentials(Build& build);
void check_placeholders(Build& build);
void check_addresses(Build& build);
void check_claims(Build& build);

// What `ca` names, in PEM; nothing where it is not written, or cannot be read.
std::optional<std::string> read_ca(Build& build, const Table& table);

// Compiles the condition into `rule`; problems stand under the right characters of the file.
void compile_condition(Build& build, const Text& text, Rule& rule, const std::vector<FacetFamily>& families);

// Where in the file a part of a string's value stands; the whole string where that cannot be told.
Location locate(const Text& text, const cel::Span& span);

// Shared by sections.
Table section_table(Build& build, std::string_view section, const Node& node);
// Calls read(name, table) for every [section.NAME] with a valid name.
template <class Read>
void for_each_named(Build& build, std::string_view section, Read read);
bool check_name(Build& build, std::string_view what, const Text& name);
struct Network {
  Prefix prefix;
  Location at;
};
std::vector<Network> read_networks(const Table& table, std::string_view key);
std::vector<HostPort> read_hosts(const Table& table, std::optional<std::uint16_t> default_port,
                                 std::vector<Location>& places);
void check_interface_name(Build& build, const Text& name);
std::vector<std::string_view> names_in(const NamedTables& tables);

template <class Read>
void for_each_named(Build& build, std::string_view section, Read read) {
  const Entry* entry = build.root.find(section);
  if (!entry || entry->value.kind != NodeKind::table) return;  // build_top has said so
  for (const Entry& named : entry->value.entries) {
    if (!check_name(build, section, {named.key, named.key_at})) continue;
    std::string title = "[" + std::string(section) + "." + named.key + "]";
    read(named.key, Table(named.value, section, std::move(title), named.key_at, build.report));
  }
}

}  // namespace clawpatrol::config
