// The machine that the gateway runs on.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>

#include "cpctl/doctor.h"
#include "cpctl/units.h"
#include "daemon/audit/verify.h"

namespace clawpatrol::cpctl {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

void look_at_module(const char* name, const char* of, Findings& findings) {
  std::error_code problem;
  utsname system{};
  ::uname(&system);
  // Built in, it has no directory in /sys/module where it takes no parameter.
  std::ifstream built_in(fs::path("/lib/modules") / system.release / "modules.builtin");
  const std::string list((std::istreambuf_iterator<char>(built_in)), {});
  if (fs::exists(fs::path("/sys/module") / name, problem) ||
      list.find(fmt::format("/{}.ko", name)) != std::string::npos)
    return findings.push_back({Health::good, "module " + std::string(name), "there", ""});
  findings.push_back({Health::warning, "module " + std::string(name), fmt::format("not loaded: it is {}", of),
                      fmt::format("modprobe {}", name)});
}

// What mends that something of the daemons' own cannot be read.
std::string mend_of(int code) {
  if (code == EACCES || code == EPERM) return "Run this as root.";
  if (code == ENOENT || code == ENOTDIR)
    return "systemctl start clawpatrold, or say with --state where it keeps its files";
  return "journalctl -u clawpatrold";
}

// /proc/net/route has IPv4 addresses as the kernel holds them, in hexadecimal.
std::optional<Prefix> destination_of(std::string_view destination, std::string_view mask) {
  auto number = [](std::string_view text) -> std::optional<std::uint32_t> {
    std::uint32_t value = 0;
    auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return std::byteswap(value);  // on the little-endian machines that we run on
  };
  auto address = number(destination), bits = number(mask);
  if (!address || !bits || *bits == 0) return std::nullopt;
  return Prefix{Address::from_v4(*address), static_cast<std::uint8_t>(std::popcount(*bits))};
}

}  // namespace

std::optional<std::pair<int, int>> kernel_version(std::string_view release) {
  int major = 0, minor = 0;
  const char* end = release.data() + release.size();
  auto [dot, problem] = std::from_chars(release.data(), end, major);
  if (problem != std::errc() || dot == end || *dot != '.') return std::nullopt;
  if (std::from_chars(dot + 1, end, minor).ec != std::errc()) return std::nullopt;
  return std::pair(major, minor);
}

void look_at_kernel(Findings& findings) {
  utsname system{};
  ::uname(&system);
  auto version = kernel_version(system.release);
  if (version && *version >= std::pair(6, 1))
    findings.push_back({Health::good, "kernel", system.release, ""});
  else
    findings.push_back({Health::bad, "kernel",
                        fmt::format("{}: 6.1 is the oldest that this was tried on", system.release),
                        "apt install linux-image-amd64"});
  std::error_code problem;
  if (!fs::exists("/proc/modules", problem)) {
    // What it lacks cannot be loaded either, and clawpatrol-netd says so where it needs it.
    findings.push_back({Health::good, "modules", "this kernel has all that it can in itself", ""});
  } else {
    look_at_module("wireguard", "the tunnel", findings);
    look_at_module("cls_bpf", "the filter's classifier", findings);
    look_at_module("sch_ingress", "where the filter is attached", findings);
  }
  const std::string uring = first_line("/proc/sys/kernel/io_uring_disabled").value_or("0");
  if (uring == "0")
    findings.push_back({Health::good, "io_uring", "allowed", ""});
  else
    findings.push_back({Health::bad, "io_uring",
                        "kernel.io_uring_disabled is " + uring + ": clawpatrold cannot start",
                        "sysctl -w kernel.io_uring_disabled=0"});
  if (first_line("/proc/sys/kernel/unprivileged_bpf_disabled").value_or("0") == "0")
    findings.push_back({Health::warning, "unprivileged BPF", "every user may load BPF programs",
                        "sysctl -w kernel.unprivileged_bpf_disabled=1"});
}

