// The sections without names: the top of the file, [gateway], [defaults], [limits], [audit]; and what the
// others share.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <unordered_map>

#include "policy/config/build.h"
#include "policy/config/hosts.h"
#include "policy/config/suggest.h"

namespace clawpatrol::config {
namespace {

constexpr std::size_t longest_name = 63;       // netd's messages have room for as much
constexpr std::size_t most_networks = 64;      // of a kind
constexpr std::size_t longest_interface = 15;  // IFNAMSIZ

const Node empty_table;

// [name] of the file, or an empty one.
Table section_of(Build& build, std::string_view name) {
  const Entry* entry = build.root.find(name);
  Location at = entry ? entry->key_at : Location{build.root.at.source, 0, 0};
  return Table(entry ? entry->value : empty_table, name, fmt::format("[{}]", name), at, build.report);
}

void check_section(Build& build, const Entry& entry, const std::vector<std::string_view>& known) {
  if (std::ranges::find(known, entry.key) == known.end()) {
    build.report.error(entry.key_at, fmt::format("unknown section or key '{}'", entry.key),
                       suggestion(entry.key, known));
    return;
  }
  if (entry.key == "schema") return;
  NodeKind wanted = entry.key == "rule" ? NodeKind::array : NodeKind::table;
  if (entry.value.kind == wanted) return;
  std::string hint = entry.key == "rule" ? "Write [[rule]], with two brackets." : "";
  build.report.error(entry.key_at,
                     fmt::format("'{}' is {}, not {}", entry.key, name_of(wanted), name_of(entry.value.kind)),
                     hint);
}

void check_schema(Build& build) {
  const Entry* schema = build.root.find("schema");
  if (!schema) {
    build.report.error({build.root.at.source, 0, 0}, "'schema' is missing",
                       "Write `schema = 1` at the top of the first file.");
  } else if (schema->value.kind != NodeKind::integer || schema->value.integer != 1) {
    build.report.error(schema->value.at, "unknown schema", "This version reads `schema = 1`.");
  }
}

template <class Config>
void read_quantities(const Table& table, std::string_view section, Config& into) {
  for (const Key& key : all_keys()) {
    if (key.section != section || std::holds_alternative<std::monostate>(key.member)) continue;
    std::optional<std::int64_t> value = table.quantity(key);
    if (!value) continue;
    if (auto* number = std::get_if<std::size_t Config::*>(&key.member))
      into.** number = static_cast<std::size_t>(*value);
    if (auto* span = std::get_if<std::chrono::nanoseconds Config::*>(&key.member))
      into.** span = std::chrono::nanoseconds(*value);
  }
}

void read_own_networks(Build& build, const Table& table) {
  GatewayConfig& gateway = build.policy.gateway;
  for (const Network& network : read_networks(table, "subnet")) {
    gateway.subnet.push_back(network.prefix);
    build.owned.push_back({network.prefix, "gateway.subnet", network.at});
  }
  std::vector<Network> names = read_networks(table, "virtual");
  if (!table.has("virtual")) {
    for (const char* standard : {"198.18.0.0/16", "fd86:0:0:1::/64"})
      names.push_back({*Prefix::parse(standard), table.at()});
  }
  for (const Network& network : names) {
    gateway.virtual_.push_back(network.prefix);
    build.owned.push_back({network.prefix, "gateway.virtual", network.at});
  }
}

}  // namespace

void build_top(Build& build) {
  std::vector<std::string_view> known = {"schema"};
  for (const Section& section : all_sections()) {
    if (!section.name.empty()) known.push_back(section.name);
  }
  for (const Entry& entry : build.root.entries) check_section(build, entry, known);
  check_schema(build);
}

void build_gateway(Build& build) {
  GatewayConfig& gateway = build.policy.gateway;
  Table table = section_of(build, "gateway");
  if (auto endpoint = table.string("endpoint")) {
    auto parsed = parse_host(endpoint->value, std::nullopt);
    if (!parsed)
      build.report.error(endpoint->at, parsed.error().message, parsed.error().hint);
    else if (parsed->wildcard)
      build.report.error(endpoint->at, "agents cannot dial a wildcard");
    else
      gateway.endpoint = text_of(*parsed);
  }
  read_own_networks(build, table);
  if (auto interface = table.string("interface")) {
    check_interface_name(build, *interface);
    gateway.interface = interface->value;
  }
  for (const Text& ingress : table.strings("ingress")) {
    check_interface_name(build, ingress);
    gateway.ingress.push_back(ingress.value);
  }
  if (auto mode = table.choice("mode")) gateway.mode = static_cast<Mode>(*mode);
  if (auto metrics = table.string("metrics")) {
    auto parsed = parse_host(metrics->value, std::nullopt);
    if (!parsed)
      build.report.error(metrics->at, parsed.error().message, parsed.error().hint);
    else if (!parsed->address || !is_loopback(*parsed->address) || parsed->port == 0)
      build.report.error(
          metrics->at, "metrics are served on a loopback address alone",
          "Write 127.0.0.1:PORT; another machine reads them by way of its own agent, or a tunnel.");
    else
      gateway.metrics = text_of(*parsed);
  }
  const Entry* entry = build.root.find("gateway");
  if (entry && entry->value.kind == NodeKind::table && !table.has("subnet") && !table.has("ingress"))
    build.report.error(table.at(), "[gateway] has neither 'subnet' nor 'ingress': no agent could reach it",
                       "Write the inner addresses of the agents, such as subnet = [\"10.86.0.0/24\"].");
}

void build_defaults(Build& build) {
  Table table = section_of(build, "defaults");
  Policy& policy = build.policy;
  if (auto unmatched = table.choice("unmatched")) policy.unmatched = static_cast<Unmatched>(*unmatched);
  if (policy.unmatched == Unmatched::allow)
    build.report.lint("CP0307", table.at("unmatched"), "what no rule matches is allowed",
                      "A forgotten rule then lets everything through; `deny` is the default.");
  if (auto unknown = table.choice("unknown_host")) policy.unknown_host = static_cast<UnknownHost>(*unknown);
  for (const Network& network : read_networks(table, "passthrough_networks")) {
    policy.passthrough_networks.push_back(network.prefix);
    build.passthrough_at.push_back(network.at);
  }
  if (auto timeout = table.quantity(*find_key("defaults", "approval_timeout")))
    policy.approval_timeout = std::chrono::nanoseconds(*timeout);
}

void build_limits(Build& build) {
  Table limits = section_of(build, "limits");
  read_quantities(limits, "limits", build.policy.limits);
  if (build.policy.limits.statement > build.policy.limits.buffer)
    build.report.lint("CP0306", limits.at("statement"),
                      "'statement' is larger than 'buffer': no statement can be that long",
                      "Raise limits.buffer as well.");
  Table audit = section_of(build, "audit");
  read_quantities(audit, "audit", build.policy.audit);
  if (auto sync = audit.choice("sync")) build.policy.audit.sync = static_cast<AuditSync>(*sync);
  if (build.policy.audit.keep < 2 * build.policy.audit.segment)
    build.report.error(audit.at("keep"), "'keep' is less than two segments",
                       "The newest segment is never removed; raise audit.keep or lower audit.segment.");
}

bool check_name(Build& build, std::string_view what, const Text& name) {
  auto valid = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  };
  if (!name.value.empty() && name.value.size() <= longest_name && std::ranges::all_of(name.value, valid) &&
      std::isalnum(static_cast<unsigned char>(name.value[0])))
    return true;
  build.report.error(
      name.at, fmt::format("not a name of a {}: '{}'", what, name.value),
      fmt::format("A name begins with a letter or digit, goes on with those, '-', '_' and '.', and has "
                  "at most {} characters.",
                  longest_name));
  return false;
}

