// The one place where netd meets the policy: it is a large header and a large parser.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "daemon/netd/configuration.h"
#include "policy/policy.h"

namespace clawpatrol::netd {
namespace {

namespace fs = std::filesystem;

// Who may write the configuration decides which interfaces are steered and whose traffic is whose.
std::optional<std::string> writable_by_others(const fs::path& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0)
    return fmt::format("cannot read configuration: '{}': {}", path.string(), std::strerror(errno));
  if (status.st_uid != 0 && status.st_uid != ::geteuid())
    return fmt::format("configuration is not root's: '{}': it belongs to uid {}", path.string(),
                       status.st_uid);
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fmt::format("configuration may be written by others: '{}': mode {:o}\nhint: chmod go-w {}",
                       path.string(), status.st_mode & 07777, path.string());
  return std::nullopt;
}

std::optional<std::string> unsafe(const fs::path& path) {
  if (auto problem = writable_by_others(path)) return problem;
  std::error_code error;
  if (!fs::is_directory(path, error)) return std::nullopt;
  if (auto problem = writable_by_others(path / "clawpatrol.toml")) return problem;
  if (!fs::exists(path / "conf.d", error)) return std::nullopt;
  if (auto problem = writable_by_others(path / "conf.d")) return problem;
  fs::directory_iterator file(path / "conf.d", error);
  for (; !error && file != fs::directory_iterator(); file.increment(error))
    if (file->path().extension() == ".toml")
      if (auto problem = writable_by_others(file->path())) return problem;
  if (error)
    return fmt::format("cannot read configuration: '{}': {}", (path / "conf.d").string(), error.message());
  return std::nullopt;
}

NetworkConfig network_of(const Policy& policy) {
  NetworkConfig config;
  config.endpoint = policy.gateway.endpoint;
  config.listen_port = port_of(config.endpoint).value_or(0);
  config.interface = policy.gateway.interface;
  config.subnet = policy.gateway.subnet;
  config.virtual_ = policy.gateway.virtual_;
  config.ingress = policy.gateway.ingress;
  for (const auto& [name, peer] : policy.peers)
    config.peers.push_back({name, peer.interface, peer.addresses, peer.profile});
  for (const auto& [name, profile] : policy.profiles) config.profiles.push_back(name);
  return config;
}

}  // namespace

bool says_its_network(const std::filesystem::path& path) {
  LoadResult loaded = load_policy(path);
  if (!loaded.policy) return true;
  const GatewayConfig& gateway = loaded.policy->gateway;
  return !gateway.endpoint.empty() || !gateway.subnet.empty() || !gateway.ingress.empty();
}

std::expected<NetworkConfig, std::string> load_network(const std::filesystem::path& path) {
  if (auto problem = unsafe(path)) return std::unexpected(*problem);
  LoadResult loaded = load_policy(path);
  if (!loaded.policy) return std::unexpected(loaded.diagnostics.render());
  NetworkConfig config = network_of(*loaded.policy);
  if (auto problem = problem_with(config)) return std::unexpected(*problem);
  return config;
}

}  // namespace clawpatrol::netd
