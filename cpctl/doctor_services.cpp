// The two daemons.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "cpctl/doctor.h"
#include "cpctl/flow_views.h"
#include "cpctl/units.h"
#include "daemon/tls/authority.h"

namespace clawpatrol::cpctl {
namespace {

constexpr std::uint64_t netd_capabilities =
    1ull << 12 | 1ull << 39 | 1ull << 10;  // NET_ADMIN, BPF, NET_BIND_SERVICE

std::string text_of(int process, const char* file) {
  std::ifstream from(fmt::format("/proc/{}/{}", process, file));
  return {std::istreambuf_iterator<char>(from), {}};
}

// Behind a name and blanks, in a file of /proc of one a line.
std::optional<std::string> field_of(const std::string& text, std::string_view name) {
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line))
    if (line.starts_with(name))
      if (const auto at = line.find_first_not_of(" \t", name.size()); at != std::string::npos)
        return line.substr(at);
  return std::nullopt;
}

std::optional<std::uint64_t> number_of(const std::optional<std::string>& text) {
  std::uint64_t value = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc())
    return std::nullopt;
  return value;
}

void look_at_privileges(const char* program, const char* unit, int process, std::uint64_t allowed,
                        Findings& findings) {
  const std::string subject = fmt::format("{}'s privileges", program);
  const std::string status = text_of(process, "status");
  auto effective = field_of(status, "CapEff:"), seccomp = field_of(status, "Seccomp:");
  if (!effective || !seccomp) {
    findings.push_back({Health::warning, subject, "cannot be seen from here", "Run this as root."});
    return;
  }
  const std::uint64_t has = std::stoull(*effective, nullptr, 16);
  if ((has & ~allowed) != 0)
    findings.push_back({Health::bad, subject,
                        fmt::format("it has capabilities that it must not have: {:#x}", has & ~allowed),
                        fmt::format("systemctl restart {}", unit)});
  else if (has != allowed)
    findings.push_back({Health::bad, subject, fmt::format("it lacks capabilities: {:#x}", allowed & ~has),
                        fmt::format("systemctl restart {}", unit)});
  else if (*seccomp != "2")
    findings.push_back(
        {Health::bad, subject, "no filter of system calls is on", fmt::format("systemctl restart {}", unit)});
  else
    findings.push_back({Health::good, subject,
                        allowed ? "NET_ADMIN, BPF and NET_BIND_SERVICE alone; system calls filtered"
                                : "none; system calls filtered",
                        ""});
}

}  // namespace

void look_at_gateway(const control::Message& status, std::optional<int> process, std::int64_t now_unix,
                     Findings& findings) {
  findings.push_back(
      {Health::good, "clawpatrold",
       fmt::format("version {}, generation {}, up {}", shown(status, "version"),
                   status.natural_or_zero("generation"), duration_text(status.natural_or_zero("uptime_s"))),
       ""});
  if (status.text_or_empty("mode") == "observe")
    findings.push_back({Health::warning, "mode", "observe: rules deny nothing", "cpctl enforce"});
  if (process) look_at_privileges("clawpatrold", "clawpatrold", *process, 0, findings);
  look_at_locked_memory({.all = !status.has("memory_locked") || status.flag("memory_locked"),
                         .limits = process ? text_of(*process, "limits") : "",
                         .status = process ? text_of(*process, "status") : ""},
                        findings);
  const control::Message netd = status.object("netd"), audit = status.object("audit");
  if (!netd.flag("connected"))
    findings.push_back({Health::bad, "clawpatrol-netd",
                        "the gateway has no connection to it: nothing new is steered",
                        "systemctl restart clawpatrol-netd"});
  if (!audit.flag("healthy"))
    findings.push_back({Health::bad, "audit log",
                        "it fails, and everything is denied: " + shown(audit, "failure"),
                        "journalctl -u clawpatrold"});
  else if (audit.text_or_empty("pressure") != "none")
    findings.push_back({Health::bad, "audit log",
                        "it is full of lines that may not go yet: " + shown(audit, "pressure"),
                        "Raise audit.keep, or make room."});
  const std::int64_t ends = status.integer("ca_ends_unix").value_or(0);
  const std::int64_t days = (ends - now_unix) / 86400;
  if (ends != 0 && days < tls::authority_soon_days)
    findings.push_back({days < 0 ? Health::bad : Health::warning, "certificate authority",
                        fmt::format("it ends in {} days", days),
                        "See \"The certificate authority\" in /usr/share/doc/clawpatrol/operate.md."});
  else if (ends != 0)
    findings.push_back({Health::good, "certificate authority", fmt::format("good for {} days", days), ""});
}

void look_at_locked_memory(const LockedMemory& memory, Findings& findings) {
  constexpr std::uint64_t mib = 1 << 20, least_left = mib, given = 64 * mib;  // what the unit gives it
  // Nothing: no limit, or none that can be read.
  const auto limit = number_of(field_of(memory.limits, "Max locked memory"));
  const auto locked_kib = number_of(field_of(memory.status, "VmLck:"));
  const std::string said_limit = limit ? fmt::format(" (the limit is {})", bytes_text(*limit)) : "";
  const std::string mend = fmt::format(
      "systemctl edit clawpatrold, and there: [Service] LimitMEMLOCK={}M; then systemctl restart clawpatrold",
      std::max(given, 2 * limit.value_or(0)) / mib);
  if (!memory.all)
    findings.push_back({Health::warning, "locked memory",
                        "not all secrets and private keys could be locked" + said_limit +
                            ": they may be swapped out to the disk",
                        mend});
  else if (limit && locked_kib && *locked_kib * 1024 + least_left > *limit)
    findings.push_back({Health::warning, "locked memory",
                        fmt::format("{} of {} is locked: little is left for another secret",
                                    bytes_text(*locked_kib * 1024), bytes_text(*limit)),
                        mend});
  else
    findings.push_back(
        {Health::good, "locked memory", "secrets and private keys are never swapped out" + said_limit, ""});
}

void look_at_netd(const control::Message& listed, std::optional<int> process, Findings& findings) {
  findings.push_back({Health::good, "clawpatrol-netd", counted(listed.list("peers").size(), "peer"), ""});
  if (process)
    look_at_privileges("clawpatrol-netd", "clawpatrol-netd", *process, netd_capabilities, findings);
  if (listed.flag("locked_down"))
    findings.push_back({Health::warning, "lockdown", "every peer is locked out", "cpctl unlock --all"});
  const auto unsteered = listed.list("unsteered");
  for (const control::Message& each : unsteered)
    findings.push_back({Health::bad, "steering",
                        fmt::format("interface {}: {}", shown(each, "interface"), shown(each, "why")),
                        "journalctl -u clawpatrol-netd"});
  if (unsteered.empty())
    findings.push_back({Health::good, "steering",
                        "nothing of an agent gets past the daemon: the kernel's filter is on each interface",
                        ""});
  for (const control::Message& peer : listed.list("peers"))
    if (std::string blocked = shown(peer, "blocked"); !blocked.empty() && !listed.flag("locked_down"))
      findings.push_back(
          {Health::warning, "peer " + shown(peer, "name"), "not admitted: " + blocked, "cpctl peers list"});
}

}  // namespace clawpatrol::cpctl
