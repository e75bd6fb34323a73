#include "daemon/netd/first_network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "daemon/netd/configuration.h"
#include "daemon/netd/netlink.h"
#include "daemon/ring/fd.h"

namespace clawpatrol::netd {
namespace {

constexpr std::uint16_t usual_port = 51820;
constexpr std::uint16_t ports_tried = 100;

bool is_free(const Prefix& prefix, std::span<const Prefix> taken) {
  return std::ranges::none_of(taken, [&](const Prefix& other) { return other.overlaps(prefix); });
}

// A WireGuard or another program may have the usual one.
std::optional<std::uint16_t> free_port() {
  for (std::uint16_t port = usual_port; port < usual_port + ports_tried; ++port) {
    Fd fd(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    if (fd && ::bind(fd.get(), reinterpret_cast<sockaddr*>(&v6), sizeof v6) == 0) return port;
    if (fd && errno == EADDRINUSE) continue;
    Fd old(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    if (old && ::bind(old.get(), reinterpret_cast<sockaddr*>(&v4), sizeof v4) == 0) return port;
  }
  return std::nullopt;
}

// The source address towards the rest of the world; nothing is sent to find it.
std::optional<Address> outward_address(const char* far) {
  const bool v6 = std::strchr(far, ':') != nullptr;
  Fd fd(::socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_storage address{};
  socklen_t size = v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  address.ss_family = v6 ? AF_INET6 : AF_INET;
  auto& v4_part = reinterpret_cast<sockaddr_in&>(address);
  auto& v6_part = reinterpret_cast<sockaddr_in6&>(address);
  (v6 ? v6_part.sin6_port : v4_part.sin_port) = htons(9);
  ::inet_pton(address.ss_family, far, v6 ? static_cast<void*>(&v6_part.sin6_addr) : &v4_part.sin_addr);
  if (!fd || ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return std::nullopt;
  char text[INET6_ADDRSTRLEN];
  const void* raw = v6 ? static_cast<void*>(&v6_part.sin6_addr) : &v4_part.sin_addr;
  return ::inet_ntop(address.ss_family, raw, text, sizeof text) ? Address::parse(text) : std::nullopt;
}

// Without a way to the world: an address of an interface, then.
std::optional<Address> any_address(const std::vector<LocalPrefix>& local) {
  for (const LocalPrefix& each : local) {
    const Address& address = each.prefix.address;
    const bool link_local = address.bytes[0] == 0xfe && (address.bytes[1] & 0xc0) == 0x80;
    if (each.on_link != 0 && !is_loopback(address) && !link_local) return address;
  }
  return std::nullopt;
}

// RFC 4193: forty random bits.
Prefix random_ula() {
  Prefix prefix;
  prefix.length = 64;
  prefix.address.bytes[0] = 0xfd;
  if (::getrandom(&prefix.address.bytes[1], 5, 0) != 5) std::abort();  // the kernel gives no random bytes
  return prefix;
}

std::expected<FirstNetwork, std::string> choose() {
  auto netlink = Netlink::open();
  if (!netlink) return std::unexpected(netlink.error().what);
  auto local = netlink->local_prefixes();
  if (!local) return std::unexpected(local.error().what);
  auto taken = netlink->routed_prefixes();
  if (!taken) return std::unexpected(taken.error().what);
  for (const char* virtual_range : {"198.18.0.0/16", "fd86:0:0:1::/64"})
    taken->push_back(*Prefix::parse(virtual_range));
  auto subnet = free_subnet(*taken);
  if (!subnet) return std::unexpected("cannot choose a subnet: routes cover every private network");
  auto port = free_port();
  if (!port)
    return std::unexpected(fmt::format("cannot choose a port: UDP {} to {} are in use", usual_port,
                                       usual_port + ports_tried - 1));
  auto address = outward_address("192.0.2.1");
  if (!address) address = outward_address("2001:db8::1");
  if (!address) address = any_address(*local);
  if (!address)
    return std::unexpected(std::string(
        "cannot choose an endpoint: this machine has no address but its own\nhint: Give it one, or write "
        "[gateway] with `endpoint` and `subnet` into conf.d/00-gateway.toml."));
  const std::string host = address->is_v4() ? address->text() : "[" + address->text() + "]";
  Prefix ula = random_ula();
  while (!is_free(ula, *taken)) ula = random_ula();
  return FirstNetwork{fmt::format("{}:{}", host, *port), {*subnet, ula}};
}

// Whole, or not at all.
std::expected<void, Error> write_new(const std::filesystem::path& path, const std::string& text) {
  const std::string aside = path.string() + ".new";
  ::unlink(aside.c_str());
  Fd fd(::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::fchmod(fd.get(), 0644) != 0 || ::fsync(fd.get()) != 0 || ::rename(aside.c_str(), path.c_str()) != 0) {
    const int code = errno;
    ::unlink(aside.c_str());
    return std::unexpected(os_error(code, "cannot write: '" + path.string() + "'"));
  }
  return {};
}

}  // namespace

std::optional<Prefix> free_subnet(std::span<const Prefix> taken) {
  auto v4 = [](std::uint32_t address) { return Prefix{Address::from_v4(address), 24}; };
  constexpr std::uint32_t first = 86;
  for (std::uint32_t i = 0; i < 256; ++i)
    if (Prefix prefix = v4(10u << 24 | ((first + i) % 256) << 16); is_free(prefix, taken)) return prefix;
  for (std::uint32_t i = 0; i < 16 * 256; ++i)
    if (Prefix prefix = v4(172u << 24 | 16u << 16 | i << 8); is_free(prefix, taken)) return prefix;
  for (std::uint32_t i = 0; i < 256; ++i)
    if (Prefix prefix = v4(192u << 24 | 168u << 16 | i << 8); is_free(prefix, taken)) return prefix;
  return std::nullopt;
}

std::string first_network_text(const FirstNetwork& network) {
  std::string subnets;
  for (const Prefix& prefix : network.subnet)
    subnets += fmt::format("{}\"{}\"", subnets.empty() ? "" : ", ", prefix.text());
  return fmt::format(
      R"(# Chosen by clawpatrol-netd at its first start, for this machine. It is yours to change:
# `endpoint` is what agents dial (a name is better than an address that may change), and peers that were added before a
# change of `subnet` must be added anew. Then: systemctl restart clawpatrol-netd clawpatrold

[gateway]
endpoint = "{}"
subnet   = [{}]
)",
      network.endpoint, subnets);
}

std::expected<std::optional<std::string>, std::string> choose_first_network(
    const std::filesystem::path& config) {
  const std::filesystem::path file = config / "conf.d" / first_network_file;
  std::error_code problem;
  if (std::filesystem::exists(file, problem) || says_its_network(config)) return std::nullopt;
  auto network = choose();
  if (!network) return std::unexpected(network.error());
  std::filesystem::create_directory(file.parent_path(), problem);
  if (auto written = write_new(file, first_network_text(*network)); !written)
    return std::unexpected(written.error().what);
  return fmt::format("first start: agents dial {}, their subnet is {}; both stand in {}", network->endpoint,
                     network->subnet.front().text(), file.string());
}

}  // namespace clawpatrol::netd
