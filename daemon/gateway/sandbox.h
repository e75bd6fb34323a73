// What clawpatrold takes from itself before an agent's first byte: capabilities, new privileges, core files,
// and every system call that it has no use for. Each answers with what failed; the caller does not go on.
#pragma once

#include <expected>

#include "daemon/ring/error.h"

namespace clawpatrol {

// First thing in main: no capabilities in any set, no_new_privs, no core files, not root.
std::expected<void, Error> renounce_privileges();

// After the rings have been made and before the listeners are accepted from: no exec, no ptrace, no bpf, no
// new ring, no sockets but IPv4, IPv6 and Unix. Applies to every thread.
std::expected<void, Error> forbid_system_calls();

}  // namespace clawpatrol
