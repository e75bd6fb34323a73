#include "daemon/gateway/sandbox.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace clawpatrol {

namespace {

// What the daemon and the libraries below it use. Anything else is EPERM: a library that tries something new
// degrades, and an intruder gets nothing. io_uring_setup is absent on purpose: the rings are made by then.
constexpr int allowed_calls[] = {
    // descriptors and sockets
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendto),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(accept4),
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(fcntl),
    SCMP_SYS(ioctl),
    SCMP_SYS(pipe2),
    SCMP_SYS(splice),
    SCMP_SYS(eventfd2),
    SCMP_SYS(signalfd4),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    // files: audit, credentials, names, policy
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getdents64),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(sync_file_range),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(chmod),
    SCMP_SYS(fchmod),
    SCMP_SYS(fchmodat),
    SCMP_SYS(flock),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(getcwd),
    SCMP_SYS(umask),
    SCMP_SYS(inotify_init1),
    SCMP_SYS(inotify_add_watch),
    SCMP_SYS(inotify_rm_watch),
    // memory, threads, time, identity
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(mlock),
    SCMP_SYS(mlock2),
    SCMP_SYS(munlock),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(clone),
    SCMP_SYS(clone3),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(get_robust_list),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(rseq),
    SCMP_SYS(membarrier),
    SCMP_SYS(sched_yield),
    SCMP_SYS(setpriority),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_setaffinity),
    SCMP_SYS(getcpu),
    SCMP_SYS(arch_prctl),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(tgkill),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getppid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getgroups),
    SCMP_SYS(capget),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(prlimit64),
    SCMP_SYS(getrlimit),
    SCMP_SYS(getrusage),
    SCMP_SYS(prctl),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

// No innocent path leads to these: end the process, so that the log shows it.
constexpr int deadly_calls[] = {
    SCMP_SYS(execve),           SCMP_SYS(execveat),          SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(bpf),
    SCMP_SYS(io_uring_setup),   SCMP_SYS(kexec_load),        SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
};

int add_rules(scmp_filter_ctx filter) {
  for (int call : allowed_calls)
    if (int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0); error < 0) return error;
  for (int call : deadly_calls)
    if (int error = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, call, 0); error < 0) return error;
  // Other families answer as a kernel without them would: glibc's resolver asks for netlink and does without.
  for (std::uint64_t family : {AF_UNIX, AF_INET, AF_INET6}) {
    scmp_arg_cmp first{.arg = 0, .op = SCMP_CMP_EQ, .datum_a = family, .datum_b = 0};
    if (int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, first); error < 0)
      return error;
    if (int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1, first); error < 0)
      return error;
  }
  // Every thread, also those that are running.
  return seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
}

}  // namespace

std::expected<void, Error> renounce_privileges() {
  if (geteuid() == 0 || getuid() == 0)
    return std::unexpected(
        Error{0,
              "this does not run as root\n"
              "hint: start it by its unit (systemctl start clawpatrold), or as the user clawpatrol"});
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return std::unexpected(os_error(errno, "no_new_privs failed"));
  // Where there are none, as under the unit, the system call may be forbidden.
  using Capabilities = std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)>;
  Capabilities none(cap_init(), cap_free), present(cap_get_proc(), cap_free);
  if (!none || !present || (cap_compare(none.get(), present.get()) != 0 && cap_set_proc(none.get()) != 0))
    return std::unexpected(os_error(errno, "dropping capabilities failed"));
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  // Whoever forces a core all the same (the limit raised from outside, gcore) gets no mapping in it: secrets
  // in use pass through memory that is not only theirs. Before /proc/self is root's; where there is no /proc,
  // the limits hold alone.
  if (int filter = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC); filter >= 0) {
    static_cast<void>(!write(filter, "0", 1));
    close(filter);
  }
  rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
  if (setrlimit(RLIMIT_CORE, &no_core) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return std::unexpected(os_error(errno, "forbidding core files failed"));
  return {};
}

std::expected<void, Error> forbid_system_calls() {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
  if (!filter) return std::unexpected(Error{ENOMEM, "seccomp filter failed: out of memory"});
  int error = add_rules(filter);
  if (error == 0) error = seccomp_load(filter);
  seccomp_release(filter);
  if (error < 0) return std::unexpected(os_error(-error, "seccomp filter failed"));
  return {};
}

}  // namespace clawpatrol