void look_at_clock(Findings& findings) {
  timex state{};
  const int said = ::adjtimex(&state);
  if (std::time(nullptr) < 1'700'000'000)
    findings.push_back({Health::bad, "clock", "it is before 2023 here: certificates are not valid yet",
                        "timedatectl set-ntp true"});
  else if (said == TIME_ERROR || (state.status & STA_UNSYNC) != 0)
    findings.push_back({Health::warning, "clock",
                        "nothing keeps it right: times in the audit log may be wrong",
                        "timedatectl set-ntp true"});
  else
    findings.push_back({Health::good, "clock", "kept right", ""});
}

void look_at_disk(const Policy* policy, const fs::path& state, Findings& findings) {
  struct statvfs disk{};
  if (::statvfs(state.c_str(), &disk) != 0) {
    const int code = errno;
    findings.push_back({Health::bad, "disk",
                        fmt::format("cannot look at '{}': {}", state.native(), std::strerror(code)),
                        mend_of(code)});
    return;
  }
  const std::uint64_t free = disk.f_bavail * disk.f_frsize;
  const std::uint64_t reserve = policy ? policy->audit.reserve : AuditConfig().reserve;
  const std::string said = fmt::format("{} free at {}", bytes_text(free), state.native());
  if (free < reserve)
    findings.push_back({Health::bad, "disk",
                        said + ": under audit.reserve, where everything is denied once audit.keep is reached",
                        "Make room, or move old segments of the audit log away."});
  else if (free < 4 * reserve)
    findings.push_back({Health::warning, "disk", said + ": little", "Make room, or lower audit.keep."});
  else
    findings.push_back({Health::good, "disk", said, ""});
}

void look_at_routes(const Policy& policy, std::string_view routes, Findings& findings) {
  std::vector<Prefix> ours = policy.gateway.subnet;
  ours.insert(ours.end(), policy.gateway.virtual_.begin(), policy.gateway.virtual_.end());
  std::istringstream lines{std::string(routes)};
  std::string line, interface, destination, gateway, flags, count, use, metric, mask;
  std::getline(lines, line);  // the heading
  bool conflict = false;
  while (std::getline(lines, line)) {
    std::istringstream columns(line);
    if (!(columns >> interface >> destination >> gateway >> flags >> count >> use >> metric >> mask))
      continue;
    auto prefix = destination_of(destination, mask);
    if (!prefix || interface == policy.gateway.interface) continue;
    for (const Prefix& own : ours) {
      if (!own.overlaps(*prefix)) continue;
      conflict = true;
      findings.push_back({Health::bad, "routes",
                          fmt::format("{} is routed by {}, and overlaps {} of the gateway", prefix->text(),
                                      interface, own.text()),
                          "Choose another [gateway] subnet or virtual, or remove the route: ip route del " +
                              prefix->text()});
    }
  }
  if (!conflict) findings.push_back({Health::good, "routes", "none overlaps the gateway's networks", ""});
}

void look_at_resolver(const Policy& policy, std::string_view resolv_conf, Findings& findings) {
  std::istringstream lines{std::string(resolv_conf)};
  std::string line, word, server;
  std::size_t servers = 0;
  while (std::getline(lines, line)) {
    std::istringstream columns(line);
    if (!(columns >> word >> server) || word != "nameserver") continue;
    ++servers;
    auto address = Address::parse(server);
    for (const auto* networks : {&policy.gateway.subnet, &policy.gateway.virtual_})
      for (const Prefix& own : *networks)
        if (address && own.contains(*address)) {
          findings.push_back(
              {Health::bad, "resolver",
               fmt::format("/etc/resolv.conf asks {}, which is the gateway itself: a loop", server),
               "Name another resolver in /etc/resolv.conf."});
          return;
        }
  }
  if (servers == 0)
    findings.push_back({Health::warning, "resolver",
                        "/etc/resolv.conf names none: only addresses and /etc/hosts are reached",
                        "Name a resolver in /etc/resolv.conf."});
  else
    findings.push_back(
        {Health::good, "resolver", counted(servers, "server") + ", none of them the gateway itself", ""});
}

void look_at_credential_key(const Paths& paths, Findings& findings) {
  const fs::path sealed = "/etc/credstore.encrypted/clawpatrol.credential-key";
  const fs::path plain = paths.state / "credential-key";
  struct stat status{};
  std::error_code problem;
  const int code = ::stat(plain.c_str(), &status) == 0 ? 0 : errno;
  if (code == 0) {
    if ((status.st_mode & 077) != 0)
      findings.push_back({Health::bad, "credential key",
                          fmt::format("'{}' is not its owner's alone", plain.native()),
                          "chmod 600 " + plain.native()});
    else
      findings.push_back(
          {Health::warning, "credential key",
           fmt::format("a file ({}, 0600): whoever has the disk has the credentials", plain.native()),
           "See \"The credential key\" in /usr/share/doc/clawpatrol/operate.md."});
  } else if (fs::exists(sealed, problem)) {
    findings.push_back({Health::good, "credential key", "sealed by systemd-creds to this machine", ""});
  } else {
    findings.push_back({Health::bad, "credential key",
                        fmt::format("neither '{}' nor '{}' can be seen", sealed.native(), plain.native()),
                        mend_of(code)});
  }
}

void look_at_audit(const Paths& paths, Findings& findings) {
  auto key = audit::Key::load(paths.state / "audit.key");
  if (!key) {
    findings.push_back({Health::bad, "audit chain", key.error().what, mend_of(key.error().code)});
    return;
  }
  auto report = audit::verify(paths.state / "audit", *key);
  if (!report)
    findings.push_back({Health::bad, "audit chain", report.error().what, "cpctl audit verify"});
  else if (!report->intact())
    findings.push_back(
        {Health::bad, "audit chain", counted(report->findings.size(), "finding"), "cpctl audit verify"});
  else
    findings.push_back(
        {Health::good, "audit chain",
         fmt::format("whole, lines {} to {}", count_text(report->first_seq), count_text(report->last_seq)),
         ""});
}

}  // namespace clawpatrol::cpctl
