#include "daemon/netd/sysctl.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "daemon/ring/fd.h"

namespace clawpatrol::netd {
namespace {

std::string read_parameter(const std::string& path) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char buffer[4096];
  ssize_t size = file ? ::read(file.get(), buffer, sizeof buffer) : -1;
  std::string text(buffer, size > 0 ? static_cast<std::size_t>(size) : 0);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

void set_parameter(const std::string& name, const std::string& value, std::vector<std::string>& failed) {
  std::string path = "/proc/sys/net/" + name;
  if (read_parameter(path) == value) return;
  Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file && errno == ENOENT) return;  // a kernel without that, or without IPv6
  if (!file || ::write(file.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size()))
    failed.push_back(fmt::format("cannot set kernel parameter: 'net/{}': {}", name, std::strerror(errno)));
}

}  // namespace

std::string with_reserved_port(const std::string& list, unsigned port) {
  for (std::size_t at = 0; at < list.size();) {
    std::size_t comma = std::min(list.find(',', at), list.size());
    std::string part = list.substr(at, comma - at);
    unsigned long first = std::strtoul(part.c_str(), nullptr, 10);
    std::size_t dash = part.find('-');
    unsigned long last =
        dash == std::string::npos ? first : std::strtoul(part.c_str() + dash + 1, nullptr, 10);
    if (first <= port && port <= last) return list;
    at = comma + 1;
  }
  return list.empty() ? std::to_string(port) : list + "," + std::to_string(port);
}

std::vector<std::string> set_machine_parameters(unsigned listen_port) {
  std::vector<std::string> failed;
  std::string reserved = read_parameter("/proc/sys/net/ipv4/ip_local_reserved_ports");
  set_parameter("ipv4/ip_local_reserved_ports", with_reserved_port(reserved, listen_port), failed);
  set_parameter("ipv4/tcp_tw_reuse", "1", failed);
  return failed;
}

std::vector<std::string> set_interface_parameters(const std::string& interface) {
  std::vector<std::string> failed;
  // `forwarding` first: it changes what others default to.
  for (const char* name :
       {"forwarding", "accept_redirects", "send_redirects", "accept_source_route", "route_localnet"})
    set_parameter(fmt::format("ipv4/conf/{}/{}", interface, name), "0", failed);
  for (const char* name : {"accept_redirects", "accept_ra", "accept_source_route"})
    set_parameter(fmt::format("ipv6/conf/{}/{}", interface, name),
                  name == std::string("accept_source_route") ? "-1" : "0", failed);
  return failed;
}

}  // namespace clawpatrol::netd
