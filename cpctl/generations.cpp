// `cpctl generations` and `cpctl rollback`: the policies that were in force since the daemon started.
#include <fmt/format.h>

#include "cpctl/commands.h"
#include "cpctl/daemon.h"
#include "cpctl/flow_views.h"
#include "cpctl/units.h"

namespace clawpatrol::cpctl {

using control::Message;

int generations(Context context) {
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::gateway);
  if (!daemon) return exit_unreachable;
  Console& console = context.console;
  Table table({{""}, {"GENERATION", Align::right}, {"LOADED"}, {"RULES", Align::right}, {"DIGEST"}});
  const int result = daemon->ask(command("generations"), [&](const Message& line) {
    const bool in_force = line.flag("in_force");
    table.row({{in_force ? ">" : " ", Style::bold},
               {std::to_string(line.natural_or_zero("generation")), in_force ? Style::bold : Style::plain},
               {shown(line, "loaded").substr(0, 19) + "Z"},
               {count_text(line.natural_or_zero("rules"))},
               {shown(line, "digest").substr(0, 12), Style::dim}});
    return true;
  });
  if (result != exit_ok || console.json()) return result;
  for (const std::string& line : table.lines(console, console.width())) console.line(line);
  return exit_ok;
}

int rollback(Context context, std::uint64_t generation) {
  std::unique_ptr<Daemon> daemon = Daemon::connect(context, Service::gateway);
  if (!daemon) return exit_unreachable;
  Console& console = context.console;
  return daemon->ask(command("rollback").add("generation", generation), [&](const Message& line) {
    console.line(fmt::format("generation {} is in force again ({}), instead of {}",
                             line.natural_or_zero("generation"), shown(line, "digest").substr(0, 12),
                             line.natural_or_zero("from")));
    console.line(console.paint(Style::warning,
                               "the files are as they were: mend them before the next `cpctl reload` or "
                               "restart, which take what they say"));
    return true;
  });
}

}  // namespace clawpatrol::cpctl
