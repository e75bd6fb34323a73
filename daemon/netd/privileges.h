// What netd gives away at its start.
#pragma once

#include <sys/types.h>

#include <expected>
#include <optional>
#include <string>

#include "daemon/ring/error.h"

namespace clawpatrol::netd {

struct Account {
  uid_t uid;
  gid_t gid;
};

std::optional<Account> find_account(const std::string& name_or_number);
std::optional<gid_t> find_group(const std::string& name_or_number);

// Becomes `account` where there is one, and keeps CAP_NET_ADMIN, CAP_BPF and CAP_NET_BIND_SERVICE alone: no
// other in any set, none for children, no new privileges, no core file, not to be traced.
std::expected<void, Error> drop_privileges(const std::optional<Account>& account);

// From here on no other program is run, no process is made or looked into, and no module, key, mount or ring
// either.
std::expected<void, Error> forbid_system_calls();

}  // namespace clawpatrol::netd
