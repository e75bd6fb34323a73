// The sections with names: [peer.NAME], [profile.NAME], [endpoint.NAME], [credential.NAME].
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cctype>
#include <memory>

#include "policy/config/build.h"
#include "policy/config/files.h"
#include "policy/config/hosts.h"
#include "policy/config/secrets.h"
#include "policy/config/suggest.h"

namespace clawpatrol::config {
namespace {

constexpr std::size_t largest_pem = 1 << 20;

void read_addresses(Build& build, const Table& table, PeerConfig& peer, Named& named) {
  for (const Text& written : table.strings("addresses")) {
    auto address = Address::parse(written.value);
    if (!address) {
      build.report.error(written.at, fmt::format("not an address: '{}'", written.value),
                         "Write an IPv4 or IPv6 address without length and brackets.");
      continue;
    }
    peer.addresses.push_back(*address);
    named.hosts.push_back(written.at);
  }
}

void read_labels(Build& build, const Table& table, PeerConfig& peer) {
  const Node* labels = table.labels("labels");
  if (!labels) return;
  for (const Entry& label : labels->entries) {
    if (is_secret_name(label.key)) {
      build.report.error(
          label.key_at,
          fmt::format("label '{}' would hold a secret: secrets do not belong in this file", label.key),
          "Every rule and audit line shows a peer's labels.");
    } else if (label.value.kind != NodeKind::string) {
      build.report.error(label.value.at,
                         fmt::format("label '{}' is a string, not {}", label.key, name_of(label.value.kind)));
    } else {
      peer.labels.emplace(label.key, label.value.text);
    }
  }
}

void check_peer_interface(Build& build, const Table& table, const PeerConfig& peer) {
  const GatewayConfig& gateway = build.policy.gateway;
  bool own = peer.interface.empty() || peer.interface == gateway.interface;
  if (own && table.has("addresses")) {
    build.report.error(
        table.at("addresses"), "'addresses' of a peer of the gateway's own interface",
        "There the tunnel says who it is: keys and addresses are put in state by cpctl peers add.");
  } else if (!own && std::ranges::find(gateway.ingress, peer.interface) == gateway.ingress.end()) {
    std::vector<std::string_view> known(gateway.ingress.begin(), gateway.ingress.end());
    known.push_back(gateway.interface);
    build.report.error(table.at("interface"), fmt::format("'{}' is not in gateway.ingress", peer.interface),
                       suggestion(peer.interface, known));
  } else if (!own && !table.has("addresses")) {
    build.report.error(
        table.at("interface"), "a peer of an ingress interface needs 'addresses'",
        "Its source address is all that tells it from others, such as addresses = [\"10.9.0.7\"].");
  }
}

void check_certificates(Build& build, const Text& written, const std::string& pem) {
  std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                BIO_free);
  std::size_t count = 0;
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    X509_free(certificate);
    ++count;
  }
  ERR_clear_error();  // the end of the file is one
  if (count == 0) build.report.error(written.at, "no certificate in PEM in this file");
  if (pem.contains("PRIVATE KEY-----"))
    build.report.error(written.at, "this file holds a private key",
                       "Only the certificates of the authority belong here.");
}

void read_tls(Build& build, const Table& table, EndpointConfig& endpoint) {
  if (auto tls = table.choice("tls")) endpoint.tls = static_cast<UpstreamTls>(*tls);
  const bool verifies = endpoint.tls == UpstreamTls::verify_full || endpoint.tls == UpstreamTls::verify_ca;
  if (verifies || !table.has("ca")) return;
  const auto names = choices_of(*find_key("endpoint", "tls"));
  build.report.lint(
      "CP0306", table.at("ca"),
      fmt::format("'ca' has no effect with tls = \"{}\"", names[static_cast<std::size_t>(endpoint.tls)]));
}

void check_keys_of_type(Build& build, const Table& table, const EndpointConfig& endpoint) {
  bool sql = endpoint.type == EndpointType::postgres;
  for (std::string_view key : {"safe_functions", "agent_login", "lenient_paths"}) {
    bool fits = sql == (key != "lenient_paths");
    if (table.has(key) && !fits)
      build.report.error(table.at(key),
                         fmt::format("'{}' is not for {} endpoints", key, name_of(endpoint.type)));
  }
  if (endpoint.type == EndpointType::http && table.has("tls") && endpoint.tls != UpstreamTls::disable)
    build.report.error(table.at("tls"), "an http endpoint has no TLS", "Write type = \"https\".");
}

