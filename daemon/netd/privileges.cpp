#include "daemon/netd/privileges.h"

#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <memory>

namespace clawpatrol::netd {
namespace {

std::optional<unsigned> number_of(const std::string& text) {
  unsigned value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

constexpr cap_value_t kept[] = {CAP_NET_ADMIN, CAP_BPF, CAP_NET_BIND_SERVICE};

std::expected<void, Error> keep_capabilities() {
  std::unique_ptr<std::remove_pointer_t<cap_t>, decltype(&cap_free)> wanted(cap_init(), &cap_free);
  if (!wanted || cap_set_flag(wanted.get(), CAP_PERMITTED, 3, kept, CAP_SET) != 0 ||
      cap_set_flag(wanted.get(), CAP_EFFECTIVE, 3, kept, CAP_SET) != 0)
    return std::unexpected(os_error(errno, "cannot name the capabilities to keep"));
  if (cap_set_proc(wanted.get()) != 0) {
    Error error = os_error(errno, "cannot keep the capabilities NET_ADMIN, BPF and NET_BIND_SERVICE");
    error.what += "\nhint: Start it as root, or from its systemd unit.";
    return std::unexpected(error);
  }
  return {};
}

// Without CAP_SETPCAP, as from the systemd unit, the bounding set is what it is; it matters to execve alone.
void empty_bounding_set() {
  for (cap_value_t capability = 0; capability <= cap_max_bits(); capability++)
    if (capability != CAP_NET_ADMIN && capability != CAP_BPF && capability != CAP_NET_BIND_SERVICE)
      (void)::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

std::expected<void, Error> become(const Account& account) {
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || ::setgroups(0, nullptr) != 0 ||
      ::setresgid(account.gid, account.gid, account.gid) != 0 ||
      ::setresuid(account.uid, account.uid, account.uid) != 0)
    return std::unexpected(
        os_error(errno, "cannot become another user: '" + std::to_string(account.uid) + "'"));
  return {};
}

}  // namespace

std::optional<Account> find_account(const std::string& name_or_number) {
  if (auto uid = number_of(name_or_number)) {
    const passwd* entry = ::getpwuid(*uid);
    return Account{*uid, entry ? entry->pw_gid : static_cast<gid_t>(*uid)};
  }
  const passwd* entry = ::getpwnam(name_or_number.c_str());
  if (!entry) return std::nullopt;
  return Account{entry->pw_uid, entry->pw_gid};
}

std::optional<gid_t> find_group(const std::string& name_or_number) {
  if (auto gid = number_of(name_or_number)) return *gid;
  const group* entry = ::getgrnam(name_or_number.c_str());
  if (!entry) return std::nullopt;
  return entry->gr_gid;
}

std::expected<void, Error> drop_privileges(const std::optional<Account>& account) {
  empty_bounding_set();
  if (account)
    if (auto done = become(*account); !done) return done;
  (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (auto done = keep_capabilities(); !done) return done;
  // The WireGuard key is in our memory: no core file, no tracer.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return std::unexpected(os_error(errno, "cannot give up privileges"));
  return {};
}

std::expected<void, Error> forbid_system_calls() {
  constexpr const char* forbidden[] = {"execve",
                                       "execveat",
                                       "fork",
                                       "vfork",
                                       "clone",
                                       "clone3",
                                       "ptrace",
                                       "process_vm_readv",
                                       "process_vm_writev",
                                       "pidfd_getfd",
                                       "kcmp",
                                       "process_madvise",
                                       "init_module",
                                       "finit_module",
                                       "delete_module",
                                       "kexec_load",
                                       "kexec_file_load",
                                       "mount",
                                       "umount2",
                                       "pivot_root",
                                       "chroot",
                                       "move_mount",
                                       "open_tree",
                                       "fsopen",
                                       "fsmount",
                                       "setns",
                                       "unshare",
                                       "open_by_handle_at",
                                       "name_to_handle_at",
                                       "keyctl",
                                       "add_key",
                                       "request_key",
                                       "perf_event_open",
                                       "userfaultfd",
                                       "io_uring_setup",
                                       "io_uring_enter",
                                       "io_uring_register",
                                       "reboot",
                                       "swapon",
                                       "swapoff",
                                       "acct",
                                       "syslog",
                                       "quotactl",
                                       "settimeofday",
                                       "clock_settime",
                                       "clock_adjtime",
                                       "adjtimex",
                                       "sethostname",
                                       "setdomainname",
                                       "iopl",
                                       "ioperm",
                                       "modify_ldt",
                                       "personality",
                                       "setuid",
                                       "setgid",
                                       "setreuid",
                                       "setregid",
                                       "setresuid",
                                       "setresgid",
                                       "setgroups",
                                       "setfsuid",
                                       "setfsgid",
                                       "capset"};
  std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(SCMP_ACT_ALLOW), &seccomp_release);
  if (!filter) return std::unexpected(Error{ENOMEM, "cannot make the system call filter"});
  for (const char* name : forbidden) {
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) continue;  // not of this architecture
    if (int code = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), number, 0); code != 0)
      return std::unexpected(os_error(-code, std::string("cannot forbid system call: '") + name + "'"));
  }
  if (int code = seccomp_load(filter.get()); code != 0)
    return std::unexpected(os_error(-code, "cannot load the system call filter"));
  return {};
}

}  // namespace clawpatrol::netd
