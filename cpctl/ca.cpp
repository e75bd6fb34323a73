// `cpctl ca`: the certificate under which the gateway serves TLS to agents.
#include <fmt/format.h>

#include "cpctl/commands.h"
#include "cpctl/daemon.h"
#include "cpctl/flow_views.h"

namespace clawpatrol::cpctl {

using control::Message;

int ca_show(Context context) {
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::gateway);
  if (!daemon) return exit_unreachable;
  Console& console = context.console;
  return daemon->ask(command("ca"), [&](const Message& line) {
    console.line(fmt::format("subject      {}", shown(line, "subject")));
    console.line(fmt::format("SHA-256      {}", shown(line, "fingerprint")));
    console.line(fmt::format("good from    {}", shown(line, "begins")));
    console.line(fmt::format("good until   {}", shown(line, "ends")));
    return true;
  });
}

// As it stands in ca.crt, and for a program that reads it: nothing beside it.
int ca_export(Context context) {
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::gateway);
  if (!daemon) return exit_unreachable;
  return daemon->ask(command("ca"), [&](const Message& line) {
    context.console.out(line.text_or_empty("certificate"));
    return true;
  });
}

}  // namespace clawpatrol::cpctl