bool is_function_name(std::string_view name) {
  auto valid = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || (c & 0x80);
  };
  for (int parts = 0; parts < 2; ++parts) {
    std::size_t dot = name.find('.');
    std::string_view part = name.substr(0, dot);
    if (part.empty() || !std::ranges::all_of(part, valid)) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
  return false;
}

void read_safe_functions(Build& build, const Table& table, EndpointConfig& endpoint) {
  auto names = std::make_shared<std::unordered_set<std::string>>();
  for (const Text& written : table.strings("safe_functions")) {
    if (!is_function_name(written.value)) {
      build.report.error(written.at, fmt::format("not the name of a function: '{}'", written.value),
                         "Write name or schema.name, as the server folds it, without parentheses.");
      continue;
    }
    endpoint.safe_functions.push_back(written.value);
    names->insert(written.value);
  }
  endpoint.sql.limits.bytes = build.policy.limits.statement;
  endpoint.sql.limits.statements = build.policy.limits.statements;
  endpoint.sql.safe_functions = std::move(names);
}

}  // namespace

std::optional<std::string> read_ca(Build& build, const Table& table) {
  auto written = table.string("ca");
  if (!written) return std::nullopt;
  std::string_view name = written->value;
  if (!name.starts_with("file:") || name.size() == 5 || name.contains('/') || name.ends_with(':') ||
      name == "file:..") {
    build.report.error(written->at, fmt::format("not a file beside this one: '{}'", name),
                       "Write file:NAME, of a file in the same directory.");
    return std::nullopt;
  }
  name.remove_prefix(5);
  const std::string& directory = written->at.source->directory();
  if (directory.empty()) {
    build.report.error(written->at, fmt::format("cannot read '{}': this configuration is not a file", name));
    return std::nullopt;
  }
  auto pem = read_file(std::filesystem::path(directory) / name, largest_pem);
  if (!pem) {
    build.report.error(written->at, fmt::format("cannot read '{}': {}", name, pem.error()));
    return std::nullopt;
  }
  check_certificates(build, *written, *pem);
  build.files_read += fmt::format("{}:{}:{}", name, pem->size(), *pem);
  return std::move(*pem);
}

void build_peers(Build& build) {
  for_each_named(build, "peer", [&](const std::string& name, const Table& table) {
    PeerConfig peer;
    peer.name = name;
    Named& named = build.peers[name];
    named.at = table.at();
    if (auto profile = table.required_string("profile")) {
      peer.profile = profile->value;
      named.profile.push_back(*profile);
    }
    if (auto interface = table.string("interface")) peer.interface = interface->value;
    read_addresses(build, table, peer, named);
    read_labels(build, table, peer);
    check_peer_interface(build, table, peer);
    build.policy.peers.emplace(name, std::move(peer));
  });
}

void build_profiles(Build& build) {
  for_each_named(build, "profile", [&](const std::string& name, const Table& table) {
    ProfileConfig profile;
    profile.name = name;
    Named& named = build.profiles[name];
    named.at = table.at();
    named.credentials = table.strings("credentials");
    named.endpoints = table.strings("endpoints");
    for (const Text& credential : named.credentials) profile.credentials.push_back(credential.value);
    for (const Text& endpoint : named.endpoints) profile.endpoints.push_back(endpoint.value);
    build.policy.profiles.emplace(name, std::move(profile));
  });
}

void build_endpoints(Build& build) {
  for_each_named(build, "endpoint", [&](const std::string& name, const Table& table) {
    EndpointConfig endpoint;
    endpoint.name = name;
    Named& named = build.endpoints[name];
    named.at = table.at();
    table.require("type");
    if (auto type = table.choice("type")) endpoint.type = static_cast<EndpointType>(*type);
    endpoint.hosts = read_hosts(table, default_port(endpoint.type), named.hosts);
    if (!table.has("hosts") || table.is_empty_array("hosts"))
      build.report.error(table.at("hosts"), fmt::format("{} needs 'hosts'", table.title()),
                         "Such as hosts = [\"pg.internal:5432\"].");
    read_tls(build, table, endpoint);
    if (auto pem = read_ca(build, table)) endpoint.ca = std::move(*pem);
    read_safe_functions(build, table, endpoint);
    if (auto login = table.choice("agent_login")) endpoint.agent_login = static_cast<AgentLogin>(*login);
    endpoint.lenient_paths = table.boolean("lenient_paths").value_or(false);
    check_keys_of_type(build, table, endpoint);
    for (const Network& network : read_networks(table, "networks")) {
      endpoint.networks.push_back(network.prefix);
      named.networks.push_back(network.at);
    }
    build.policy.endpoints.emplace(name, std::move(endpoint));
  });
}

}  // namespace clawpatrol::config
