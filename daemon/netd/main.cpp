// clawpatrol-netd: read the options, give away what is not needed, make the network true, serve until told to
// stop. What it made in the kernel stays when it stops: a filter that drops is better than none.
#include <fmt/format.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include <cerrno>

#include "daemon/journal/log.h"
#include "daemon/netd/first_network.h"
#include "daemon/netd/log.h"
#include "daemon/netd/netd.h"
#include "daemon/netd/options.h"
#include "daemon/netd/privileges.h"

namespace {

using namespace clawpatrol;
using namespace clawpatrol::netd;

int fail(int status, const std::string& why) {
  log_message(journal::Message::cannot_start, "{}", why);
  return status;
}

// Made before privileges are dropped, for whom we become.
bool make_directory(const std::filesystem::path& path, mode_t mode, const std::optional<Account>& owner) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return false;
  return !owner || ::chown(path.c_str(), owner->uid, owner->gid) == 0;
}

int run_first_network(const Options& options) {
  auto chosen = choose_first_network(options.config);
  if (!chosen) return fail(1, chosen.error());
  if (*chosen) log_line("{}", **chosen);
  return 0;
}

int run_teardown() {
  auto done = teardown();
  return done ? 0 : fail(1, done.error().what);
}

int run(const Options& options) {
  std::optional<Account> daemon = find_account(options.daemon_uid);
  if (!daemon)
    return fail(
        2, fmt::format("no such user: '{}'\nhint: Name the daemon's with --daemon-uid.", options.daemon_uid));
  std::optional<Account> account;
  if (!options.user.empty() && !(account = find_account(options.user)))
    return fail(2, fmt::format("no such user: '{}'", options.user));
  gid_t group = find_group(options.operator_group).value_or(static_cast<gid_t>(-1));  // then root alone
  ::umask(077);
  if (!make_directory(options.state, 0700, account))
    return fail(1, os_error(errno, "cannot make: '" + options.state.string() + "'").what);
  ::umask(022);
  if (!make_directory(options.run, 0755, account))
    return fail(1, os_error(errno, "cannot make: '" + options.run.string() + "'").what);
  if (auto dropped = drop_privileges(account); !dropped) return fail(1, dropped.error().what);

  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  Fd signal_fd(::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!signal_fd) return fail(1, os_error(errno, "cannot wait for signals").what);

  Netd gateway({options.config, options.state, options.run, daemon->uid, group, options.rates},
               ServiceManager::from_environment());
  if (auto started = gateway.start(); !started) return fail(1, started.error().what);
  if (auto forbidden = forbid_system_calls(); !forbidden) return fail(1, forbidden.error().what);
  log_line("ready");
  gateway.run_until(signal_fd.get());
  log_line("stopped; steering goes on as long as the daemon holds it");
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  journal::open_log("clawpatrol-netd");
  auto options = parse_options(count, arguments);
  if (!options) return fail(2, options.error() + "\n" + help_text());
  switch (options->action) {
    case Options::Action::help: fmt::print("{}", help_text()); return 0;
    case Options::Action::version: fmt::print("clawpatrol-netd {}\n", CLAWPATROL_VERSION); return 0;
    case Options::Action::first_network: return run_first_network(*options);
    case Options::Action::teardown: return run_teardown();
    case Options::Action::run: return run(*options);
  }
}