std::vector<Network> read_networks(const Table& table, std::string_view key) {
  std::vector<Network> out;
  for (const Text& written : table.strings(key)) {
    if (out.size() == most_networks) {
      table.report().error(written.at, fmt::format("more than {} networks in '{}'", most_networks, key));
      break;
    }
    if (auto prefix = Prefix::parse(written.value)) {
      out.push_back({*prefix, written.at});
      continue;
    }
    std::string hint = "Write address/length, with no bit set beyond the length, such as \"10.86.0.0/24\".";
    table.report().error(written.at, fmt::format("not a network: '{}'", written.value), hint);
  }
  return out;
}

std::vector<HostPort> read_hosts(const Table& table, std::optional<std::uint16_t> default_port,
                                 std::vector<Location>& places) {
  std::vector<HostPort> out;
  std::unordered_map<std::string, Location> seen;
  for (const Text& written : table.strings("hosts")) {
    auto host = parse_host(written.value, default_port);
    if (!host) {
      table.report().error(written.at, host.error().message, host.error().hint);
      continue;
    }
    auto [first, added] = seen.emplace(text_of(*host), written.at);
    if (!added) {
      Report::relate(
          table.report().error(written.at, fmt::format("'{}' stands twice in 'hosts'", first->first)),
          first->second, "first here");
      continue;
    }
    out.push_back(std::move(*host));
    places.push_back(written.at);
  }
  return out;
}

void check_interface_name(Build& build, const Text& name) {
  auto valid = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("._-").contains(c);
  };
  bool named = name.value != "." && name.value != ".." && name.value != "all" && name.value != "default";
  if (named && name.value.size() <= longest_interface && std::ranges::all_of(name.value, valid) &&
      name.value != "lo")
    return;
  build.report.error(name.at, fmt::format("not an interface that can be steered: '{}'", name.value),
                     "A name has at most 15 letters, digits, '.', '_', '-', and is not lo.");
}

std::vector<std::string_view> names_in(const NamedTables& tables) {
  std::vector<std::string_view> names;
  for (const auto& [name, named] : tables) names.push_back(name);
  return names;
}

}  // namespace clawpatrol::config
