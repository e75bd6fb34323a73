// What `cpctl doctor` looks at: one Finding each, gathered apart from how it is shown.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cpctl/commands.h"
#include "daemon/control/message.h"
#include "policy/policy.h"

namespace clawpatrol::cpctl {

enum class Health : std::uint8_t { good, warning, bad };

struct Finding {
  Health health = Health::good;
  std::string subject;  // "kernel", "io_uring", ...
  std::string said;     // what is so
  std::string mend;     // the command that mends it; "" where it is good
};
using Findings = std::vector<Finding>;

// Of the machine, by what /proc under `root` and the system calls say.
void look_at_kernel(Findings& findings);
void look_at_clock(Findings& findings);
void look_at_disk(const Policy* policy, const std::filesystem::path& state, Findings& findings);
void look_at_routes(const Policy& policy, std::string_view routes, Findings& findings);
void look_at_resolver(const Policy& policy, std::string_view resolv_conf, Findings& findings);
void look_at_credential_key(const Paths& paths, Findings& findings);
void look_at_audit(const Paths& paths, Findings& findings);
// Of the two daemons: status's line, netd's answer to `list`, and the process at the other end of each
// socket.
void look_at_gateway(const control::Message& status, std::optional<int> process, std::int64_t now_unix,
                     Findings& findings);
// Whether what must not be swapped out is locked: by what the gateway says of itself, and what the text of
// /proc/PID/limits and of /proc/PID/status leave it ("": they cannot be read).
struct LockedMemory {
  bool all = true;  // that should be
  std::string limits = {}, status = {};
};
void look_at_locked_memory(const LockedMemory& memory, Findings& findings);
void look_at_netd(const control::Message& listed, std::optional<int> process, Findings& findings);
// A connection to each exact host of an endpoint, two seconds each, and its certificate as the gateway would
// judge it (doctor_upstreams.cpp).
void look_at_upstreams(const Policy& policy, std::int64_t now_unix, Findings& findings);

// The release of uname(2) as numbers: 6.1 of "6.1.0-39-cloud-amd64".
std::optional<std::pair<int, int>> kernel_version(std::string_view release);

}  // namespace clawpatrol::cpctl
